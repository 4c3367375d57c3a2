//! Plugins that misbehave: each is stopped, told apart by its class, and disturbs nobody.
//!
//! The first line of each `tests/wat/*.wat` says what must come out.

mod support;

use flotilla_api::interpretation::{Health, Interpreter, Operation};
use flotilla_api::object::Object;
use flotilla_interpreter::Chain;
use flotilla_interpreter::package::{COMPONENT_CEILING, Package, digest};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use support::{chain, component, load, load_payload, object, plugin};

fn thing() -> Object {
    object("{apiVersion: tests/v1, kind: Thing, metadata: {name: one, namespace: shop}, spec: {replicas: 1}, status: {phase: Up}}")
}

/// The class of the answer to whichever operation the plugin has, `ok` for an answer.
fn ask(chain: &Chain, operation: Operation) -> String {
    let thing = thing();
    let error = match operation {
        Operation::InterpretReplica => chain.replicas(&thing).err(),
        Operation::InterpretComponent => chain.components(&thing).err(),
        Operation::ReviseReplica => chain.revise(&thing, 3).err(),
        Operation::Retain => chain.retain(&thing, &thing).err(),
        Operation::InterpretStatus => chain.reflect(&thing).err(),
        Operation::AggregateStatus => chain.aggregate(&thing, None).err(),
        Operation::InterpretHealth => chain.health(&thing).err(),
        Operation::InterpretDependency => chain.dependencies(&thing).err(),
    };
    error.map_or_else(|| "ok".to_owned(), |error| error.class.to_string())
}

fn assert_healthy_still_answers() {
    let health = chain(vec![plugin("healthy")]).health(&thing()).expect("an answer").expect("a plugin");
    assert_eq!((health.value, health.by.plugin.as_str()), (Health::Healthy, "healthy"));
}

#[test]
fn each_gets_what_its_first_line_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wat");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|file| file.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let text = support::text(file);
        let first = text.lines().next().expect("a first line");
        let (_, expected) = first.rsplit_once(' ').expect("its last word is what must come out");
        let got = match load(file, "") {
            Err(error) => format!("{} (loading: {error})", error.reason),
            Ok(plugin) if first.contains("loading must") => format!("{} was loaded", plugin.name()),
            Ok(plugin) => {
                let operation = plugin.operations().next().expect("a hook");
                ask(&chain(vec![plugin.into()]), operation)
            }
        };
        if got.split(' ').next() != Some(expected) {
            wrong.push(format!("{file}: {first}, but it is {got}"));
        }
        assert_healthy_still_answers();
    }
    assert!(files.len() > 20 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_deadline_ends_the_call_within_twice_its_time() {
    let plugin = load("deadline", "limits: {deadline: 100ms}").expect("it loads");
    let chain = chain(vec![plugin.into()]);
    let begin = Instant::now();
    let error = chain.health(&thing()).expect_err("it loops");
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_millis(200), "{took:?}");
    assert_eq!(error.message, "plugin `deadline` passed its 100ms deadline in `health`");
}

#[test]
fn many_that_hang_at_once_do_not_exhaust_the_pool() {
    let hanging = chain(vec![load("deadline", "limits: {deadline: 20ms}").expect("it loads").into()]);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..48).map(|_| scope.spawn(|| ask(&hanging, Operation::InterpretHealth))).collect();
        assert_healthy_still_answers();
        assert!(threads.into_iter().all(|thread| thread.join().expect("no panic") == "Deadline"));
    });
}

#[test]
fn messages_name_plugin_hook_and_object() {
    let message = |file: &str| {
        let plugin = plugin(file);
        let operation = plugin.operations().next().expect("a hook");
        match operation {
            Operation::ReviseReplica => chain(vec![plugin]).revise(&thing(), 3).expect_err("an error").message,
            _ => chain(vec![plugin]).health(&thing()).expect_err("an error").message,
        }
    };
    assert_eq!(message("invalid"), "plugin `invalid` rejects Thing shop/one: spec is x");
    assert_eq!(message("failed"), "plugin `failed` failed in `health`: oops");
    assert_eq!(message("memory"), "plugin `memory` needs more than its 32 MiB of memory in `health`");
    assert_eq!(
        message("undeclared-write"),
        "plugin `undeclared-write` gave a bad answer in `revision`: `/metadata/labels/x` is not below a declared write"
    );
    assert!(message("trap").starts_with("plugin `trap` trapped: wasm `unreachable` instruction executed"), "{}", message("trap"));
}

#[track_caller]
fn refused(payload: &[u8], expected: &str, says: &str) {
    let error = load_payload(payload, None, "").err().expect("it is refused");
    assert_eq!(error.reason.to_string(), expected, "{error}");
    assert!(error.message.contains(says), "{error}");
}

#[test]
fn what_is_no_component_is_refused() {
    refused(b"", "BadPayload", "no WebAssembly");
    refused(b"hello", "BadPayload", "no WebAssembly");
    refused(&wat::parse_str("(module)").expect("a module"), "NotAComponent", "flotilla plugin build");
    refused(&wat::parse_str("(component)").expect("a component"), "BadManifest", "give `name`, `version` and `targets`");
    let mut cut = component("healthy");
    cut.truncate(cut.len() - 7);
    refused(&cut, "BadPayload", "damaged");
    refused(&[0x28, 0xB5, 0x2F, 0xFD, 1, 2, 3], "BadPayload", "cannot be unpacked");
}

#[test]
fn a_bomb_is_unpacked_no_further_than_the_limit() {
    let bomb = zstd::encode_all(&vec![0; 4 * COMPONENT_CEILING][..], 1).expect("packed");
    assert!(bomb.len() < COMPONENT_CEILING / 100);
    refused(&bomb, "TooLarge", "larger than 32 MiB");
}

