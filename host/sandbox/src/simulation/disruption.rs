//! PodDisruptionBudgets: how many of the pods behind a budget may go now. Decides only.

use super::action::{Action, Outcome, Target};
use super::kind::{BUDGET, Meta};
use super::owners::Matcher;
use super::pods;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a pod counts as disrupted that was to go and has not.
const PATIENCE: SignedDuration = SignedDuration::from_secs(120);

/// Whether a budget is about a pod.
pub fn covers(budget: &PodDisruptionBudget, pod: &ObjectMeta) -> bool {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    budget.metadata.namespace == pod.namespace && selector.is_some_and(|selector| Matcher::new(selector).matches(pod))
}

/// What to write for a budget now; `covered` are the pods that it is about.
pub fn reconcile(budget: &PodDisruptionBudget, covered: &[Arc<Pod>], now: Timestamp) -> Outcome {
    if budget.metadata.is_deleting() {
        return Outcome::default();
    }
    let old = budget.status.clone().unwrap_or_default();
    let disrupted = still_disrupted(&old, covered, now);
    let counted: Vec<&Arc<Pod>> = covered.iter().filter(|pod| pods::is_active(pod)).collect();
    let is_healthy = |pod: &&&Arc<Pod>| pods::is_ready(pod) && !disrupted.contains_key(pod.metadata.name());
    let healthy = counted.iter().filter(is_healthy).count() as i64;
    let expected = counted.len() as i64;
    let desired = desired(budget, expected);
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let observed = budget.metadata.generation.unwrap_or(0);
    let is_same =
        [i64::from(old.current_healthy), i64::from(old.desired_healthy), i64::from(old.disruptions_allowed), i64::from(old.expected_pods)]
            == [healthy, desired, allowed, expected]
            && old.observed_generation == Some(observed)
            && old.disrupted_pods.unwrap_or_default().len() == disrupted.len();
    let mut outcome = Outcome::default();
    if let Some(first) = disrupted.values().min() {
        outcome.wake_at(*first + PATIENCE);
    }
    if !is_same {
        let condition = condition(budget, allowed, observed, now);
        let patch = json!({"status": {"currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
            "expectedPods": expected, "observedGeneration": observed, "conditions": [condition],
            "disruptedPods": forgotten(budget, &disrupted)}});
        outcome.actions.push(Action::patch_status(Target::new(&BUDGET, &budget.metadata), patch));
    }
    outcome
}

/// Pods that are about to go and are still there.
fn still_disrupted(old: &PodDisruptionBudgetStatus, covered: &[Arc<Pod>], now: Timestamp) -> BTreeMap<String, Timestamp> {
    let is_there = |name: &str| covered.iter().any(|pod| pod.metadata.name() == name && !pod.metadata.is_deleting());
    let disrupted = old.disrupted_pods.iter().flatten().map(|(name, time)| (name.clone(), time.0));
    disrupted.filter(|(name, time)| is_there(name) && *time + PATIENCE > now).collect()
}

/// A merge patch that leaves only these.
fn forgotten(budget: &PodDisruptionBudget, disrupted: &BTreeMap<String, Timestamp>) -> Value {
    let old = budget.status.iter().flat_map(|status| status.disrupted_pods.iter().flatten());
    let gone: Map<String, Value> =
        old.filter(|(name, _)| !disrupted.contains_key(*name)).map(|(name, _)| (name.clone(), Value::Null)).collect();
    Value::Object(gone)
}

/// How many healthy pods there must be.
fn desired(budget: &PodDisruptionBudget, expected: i64) -> i64 {
    let Some(spec) = &budget.spec else { return 0 };
    match (&spec.min_available, &spec.max_unavailable) {
        (Some(least), _) => share(least, expected),
        (None, Some(most)) => (expected - share(most, expected)).max(0),
        (None, None) => 0,
    }
}

/// A count, or a percentage of all, rounded up.
fn share(limit: &IntOrString, expected: i64) -> i64 {
    match limit {
        IntOrString::Int(count) => i64::from(*count),
        IntOrString::String(percentage) => {
            let percentage: i64 = percentage.trim_end_matches('%').parse().unwrap_or(0);
            (expected * percentage + 99) / 100
        }
    }
}

fn condition(budget: &PodDisruptionBudget, allowed: i64, observed: i64, now: Timestamp) -> Value {
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let old = budget.status.iter().flat_map(|status| status.conditions.iter().flatten()).find(|old| old.type_ == "DisruptionAllowed");
    let since = old.filter(|old| old.status == status).map_or(now, |old| old.last_transition_time.0);
    json!({"type": "DisruptionAllowed", "status": status, "reason": reason, "message": "", "observedGeneration": observed,
        "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()})
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::yaml;
    use super::*;

    fn pod(name: &str, ready: &str) -> Arc<Pod> {
        Arc::new(yaml(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{a: b}}}}, status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}'}}]}}}}"
        )))
    }

    #[track_caller]
    fn check(spec: &str, pods: &[Arc<Pod>], expected: [i64; 4]) {
        let budget: PodDisruptionBudget = yaml(&format!(
            "{{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {{name: b, namespace: shop, generation: 3}}, spec: {{selector: {{matchLabels: {{a: b}}}}, {spec}}}}}"
        ));
        assert!(pods.iter().all(|pod| covers(&budget, &pod.metadata)));
        let outcome = reconcile(&budget, pods, Timestamp::UNIX_EPOCH);
        let Request::Patch { patch, .. } = &outcome.actions[0].request else { panic!("{outcome:?}") };
        let status = &patch["status"];
        let fields = ["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"];
        assert_eq!(fields.map(|field| status[field].as_i64().unwrap()), expected);
        assert_eq!(status["observedGeneration"], 3);
    }

    #[test]
    fn what_is_healthy_beyond_what_must_be_may_go() {
        let pods = [pod("p1", "True"), pod("p2", "True"), pod("p3", "False")];
        check("minAvailable: 1", &pods, [2, 1, 1, 3]);
        check("minAvailable: 50%", &pods, [2, 2, 0, 3]);
        check("maxUnavailable: 1", &pods, [2, 2, 0, 3]);
        check("maxUnavailable: 100%", &pods, [2, 0, 2, 3]);
        check("minAvailable: 1", &[], [0, 1, 0, 0]);
    }

    #[test]
    fn what_is_counted_already_is_not_written() {
        let budget: PodDisruptionBudget = yaml(
            "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, namespace: shop, generation: 1}, spec: {selector: {matchLabels: {a: b}}, minAvailable: 1},
              status: {currentHealthy: 1, desiredHealthy: 1, disruptionsAllowed: 0, expectedPods: 1, observedGeneration: 1}}",
        );
        assert!(reconcile(&budget, &[pod("p", "True")], Timestamp::UNIX_EPOCH).actions.is_empty());
    }
}
