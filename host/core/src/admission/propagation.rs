//! Checks of PropagationPolicies and ClusterPropagationPolicies.

use super::clusters::{check_affinity, check_label_key};
use super::errors::Errors;
use flotilla_api::policy::{
    ApplicationFailoverBehavior, ClusterAffinity, ClusterAffinityTerm, Placement, PolicyPreemption, PropagationSpec, PurgeMode,
    ReplicaDivisionPreference, ReplicaSchedulingType, SpreadConstraint, SpreadField, StatePreservation, WorkloadAffinity,
};

const DEFAULT_SCHEDULER: &str = "default-scheduler";

/// What may not change.
pub fn check_update(old: &PropagationSpec, new: &PropagationSpec, errors: &mut Errors) {
    let scheduler = |spec: &PropagationSpec| spec.scheduler_name.clone().unwrap_or_else(|| DEFAULT_SCHEDULER.to_owned());
    if scheduler(old) != scheduler(new) {
        errors.invalid("spec.schedulerName", scheduler(new), "field is immutable");
    }
}

/// What must hold.
pub fn check(spec: &PropagationSpec, errors: &mut Errors) {
    if let Some(placement) = &spec.placement {
        check_placement(placement, errors);
    }
    check_failover(spec, errors);
    if spec.preemption == Some(PolicyPreemption::Always) {
        let unnamed = |name: &Option<String>| name.as_deref().unwrap_or("").is_empty();
        for (n, _) in spec.resource_selectors.iter().enumerate().filter(|(_, selector)| unnamed(&selector.name)) {
            errors.required(format!("spec.resourceSelectors[{n}].name"), "`preemption: Always` takes over named objects only");
        }
    }
    let suspension = spec.suspension.as_ref();
    if suspension.is_some_and(|suspension| suspension.dispatching == Some(true) && suspension.dispatching_on_clusters.is_some()) {
        errors.forbidden("spec.suspension.dispatchingOnClusters", "`dispatching: true` suspends all clusters");
    }
}

fn check_placement(placement: &Placement, errors: &mut Errors) {
    const PATH: &str = "spec.placement";
    let terms = placement.cluster_affinities.as_deref().unwrap_or_default();
    if placement.cluster_affinity.is_some() && !terms.is_empty() {
        errors.forbidden(format!("{PATH}.clusterAffinities"), "must not be given together with `clusterAffinity`");
    }
    if let Some(affinity) = &placement.cluster_affinity {
        check_affinity(&format!("{PATH}.clusterAffinity"), affinity, errors);
    }
    check_terms(placement, terms, errors);
    for (n, toleration) in placement.cluster_tolerations.iter().enumerate() {
        if let Some(operator @ ("Lt" | "Gt")) = toleration.operator.as_deref() {
            errors.unsupported(format!("{PATH}.clusterTolerations[{n}].operator"), operator, &["Equal", "Exists"]);
        }
    }
    check_spread(&format!("{PATH}.spreadConstraints"), &placement.spread_constraints, errors);
    if let Some(affinity) = &placement.workload_affinity {
        check_workload_affinity(&format!("{PATH}.workloadAffinity"), affinity, errors);
    }
}

fn check_terms(placement: &Placement, terms: &[ClusterAffinityTerm], errors: &mut Errors) {
    let mut names = Vec::new();
    for (n, term) in terms.iter().enumerate() {
        let path = format!("spec.placement.clusterAffinities[{n}]");
        check_name(&path, &term.affinity_name, &mut names, errors);
        check_affinity(&path, &term.affinity, errors);
        check_overflow(placement, &path, term, errors);
    }
}

fn check_name<'a>(path: &str, name: &'a str, names: &mut Vec<&'a str>, errors: &mut Errors) {
    let path = format!("{path}.affinityName");
    if names.contains(&name) {
        errors.duplicate(path.clone(), name);
    }
    names.push(name);
    check_label_key(path, name, errors);
}

/// Groups that take what the preferred one has no room for make sense only where replicas are divided by room.
fn check_overflow(placement: &Placement, path: &str, term: &ClusterAffinityTerm, errors: &mut Errors) {
    if term.overflow_affinities.is_empty() {
        return;
    }
    if !divides_by_room(placement) {
        let cure = "needs `replicaSchedulingType: Divided` with `Aggregated`, or with `Weighted` and a `dynamicWeight`";
        errors.forbidden(format!("{path}.overflowAffinities"), cure);
    }
    if term.affinity == ClusterAffinity::default() {
        errors.required(path, "a group that means every cluster has no overflow");
    }
    let mut names = vec![term.affinity_name.as_str()];
    for (n, overflow) in term.overflow_affinities.iter().enumerate() {
        let path = format!("{path}.overflowAffinities[{n}]");
        check_name(&path, &overflow.affinity_name, &mut names, errors);
        check_affinity(&path, &overflow.affinity, errors);
    }
}

