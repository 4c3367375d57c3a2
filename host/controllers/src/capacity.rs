//! What a member's nodes offer and its pods use: kept as sums, not as objects.
//!
//! Source: controlplane.md §5.1 (`nodeSummary`, `resourceSummary`).

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use crate::lasting::{self, Watching};
use crate::live_object::LiveObject;
use flotilla_api::object::Object;
use flotilla_api::quantity::Amount;
use futures::StreamExt;
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Quantities by resource name, as Kubernetes writes them.
pub type Amounts = BTreeMap<String, String>;

/// Wait after a watch that failed: the member may be away for long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One node, as far as capacity goes.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFacts {
    /// Whether its condition Ready is True.
    pub is_ready: bool,
    /// `status.allocatable`.
    pub allocatable: Amounts,
}

/// One pod, as far as capacity goes.
#[derive(Debug, Clone, PartialEq)]
pub struct PodFacts {
    /// Whether it has a node.
    pub is_bound: bool,
    /// Whether it has ended (phase Succeeded or Failed).
    pub is_ended: bool,
    /// What it requests.
    pub requests: Amounts,
}

/// All nodes and pods of a member.
#[derive(Debug, Default)]
pub struct Capacity {
    /// `None` until all nodes were seen.
    pub nodes: Option<HashMap<ObjectKey, NodeFacts>>,
    /// `None` until all pods were seen.
    pub pods: Option<HashMap<ObjectKey, PodFacts>>,
}

/// Follows nodes and pods of a member; calls `filled` when all of either have been seen. Later changes wait for the next probe.
pub fn follow(api: &ClusterApi, filled: Arc<dyn Fn() + Send + Sync>) -> (Arc<Mutex<Capacity>>, Vec<Watching>) {
    let capacity = Arc::new(Mutex::new(Capacity::default()));
    let nodes = follow_kind(api, resource("Node", "nodes", false), node_facts, |capacity| &mut capacity.nodes, &capacity, &filled);
    let pods = follow_kind(api, resource("Pod", "pods", true), pod_facts, |capacity| &mut capacity.pods, &capacity, &filled);
    (capacity, vec![nodes, pods])
}

fn resource(kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource { group: String::new(), version: "v1".into(), kind: kind.into(), plural: plural.into(), namespaced, has_status: true }
}

type Slot<F> = fn(&mut Capacity) -> &mut Option<HashMap<ObjectKey, F>>;

fn follow_kind<F: PartialEq + Send + 'static>(
    api: &ClusterApi,
    watched: Resource,
    facts: fn(&Object) -> F,
    slot: Slot<F>,
    capacity: &Arc<Mutex<Capacity>>,
    filled: &Arc<dyn Fn() + Send + Sync>,
) -> Watching {
    let (api, capacity, filled) = (api.clone(), capacity.clone(), filled.clone());
    Watching::start(watched.clone(), move |heard| async move {
        let all = kube::Api::<LiveObject>::all_with(heard.listen(api.client()), &watched.to_kube());
        let mut events = std::pin::pin!(lasting::events(&api, &watched, &heard, all, watcher::Config::default()));
        let mut listed = HashMap::new();
        while let Some(event) = events.next().await {
            let is_filled = matches!(event, Ok(Event::InitDone));
            if event.is_err() {
                api.metrics().watch_failed(api.role(), &watched);
                tokio::time::sleep(RETRY_AFTER).await;
            }
            if let Ok(event) = event {
                let mut capacity = capacity.lock().expect("no code panics while it holds the capacity");
                take(event, facts, slot(&mut capacity), &mut listed);
            }
            if is_filled {
                filled();
            }
        }
    })
}

fn take<F>(
    event: Event<LiveObject>,
    facts: fn(&Object) -> F,
    known: &mut Option<HashMap<ObjectKey, F>>,
    listed: &mut HashMap<ObjectKey, F>,
) {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(live) => drop(listed.insert(ObjectKey::of(&live.object), facts(&live.object))),
        Event::InitDone => *known = Some(std::mem::take(listed)),
        Event::Apply(live) => drop(known.get_or_insert_default().insert(ObjectKey::of(&live.object), facts(&live.object))),
        Event::Delete(live) => drop(known.get_or_insert_default().remove(&ObjectKey::of(&live.object))),
    }
}

