//! How many replicas each feasible cluster gets.
//!
//! Never looks at why a cluster is feasible. Source: controlplane.md §4.7 and §4.8.

use super::sorted::SortedAffinity;
use super::webster::{Party, Ties, dispense};
use super::{Failure, Options};
use flotilla_api::cluster::Cluster;
use flotilla_api::policy::{
    Placement, ReplicaDivisionPreference, ReplicaSchedulingType, SpreadConstraint, SpreadField, StaticClusterWeight,
};
use flotilla_api::work::{ResourceBindingSpec, TargetCluster};

/// How replicas are shared out, after the fields of a placement.
enum Strategy<'a> {
    /// Every cluster runs all of them.
    Duplicated,
    /// By these weights; `None`: all clusters weigh the same.
    StaticWeights(Option<&'a [StaticClusterWeight]>),
    /// By how much room there is.
    DynamicWeights,
    /// Over as few clusters as have room.
    Aggregated,
    /// Words that mean nothing.
    Unknown { kind: String, preference: String },
}

/// Groups of clusters in order of preference come before everything else: without them nothing can be filtered.
pub fn unsupported_groups(spec: &ResourceBindingSpec) -> Option<Failure> {
    let groups = spec.placement.as_ref().and_then(|placement| placement.cluster_affinities.as_ref());
    groups.map(|_| Failure::Unsupported { what: "placement.clusterAffinities", instead: "`clusterAffinity`" })
}

/// The clusters and their replicas, sorted by name. `feasible` must not be empty.
pub fn assign(spec: &ResourceBindingSpec, feasible: &[&Cluster], options: Options) -> Result<Vec<TargetCluster>, Failure> {
    let strategy = strategy_of(spec.placement.as_ref());
    let has_replicas = (spec.replicas > 0 || spec.replica_requirements.is_some()) && spec.components.len() <= 1;
    let spread = spec.placement.as_ref().map_or(&[][..], |placement| &placement.spread_constraints);
    if has_replicas && !spread.is_empty() && !ignores_spread(&strategy) {
        return Err(UNSUPPORTED_SPREAD);
    }
    if !has_replicas {
        let chosen = if ignores_spread(&strategy) { feasible.to_vec() } else { spread_over_clusters(spec, spread, feasible)? };
        return Ok(sorted(chosen.into_iter().map(|cluster| target(cluster, 0)).collect()));
    }
    let mut targets = divide(spec, strategy, feasible)?;
    targets.retain(|target| target.replicas > 0 || options.keeps_empty_clusters);
    Ok(sorted(targets))
}

const UNSUPPORTED_SPREAD: Failure =
    Failure::Unsupported { what: "placement.spreadConstraints", instead: "`clusterAffinity.clusterNames` to name the clusters" };

/// Where room does not count: the first clusters by name, those before all where the object is already.
fn spread_over_clusters<'a>(
    spec: &ResourceBindingSpec,
    spread: &[SpreadConstraint],
    feasible: &[&'a Cluster],
) -> Result<Vec<&'a Cluster>, Failure> {
    let mut chosen = feasible.to_vec();
    let Some(constraint) = spread.last() else { return Ok(chosen) };
    let is_over_clusters = |constraint: &SpreadConstraint| constraint.spread_by_field == Some(SpreadField::Cluster);
    if !spec.components.is_empty() || !spread.iter().all(is_over_clusters) {
        return Err(UNSUPPORTED_SPREAD);
    }
    let (least, most) = (constraint.min_groups.unwrap_or(0), constraint.max_groups.unwrap_or(0));
    if i64::try_from(chosen.len()).is_ok_and(|found| found < least) || most <= 0 {
        let message = format!("`spreadConstraints` wants {least} to {most} clusters, {} fit", chosen.len());
        return Err(Failure::SchedulerError(message));
    }
    let is_target = |cluster: &Cluster| spec.targets().iter().any(|target| target.name == cluster.name());
    chosen.sort_by_key(|cluster| (!is_target(cluster), cluster.name()));
    chosen.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(chosen)
}

