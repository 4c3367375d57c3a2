//! How many replicas each feasible cluster gets.
//!
//! Never looks at why a cluster is feasible. Source: controlplane.md §4.7 and §4.8.

use super::filter::Feasible;
use super::sorted::SortedAffinity;
use super::webster::{Ties, dispense};
use super::{Failure, Options};
use flotilla_api::cluster::Cluster;
use flotilla_api::policy::{
    ClusterPreferences, Placement, ReplicaDivisionPreference, ReplicaSchedulingType, SpreadConstraint, SpreadField,
};
use flotilla_api::work::{ResourceBindingSpec, TargetCluster};
use std::cmp::Reverse;

/// How replicas are shared out, after the fields of a placement.
pub enum Strategy<'a> {
    /// Every cluster runs all of them.
    Duplicated,
    /// By weights.
    StaticWeights(Weights<'a>),
    /// By how much room there is.
    DynamicWeights,
    /// Over as few clusters as have room.
    Aggregated,
    /// Words that mean nothing.
    Unknown { kind: String, preference: String },
}

impl<'a> Strategy<'a> {
    /// What a placement says; without one, all clusters run everything.
    pub fn of(placement: Option<&'a Placement>) -> Self {
        let Some(strategy) = placement.and_then(|placement| placement.replica_scheduling.as_ref()) else {
            return Self::Duplicated;
        };
        match (&strategy.replica_scheduling_type, &strategy.replica_division_preference) {
            (Some(ReplicaSchedulingType::Duplicated), _) => Self::Duplicated,
            (Some(ReplicaSchedulingType::Divided), Some(ReplicaDivisionPreference::Aggregated)) => Self::Aggregated,
            (Some(ReplicaSchedulingType::Divided), Some(ReplicaDivisionPreference::Weighted)) => match &strategy.weight_preference {
                Some(weights) if weights.dynamic_weight.is_some() => Self::DynamicWeights,
                weights => Self::StaticWeights(Weights::of(weights.as_ref())),
            },
            (kind, preference) => Self::Unknown {
                kind: kind.as_ref().map(ToString::to_string).unwrap_or_default(),
                preference: preference.as_ref().map(ToString::to_string).unwrap_or_default(),
            },
        }
    }

    /// The weight of a cluster, where there are weights.
    pub fn weight_of(&self, cluster: &Cluster) -> i64 {
        if let Self::StaticWeights(weights) = self { weights.weight_of(cluster) } else { 0 }
    }

    /// Static weights name the clusters themselves, unless the list of them is there and empty.
    fn ignores_spread(&self) -> bool {
        matches!(self, Self::StaticWeights(weights) if !weights.is_empty_list)
    }
}

/// A list of static weights.
pub struct Weights<'a> {
    /// Heaviest first.
    rules: Vec<(SortedAffinity<'a>, i64)>,
    is_empty_list: bool,
}

impl<'a> Weights<'a> {
    fn of(preference: Option<&'a ClusterPreferences>) -> Self {
        let list = preference.map(|preference| preference.static_weight_list.as_deref().unwrap_or_default());
        let rules = list.unwrap_or_default().iter().map(|rule| (SortedAffinity::new(&rule.target_cluster), rule.weight));
        let mut rules: Vec<_> = rules.collect();
        rules.sort_by_key(|(_, weight)| Reverse(*weight));
        Self { rules, is_empty_list: list.is_some_and(<[_]>::is_empty) }
    }

    /// That of the heaviest rule that selects it.
    fn weight_of(&self, cluster: &Cluster) -> i64 {
        let rule = self.rules.iter().find(|(affinity, _)| affinity.matches(cluster).is_ok());
        rule.map_or(0, |(_, weight)| *weight)
    }
}

/// Groups of clusters in order of preference come before everything else: without them nothing can be filtered.
pub fn unsupported_groups(spec: &ResourceBindingSpec) -> Option<Failure> {
    let groups = spec.placement.as_ref().and_then(|placement| placement.cluster_affinities.as_ref());
    groups.map(|_| Failure::Unsupported { what: "placement.clusterAffinities", instead: "`clusterAffinity`" })
}

