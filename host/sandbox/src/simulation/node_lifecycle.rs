//! What becomes of a node that reports nothing: its conditions are unknown, it is tainted, its pods are not ready. Taints say what the
//! conditions of a node and its being cordoned mean for pods; they go with their reason. Decides only.
//!
//! A real node controller waits 40 s for a report; this one is told.

use super::action::{Action, Target, to_json};
use super::events::{About, seconds};
use super::kind::{Meta, NODE, POD};
use super::pods;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "node-controller";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// What a condition that is true means for pods that are not there yet.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// One of the node's conditions.
pub fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// Whether the node is ready, or has never said whether it is.
pub fn is_well(node: &Node) -> bool {
    condition(node, "Ready").is_none_or(|ready| ready.status == "True")
}

/// What to do about a node and its pods.
pub fn reconcile<'a>(node: &Node, is_lost: bool, its: impl Iterator<Item = &'a Arc<Pod>>, now: Timestamp) -> Vec<Action> {
    let mut actions = Vec::new();
    if is_lost && condition(node, "Ready").is_some_and(|ready| ready.status != "Unknown") {
        actions.push(lose(node, now));
    }
    actions.extend(taint(node, now));
    if !is_well(node) {
        actions.extend(its.filter(|pod| pods::is_ready(pod)).map(|pod| unready(pod, now)));
    }
    actions
}

/// Nothing that the kubelet said holds any longer.
fn lose(node: &Node, now: Timestamp) -> Action {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions: Vec<Value> = conditions.into_iter().flatten().map(to_json).collect();
    let by_kubelet = |condition: &&mut Value| condition["type"] != "NetworkUnavailable";
    for condition in conditions.iter_mut().filter(by_kubelet) {
        condition["status"] = "Unknown".into();
        condition["reason"] = "NodeStatusUnknown".into();
        condition["message"] = "Kubelet stopped posting node status.".into();
        condition["lastTransitionTime"] = json!(seconds(now));
    }
    let about = About::new(&NODE, &ObjectMeta { resource_version: None, ..node.metadata.clone() });
    let said = about.normal(COMPONENT, "NodeNotReady", format!("Node {} status is now: NodeNotReady", node.metadata.name()));
    Action::patch_status(Target::new(&NODE, &node.metadata), json!({"status": {"conditions": conditions}})).saying(said)
}

/// Gives a node the taints that it should have and takes those away that it should not; others are left alone.
fn taint(node: &Node, now: Timestamp) -> Option<Action> {
    let known: &[Taint] = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let wanted = wanted_taints(node);
    let is_ours = |taint: &Taint| {
        let pressures = PRESSURES.iter().map(|(_, key)| *key);
        [UNREACHABLE, NOT_READY, UNSCHEDULABLE].into_iter().chain(pressures).any(|key| key == taint.key)
    };
    let is_wanted = |taint: &Taint| wanted.contains(&(taint.key.as_str(), taint.effect.as_str()));
    let mut taints: Vec<Value> = known.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).map(to_json).collect();
    let is_known = |key: &str, effect: &str| known.iter().any(|taint| taint.key == key && taint.effect == effect);
    let missing = wanted.iter().filter(|(key, effect)| !is_known(key, effect));
    taints.extend(missing.map(|(key, effect)| json!({"key": key, "effect": effect, "timeAdded": seconds(now)})));
    let is_changed = taints.len() != known.len() || known.iter().any(|taint| is_ours(taint) && !is_wanted(taint));
    // Of this revision: a taint that somebody adds meanwhile is not taken away.
    let patch = json!({"metadata": {"resourceVersion": node.metadata.resource_version}, "spec": {"taints": taints}});
    is_changed.then(|| Action::patch(Target::new(&NODE, &node.metadata), patch))
}

