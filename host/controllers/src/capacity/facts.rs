//! What capacity needs to know of a node and of a pod: read without the rest of them.

use crate::cluster_api::ObjectKey;
use crate::live_object::Read;
use flotilla_api::quantity::Amount;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// Amounts by resource name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Amounts(BTreeMap<String, Amount>);

impl Amounts {
    /// Adds each amount.
    pub fn add(&mut self, others: &Self) {
        others.0.iter().for_each(|(name, amount)| self.add_one(name, *amount));
    }

    /// Adds so much of this resource.
    pub fn add_one(&mut self, name: &str, amount: Amount) {
        match self.0.get_mut(name) {
            Some(sum) => *sum += amount,
            None => drop(self.0.insert(name.to_owned(), amount)),
        }
    }

    /// Raises each amount to the other one, where that is more.
    fn raise(&mut self, others: &Self) {
        for (name, amount) in &others.0 {
            let known = self.0.entry(name.clone()).or_insert(*amount);
            *known = (*known).max(*amount);
        }
    }

    /// As Kubernetes writes them; `None` where there are none.
    pub fn print(self) -> Option<BTreeMap<String, Quantity>> {
        let printed: BTreeMap<String, Quantity> = self.0.into_iter().map(|(name, amount)| (name, amount.into())).collect();
        Some(printed).filter(|amounts| !amounts.is_empty())
    }
}

impl<'de> Deserialize<'de> for Amounts {
    /// What is no quantity counts for nothing.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let quantities = Option::<BTreeMap<String, serde_json::Value>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(Self(quantities.into_iter().filter_map(|(name, quantity)| Some((name, Amount::from_json(&quantity).ok()?))).collect()))
    }
}

/// Where an object is, and in which version.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    namespace: Option<String>,
    name: String,
    resource_version: String,
}

/// What is read of an object.
#[derive(Deserialize)]
struct Fields<S, T> {
    metadata: Metadata,
    #[serde(default)]
    spec: Option<S>,
    #[serde(default)]
    status: Option<T>,
}

/// Facts about one object.
#[derive(Debug, Clone)]
pub struct Facts<F> {
    metadata: Metadata,
    /// The facts.
    pub facts: F,
}

impl<F> Facts<F> {
    /// Where the object is.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.metadata.namespace.as_deref(), &self.metadata.name)
    }
}

/// Facts, and what they are made of.
pub trait Fact: Clone + fmt::Debug + Send + 'static {
    /// What is read of `spec`.
    type Spec: for<'de> Deserialize<'de> + Default;
    /// What is read of `status`.
    type Status: for<'de> Deserialize<'de> + Default;

    /// The facts.
    fn of(spec: Self::Spec, status: Self::Status) -> Self;
}

impl<F: Fact> Read for Facts<F> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::<F::Spec, F::Status>::deserialize(deserializer)?;
        let facts = F::of(fields.spec.unwrap_or_default(), fields.status.unwrap_or_default());
        Ok(Self { metadata: fields.metadata, facts })
    }

    fn identity(&self) -> (Option<&str>, &str, &str) {
        (self.metadata.namespace.as_deref(), &self.metadata.name, &self.metadata.resource_version)
    }
}

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
    /// What a scheduler reserves for it: its containers together, or what starting it takes at most, and what the pod itself takes.
    pub requests: Amounts,
}

/// Read of a node's status.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    conditions: Vec<Condition>,
    allocatable: Amounts,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// Read of a pod's spec.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    node_name: String,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    resources: Resources,
    overhead: Amounts,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    restart_policy: String,
    resources: Resources,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    requests: Amounts,
}

/// Read of a pod's status.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct PodStatus {
    phase: String,
}

/// Nothing is read.
#[derive(Default, Deserialize)]
pub struct Unread {}

impl Fact for NodeFacts {
    type Spec = Unread;
    type Status = NodeStatus;

    fn of(_: Unread, status: NodeStatus) -> Self {
        let is_ready = status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True");
        Self { is_ready, allocatable: status.allocatable }
    }
}

impl Fact for PodFacts {
    type Spec = PodSpec;
    type Status = PodStatus;

    fn of(spec: PodSpec, status: PodStatus) -> Self {
        let (mut requests, mut sidecars, mut start) = (Amounts::default(), Amounts::default(), Amounts::default());
        spec.containers.iter().flatten().for_each(|container| requests.add(&container.resources.requests));
        for container in spec.init_containers.iter().flatten() {
            let mut now = sidecars.clone();
            now.add(&container.resources.requests);
            start.raise(&now);
            if container.restart_policy == "Always" {
                requests.add(&container.resources.requests);
                sidecars = now;
            }
        }
        requests.raise(&start);
        // What the pod as a whole asks for stands for its containers.
        requests.0.extend(spec.resources.requests.0);
        requests.add(&spec.overhead);
        Self { is_bound: !spec.node_name.is_empty(), is_ended: matches!(&*status.phase, "Succeeded" | "Failed"), requests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_object::Live;
    use serde_json::{Value, json};

    fn pod(spec: &Value) -> Facts<PodFacts> {
        let pod = json!({"metadata": {"name": "a", "namespace": "n", "managedFields": []}, "spec": spec, "status": {"phase": "Running"}});
        serde_json::from_value::<Live<Facts<PodFacts>>>(pod).unwrap().object
    }

    #[test]
    fn a_pod_is_where_it_is() {
        let pod = pod(&json!({"nodeName": "node-1", "initContainers": null}));
        assert_eq!(pod.key(), ObjectKey::new(Some("n"), "a"));
        assert_eq!(pod.facts, PodFacts { is_bound: true, is_ended: false, requests: Amounts::default() });
    }

    fn container(cpu: &str, memory: &str) -> Value {
        json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}})
    }

    fn sidecar(cpu: &str) -> Value {
        json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}})
    }

    #[track_caller]
    fn requests(spec: Value, cpu: &str, memory: &str) {
        let printed = pod(&spec).facts.requests.print().unwrap().into_iter().map(|(name, amount)| (name, amount.0)).collect::<Vec<_>>();
        assert_eq!(printed, [("cpu".to_owned(), cpu.to_owned()), ("memory".to_owned(), memory.to_owned())]);
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
    }

    #[test]
    fn a_node_is_ready_when_it_says_so() {
        let node = r#"{"metadata": {"name": "a"}, "spec": {"taints": []},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "x"}], "allocatable": {"cpu": "4", "x": "many"}}}"#;
        let node: Live<Facts<NodeFacts>> = serde_json::from_str(node).unwrap();
        assert!(node.object.facts.is_ready);
        assert_eq!(node.object.facts.allocatable.0.keys().collect::<Vec<_>>(), ["cpu"]);
        let none: Live<Facts<NodeFacts>> = serde_json::from_str(r#"{"metadata": {"name": "a"}}"#).unwrap();
        assert!(!none.object.facts.is_ready);
    }
}
