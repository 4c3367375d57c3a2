//! Which bindings are the scheduler's, and which of them a change of a cluster concerns.
//!
//! Decides nothing about clusters. Source: controlplane.md §4.1; unlike there, a change of the APIs that a cluster serves counts.

use crate::affinity;
use crate::binding::Binding;
use flotilla_api::cluster::Cluster;
use flotilla_api::labels;
use std::fmt;

/// Name of the scheduler that bindings have which name none.
pub const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// Why a binding is none of the scheduler's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOurs {
    /// It names another scheduler.
    OtherScheduler(String),
    /// Somebody holds it back.
    Suspended,
    /// No policy stands behind it (any more).
    NoPolicy,
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherScheduler(name) => write!(f, "scheduler `{name}` is to place it"),
            Self::Suspended => f.write_str("`suspension.scheduling` holds it back"),
            Self::NoPolicy => f.write_str("no policy claims it"),
        }
    }
}

/// Whether `binding` is for the scheduler called `own_name`.
pub fn is_ours<B: Binding>(binding: &B, own_name: &str) -> Result<(), NotOurs> {
    let name = match binding.spec().scheduler_name.as_deref() {
        None | Some("") => DEFAULT_SCHEDULER,
        Some(name) => name,
    };
    if name != own_name {
        return Err(NotOurs::OtherScheduler(name.to_owned()));
    }
    if binding.spec().suspension.as_ref().is_some_and(|suspension| suspension.scheduling == Some(true)) {
        return Err(NotOurs::Suspended);
    }
    let owners = [labels::PROPAGATION_POLICY_ID, labels::CLUSTER_PROPAGATION_POLICY_ID, labels::BINDING_MANAGED_BY];
    if owners.iter().all(|owner| binding.label(owner).is_empty()) { Err(NotOurs::NoPolicy) } else { Ok(()) }
}

/// Whether a change of a cluster can change any decision: what is left are heartbeats, and how full it is.
pub fn matters(before: &Cluster, after: &Cluster) -> bool {
    let apis = |cluster: &Cluster| cluster.status.as_ref().map(|status| status.api_enablements.clone());
    before.is_deleting() != after.is_deleting()
        || before.metadata.labels != after.metadata.labels
        || before.spec != after.spec
        || apis(before) != apis(after)
}

/// Whether a cluster that changed, came or goes is one that `binding` is at or could go to. Ask for both states of the cluster.
pub fn concerns<B: Binding>(binding: &B, cluster: &Cluster) -> bool {
    let spec = binding.spec();
    if spec.targets().iter().any(|target| target.name == cluster.name()) {
        return true;
    }
    let Some(placement) = &spec.placement else {
        return false;
    };
    affinity::matches_optional(cluster, placement.cluster_affinity.as_ref()).is_ok()
}
