//! Plugins come and go: a good one is never lost to a bad one, and nobody answers for one that is not there.

mod support;

use flotilla_api::interpretation::{Interpreter, Operation};
use flotilla_api::object::Object;
use flotilla_interpreter::package::digest;
use flotilla_interpreter::{Chain, LoadOutcome, PluginStore, Source};
use serde_json::json;
use std::fs;
use support::{component_of, object, plugin, runtime, text};

fn store() -> PluginStore {
    PluginStore::new(Chain::new(runtime(), vec![plugin("healthy")]))
}

fn thing() -> Object {
    object("{apiVersion: tests/v1, kind: Thing, metadata: {name: one, namespace: shop}, status: {phase: Up}}")
}

/// A component from a `.wat` file under a name and version.
fn build(file: &str, name: &str, version: &str) -> Vec<u8> {
    component_of(&text(file), &json!({"name": name, "version": version, "targets": ["tests/v1/Thing"]}).to_string())
}

/// A ConfigMap that holds a plugin.
fn config_map(name: &str, component: &[u8], manifest: &str) -> Object {
    use base64::Engine as _;
    let payload = base64::prelude::BASE64_STANDARD.encode(zstd::encode_all(component, 3).expect("packed"));
    Object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "flotilla-system", "annotations": {"plugin.flotilla.io/digest": digest(component)}},
        "data": {"plugin.yaml": manifest},
        "binaryData": {"plugin.wasm.zst": payload},
    }))
}

fn shown(outcome: &LoadOutcome) -> String {
    match outcome {
        LoadOutcome::Loaded { plugin, version, serving, .. } => format!("{plugin} {version}{}", if *serving { " serves" } else { "" }),
        LoadOutcome::Refused(error) => error.reason.to_string(),
    }
}

/// Name and version of who says that the thing is well; the class when nobody may.
fn who(store: &PluginStore) -> String {
    match store.health(&thing()) {
        Ok(Some(answer)) => format!("{} {}", answer.by.plugin, answer.by.version),
        Ok(None) => "nobody".to_owned(),
        Err(error) => error.class.to_string(),
    }
}

#[test]
fn the_highest_version_that_loads_serves() {
    let store = store();
    let apply = |name: &str, component: &[u8]| shown(&store.apply_config_map(&config_map(name, component, "")));
    assert_eq!(apply("p-2", &build("healthy", "p", "0.2.0")), "p 0.2.0 serves");
    assert_eq!(apply("p-1", &build("healthy", "p", "0.1.0")), "p 0.1.0");
    assert_eq!(who(&store), "p 0.2.0");
    assert_eq!(apply("p-10", &build("healthy", "p", "0.10.0")), "p 0.10.0 serves");
    assert_eq!(apply("p-11", &build("declare-loops", "p", "0.11.0")), "DeclareFailed");
    assert_eq!(who(&store), "p 0.10.0", "a bad release never replaces a good one");
    store.remove_config_map("flotilla-system", "p-10");
    assert_eq!(who(&store), "p 0.2.0", "rolling back is deleting the new one");
    store.remove_config_map("flotilla-system", "p-2");
    store.remove_config_map("flotilla-system", "p-1");
    assert_eq!(who(&store), "NotLoaded", "0.11.0 is known and serves nobody");
    store.remove_config_map("flotilla-system", "p-11");
    assert_eq!(who(&store), "healthy 1.0.0");
}

#[test]
fn a_config_map_that_is_changed_for_the_worse_keeps_what_it_held() {
    let store = store();
    store.apply_config_map(&config_map("p", &build("healthy", "p", "1.0.0"), ""));
    assert_eq!(shown(&store.apply_config_map(&config_map("p", b"rubbish", ""))), "BadPayload");
    assert_eq!(who(&store), "p 1.0.0");
    assert_eq!(shown(&store.apply_config_map(&config_map("p", &build("healthy", "p", "1.0.0"), "colour: blue"))), "BadManifest");
    assert_eq!(who(&store), "p 1.0.0");
    assert_eq!(shown(&store.apply_config_map(&config_map("p", &build("healthy", "p", "2.0.0"), ""))), "p 2.0.0 serves");
    assert_eq!(who(&store), "p 2.0.0");
}

#[test]
fn a_plugin_that_never_loaded_holds_its_objects() {
    let store = store();
    let broken = config_map("p", &build("bad-declare", "p", "1.0.0"), "hooks: [health]");
    assert_eq!(shown(&store.apply_config_map(&broken)), "DeclareFailed");
    let error = store.health(&thing()).expect_err("it is known, and not loaded");
    assert!(
        error.message.contains("plugin `p` is not loaded") && error.message.contains("`declare` of hook `health`"),
        "{}",
        error.message
    );
    assert!(store.reflect(&thing()).is_ok(), "the manifest says that it would not answer this");
}