fn wanted_taints(node: &Node) -> Vec<(&'static str, &'static str)> {
    let is_true = |kind: &str| condition(node, kind).is_some_and(|condition| condition.status == "True");
    let mut wanted: Vec<_> = PRESSURES.into_iter().filter(|(kind, _)| is_true(kind)).map(|(_, key)| (key, "NoSchedule")).collect();
    if node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true)) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    match condition(node, "Ready").map(|ready| ready.status.as_str()) {
        Some("Unknown") => wanted.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        Some("False") => wanted.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        _ => {}
    }
    wanted
}

/// Nobody knows whether a pod of such a node is ready: it does not count as such.
fn unready(pod: &Pod, now: Timestamp) -> Action {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions: Vec<Value> = conditions.into_iter().flatten().map(to_json).collect();
    for ready in conditions.iter_mut().filter(|condition| condition["type"] == "Ready") {
        ready["status"] = "False".into();
        ready["lastTransitionTime"] = json!(seconds(now));
    }
    let said = About::new(&POD, &pod.metadata).warning(COMPONENT, "NodeNotReady", "Node is not ready");
    Action::patch_status(Target::new(&POD, &pod.metadata), json!({"status": {"conditions": conditions}})).saying(said)
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::{pod, yaml};
    use super::*;

    fn after(node: &Value, is_lost: bool, pods: &[Arc<Pod>]) -> (Value, Vec<Value>) {
        let seen: Node = serde_json::from_value(node.clone()).unwrap();
        let (mut node, mut others) = (node.clone(), Vec::new());
        for action in reconcile(&seen, is_lost, pods.iter(), "2026-01-01T00:00:40Z".parse().unwrap()) {
            match action.request {
                Request::Patch { target, patch, .. } if target.kind == &NODE => json_patch::merge(&mut node, &patch),
                Request::Patch { patch, .. } => others.push(patch),
                other => panic!("{other:?}"),
            }
        }
        (node, others)
    }

    fn taints(node: &Value) -> Vec<String> {
        let taints = node["spec"]["taints"].as_array().into_iter().flatten();
        taints.map(|taint| format!("{} {}", taint["key"].as_str().unwrap(), taint["effect"].as_str().unwrap())).collect()
    }

    #[test]
    fn a_lost_node_is_unknown_and_tainted_until_it_reports() {
        let node = yaml(
            "{metadata: {name: a}, spec: {taints: [{key: mine, effect: NoSchedule}]}, status: {conditions: [{type: Ready, status: 'True'}, \
             {type: NetworkUnavailable, status: 'False'}]}}",
        );
        assert_eq!(after(&node, false, &[]), (node.clone(), vec![]));
        let (lost, _) = after(&node, true, &[]);
        let conditions = &lost["status"]["conditions"];
        assert_eq!((&conditions[0]["status"], &conditions[1]["status"]), (&json!("Unknown"), &json!("False")));
        let (mut tainted, unready) = after(&lost, true, &[Arc::new(pod("p: ready")), Arc::new(pod("q:"))]);
        let expected = ["mine NoSchedule", "node.kubernetes.io/unreachable NoSchedule", "node.kubernetes.io/unreachable NoExecute"];
        assert_eq!(taints(&tainted), expected);
        assert_eq!(unready.len(), 1);
        assert_eq!(unready[0]["status"]["conditions"][0]["status"], "False");
        assert_eq!(after(&tainted, true, &[]), (tainted.clone(), vec![]));
        tainted["status"]["conditions"][0]["status"] = json!("True");
        assert_eq!(taints(&after(&tainted, false, &[]).0), ["mine NoSchedule"]);
    }

    #[test]
    fn a_cordoned_node_is_tainted() {
        let node = yaml("{metadata: {name: a}, spec: {unschedulable: true}}");
        let (mut node, _) = after(&node, false, &[]);
        assert_eq!(taints(&node), ["node.kubernetes.io/unschedulable NoSchedule"]);
        node["spec"]["unschedulable"] = Value::Null;
        assert_eq!(taints(&after(&node, false, &[]).0), Vec::<String>::new());
    }
}
