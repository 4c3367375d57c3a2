//! `kubectl get` of nodes, namespaces, events, and of the small kinds that limit, scale and rank others.

use super::{AGE, NAME, Printer, age, column, count, first_few, name, text_or, wide};
use crate::kinds::reach::{entries, flag, int, list, present, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) static NAMESPACES: Printer = Printer {
    columns: &[NAME, column("Status", "string", "Whether it is in use or going."), AGE],
    cells: |object, now| vec![name(object), json!(text(object, "/status/phase")), age::of(object, now)],
};

pub(super) static NODES: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "string", "Whether it is ready, and whether pods may come."),
        column("Roles", "string", "Roles by its labels."),
        AGE,
        column("Version", "string", "Version of the kubelet."),
        wide("Internal-IP", "string", "Address within the cluster's network."),
        wide("External-IP", "string", "Address outside of it."),
        wide("OS-Image", "string", "Operating system."),
        wide("Kernel-Version", "string", "Version of the kernel."),
        wide("Container-Runtime", "string", "Container runtime and its version."),
    ],
    cells: |object, now| {
        let info = |field: &str| text_or(text(object, &format!("/status/nodeInfo/{field}")), "<unknown>");
        vec![
            name(object),
            json!(node_status(object)),
            json!(node_roles(object)),
            age::of(object, now),
            json!(text(object, "/status/nodeInfo/kubeletVersion")),
            node_address(object, "InternalIP"),
            node_address(object, "ExternalIP"),
            info("osImage"),
            info("kernelVersion"),
            info("containerRuntimeVersion"),
        ]
    },
};

