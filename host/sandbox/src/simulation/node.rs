//! The nodes of a simulated member: what a kubelet registers. Decides only.

use super::MemberOptions;
use super::action::{Action, Target, to_json};
use super::events::{About, seconds};
use super::kind::{Meta, NODE};
use super::node_faults::NodeFaults;
use super::node_lifecycle;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// The names of the member's nodes.
pub fn names(options: &MemberOptions) -> impl Iterator<Item = String> {
    (1..=options.nodes).map(|number| format!("{}node{number}", options.node_prefix))
}

/// Registers a node.
pub fn create(name: &str) -> Action {
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
            },
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {},
    });
    Action::create(&NODE, &node)
}

/// What a node has, by resource: what all have, but for what was switched.
pub fn offer(options: &MemberOptions, faults: &NodeFaults, name: &str) -> Value {
    let mut offered = json!({
        "cpu": options.cpu, "memory": options.memory, "ephemeral-storage": "1Ti", "pods": options.pods_per_node.to_string(),
    });
    faults.offers(name).for_each(|(resource, amount)| offered[resource] = amount.into());
    offered
}

/// Reports a registered node ready with what it offers, where it is not so reported yet. What others wrote it to offer stays unless it
/// `is_resized`.
pub fn report(node: &Node, number: usize, offered: &Value, is_resized: bool, now: Timestamp) -> Option<Action> {
    let (name, target) = (node.metadata.name(), Target::new(&NODE, &node.metadata));
    let about = About::new(&NODE, &ObjectMeta { resource_version: None, ..node.metadata.clone() });
    let ready = node_lifecycle::condition(node, "Ready");
    if ready.is_none_or(|ready| ready.status != "True") {
        let said = match ready {
            None => about.normal(
                node_lifecycle::COMPONENT,
                "RegisteredNode",
                format!("Node {name} event: Registered Node {name} in Controller"),
            ),
            Some(_) => about.normal("kubelet", "NodeReady", format!("Node {name} status is now: NodeReady")),
        };
        let patch = json!({"status": ready_status(name, number, offered, now)});
        return Some(Action::patch_status(target, patch).saying(said));
    }
    let known = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let is_changed = is_resized && to_json(&known) != *offered;
    is_changed.then(|| Action::patch_status(target, json!({"status": {"capacity": offered, "allocatable": offered}})))
}

fn ready_status(name: &str, number: usize, offered: &Value, now: Timestamp) -> Value {
    let conditions: Vec<Value> = [
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("NetworkUnavailable", "False", "RouteCreated", "RouteController created a route"),
    ]
    .map(|(kind, status, reason, message)| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": seconds(now), "lastTransitionTime": seconds(now),
        })
    })
    .to_vec();
    json!({
        "capacity": offered,
        "allocatable": offered,
        "phase": "Running",
        "conditions": conditions,
        "addresses": [{"type": "InternalIP", "address": address(number)}, {"type": "Hostname", "address": name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": to_json(&k8s_openapi::api::core::v1::NodeSystemInfo::default()),
    })
}

/// The address of the node with this number, from 1: of the range for documentation.
fn address(number: usize) -> String {
    format!("192.0.2.{}", 100 + number % 150)
}