fn divides_by_room(placement: &Placement) -> bool {
    let Some(strategy) = &placement.replica_scheduling else { return false };
    let is_divided = strategy.replica_scheduling_type.as_ref().is_none_or(|kind| *kind == ReplicaSchedulingType::Divided);
    let is_dynamic = || strategy.weight_preference.as_ref().is_some_and(|weights| weights.dynamic_weight.is_some());
    is_divided
        && match strategy.replica_division_preference {
            Some(ReplicaDivisionPreference::Aggregated) => true,
            Some(ReplicaDivisionPreference::Weighted) => is_dynamic(),
            _ => false,
        }
}

fn check_spread(path: &str, constraints: &[SpreadConstraint], errors: &mut Errors) {
    let mut fields = Vec::new();
    for (n, constraint) in constraints.iter().enumerate() {
        let path = format!("{path}[{n}]");
        let label = constraint.spread_by_label.as_deref().filter(|label| !label.is_empty());
        if constraint.spread_by_field.is_some() && label.is_some() {
            errors.forbidden(format!("{path}.spreadByLabel"), "must not be given together with `spreadByField`");
        }
        let (min, max) = (constraint.min_groups.unwrap_or(0), constraint.max_groups.unwrap_or(0));
        if min < 0 {
            errors.invalid(format!("{path}.minGroups"), min, "must not be negative");
        }
        if max < 0 {
            errors.invalid(format!("{path}.maxGroups"), max, "must not be negative");
        }
        if max > 0 && max < min {
            errors.invalid(format!("{path}.maxGroups"), max, "must not be less than `minGroups`");
        }
        if let Some(field) = &constraint.spread_by_field {
            if fields.contains(&field) {
                errors.duplicate(format!("{path}.spreadByField"), field.as_str());
            }
            fields.push(field);
        }
    }
    if !fields.is_empty() && !fields.contains(&&SpreadField::Cluster) {
        errors.required(path, "spreading by a field needs a constraint with `spreadByField: cluster` too");
    }
}

fn check_workload_affinity(path: &str, affinity: &WorkloadAffinity, errors: &mut Errors) {
    let key = |group: &Option<flotilla_api::policy::WorkloadGroup>| group.as_ref().map(|group| group.group_by_label_key.clone());
    let (together, apart) = (key(&affinity.affinity), key(&affinity.anti_affinity));
    for (field, key) in [("affinity", &together), ("antiAffinity", &apart)] {
        if let Some(key) = key {
            check_label_key(format!("{path}.{field}.groupByLabelKey"), key, errors);
        }
    }
    if together.is_some() && together == apart {
        let key = apart.unwrap_or_default();
        errors.invalid(format!("{path}.antiAffinity.groupByLabelKey"), key, "must differ from that of `affinity`");
    }
}

fn check_failover(spec: &PropagationSpec, errors: &mut Errors) {
    let Some(failover) = &spec.failover else { return };
    if let Some(application) = &failover.application {
        if !spec.propagate_deps {
            errors.invalid("spec.propagateDeps", false, "must be true with `failover.application`: what it needs moves with it");
        }
        check_application(application, errors);
    }
    let cluster = failover.cluster.as_ref().and_then(|cluster| cluster.state_preservation.as_ref());
    check_state("spec.failover.cluster", cluster, errors);
}

fn check_application(application: &ApplicationFailoverBehavior, errors: &mut Errors) {
    const PATH: &str = "spec.failover.application";
    if let Some(seconds) = application.decision_conditions.toleration_seconds.filter(|seconds| *seconds < 0) {
        errors.invalid(format!("{PATH}.decisionConditions.tolerationSeconds"), seconds, "must not be negative");
    }
    let is_gracefully = application.purge_mode.as_ref().is_none_or(|mode| *mode == PurgeMode::Gracefully);
    let path = format!("{PATH}.gracePeriodSeconds");
    match application.grace_period_seconds {
        None if is_gracefully => errors.required(path, "`purgeMode: Gracefully` needs it"),
        Some(_) if !is_gracefully => errors.forbidden(path, "only `purgeMode: Gracefully` has it"),
        Some(seconds) if seconds <= 0 => errors.invalid(path, seconds, "must be greater than 0"),
        _ => {}
    }
    check_state(PATH, application.state_preservation.as_ref(), errors);
}

fn check_state(path: &str, state: Option<&StatePreservation>, errors: &mut Errors) {
    for (n, rule) in state.iter().flat_map(|state| &state.rules).enumerate() {
        check_label_key(format!("{path}.statePreservation.rules[{n}].aliasLabelName"), &rule.alias_label_name, errors);
    }
}