fn divide(spec: &ResourceBindingSpec, strategy: Strategy<'_>, feasible: &[&Cluster]) -> Result<Vec<TargetCluster>, Failure> {
    let unsupported = |what| Err(Failure::Unsupported { what, instead: "`staticWeightList` or `Duplicated`" });
    match strategy {
        Strategy::Duplicated => Ok(feasible.iter().map(|cluster| target(cluster, spec.replicas)).collect()),
        Strategy::StaticWeights(rules) => Ok(by_weight(spec, &weights(rules.unwrap_or_default(), feasible), feasible)),
        Strategy::DynamicWeights => unsupported("placement.replicaScheduling.weightPreference.dynamicWeight"),
        Strategy::Aggregated => unsupported("placement.replicaScheduling.replicaDivisionPreference: Aggregated"),
        Strategy::Unknown { kind, preference } => Err(Failure::SchedulerError(format!(
            "`replicaSchedulingType: {kind}` with `replicaDivisionPreference: {preference}` is no way to divide replicas"
        ))),
    }
}

fn strategy_of(placement: Option<&Placement>) -> Strategy<'_> {
    let Some(strategy) = placement.and_then(|placement| placement.replica_scheduling.as_ref()) else {
        return Strategy::Duplicated;
    };
    match (&strategy.replica_scheduling_type, &strategy.replica_division_preference) {
        (Some(ReplicaSchedulingType::Duplicated), _) => Strategy::Duplicated,
        (Some(ReplicaSchedulingType::Divided), Some(ReplicaDivisionPreference::Aggregated)) => Strategy::Aggregated,
        (Some(ReplicaSchedulingType::Divided), Some(ReplicaDivisionPreference::Weighted)) => match &strategy.weight_preference {
            Some(weights) if weights.dynamic_weight.is_some() => Strategy::DynamicWeights,
            weights => Strategy::StaticWeights(weights.as_ref().map(|weights| weights.static_weight_list.as_deref().unwrap_or_default())),
        },
        (kind, preference) => Strategy::Unknown {
            kind: kind.as_ref().map(ToString::to_string).unwrap_or_default(),
            preference: preference.as_ref().map(ToString::to_string).unwrap_or_default(),
        },
    }
}

/// Static weights name the clusters themselves, unless the list of them is there and empty.
fn ignores_spread(strategy: &Strategy<'_>) -> bool {
    matches!(strategy, Strategy::StaticWeights(rules) if rules.is_none_or(|rules| !rules.is_empty()))
}

/// The weight of each cluster: that of the heaviest rule that selects it. All weigh the same when no rule selects any.
fn weights(rules: &[StaticClusterWeight], feasible: &[&Cluster]) -> Vec<i64> {
    let rules: Vec<(SortedAffinity<'_>, i64)> = rules.iter().map(|rule| (SortedAffinity::new(&rule.target_cluster), rule.weight)).collect();
    let weight_in = |cluster: &Cluster| {
        let matching = rules.iter().filter(|(affinity, _)| affinity.matches(cluster).is_ok());
        matching.map(|(_, weight)| *weight).max().unwrap_or(0)
    };
    let weights: Vec<i64> = feasible.iter().map(|cluster| weight_in(cluster)).collect();
    if weights.iter().all(|&weight| weight <= 0) { vec![1; feasible.len()] } else { weights }
}

/// Divides from nothing: where replicas were before does not count.
fn by_weight(spec: &ResourceBindingSpec, weights: &[i64], feasible: &[&Cluster]) -> Vec<TargetCluster> {
    let parties = feasible.iter().zip(weights).map(|(cluster, &votes)| Party { name: cluster.name(), votes });
    let ties = Ties::of_uid(spec.resource.uid.as_deref().unwrap_or(""));
    let seats = dispense(i64::from(spec.replicas), &parties.collect::<Vec<_>>(), ties);
    let replicas = seats.into_iter().map(|seats| i32::try_from(seats).expect("a share is at most all the replicas"));
    feasible.iter().zip(replicas).map(|(cluster, replicas)| target(cluster, replicas)).collect()
}

fn target(cluster: &Cluster, replicas: i32) -> TargetCluster {
    TargetCluster { name: cluster.name().to_owned(), replicas, ..TargetCluster::default() }
}

fn sorted(mut targets: Vec<TargetCluster>) -> Vec<TargetCluster> {
    targets.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    targets
}