fn node_status(node: &Value) -> String {
    let ready = list(node, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Ready");
    let status = match ready.map(|condition| text(condition, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if flag(node, "/spec/unschedulable") { format!("{status},SchedulingDisabled") } else { status.to_owned() }
}

fn node_roles(node: &Value) -> String {
    let roles: BTreeSet<&str> = entries(node, "/metadata/labels")
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => value.as_str().filter(|_| key == "kubernetes.io/role"),
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

fn node_address(node: &Value, kind: &str) -> Value {
    let address = list(node, "/status/addresses").iter().find(|address| text(address, "/type") == kind);
    address.map_or_else(|| json!("<none>"), |address| json!(text(address, "/address")))
}

pub(super) static EVENTS: Printer = Printer {
    columns: &[
        column("Last Seen", "string", "How long ago it happened last."),
        column("Type", "string", "Normal or Warning."),
        column("Reason", "string", "What happened, in one word."),
        column("Object", "string", "What it happened to."),
        wide("Subobject", "string", "Which part of the object it happened to."),
        wide("Source", "string", "Who says so."),
        column("Message", "string", "What happened, in a sentence."),
        wide("First Seen", "string", "How long ago it happened first."),
        wide("Count", "string", "How often it happened."),
        wide("Name", "string", "Name of the event."),
    ],
    cells: event,
};

fn event(object: &Value, now: i64) -> Vec<Value> {
    let happened = |pointers: &[&str]| {
        let time = pointers.iter().map(|pointer| text(object, pointer)).find(|time| !time.is_empty());
        age::since(time.unwrap_or_default(), now)
    };
    let first = happened(&["/firstTimestamp", "/eventTime"]);
    let (last, times) = if present(object, "/series").is_some() {
        (happened(&["/series/lastObservedTime"]), count(object, "/series/count"))
    } else {
        (happened(&["/lastTimestamp", "/firstTimestamp", "/eventTime"]), count(object, "/count").max(1))
    };
    let kind = text(object, "/involvedObject/kind").to_lowercase();
    let target = match text(object, "/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        json!(last),
        json!(text(object, "/type")),
        json!(text(object, "/reason")),
        json!(target),
        json!(text(object, "/involvedObject/fieldPath")),
        json!(event_source(object)),
        json!(text(object, "/message").trim()),
        json!(first),
        json!(times),
        name(object),
    ]
}

fn event_source(event: &Value) -> String {
    let either = |old: &str, new: &str| match text(event, old) {
        "" => text(event, new).to_owned(),
        text => text.to_owned(),
    };
    let component = either("/source/component", "/reportingComponent");
    let host = either("/source/host", "/reportingInstance");
    if host.is_empty() { component } else { format!("{component}, {host}") }
}

pub(super) static RESOURCE_QUOTAS: Printer = Printer {
    columns: &[
        NAME,
        column("Request", "string", "What is used of what may be requested."),
        column("Limit", "string", "What is used of what may be the limits."),
        AGE,
    ],
    cells: |object, now| {
        let used = |resource: &str| object.pointer("/status/used")?.get(resource)?.as_str();
        let of = |are_limits: bool| {
            let parts: Vec<String> = entries(object, "/status/hard")
                .filter(|(resource, _)| resource.starts_with("limits.") == are_limits)
                .map(|(resource, hard)| format!("{resource}: {}/{}", used(resource).unwrap_or("0"), hard.as_str().unwrap_or_default()))
                .collect();
            json!(parts.join(", "))
        };
        vec![name(object), of(false), of(true), age::of(object, now)]
    },
};

pub(super) static HORIZONTAL_POD_AUTOSCALERS: Printer = Printer {
    columns: &[
        NAME,
        column("Reference", "string", "What is scaled."),
        column("Targets", "string", "Measured and wanted values."),
        column("MinPods", "string", "Fewest pods."),
        column("MaxPods", "string", "Most pods."),
        column("Replicas", "string", "Pods there are."),
        AGE,
    ],
    cells: |object, now| {
        let target = "/spec/scaleTargetRef";
        let reference = format!("{}/{}", text(object, &format!("{target}/kind")), text(object, &format!("{target}/name")));
        let least = int(object, "/spec/minReplicas").map_or_else(|| "<unset>".to_owned(), |least| least.to_string());
        vec![
            name(object),
            json!(reference),
            json!(hpa_targets(object)),
            json!(least),
            json!(count(object, "/spec/maxReplicas")),
            json!(count(object, "/status/currentReplicas")),
            age::of(object, now),
        ]
    },
};

fn hpa_targets(hpa: &Value) -> String {
    let measured = list(hpa, "/status/currentMetrics");
    let targets: Vec<String> = list(hpa, "/spec/metrics")
        .iter()
        .enumerate()
        .map(|(index, metric)| hpa_target(metric, measured.get(index).unwrap_or(&Value::Null)))
        .collect();
    text_or(&first_few(&targets, 2, ", "), "<none>").as_str().unwrap_or_default().to_owned()
}

fn hpa_target(metric: &Value, measured: &Value) -> String {
    let (source, is_resource) = match text(metric, "/type") {
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "External" => ("external", false),
        _ => return "<unknown type>".to_owned(),
    };
    let value = |metric: &Value, of: &str, field: &str| match metric.pointer(&format!("/{source}/{of}/{field}"))? {
        Value::String(amount) => Some(amount.clone()),
        number => Some(format!("{number}%")),
    };
    let field = ["averageUtilization", "averageValue", "value"].into_iter().find(|field| value(metric, "target", field).is_some());
    let field = field.unwrap_or("averageUtilization");
    let wanted = value(metric, "target", field).unwrap_or_else(|| "<auto>".to_owned());
    let current = value(measured, "current", field).unwrap_or_else(|| "<unknown>".to_owned());
    let label = if is_resource { format!("{}: ", text(metric, &format!("/{source}/name"))) } else { String::new() };
    let is_average = matches!(source, "external" | "object") && field == "averageValue";
    format!("{label}{current}/{wanted}{}", if is_average { " (avg)" } else { "" })
}

pub(super) static LEASES: Printer = Printer {
    columns: &[NAME, column("Holder", "string", "Who holds it."), AGE],
    cells: |object, now| vec![name(object), json!(text(object, "/spec/holderIdentity")), age::of(object, now)],
};

pub(super) static POD_DISRUPTION_BUDGETS: Printer = Printer {
    columns: &[
        NAME,
        column("Min Available", "string", "Fewest pods that must stay."),
        column("Max Unavailable", "string", "Most pods that may be gone."),
        column("Allowed Disruptions", "integer", "How many pods may be evicted now."),
        AGE,
    ],
    cells: |object, now| {
        let limit = |field: &str| match present(object, &format!("/spec/{field}")) {
            None => json!("N/A"),
            Some(Value::String(percent)) => json!(percent),
            Some(number) => json!(number.to_string()),
        };
        vec![
            name(object),
            limit("minAvailable"),
            limit("maxUnavailable"),
            json!(count(object, "/status/disruptionsAllowed")),
            age::of(object, now),
        ]
    },
};

pub(super) static PRIORITY_CLASSES: Printer = Printer {
    columns: &[
        NAME,
        column("Value", "integer", "Priority of the pods; more is more important."),
        column("Global-Default", "boolean", "Whether pods without a class get it."),
        AGE,
        column("PreemptionPolicy", "string", "Whether its pods drive out others."),
    ],
    cells: |object, now| {
        vec![
            name(object),
            json!(count(object, "/value")),
            json!(flag(object, "/globalDefault")),
            age::of(object, now),
            json!(text(object, "/preemptionPolicy")),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_says_whether_pods_may_come() {
        let node = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "etcd"}},
            "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}});
        let cells = (NODES.cells)(&node, 0);
        assert_eq!(cells[1..3], [json!("Ready,SchedulingDisabled"), json!("control-plane,etcd")]);
        assert_eq!(cells[5..8], [json!("192.0.2.1"), json!("<none>"), json!("<unknown>")]);
        assert_eq!(node_status(&json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})), "NotReady");
        assert_eq!(node_status(&json!({})), "Unknown");
    }

    #[test]
    fn an_event_is_counted_by_its_series() {
        let mut event = json!({"type": "Normal", "reason": "R", "message": " m\n", "involvedObject": {"kind": "Pod", "name": "p"},
            "eventTime": "1970-01-01T00:00:10.5Z", "reportingComponent": "c"});
        let cells = (EVENTS.cells)(&event, 20);
        assert_eq!(cells[..4], [json!("10s"), json!("Normal"), json!("R"), json!("pod/p")]);
        assert_eq!(cells[5..9], [json!("c"), json!("m"), json!("10s"), json!(1)]);
        event["series"] = json!({"count": 4, "lastObservedTime": "1970-01-01T00:00:15.0Z"});
        let cells = (EVENTS.cells)(&event, 20);
        assert_eq!([&cells[0], &cells[8]], [&json!("5s"), &json!(4)]);
    }

    #[test]
    fn autoscalers_show_measured_and_wanted_values() {
        let mut hpa = json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 5, "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
            {"type": "Pods", "pods": {"target": {"type": "AverageValue", "averageValue": "1k"}}}]}});
        assert_eq!((HORIZONTAL_POD_AUTOSCALERS.cells)(&hpa, 0)[1..3], [json!("Deployment/web"), json!("cpu: <unknown>/80%, <unknown>/1k")]);
        hpa["status"] =
            json!({"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}]});
        assert_eq!(hpa_targets(&hpa), "cpu: 12%/80%, <unknown>/1k");
    }

    #[test]
    fn a_quota_shows_use_and_limits() {
        let quota = json!({"status": {"hard": {"limits.cpu": "2", "pods": "10", "requests.cpu": "1"}, "used": {"pods": "3"}}});
        assert_eq!((RESOURCE_QUOTAS.cells)(&quota, 0)[1..3], [json!("pods: 3/10, requests.cpu: 0/1"), json!("limits.cpu: 0/2")]);
    }

    #[test]
    fn a_budget_without_a_limit_says_so() {
        let budget = json!({"spec": {"minAvailable": "50%"}});
        assert_eq!((POD_DISRUPTION_BUDGETS.cells)(&budget, 0)[1..4], [json!("50%"), json!("N/A"), json!(0)]);
    }
}
