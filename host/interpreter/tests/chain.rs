//! Which layer answers, and what becomes of what a plugin said.

mod support;

use flotilla_api::interpretation::{Answer, ErrorClass, HookError, Interpreter, Layer, Operation};
use flotilla_api::object::Object;
use flotilla_interpreter::layers::Waiting;
use flotilla_interpreter::manifest::{Manifest, Scope};
use flotilla_interpreter::{Chain, Plugin, batch};
use serde_json::{Value, json};
use std::sync::Arc;
use support::{chain, component_of, load_payload, object, plugin, runtime, text};

fn thing() -> Object {
    object("{apiVersion: tests/v1, kind: Thing, metadata: {name: one, namespace: shop, labels: {tier: web}}, status: {phase: Up}}")
}

/// The plugin of `file` under another name, for other targets, with a manifest.
fn renamed(file: &str, name: &str, target: &str, manifest: &str) -> Arc<Plugin> {
    let identity = json!({"name": name, "version": "1.0.0", "targets": [target]}).to_string();
    Arc::new(load_payload(&component_of(&text(file), &identity), None, manifest).expect(name))
}

fn who<T>(asked: Result<Option<Answer<T>>, HookError>) -> String {
    match asked {
        Ok(Some(answer)) => answer.by.plugin.clone(),
        Ok(None) => "nobody".to_owned(),
        Err(error) => error.class.to_string(),
    }
}

#[test]
fn the_generic_default_carries_the_whole_status() {
    let chain = chain(Vec::new());
    let answer = chain.reflect(&thing()).expect("an answer").expect("the default");
    assert_eq!((answer.value, answer.by.layer), (Some(json!({"phase": "Up"})), Layer::Generic));
    let of = |status: &str| chain.reflect(&object(&format!("{{apiVersion: v1, kind: X, metadata: {{name: n}}{status}}}")));
    assert_eq!(of("").expect("an answer").expect("the default").value, None);
    assert_eq!(of(", status: {}").expect("an answer").expect("the default").value, Some(json!({})));
    for wrong in [", status: text", ", status: null", ", status: [1]"] {
        assert_eq!(of(wrong).expect_err(wrong).class, ErrorClass::InvalidObject);
    }
}

#[test]
fn nobody_answers_for_an_unknown_kind() {
    let chain = chain(vec![plugin("healthy")]);
    let other = object("{apiVersion: tests/v2, kind: Thing, metadata: {name: n}}");
    assert_eq!(who(chain.health(&other)), "nobody");
    assert_eq!(who(chain.replicas(&thing())), "nobody", "the plugin has no such hook");
    let supported = |operation| chain.is_supported(&thing(), operation).expect("an answer");
    assert!(supported(Operation::InterpretHealth) && supported(Operation::InterpretStatus) && !supported(Operation::Retain));
}

#[test]
fn loaded_plugins_answer_before_built_in_ones() {
    let built_in = Chain::new(runtime(), vec![plugin("healthy")]);
    let loaded = |file: &str| built_in.with_loaded(vec![renamed(file, "mine", "tests/v1/Thing", "")], Vec::new());
    assert_eq!(who(built_in.health(&thing())), "healthy");
    assert_eq!(who(loaded("healthy").health(&thing())), "mine");
    assert_eq!(who(loaded("trap").health(&thing())), "Trap", "an error is final");
    assert_eq!(who(loaded("not-json").health(&thing())), "healthy", "it has no such hook");
}

#[test]
fn higher_priority_is_asked_first() {
    let low = renamed("healthy", "low", "tests/v1/Thing", "priority: 1");
    let high = renamed("healthy", "high", "tests/v1/Thing", "priority: 2");
    assert_eq!(who(chain(vec![low.clone(), high.clone()]).health(&thing())), "high");
    assert_eq!(who(chain(vec![high, low]).health(&thing())), "high");
}

#[test]
fn a_match_narrows_what_a_plugin_is_asked_about() {
    let answers = |rule: &str| who(chain(vec![renamed("healthy", "p", "tests/v1/Thing", &format!("match: {rule}"))]).health(&thing()));
    assert_eq!(answers("{namespaces: [shop]}"), "p");
    assert_eq!(answers("{namespaces: ['team-*']}"), "nobody");
    assert_eq!(answers("{labelSelector: {matchLabels: {tier: web}}}"), "p");
    assert_eq!(answers("{labelSelector: {matchLabels: {tier: db}}}"), "nobody");
}

