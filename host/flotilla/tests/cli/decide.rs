//! `flotilla decide`.

use crate::flotilla_on;
use serde_json::{Value, json};

fn policy() -> Value {
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"propagationpolicy.karmada.io/permanent-id": "5c1e"}},
        "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"}], "placement": {}},
    })
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": 2}})
}

#[test]
fn matching_names_the_policy() {
    let question = json!({"object": deployment(), "policies": [policy()]}).to_string();
    let answer = flotilla_on(&["decide", "match", "-f", "-", "-o", "json"], question.as_bytes()).done().json();
    assert_eq!(answer["policy"]["name"], "web");
    assert!(flotilla_on(&["decide", "match", "-f", "-"], question.as_bytes()).done().out.contains("name: web"));
}

#[test]
fn overriding_gives_the_object_of_the_cluster() {
    let overriders = json!({"annotationsOverrider": [{"operator": "add", "value": {"seen": "yes"}}]});
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "OverridePolicy", "metadata": {"name": "o", "namespace": "shop"},
        "spec": {"overrideRules": [{"overriders": overriders}]},
    });
    let cluster =
        json!({"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "m1"}, "spec": {"syncMode": "Push"}});
    let question = json!({"object": deployment(), "cluster": cluster, "overridePolicies": [policy]}).to_string();
    let answer = flotilla_on(&["decide", "override", "-f", "-", "-o", "json"], question.as_bytes()).done().json();
    assert_eq!(answer["object"]["metadata"]["annotations"]["seen"], "yes");
}

#[test]
fn a_decision_that_is_an_error_is_a_negative_result() {
    let ran = flotilla_on(&["decide", "schedule", "-f", "-", "-o", "json"], b"{\"binding\": 5}");
    assert_eq!((ran.code, &ran.json()["error"]["class"]), (1, &json!("InvalidObject")), "{ran:#?}");
    flotilla_on(&["decide", "match", "-f", "-"], b"a: [").fails(2, "error: `-` is neither YAML nor JSON");
}

#[test]
fn lines_are_answered_in_order() {
    let lines = format!("{}\nnot JSON\n{}\n", json!({"object": deployment(), "policies": [policy()]}), json!({"object": deployment()}));
    let ran = flotilla_on(&["decide", "match", "--batch"], lines.as_bytes());
    let answers: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(ran.code, 2);
    assert_eq!(answers[0]["policy"]["name"], "web");
    assert_eq!(answers[1]["error"]["class"], "BadRequest");
    assert_eq!(answers[2]["policy"], Value::Null);
}
