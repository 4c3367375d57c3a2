//! Which clusters a binding may go to, and why not the others: one pass, nothing allocated for a cluster.
//!
//! Never counts replicas. A cluster that is not ready stays feasible: only taints keep bindings away. Source: controlplane.md §4.5.

use crate::scheduling::affinity_seam::Affinity;
use flotilla_api::cluster::Cluster;
use flotilla_api::work::ResourceBindingSpec;
use k8s_openapi::api::core::v1::{Taint, Toleration};
use std::borrow::Borrow;
use std::fmt;

/// Why one cluster was left out. Order of variants = order of checks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rejected<'c> {
    /// Somebody is taking the cluster out of the fleet.
    Deleting,
    /// The policy does not select it.
    Affinity,
    /// The object was moved away from it, and is not gone yet.
    Evicting,
    /// It keeps away what does not tolerate this taint.
    Taint(&'c Taint),
    /// Its API server does not know the kind.
    ApiMissing,
}

impl fmt::Display for Rejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleting => f.write_str("cluster is being deleted"),
            Self::Affinity => f.write_str("not selected by `clusterAffinity`"),
            Self::Evicting => f.write_str("the object is being evicted from it"),
            Self::Taint(Taint { key, value: Some(value), effect, .. }) if !value.is_empty() => {
                write!(f, "untolerated taint `{key}={value}:{effect}`")
            }
            Self::Taint(taint) => write!(f, "untolerated taint `{}:{}`", taint.key, taint.effect),
            Self::ApiMissing => f.write_str("the kind is not among `status.apiEnablements`"),
        }
    }
}

/// The clusters of one pass, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtered<'c> {
    /// Those that the binding may go to.
    pub feasible: Vec<&'c Cluster>,
    /// The others by name, and why.
    pub rejected: Vec<(&'c str, Rejected<'c>)>,
}

/// Splits `clusters` into feasible and rejected ones.
pub fn filter<'c, C: Borrow<Cluster>>(spec: &ResourceBindingSpec, clusters: &'c [C]) -> Filtered<'c> {
    let wishes = Wishes::of(spec);
    let mut feasible = Vec::with_capacity(clusters.len());
    let mut rejected = Vec::with_capacity(clusters.len());
    for cluster in clusters.iter().map(Borrow::borrow) {
        match wishes.reject(cluster) {
            None => feasible.push(cluster),
            Some(why) => rejected.push((cluster.name(), why)),
        }
    }
    Filtered { feasible, rejected }
}

/// What a binding says about clusters, prepared once for all of them.
struct Wishes<'a> {
    affinity: Option<Affinity<'a>>,
    tolerations: &'a [Toleration],
    /// Names of the clusters that the binding is already at, sorted.
    targets: Vec<&'a str>,
    spec: &'a ResourceBindingSpec,
}

impl<'a> Wishes<'a> {
    fn of(spec: &'a ResourceBindingSpec) -> Self {
        let placement = spec.placement.as_ref();
        let affinity = placement.and_then(|placement| placement.cluster_affinity.as_ref());
        let mut targets: Vec<&str> = spec.targets().iter().map(|target| &*target.name).collect();
        targets.sort_unstable();
        Self {
            affinity: affinity.map(Affinity::compile),
            tolerations: placement.map_or(&[], |placement| &placement.cluster_tolerations),
            targets,
            spec,
        }
    }

    /// Why not this cluster; taints and missing APIs do not drive away what is already there.
    fn reject<'c>(&self, cluster: &'c Cluster) -> Option<Rejected<'c>> {
        if cluster.is_deleting() {
            return Some(Rejected::Deleting);
        }
        if self.affinity.as_ref().is_some_and(|affinity| !affinity.matches(cluster)) {
            return Some(Rejected::Affinity);
        }
        let name = cluster.name();
        if self.spec.graceful_eviction_tasks.iter().any(|task| task.from_cluster == name) {
            return Some(Rejected::Evicting);
        }
        if self.targets.binary_search(&name).is_ok() {
            return None;
        }
        let mut taints = cluster.spec.taints.iter();
        match taints.find(|taint| repels(taint) && !self.tolerates(taint)) {
            Some(taint) => Some(Rejected::Taint(taint)),
            None => (!self.is_served_by(cluster)).then_some(Rejected::ApiMissing),
        }
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|toleration| tolerates(toleration, taint))
    }

    fn is_served_by(&self, cluster: &Cluster) -> bool {
        let template = &self.spec.resource;
        let groups = cluster.status.iter().flat_map(|status| &status.api_enablements);
        groups
            .filter(|group| group.group_version == template.api_version)
            .any(|group| group.resources.iter().any(|resource| resource.kind == template.kind))
    }
}

/// `PreferNoSchedule` repels nothing.
fn repels(taint: &Taint) -> bool {
    matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
}

/// Kubernetes' own rule; the operators `Lt` and `Gt` tolerate nothing.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let is_open_or = |wish: &Option<String>, value: &str| wish.as_deref().is_none_or(|wish| wish.is_empty() || wish == value);
    is_open_or(&toleration.effect, &taint.effect)
        && is_open_or(&toleration.key, &taint.key)
        && match toleration.operator.as_deref().unwrap_or("") {
            "" | "Equal" => toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or(""),
            "Exists" => true,
            _ => false,
        }
}