fn node_facts(node: &Object) -> NodeFacts {
    let conditions = node.at(&["status", "conditions"]).and_then(Value::as_array);
    let is_ready = conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    NodeFacts { is_ready, allocatable: amounts(node.at(&["status", "allocatable"])) }
}

fn pod_facts(pod: &Object) -> PodFacts {
    let phase = pod.at(&["status", "phase"]).and_then(Value::as_str).unwrap_or("");
    PodFacts {
        is_bound: pod.at(&["spec", "nodeName"]).and_then(Value::as_str).is_some_and(|node| !node.is_empty()),
        is_ended: matches!(phase, "Succeeded" | "Failed"),
        requests: pod_requests(pod),
    }
}

fn amounts(value: Option<&Value>) -> Amounts {
    let map = value.and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(name, amount)| match amount {
            Value::String(text) => Some((name.clone(), text.clone())),
            Value::Number(number) => Some((name.clone(), number.to_string())),
            _ => None,
        })
        .collect()
}

/// What a scheduler reserves for a pod: its containers together, or what starting it takes at most, and what the pod itself takes.
fn pod_requests(pod: &Object) -> Amounts {
    let containers = |field: &str| pod.at(&["spec", field]).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut running = Sum::default();
    containers("containers").iter().for_each(|container| running.add(requested(container)));
    let (mut sidecars, mut most) = (Sum::default(), Sum::default());
    for container in containers("initContainers") {
        let mut now = sidecars.clone();
        now.add(requested(container));
        most.raise(&now);
        if container["restartPolicy"] == "Always" {
            running.add(requested(container));
            sidecars = now;
        }
    }
    running.raise(&most);
    // What the pod as a whole asks for stands for its containers.
    let whole = pod.at(&["spec", "resources", "requests"]).and_then(Value::as_object);
    running.0.extend(whole.into_iter().flatten().filter_map(parsed));
    running.add(pod.at(&["spec", "overhead"]));
    running.0.into_iter().map(|(name, amount)| (name, amount.to_string())).collect()
}

fn requested(container: &Value) -> Option<&Value> {
    container.pointer("/resources/requests")
}

fn parsed((name, amount): (&String, &Value)) -> Option<(String, Amount)> {
    Some((name.clone(), Amount::from_json(amount).ok()?))
}

#[derive(Debug, Clone, Default)]
struct Sum(BTreeMap<String, Amount>);

impl Sum {
    fn add(&mut self, amounts: Option<&Value>) {
        for (name, amount) in amounts.and_then(Value::as_object).into_iter().flatten().filter_map(parsed) {
            self.0.entry(name).and_modify(|sum| *sum += amount).or_insert(amount);
        }
    }

    fn raise(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            self.0.entry(name.clone()).and_modify(|sum| *sum = (*sum).max(*amount)).or_insert(*amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container(cpu: &str, memory: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    fn sidecar(cpu: &str) -> Value {
        json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}})
    }

    #[track_caller]
    fn requests(spec: Value, cpu: &str, memory: &str) {
        let expected = Amounts::from([("cpu".to_owned(), cpu.to_owned()), ("memory".to_owned(), memory.to_owned())]);
        assert_eq!(pod_requests(&Object(json!({"spec": spec}))), expected);
    }

    #[test]
    fn a_pod_requests_what_a_scheduler_reserves_for_it() {
        let two = [container("500m", "1Gi"), container("1", "512Mi")];
        requests(json!({"containers": two}), "1500m", "1536Mi");
        requests(json!({"containers": two, "overhead": {"cpu": "100m"}}), "1600m", "1536Mi");
        requests(json!({"containers": two, "initContainers": [container("2", "1Mi"), container("1", "2Gi")]}), "2", "2Gi");
        requests(json!({"containers": two, "initContainers": [sidecar("1"), container("2", "1Mi")]}), "3", "1536Mi");
        requests(json!({"containers": two, "initContainers": [sidecar("2"), container("100m", "1Mi")]}), "3500m", "1536Mi");
        requests(json!({"containers": two, "resources": {"requests": {"cpu": "4"}}}), "4", "1536Mi");
        assert_eq!(pod_requests(&Object(json!({"spec": {"containers": [{}]}}))), Amounts::new());
    }
}