#[test]
fn a_tie_is_refused_and_the_first_goes_on() {
    let store = store();
    assert_eq!(shown(&store.apply_config_map(&config_map("b", &build("healthy", "b", "1.0.0"), "priority: 7"))), "b 1.0.0 serves");
    let mut later = config_map("a", &build("healthy", "a", "1.0.0"), "priority: 7");
    later.0["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(shown(&store.apply_config_map(&later)), "PriorityClash");
    assert_eq!(who(&store), "b 1.0.0");
    assert_eq!(shown(&store.apply_config_map(&config_map("c", &build("healthy", "c", "1.0.0"), "priority: 8"))), "c 1.0.0 serves");
    assert_eq!(who(&store), "c 1.0.0");
    store.remove_config_map("flotilla-system", "c");
    store.remove_config_map("flotilla-system", "b");
    assert_eq!(who(&store), "a 1.0.0", "nothing is in its way any more");
    let outcomes: Vec<String> = store.outcomes().iter().map(|(_, outcome)| shown(outcome)).collect();
    assert_eq!(outcomes, ["a 1.0.0 serves"]);
}

#[test]
fn what_a_config_map_holds_is_checked() {
    let store = store();
    let good = config_map("p", &build("healthy", "p", "1.0.0"), "");
    let reason = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = good.clone();
        change(&mut changed.0);
        shown(&store.apply_config_map(&changed))
    };
    assert_eq!(reason(&|map| map["metadata"]["annotations"]["plugin.flotilla.io/digest"] = json!("sha256:00")), "DigestMismatch");
    assert_eq!(reason(&|map| map["binaryData"] = json!({})), "PayloadMissing");
    assert_eq!(reason(&|map| map["binaryData"] = json!({"plugin.wasm": "%"})), "BadPayload");
    assert_eq!(reason(&|map| map["binaryData"] = json!({"plugin.wsm": ""})), "BadManifest");
    assert_eq!(reason(&|map| map["data"]["plugin.yaml"] = json!("source: oci://x")), "BadManifest");
    assert_eq!(reason(&|map| map["data"]["cases.yaml"] = json!("")), "SmokeFailed");
}

#[test]
fn cases_that_come_with_a_plugin_must_pass() {
    let store = store();
    let with_case = |healthy: bool| {
        let mut map = config_map("p", &build("healthy", "p", "1.0.0"), "");
        let case = json!({"name": "well", "operation": "InterpretHealth", "observedObj": thing(), "output": {"healthy": healthy}});
        map.0["data"]["cases.yaml"] = json!(case.to_string());
        shown(&store.apply_config_map(&map))
    };
    assert_eq!(with_case(false), "SmokeFailed");
    assert_eq!(with_case(true), "p 1.0.0 serves");
}

#[test]
fn an_unchanged_config_map_is_not_loaded_again() {
    let store = store();
    let map = config_map("p", &build("healthy", "p", "1.0.0"), "");
    store.apply_config_map(&map);
    let before = store.chain().plugin_for(&thing(), Operation::InterpretHealth).expect("an answer").expect("a plugin");
    store.apply_config_map(&map);
    let after = store.chain().plugin_for(&thing(), Operation::InterpretHealth).expect("an answer").expect("a plugin");
    assert!(std::sync::Arc::ptr_eq(&before, &after));
}

#[test]
fn nothing_is_answered_before_all_plugins_were_seen() {
    let store = store();
    store.complete(false);
    assert_eq!(who(&store), "NotLoaded");
    store.apply_config_map(&config_map("p", &build("healthy", "p", "1.0.0"), ""));
    assert_eq!(who(&store), "NotLoaded");
    store.complete(true);
    assert_eq!(who(&store), "p 1.0.0");
}

#[test]
fn a_folder_is_read_again() {
    let store = store();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    fs::write(file("p.wasm"), build("healthy", "p", "1.0.0")).expect("written");
    fs::write(file("p.yaml"), "priority: 3").expect("written");
    fs::write(file("notes.txt"), "not a plugin").expect("written");
    let reload = || {
        let outcomes = store.reload_folder(folder.path()).expect("the folder is there");
        outcomes.iter().map(|(_, outcome)| shown(outcome)).collect::<Vec<_>>()
    };
    assert_eq!(reload(), ["p 1.0.0 serves"]);
    assert_eq!(store.chain().plugins()[0].priority(), 3);
    fs::write(file("p.wasm"), build("trap", "p", "1.1.0")).expect("written");
    assert_eq!((reload(), who(&store)), (vec!["p 1.1.0 serves".to_owned()], "Trap".to_owned()));
    fs::write(file("p.wasm"), "half written").expect("written");
    assert_eq!((reload(), who(&store)), (vec!["BadPayload".to_owned()], "Trap".to_owned()), "the last good one stays");
    fs::remove_file(file("p.wasm")).expect("removed");
    assert_eq!((reload().len(), who(&store)), (0, "healthy 1.0.0".to_owned()));
    assert!(store.reload_folder(&file("missing")).is_err());
}

#[test]
fn a_running_call_is_not_disturbed_by_a_reload() {
    let store = store();
    store.apply_config_map(&config_map("p", &build("deadline", "p", "1.0.0"), "limits: {deadline: 100ms}"));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| who(&store));
        while store.chain().plugins()[0].counters().calls(Operation::InterpretHealth) == 0 && !running.is_finished() {
            store.remove_config_map("flotilla-system", "p");
            store.apply_config_map(&config_map("p", &build("deadline", "p", "1.0.0"), "limits: {deadline: 100ms}"));
        }
        let answer = running.join().expect("no panic");
        assert!(["Deadline", "healthy 1.0.0", "NotLoaded"].contains(&answer.as_str()), "{answer}");
    });
}

#[test]
fn sources_are_named() {
    let source = Source::ConfigMap { namespace: "flotilla-system".to_owned(), name: "p".to_owned() };
    assert_eq!(source.to_string(), "ConfigMap flotilla-system/p");
}
