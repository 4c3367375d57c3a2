//! Which clusters a binding may go to, and why not the others: one pass, nothing allocated for a cluster.
//!
//! Never counts replicas. A cluster that is not ready stays feasible: only taints keep bindings away. Source: controlplane.md §4.5.

use super::sorted::SortedAffinity;
use crate::affinity;
use flotilla_api::cluster::{ApiEnablement, Cluster};
use flotilla_api::work::ResourceBindingSpec;
use k8s_openapi::api::core::v1::{Taint, Toleration};
use std::borrow::Borrow;
use std::cell::{Cell, OnceCell};
use std::fmt;

/// Why one cluster was left out. Order of variants = order of checks.
#[derive(Debug, Clone, PartialEq)]
pub enum Rejected<'c> {
    /// Somebody is taking the cluster out of the fleet.
    Deleting,
    /// The policy does not mean it.
    Affinity(affinity::Rejected),
    /// The object was moved away from it, and is not gone yet.
    Evicting,
    /// It keeps away what does not tolerate this taint.
    Taint(&'c Taint),
    /// Its API server does not know the kind.
    ApiMissing,
}

impl Rejected<'_> {
    /// The stable word for it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Deleting => "ClusterDeleting",
            Self::Affinity(_) => "NotSelected",
            Self::Evicting => "Evicting",
            Self::Taint(_) => "TaintNotTolerated",
            Self::ApiMissing => "ApiMissing",
        }
    }

    /// Whether somebody wants the object out of the cluster. A selector that is not valid says nothing of the kind, and neither does what
    /// only keeps new objects away.
    pub fn drives_away(&self) -> bool {
        use affinity::Rejected::{InvalidFieldSelector, InvalidLabelSelector};
        match self {
            Self::Affinity(InvalidLabelSelector(_) | InvalidFieldSelector(_)) | Self::Taint(_) | Self::ApiMissing => false,
            Self::Deleting | Self::Affinity(_) | Self::Evicting => true,
        }
    }
}

impl fmt::Display for Rejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleting => f.write_str("cluster is being deleted"),
            Self::Affinity(why) => write!(f, "not selected by `clusterAffinity`: {why}"),
            Self::Evicting => f.write_str("the object is being evicted from it"),
            Self::Taint(Taint { key, value: Some(value), effect, .. }) if !value.is_empty() => {
                write!(f, "untolerated taint `{key}={value}:{effect}`")
            }
            Self::Taint(taint) => write!(f, "untolerated taint `{}:{}`", taint.key, taint.effect),
            Self::ApiMissing => f.write_str("the kind is not among `status.apiEnablements`"),
        }
    }
}

/// A cluster that the binding may go to: all of it that is needed from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feasible<'c> {
    /// Its name.
    pub name: &'c str,
    /// Its weight among the others, where replicas are divided by weight.
    pub weight: i64,
}

/// The clusters of one pass, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Filtered<'c> {
    /// Those that the binding may go to.
    pub feasible: Vec<Feasible<'c>>,
    /// The others by name, and why.
    pub rejected: Vec<(&'c str, Rejected<'c>)>,
}

/// Splits `clusters` into feasible and rejected ones, and weighs the feasible ones. Many clusters are more than a processor's caches hold, so
/// each is looked at once.
pub fn filter<'c, C: Borrow<Cluster>>(spec: &ResourceBindingSpec, clusters: &'c [C], weigh: impl Fn(&Cluster) -> i64) -> Filtered<'c> {
    let wishes = Wishes::of(spec);
    let mut feasible = Vec::with_capacity(clusters.len());
    let mut rejected = Vec::with_capacity(clusters.len());
    for cluster in clusters.iter().map(Borrow::borrow) {
        match wishes.reject(cluster) {
            None => feasible.push(Feasible { name: cluster.name(), weight: weigh(cluster) }),
            Some(why) => rejected.push((cluster.name(), why)),
        }
    }
    Filtered { feasible, rejected }
}

/// What a binding says about clusters, prepared once for all of them.
struct Wishes<'a> {
    affinity: Option<SortedAffinity<'a>>,
    tolerations: &'a [Toleration],
    /// Names of the clusters that the binding is already at, sorted when they are first asked for.
    targets: OnceCell<Vec<&'a str>>,
    /// Index among the APIs of a cluster at which the kind was found last.
    place: Cell<usize>,
    spec: &'a ResourceBindingSpec,
}

impl<'a> Wishes<'a> {
    fn of(spec: &'a ResourceBindingSpec) -> Self {
        let placement = spec.placement.as_ref();
        let affinity = placement.and_then(|placement| placement.cluster_affinity.as_ref());
        Self {
            affinity: affinity.map(SortedAffinity::new),
            tolerations: placement.map_or(&[], |placement| &placement.cluster_tolerations),
            targets: OnceCell::new(),
            place: Cell::new(0),
            spec,
        }
    }

    /// Why not this cluster; taints and missing APIs do not drive away what is already there.
    fn reject<'c>(&self, cluster: &'c Cluster) -> Option<Rejected<'c>> {
        if cluster.is_deleting() {
            return Some(Rejected::Deleting);
        }
        if let Some(Err(why)) = self.affinity.as_ref().map(|affinity| affinity.matches(cluster)) {
            return Some(Rejected::Affinity(why));
        }
        let name = cluster.name();
        if self.spec.graceful_eviction_tasks.iter().any(|task| task.from_cluster == name) {
            return Some(Rejected::Evicting);
        }
        let mut taints = cluster.spec.taints.iter();
        let why = match taints.find(|taint| repels(taint) && !self.tolerates(taint)) {
            Some(taint) => Rejected::Taint(taint),
            None if !self.is_served_by(cluster) => Rejected::ApiMissing,
            None => return None,
        };
        (!self.is_target(name)).then_some(why)
    }

    fn is_target(&self, name: &str) -> bool {
        let sorted = || {
            let mut names: Vec<&str> = self.spec.targets().iter().map(|target| target.name.as_str()).collect();
            names.sort_unstable();
            names
        };
        self.targets.get_or_init(sorted).binary_search(&name).is_ok()
    }

    fn tolerates(&self, taint: &Taint) -> bool {
        self.tolerations.iter().any(|toleration| tolerates(toleration, taint))
    }

    /// Looks first where the last cluster had the kind: the lists are long, and most clusters of a fleet serve the same.
    fn is_served_by(&self, cluster: &Cluster) -> bool {
        let template = &self.spec.resource;
        let groups = cluster.status.as_ref().map_or(&[][..], |status| &status.api_enablements);
        let serves = |group: &ApiEnablement| {
            group.group_version == template.api_version && group.resources.iter().any(|resource| resource.kind == template.kind)
        };
        groups.get(self.place.get()).is_some_and(serves) || groups.iter().position(serves).inspect(|place| self.place.set(*place)).is_some()
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