#[test]
fn a_plugin_for_one_served_version_answers_for_all() {
    let exact = chain(vec![renamed("healthy", "p", "tests/v1/Thing", "")]);
    let served = exact.with_served_versions(Arc::new(|group, kind| match (group, kind) {
        ("tests", "Thing") => vec!["v1".to_owned(), "v1beta1".to_owned()],
        _ => Vec::new(),
    }));
    let beta = object("{apiVersion: tests/v1beta1, kind: Thing, metadata: {name: n}}");
    let gone = object("{apiVersion: tests/v0, kind: Thing, metadata: {name: n}}");
    assert_eq!(who(exact.health(&beta)), "nobody");
    assert_eq!(who(served.health(&beta)), "p");
    assert_eq!(who(served.health(&gone)), "nobody");
}

#[test]
fn what_waits_for_a_plugin_is_answered_by_nobody_else() {
    let waiting = |priority, operations| Waiting {
        plugin: "mine".to_owned(),
        targets: vec![flotilla_api::object::GroupVersionKind::new("tests/v1", "Thing")],
        scope: Scope::default(),
        operations,
        priority,
        why: "it is being compiled".to_owned(),
    };
    let built_in = Chain::new(runtime(), vec![plugin("healthy")]);
    let held = built_in.with_loaded(Vec::new(), vec![waiting(0, None)]);
    let error = held.health(&thing()).expect_err("it waits");
    assert_eq!(error.class, ErrorClass::NotLoaded);
    assert_eq!(error.message, "Thing shop/one: plugin `mine` is not loaded, `health` waits for it: it is being compiled");
    assert_eq!(who(held.reflect(&thing())), "NotLoaded", "not even the generic default");
    assert!(held.is_supported(&thing(), Operation::Retain).is_err());
    let other_hook = built_in.with_loaded(Vec::new(), vec![waiting(0, Some(vec![Operation::Retain]))]);
    assert_eq!(who(other_hook.health(&thing())), "healthy");
    let outranked = built_in.with_loaded(vec![renamed("healthy", "high", "tests/v1/Thing", "priority: 5")], vec![waiting(0, None)]);
    assert_eq!(who(outranked.health(&thing())), "high");
}

#[test]
fn an_incomplete_chain_answers_nothing() {
    let chain = chain(vec![plugin("healthy")]);
    assert_eq!(who(chain.complete(false).health(&thing())), "NotLoaded");
    assert_eq!(who(chain.complete(false).reflect(&thing())), "NotLoaded");
    assert_eq!(who(chain.complete(true).health(&thing())), "healthy");
}

fn line(request: Value) -> Value {
    batch::answer(&chain(vec![plugin("healthy"), plugin("now")]), &json!({"request": request}).to_string())
}

#[test]
fn batch_lines_are_answered_or_refused_by_class() {
    let thing = thing();
    assert_eq!(line(json!({"operation": "InterpretHealth", "object": thing})), json!({"healthy": true}));
    assert_eq!(line(json!({"operation": "interpretstatus", "object": thing})), json!({"rawStatus": {"phase": "Up"}}));
    let class = |answer: Value| answer["error"]["class"].as_str().expect("an error").to_owned();
    assert_eq!(class(line(json!({"operation": "InterpretReplica", "object": thing}))), "NoInterpreter");
    assert_eq!(class(line(json!({"operation": "Prune", "object": thing}))), "BadRequest");
    assert_eq!(class(line(json!({"operation": "InterpretHealth", "object": 5}))), "BadRequest");
    assert_eq!(class(line(json!({"operation": "Retain", "object": thing}))), "BadRequest");
    assert_eq!(class(batch::answer(&chain(Vec::new()), "{")), "BadRequest");
}

#[test]
fn limits_of_a_manifest_hold() {
    let manifest = Manifest::parse("limits: {deadline: 20ms, memory: 1Mi, output: 1Ki}").expect("a manifest");
    assert_eq!(manifest.limits.output, 1024);
    let plugin = load_payload(&support::component("memory"), None, "limits: {memory: 1Mi}").expect("it loads");
    let error = chain(vec![plugin.into()]).health(&thing()).expect_err("it grows");
    assert_eq!(error.message, "plugin `memory` needs more than its 1 MiB of memory in `health`");
}