#[test]
fn a_packed_component_loads_when_its_digest_is_right() {
    let plain = component("healthy");
    let packed = zstd::encode_all(&plain[..], 3).expect("packed");
    let plugin = load_payload(&packed, Some(&digest(&plain)), "").expect("it loads");
    assert_eq!(plugin.origin().digest, digest(&plain));
    let wrong = Package::open(&packed, Some(&digest(b"other"))).err().expect("it is refused");
    assert_eq!(wrong.reason.to_string(), "DigestMismatch");
}

/// Identity for components of raw text, which have no section.
const WHO: &str = "{name: raw, version: '1', targets: [tests/v1/Thing]}";

#[track_caller]
fn raw_refused(text: &str, expected: &str, says: &str) {
    let error = load_payload(&wat::parse_str(text).expect("text wasm"), None, WHO).err().expect("it is refused");
    assert_eq!(error.reason.to_string(), expected, "{error}");
    assert!(error.message.contains(says), "{error}");
}

#[test]
fn contracts_that_do_not_fit_are_refused() {
    raw_refused("(component)", "NoHooks", "replicas, components, revision");
    let newer = r#"(component (instance $i) (export "flotilla:interpreter/health@2.1.0" (instance $i)))"#;
    raw_refused(
        newer,
        "ContractTooNew",
        "needs flotilla:interpreter@2.1, this host has 1.0; rebuild with flotilla-sdk 1.x or upgrade to Flotilla 2.1",
    );
    let hollow = r#"(component (instance $i) (export "flotilla:interpreter/health@1.0.0" (instance $i)))"#;
    raw_refused(hollow, "DeclareFailed", "no function `declare`");
    let wanting = r#"(component (import "flotilla:interpreter/host@1.3.0" (instance (export "weather" (func)))))"#;
    raw_refused(
        &format!("{} (instance $i) (export \"flotilla:interpreter/health@1.0.0\" (instance $i)))", &wanting[..wanting.len() - 1]),
        "DeclareFailed",
        "declare",
    );
    let invalid = r#"(component (core module (func (result i32))))"#;
    raw_refused(invalid, "CompileFailed", "rebuild it");
}

#[test]
fn the_imports_of_a_component_are_told() {
    let imports = |file: &str| Package::open(&component(file), None).expect("a component").imports().expect("it can be read");
    assert!(imports("picky").contains(&"flotilla:interpreter/host@1.0.0".to_owned()));
    assert!(imports("wasi").contains(&"wasi:random/random@0.2.3".to_owned()));
}

#[test]
fn thousands_of_exports_are_no_hooks() {
    let exports: String = (0..5_000).map(|number| format!("(export \"t{number}\" (type $t))")).collect();
    raw_refused(&format!("(component (type $t string) {exports})"), "NoHooks", "exports none");
}

#[test]
fn settings_that_a_plugin_does_not_accept_are_refused() {
    let error = load("picky", "settings: {colour: blue}").err().expect("it is refused");
    assert_eq!(error.reason.to_string(), "BadSettings");
    assert!(error.message.contains("no settings, please"), "{error}");
}

#[test]
fn what_a_plugin_says_before_it_traps_is_told() {
    let error = load("last-words", "").err().expect("it traps");
    assert!(error.message.contains(", saying `oh`"), "{error}");
}

#[test]
fn what_manifest_and_component_say_must_fit() {
    let reason = |file: &str, manifest: &str| load(file, manifest).err().expect("it is refused").reason.to_string();
    assert_eq!(reason("healthy", "match: {targets: [apps/v1/Deployment]}"), "TargetNotDeclared");
    assert_eq!(reason("healthy", "name: other"), "BadManifest");
    assert_eq!(reason("healthy", "targets: [tests/v1/Thing]"), "BadManifest");
    assert_eq!(reason("healthy", "hooks: [replicas]"), "BadManifest");
    assert_eq!(reason("healthy", "limits: {memory: 64Ki}"), "TooLarge");
}

#[test]
fn a_component_without_a_section_is_named_by_its_manifest() {
    let nameless = support::component_of(&support::text("healthy"), "");
    let plugin = load_payload(&nameless, None, WHO).expect("it loads");
    assert_eq!((plugin.name(), plugin.targets()[0].kind.as_str()), ("raw", "Thing"));
}

#[test]
fn the_time_is_told_and_not_remembered() {
    let plugin = plugin("now");
    let chain = chain(vec![plugin.clone()]);
    for _ in 0..2 {
        let told = chain.health(&thing()).expect("an answer").expect("a plugin").value;
        let Health::Unhealthy(time) = told else { panic!("{told:?}") };
        assert!(time.len() == 20 && time.ends_with('Z') && !time.contains('.'), "{time}");
    }
    assert_eq!(plugin.counters().calls(Operation::InterpretHealth), 2);
}

#[test]
fn an_unchanged_projection_is_not_asked_again() {
    let plugin = plugin("healthy");
    let chain = chain(vec![plugin.clone()]);
    let mut thing = thing();
    chain.health(&thing).expect("an answer");
    thing.set_label("edited", "yes");
    thing.0["spec"]["replicas"] = json!(7);
    chain.health(&thing).expect("an answer");
    assert_eq!(plugin.counters().calls(Operation::InterpretHealth), 1, "only the status is read");
    thing.0["status"]["phase"] = json!("Down");
    chain.health(&thing).expect("an answer");
    assert_eq!(plugin.counters().calls(Operation::InterpretHealth), 2);
}