/// The clusters and their replicas, sorted by name. `feasible` must not be empty.
pub fn assign(
    spec: &ResourceBindingSpec,
    strategy: &Strategy<'_>,
    mut feasible: Vec<Feasible<'_>>,
    options: Options,
) -> Result<Vec<TargetCluster>, Failure> {
    let has_replicas = (spec.replicas > 0 || spec.replica_requirements.is_some()) && spec.components.len() <= 1;
    let spread = spec.placement.as_ref().map_or(&[][..], |placement| &placement.spread_constraints);
    sort(&mut feasible);
    if has_replicas {
        if !spread.is_empty() && !strategy.ignores_spread() {
            return Err(UNSUPPORTED_SPREAD);
        }
        let shares = feasible.iter().zip(divide(spec, strategy, &feasible)?);
        let shares = shares.filter(|(_, replicas)| *replicas > 0 || options.keeps_empty_clusters);
        return Ok(shares.map(|(cluster, replicas)| target(cluster, replicas)).collect());
    }
    if !strategy.ignores_spread() {
        spread_over_clusters(spec, spread, &mut feasible)?;
    }
    Ok(feasible.iter().map(|cluster| target(cluster, 0)).collect())
}

const UNSUPPORTED_SPREAD: Failure =
    Failure::Unsupported { what: "placement.spreadConstraints", instead: "`clusterAffinity.clusterNames` to name the clusters" };

/// Where room does not count: the first clusters by name, those before all where the object is already.
fn spread_over_clusters(spec: &ResourceBindingSpec, spread: &[SpreadConstraint], clusters: &mut Vec<Feasible<'_>>) -> Result<(), Failure> {
    let Some(constraint) = spread.last() else { return Ok(()) };
    let is_over_clusters = |constraint: &SpreadConstraint| constraint.spread_by_field == Some(SpreadField::Cluster);
    if !spec.components.is_empty() || !spread.iter().all(is_over_clusters) {
        return Err(UNSUPPORTED_SPREAD);
    }
    let (least, most) = (constraint.min_groups.unwrap_or(0), constraint.max_groups.unwrap_or(0));
    if i64::try_from(clusters.len()).is_ok_and(|found| found < least) || most <= 0 {
        let message = format!("`spreadConstraints` wants {least} to {most} clusters, {} fit", clusters.len());
        return Err(Failure::SchedulerError(message));
    }
    let is_target = |cluster: &Feasible<'_>| spec.targets().iter().any(|target| target.name == cluster.name);
    clusters.sort_by_key(|cluster| !is_target(cluster));
    clusters.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    sort(clusters);
    Ok(())
}

/// The replicas of each cluster, in their order.
fn divide(spec: &ResourceBindingSpec, strategy: &Strategy<'_>, clusters: &[Feasible<'_>]) -> Result<Vec<i32>, Failure> {
    let unsupported = |what| Err(Failure::Unsupported { what, instead: "`staticWeightList` or `Duplicated`" });
    match strategy {
        Strategy::Duplicated => Ok(vec![spec.replicas; clusters.len()]),
        Strategy::StaticWeights(_) => Ok(by_weight(spec, clusters)),
        Strategy::DynamicWeights => unsupported("placement.replicaScheduling.weightPreference.dynamicWeight"),
        Strategy::Aggregated => unsupported("placement.replicaScheduling.replicaDivisionPreference: Aggregated"),
        Strategy::Unknown { kind, preference } => Err(Failure::SchedulerError(format!(
            "`replicaSchedulingType: {kind}` with `replicaDivisionPreference: {preference}` is no way to divide replicas"
        ))),
    }
}

/// Divides from nothing: where replicas were before does not count. All clusters weigh the same when no rule selects any.
fn by_weight(spec: &ResourceBindingSpec, clusters: &[Feasible<'_>]) -> Vec<i32> {
    let mut weights: Vec<i64> = clusters.iter().map(|cluster| cluster.weight).collect();
    if weights.iter().all(|&weight| weight <= 0) {
        weights.fill(1);
    }
    let ties = Ties::of_uid(spec.resource.uid.as_deref().unwrap_or(""));
    let seats = dispense(i64::from(spec.replicas), &weights, ties).into_iter();
    seats.map(|seats| i32::try_from(seats).expect("a share is at most all the replicas")).collect()
}

fn target(cluster: &Feasible<'_>, replicas: i32) -> TargetCluster {
    TargetCluster { name: cluster.name.to_owned(), replicas, ..TargetCluster::default() }
}

fn sort(clusters: &mut [Feasible<'_>]) {
    clusters.sort_unstable_by_key(|cluster| cluster.name);
}
