//! The built-in plugins against the recorded behaviour of Karmada, through the real chain as `flotilla interpret --batch` asks it.

mod support;

use flotilla_api::object::Object;
use flotilla_interpreter::{Chain, batch};
use serde_json::Value;

/// Kinds for which nobody but the generic default answers, by the first part of their case ids.
const GENERIC: [&str; 8] = ["cm", "ns", "rollout", "argorollout", "kruiserollout", "extdeploy", "hpa-v2beta2", "advsts-v1alpha1"];

fn cases() -> Vec<Value> {
    let path = support::root().join("tests/vectors/interpret.ndjson");
    let text = std::fs::read_to_string(&path).expect("the vectors are in the checkout");
    text.lines().map(|line| serde_json::from_str(line).expect("a case in JSON")).collect()
}

/// Where Karmada is wrong and we are not: numbers that wrap or lose digits, states that are negative or of another type, fields that are
/// refused though nobody needs them, and no dependencies told as an error. `docs/compatibility.md` gives the reasons one by one.
const DEVIATIONS: [&str; 13] = [
    "*/InterpretReplica/replicas-over32",
    "*/InterpretReplica/replicas-over53",
    "*/InterpretReplica/replicas-negative",
    "*/AggregateStatus/num-overflow",
    "*/AggregateStatus/*old-status*",
    "*/InterpretStatus/num-over53",
    "deploy/InterpretHealth/num-string",
    "deploy/InterpretHealth/conds-string",
    "cloneset/ReviseReplica/big-numbers",
    "cloneset/AggregateStatus/status-*",
    "cloneset/InterpretStatus/string",
    "cloneset/InterpretStatus/list",
    "cloneset/InterpretDependency/*",
];

fn is_listed(id: &str) -> bool {
    DEVIATIONS.iter().any(|pattern| {
        let (mut id, mut first) = (id, true);
        pattern.split('*').all(|part| {
            let found = if first { id.starts_with(part).then_some(0) } else { id.find(part) };
            first = false;
            found.is_some_and(|at| {
                id = &id[at + part.len()..];
                true
            })
        }) && (pattern.ends_with('*') || id.is_empty())
    })
}

/// Whether this checkout should know the answer: a built-in plugin is for the kind, or nobody in Karmada answers specially.
fn is_ours(chain: &Chain, case: &Value) -> bool {
    let object = Object(case["in"]["request"]["object"].clone());
    let family = case["id"].as_str().and_then(|id| id.split('/').next()).expect("an id has parts");
    let gvk = object.gvk();
    case["error"] == "NoInterpreter" || GENERIC.contains(&family) || chain.plugins().iter().any(|plugin| plugin.targets().contains(&gvk))
}

#[test]
fn the_built_in_plugins_answer_as_karmada_does() {
    let chain = Chain::new(support::runtime(), support::built_in());
    let only = std::env::var("CASES").unwrap_or_default();
    let (mut failed, mut passed, mut listed) = (Vec::new(), 0, 0);
    for case in cases().iter().filter(|case| is_ours(&chain, case)) {
        let id = case["id"].as_str().expect("an id");
        if !id.contains(&only) {
            continue;
        }
        let answer = batch::answer(&chain, &case["in"].to_string());
        match support::compare::judge(case, &answer) {
            Ok(()) => passed += 1,
            Err(_) if is_listed(id) => listed += 1,
            Err(why) => failed.push(format!("{id}: {why}")),
        }
    }
    assert!(passed > 0, "no case was asked");
    assert!(failed.is_empty(), "{} failed, {listed} listed, {passed} passed\n{}", failed.len(), failed.join("\n"));
}
