//! Whether a binding needs a new decision about its clusters, and what makes it need one.
//!
//! Looks at nothing but the binding and which clusters are going away. Source: controlplane.md §4.3.

use crate::binding::Binding;
use flotilla_api::cluster::Cluster;
use flotilla_api::labels;
use flotilla_api::policy::{ClusterAffinityTerm, Placement, ReplicaSchedulingType};
use flotilla_api::work::ResourceBindingSpec;
use std::borrow::Borrow;
use std::fmt;

/// What makes a binding be scheduled, or why it is not. Order of variants = order of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The binding is being deleted: nothing to do.
    Deleting,
    /// Nobody asked for clusters: the binding goes where another binding takes it.
    NoPlacement,
    /// The placement is not the one of the last decision.
    PlacementChanged,
    /// The clusters do not run the number of replicas that is wished for.
    ReplicasChanged,
    /// Somebody asked for a new decision from scratch.
    RescheduleRequested,
    /// It goes to every cluster that fits: each change of a cluster may matter.
    EveryCluster,
    /// A cluster that it is at is going away.
    TargetDeleting,
    /// The last decision still holds.
    UpToDate,
}

impl Trigger {
    /// Whether clusters must be decided on.
    pub fn is_due(self) -> bool {
        !matches!(self, Self::Deleting | Self::NoPlacement | Self::UpToDate)
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleting => "the binding is being deleted",
            Self::NoPlacement => "the binding has no placement",
            Self::PlacementChanged => "the placement changed",
            Self::ReplicasChanged => "the number of replicas changed",
            Self::RescheduleRequested => "a new decision was requested",
            Self::EveryCluster => "it goes to every cluster that fits",
            Self::TargetDeleting => "a cluster that it is at is being deleted",
            Self::UpToDate => "the last decision still holds",
        })
    }
}

/// What makes `binding` need a decision, if anything does.
pub fn trigger<B: Binding, C: Borrow<Cluster>>(binding: &B, clusters: &[C]) -> Trigger {
    let spec = binding.spec();
    let Some(placement) = &spec.placement else {
        return Trigger::NoPlacement;
    };
    let checks: [(Trigger, &dyn Fn() -> bool); 6] = [
        (Trigger::Deleting, &|| binding.metadata().deletion_timestamp.is_some()),
        (Trigger::PlacementChanged, &|| is_placement_changed(binding, placement)),
        (Trigger::ReplicasChanged, &|| are_replicas_changed(spec, placement)),
        (Trigger::RescheduleRequested, &|| is_reschedule_requested(binding)),
        (Trigger::EveryCluster, &|| !spec.is_workload() || is_duplicated(placement)),
        (Trigger::TargetDeleting, &|| is_target_deleting(spec, clusters)),
    ];
    checks.iter().find(|(_, holds)| holds()).map_or(Trigger::UpToDate, |(trigger, _)| *trigger)
}

/// Whether each cluster runs all replicas.
pub(super) fn is_duplicated(placement: &Placement) -> bool {
    let strategy = placement.replica_scheduling.as_ref();
    strategy.is_none_or(|strategy| strategy.replica_scheduling_type == Some(ReplicaSchedulingType::Duplicated))
}

/// The annotation names the placement of the last decision. One that cannot be read counts as unchanged: a decision made without
/// need could move what runs.
fn is_placement_changed<B: Binding>(binding: &B, placement: &Placement) -> bool {
    let applied = binding.annotation(labels::APPLIED_PLACEMENT);
    if applied.is_empty() {
        return true;
    }
    let Ok(applied) = serde_json::from_str::<Placement>(applied) else {
        return false;
    };
    applied != *placement && differs_in_effect(&applied, placement, binding)
}

/// A group of `clusterAffinities` that the clusters were not chosen from may change without effect.
fn differs_in_effect<B: Binding>(applied: &Placement, placement: &Placement, binding: &B) -> bool {
    if applied.cluster_affinity != placement.cluster_affinity
        || applied.cluster_tolerations != placement.cluster_tolerations
        || applied.spread_constraints != placement.spread_constraints
        || applied.replica_scheduling != placement.replica_scheduling
    {
        return true;
    }
    let observed = binding.status().and_then(|status| status.scheduler_observing_affinity_name.as_deref());
    let chosen_of = |placement: &Placement| -> Option<ClusterAffinityTerm> {
        let mut terms = placement.cluster_affinities.iter().flatten();
        terms.find(|term| Some(term.affinity_name.as_str()) == observed).cloned()
    };
    let chosen = chosen_of(placement);
    chosen.is_none() || chosen != chosen_of(applied)
}

fn are_replicas_changed(spec: &ResourceBindingSpec, placement: &Placement) -> bool {
    let Some(strategy) = &placement.replica_scheduling else {
        return false;
    };
    match strategy.replica_scheduling_type {
        Some(ReplicaSchedulingType::Duplicated) => spec.targets().iter().any(|target| target.replicas != spec.replicas),
        Some(ReplicaSchedulingType::Divided) => {
            spec.targets().iter().map(|target| i64::from(target.replicas)).sum::<i64>() != i64::from(spec.replicas)
        }
        _ => false,
    }
}

fn is_reschedule_requested<B: Binding>(binding: &B) -> bool {
    let scheduled = binding.status().and_then(|status| status.last_scheduled_time.as_ref());
    match (&binding.spec().reschedule_triggered_at, scheduled) {
        (Some(requested), Some(scheduled)) => requested.0 > scheduled.0,
        _ => false,
    }
}

fn is_target_deleting<C: Borrow<Cluster>>(spec: &ResourceBindingSpec, clusters: &[C]) -> bool {
    let is_target = |name: &str| spec.targets().iter().any(|target| target.name == name);
    clusters.iter().map(Borrow::borrow).any(|cluster| cluster.is_deleting() && is_target(cluster.name()))
}
