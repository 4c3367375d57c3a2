//! The scheduler's behaviour vectors (`tests/vectors/schedule.ndjson`): inputs with the answers that Karmada gave.
//!
//! Every case of a group in [`MUST_PASS`] must come out right. Of the other groups, which need what is not built yet, a case may only
//! come out right or be refused as `Unsupported`: a wrong answer fails everywhere.

use flotilla_core::scheduling::batch::answer;
use serde_json::Value;
use std::collections::BTreeMap;

/// Groups that must pass whole.
const MUST_PASS: [&str; 7] = ["affinity", "api", "duplicated", "health", "misc", "static", "taint"];

/// Cases of which the answer is another one on purpose, and why.
const OTHER_ON_PURPOSE: [(&str, &str); 0] = [];

#[test]
fn vectors() {
    let mut groups = BTreeMap::<&str, (usize, usize)>::new();
    let mut wrong = Vec::new();
    let cases: Vec<Value> =
        include_str!("vectors/schedule.ndjson").lines().map(|line| serde_json::from_str(line).expect("a case")).collect();
    for case in &cases {
        let id = case["id"].as_str().expect("an id");
        let group = id.split('/').next().expect("a group");
        let got = answer(&case["in"]);
        let count = groups.entry(group).or_default();
        match difference(case, &got) {
            None => count.0 += 1,
            Some(_) if is_unsupported(&got) && !MUST_PASS.contains(&group) => count.1 += 1,
            Some(_) if OTHER_ON_PURPOSE.iter().any(|(other, _)| *other == id) => count.1 += 1,
            Some(why) => wrong.push(format!("{id}: {why}")),
        }
    }
    for (group, (right, unsupported)) in &groups {
        println!("{group:12} {right:3} right {unsupported:3} not built yet");
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases.len() > 300, "the vectors are there");
}

fn is_unsupported(got: &Value) -> bool {
    got.pointer("/error/class").is_some_and(|class| class == "Unsupported") && got["clustersAfter"] != "cleared"
}

/// What differs from every acceptable answer.
fn difference(case: &Value, got: &Value) -> Option<String> {
    if let Some(class) = case.get("error") {
        let after = &case["out"]["clustersAfter"];
        let is_right = got.pointer("/error/class") == Some(class) && (after.is_null() || *after == got["clustersAfter"]);
        return (!is_right).then(|| format!("want {class} {after}, got {} {}", got["error"], got["clustersAfter"]));
    }
    let acceptable = case.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![case["out"].clone()]);
    let is_right = got.get("error").is_none() && acceptable.iter().any(|want| comparable(want) == comparable(got));
    (!is_right).then(|| format!("want {}, got {got}", case["out"]))
}

/// Clusters with their replicas, the chosen group, and whether anything was decided.
fn comparable(answer: &Value) -> (BTreeMap<String, i64>, String, bool) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let targets = answer["clusters"].as_array().into_iter().flatten();
    let clusters = targets.map(|target| (text(&target["name"]), target["replicas"].as_i64().unwrap_or(0))).collect();
    (clusters, text(&answer["affinityName"]), answer["scheduled"] != false)
}
