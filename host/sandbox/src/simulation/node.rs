//! The nodes of a simulated member: what a kubelet registers. Decides only.

use super::MemberOptions;
use super::action::{Action, Target, to_json};
use super::events::{About, seconds};
use super::kind::NODE;
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

/// Reports a registered node ready, where it is not so reported yet.
pub fn report(node: &Node, number: usize, options: &MemberOptions, now: Timestamp) -> Option<Action> {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    if conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True") {
        return None;
    }
    let name = node.metadata.name.as_deref().unwrap_or("");
    let message = format!("Node {name} event: Registered Node {name} in Controller");
    let about = About::new(&NODE, &ObjectMeta { resource_version: None, ..node.metadata.clone() });
    let patch = json!({"status": ready_status(name, number, options, now)});
    Some(Action::patch_status(Target::new(&NODE, &node.metadata), patch).saying(about.normal("node-controller", "RegisteredNode", message)))
}

fn ready_status(name: &str, number: usize, options: &MemberOptions, now: Timestamp) -> Value {
    let resources = json!({
        "cpu": options.cpu, "memory": options.memory, "ephemeral-storage": "1Ti", "pods": options.pods_per_node.to_string(),
    });
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
        "capacity": resources,
        "allocatable": resources,
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
