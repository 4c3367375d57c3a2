//! Whether a pod may run on a node, and how well: the filters of the default scheduler in their order, and least-allocated scoring.

use super::Resources;
use flotilla_api::selector;
use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration};
use std::collections::BTreeMap;
use std::fmt;

const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// What a container without requests is taken to use when nodes are compared: 100m and 200 MB.
const USUAL: [(&str, i128); 2] = [("cpu", 100), ("memory", 200 * 1024 * 1024 * 1000)];

/// What the scheduler knows of a node.
#[derive(Debug, Clone)]
pub struct NodeState {
    allocatable: Resources,
    /// The sum of the requests of its pods.
    pub used: Resources,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
    unschedulable: bool,
}

/// How good a node is: no taints that ask to stay away, much left, few pods.
pub type Score = (std::cmp::Reverse<usize>, i64, i128);

/// Why a pod cannot run on a node, in the order of the checks. Its text is the scheduler's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    /// The node is cordoned.
    Unschedulable,
    /// A taint is not tolerated.
    Taint,
    /// `nodeSelector` or the required node affinity does not match.
    Affinity,
    /// It has no room for one more pod.
    Pods,
    /// It has not enough left of a resource; `ever` when even an empty node would not have it.
    Insufficient {
        /// `cpu`, `memory`, …
        resource: String,
        /// Whether the node's whole capacity is too small.
        ever: bool,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unschedulable => f.write_str("node(s) were unschedulable"),
            Self::Taint => f.write_str("node(s) had untolerated taint(s)"),
            Self::Affinity => f.write_str("node(s) didn't match Pod's node affinity/selector"),
            Self::Pods => f.write_str("Too many pods"),
            Self::Insufficient { resource, .. } => write!(f, "Insufficient {resource}"),
        }
    }
}

impl Misfit {
    /// Whether deleting other pods could help.
    fn can_be_preempted(&self) -> bool {
        matches!(self, Self::Pods | Self::Insufficient { ever: false, .. })
    }
}

/// Why a pod can run on none of the nodes. Its text is that of the real scheduler.
#[derive(Debug)]
pub struct Refusal {
    nodes: usize,
    reasons: BTreeMap<String, usize>,
    without_victims: usize,
}

impl Refusal {
    /// Of so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self { nodes, reasons: BTreeMap::new(), without_victims: 0 }
    }

    /// One more node refuses.
    pub fn add(&mut self, misfits: Vec<Misfit>) {
        if misfits.iter().all(Misfit::can_be_preempted) {
            self.without_victims += 1;
        }
        for misfit in misfits {
            *self.reasons.entry(misfit.to_string()).or_default() += 1;
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        let nodes = self.nodes;
        let list = |mut parts: Vec<String>| {
            parts.sort();
            parts.join(", ")
        };
        let reasons = list(self.reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect());
        let mut preemption = Vec::new();
        if self.without_victims > 0 {
            preemption.push(format!("{} No preemption victims found for incoming pod", self.without_victims));
        }
        if self.without_victims < nodes {
            preemption.push(format!("{} Preemption is not helpful for scheduling", nodes - self.without_victims));
        }
        write!(f, "0/{nodes} nodes are available: {reasons}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: ")?;
        write!(f, "{}.", list(preemption))
    }
}

impl NodeState {
    /// Of a node that nothing runs on yet.
    pub fn new(node: &Node) -> Self {
        let spec = node.spec.clone().unwrap_or_default();
        Self {
            allocatable: Resources::new(node.status.as_ref().and_then(|status| status.allocatable.as_ref())),
            used: Resources::default(),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            taints: spec.taints.unwrap_or_default(),
            unschedulable: spec.unschedulable.unwrap_or(false),
        }
    }

    /// Whether both nodes take the same pods when empty.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.allocatable, &self.labels, &self.taints, self.unschedulable)
            == (&other.allocatable, &other.labels, &other.taints, other.unschedulable)
    }

    /// Whether a pod may run here, were there room for it.
    pub fn admits(&self, name: &str, spec: &PodSpec) -> bool {
        self.keeps_out(name, spec).is_none()
    }

    /// How well a pod would run here, or what the first check that it fails found.
    pub fn check(&self, name: &str, spec: &PodSpec, requests: &Resources) -> Result<Score, Vec<Misfit>> {
        if let Some(misfit) = self.keeps_out(name, spec) {
            return Err(vec![misfit]);
        }
        let lacking = self.lacking(requests);
        if lacking.is_empty() { Ok(self.score(spec, requests)) } else { Err(lacking) }
    }

    fn keeps_out(&self, name: &str, spec: &PodSpec) -> Option<Misfit> {
        let tolerations = spec.tolerations.as_deref().unwrap_or_default();
        let cordon = Taint { key: UNSCHEDULABLE.to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
        let bars = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
        if self.unschedulable && !is_tolerated(&cordon, tolerations) {
            Some(Misfit::Unschedulable)
        } else if self.taints.iter().filter(bars).any(|taint| !is_tolerated(taint, tolerations)) {
            Some(Misfit::Taint)
        } else if !self.is_selected(name, spec) {
            Some(Misfit::Affinity)
        } else {
            None
        }
    }

    fn is_selected(&self, name: &str, spec: &PodSpec) -> bool {
        let selector = spec.node_selector.iter().flatten();
        if !selector.into_iter().all(|(key, value)| self.labels.get(key) == Some(value)) {
            return false;
        }
        let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        required.is_none_or(|required| required.node_selector_terms.iter().any(|term| self.matches(name, term)))
    }

    fn matches(&self, name: &str, term: &NodeSelectorTerm) -> bool {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        // What is not valid holds for no node.
        let are_labels = selector::all_hold(expressions, |key| self.labels.get(key).map(String::as_str)) == Ok(true);
        let is_field = |field: &NodeSelectorRequirement| {
            let is_listed = field.values.iter().flatten().any(|listed| listed == name);
            field.key == "metadata.name" && is_listed == (field.operator == "In")
        };
        !(expressions.is_empty() && fields.is_empty()) && are_labels && fields.iter().all(is_field)
    }

    fn lacking(&self, requests: &Resources) -> Vec<Misfit> {
        let mut lacking = Vec::new();
        if self.used.get("pods") + requests.get("pods") > self.allocatable.get("pods") {
            lacking.push(Misfit::Pods);
        }
        for (resource, amount) in requests.0.iter().filter(|(resource, amount)| *resource != "pods" && **amount > 0) {
            let whole = self.allocatable.get(resource);
            if self.used.get(resource) + amount > whole {
                lacking.push(Misfit::Insufficient { resource: resource.clone(), ever: *amount > whole });
            }
        }
        lacking
    }

    fn score(&self, spec: &PodSpec, requests: &Resources) -> Score {
        let tolerations = spec.tolerations.as_deref().unwrap_or_default();
        let avoided = self.taints.iter().filter(|taint| taint.effect == "PreferNoSchedule" && !is_tolerated(taint, tolerations)).count();
        let left = |(resource, usual): (&str, i128)| {
            let whole = self.allocatable.get(resource).max(1);
            let own = if requests.get(resource) == 0 { usual } else { requests.get(resource) };
            let free = whole - self.used.get(resource) - own;
            i64::try_from(free.max(0) * 100 / whole).unwrap_or(0)
        };
        (std::cmp::Reverse(avoided), USUAL.into_iter().map(left).sum(), -self.used.get("pods"))
    }
}

fn is_tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|toleration| is_tolerated_by(taint, toleration))
}

/// Whether a toleration is about this taint.
pub fn is_tolerated_by(taint: &Taint, toleration: &Toleration) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or("");
    let key = toleration.key.as_deref().unwrap_or("");
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || (key.is_empty() && exists))
        && (exists || toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or(""))
}
