//! ReplicaSets: as many active pods as asked for, and the status that counts them. Decides only.

use super::action::{Action, Outcome, Target, status_patch};
use super::events::About;
use super::kind::{Meta, POD, REPLICA_SET};
use super::{pods, template};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "replicaset-controller";
/// No more pods than this are made or deleted in one go.
const BURST: usize = 500;

/// What a decision about a ReplicaSet is taken on.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The ReplicaSet.
    pub set: &'a ReplicaSet,
    /// Its pods, the finished and the terminating among them.
    pub pods: &'a [Arc<Pod>],
    /// The pods of all ReplicaSets of the same Deployment: the victims are those that crowd a node.
    pub related: &'a [Arc<Pod>],
    /// Why the last attempt to make or delete pods failed.
    pub last_error: Option<&'a str>,
}

/// What to do for a ReplicaSet now.
pub fn reconcile(seen: Seen, names: &mut template::Names, now: Timestamp) -> Outcome {
    let (set, spec) = (seen.set, spec(seen.set));
    let active: Vec<Arc<Pod>> = seen.pods.iter().filter(|pod| pods::is_active(pod)).cloned().collect();
    let terminating = seen.pods.iter().filter(|pod| pod.metadata.is_deleting() && !pods::is_finished(pod)).count();
    let wanted = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);

    let mut outcome = Outcome::default();
    let old = set.status.clone().unwrap_or_default();
    let mut new = count(set, &active, terminating, now);
    new.conditions = failure_condition(&old, seen.last_error, active.len() < wanted, now);
    if let Some(patch) = status_patch(&set.status, &new) {
        outcome.actions.push(Action::patch_status(Target::new(&REPLICA_SET, &set.metadata), patch));
    }
    if !set.metadata.is_deleting() {
        outcome.actions.extend(replicate(seen, &active, wanted, names, now));
    }
    outcome.wake = pods::next_available(&active, spec.min_ready_seconds.unwrap_or(0), now);
    outcome
}

/// A ReplicaSet's spec, or an empty one.
pub fn spec(set: &ReplicaSet) -> &ReplicaSetSpec {
    static EMPTY: std::sync::LazyLock<ReplicaSetSpec> = std::sync::LazyLock::new(ReplicaSetSpec::default);
    set.spec.as_ref().unwrap_or(&EMPTY)
}

/// A ReplicaSet's selector.
pub fn selector(set: &ReplicaSet) -> &LabelSelector {
    &spec(set).selector
}

fn replicate(seen: Seen, active: &[Arc<Pod>], wanted: usize, names: &mut template::Names, now: Timestamp) -> Vec<Action> {
    if active.len() <= wanted {
        let missing = (wanted - active.len()).min(BURST);
        return (0..missing).map(|_| create(seen.set, names)).collect();
    }
    let mut victims = active.to_vec();
    pods::sort_victims_first(&mut victims, seen.related, now);
    victims.iter().take((active.len() - wanted).min(BURST)).map(|pod| delete(seen.set, pod)).collect()
}

fn create(set: &ReplicaSet, names: &mut template::Names) -> Action {
    let meta = &set.metadata;
    let template = spec(set).template.clone().unwrap_or_default();
    let owner = REPLICA_SET.controller_reference(meta);
    let mut pod = template::pod(&template, meta.namespace(), names.under(meta.name()), owner);
    pod.metadata.generate_name = Some(format!("{}-", meta.name()));
    let about = || About::new(&REPLICA_SET, meta);
    let success = about().normal(COMPONENT, "SuccessfulCreate", format!("Created pod: {}", pod.metadata.name()));
    Action::create(&POD, &pod).saying(success).complaining(about().warning(COMPONENT, "FailedCreate", "Error creating: "))
}

fn delete(set: &ReplicaSet, pod: &Pod) -> Action {
    let about = || About::new(&REPLICA_SET, &set.metadata);
    let success = about().normal(COMPONENT, "SuccessfulDelete", format!("Deleted pod: {}", pod.metadata.name()));
    let failure = about().warning(COMPONENT, "FailedDelete", "Error deleting: ");
    Action::delete(Target::new(&POD, &pod.metadata)).saying(success).complaining(failure)
}

fn count(set: &ReplicaSet, active: &[Arc<Pod>], terminating: usize, now: Timestamp) -> ReplicaSetStatus {
    let spec = spec(set);
    let labels = spec.template.as_ref().and_then(|template| template.metadata.as_ref()).and_then(|meta| meta.labels.as_ref());
    let is_fully_labelled = |pod: &Arc<Pod>| labels.into_iter().flatten().all(|(key, value)| pod.metadata.label(key) == Some(value));
    let min_ready = spec.min_ready_seconds.unwrap_or(0);
    ReplicaSetStatus {
        replicas: number(active.len()),
        fully_labeled_replicas: some_number(active.iter().filter(|pod| is_fully_labelled(pod)).count()),
        ready_replicas: some_number(active.iter().filter(|pod| pods::is_ready(pod)).count()),
        available_replicas: some_number(active.iter().filter(|pod| pods::is_available(pod, min_ready, now)).count()),
        terminating_replicas: Some(number(terminating)),
        observed_generation: set.metadata.generation,
        conditions: None,
    }
}

fn failure_condition(old: &ReplicaSetStatus, error: Option<&str>, creating: bool, now: Timestamp) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = old.conditions.clone().unwrap_or_default();
    let known = conditions.iter().any(|condition| condition.type_ == "ReplicaFailure");
    match error {
        Some(error) if !known => conditions.push(ReplicaSetCondition {
            type_: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            reason: Some(if creating { "FailedCreate" } else { "FailedDelete" }.to_owned()),
            message: Some(error.to_owned()),
            last_transition_time: Some(Time(now)),
        }),
        Some(_) => {}
        None => conditions.retain(|condition| condition.type_ != "ReplicaFailure"),
    }
    if conditions.is_empty() { None } else { Some(conditions) }
}

/// A count as the API writes it.
pub fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A count that the API leaves out when it is 0.
pub fn some_number(count: usize) -> Option<i32> {
    Some(number(count)).filter(|count| *count != 0)
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::{pod, yaml};
    use super::super::template::Names;
    use super::*;
    use serde_json::{Value, json};

    const SET: &str = r#"
metadata: {name: web-1, namespace: shop, uid: set, generation: 3}
spec:
  replicas: 2
  minReadySeconds: 10
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: "nginx:1"}]}}
"#;

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    /// What is done for [`SET`] with these pods: the status it gets, the pods it makes (`+`) and deletes (`-`).
    fn run(pods: &[&str], last_error: Option<&str>) -> (Value, Vec<String>, Outcome) {
        let set: ReplicaSet = yaml(SET);
        let pods: Vec<Arc<Pod>> = pods.iter().map(|text| Arc::new(pod(text))).collect();
        let outcome = reconcile(Seen { set: &set, pods: &pods, related: &pods, last_error }, &mut Names::new(1), now());
        let mut status = Value::Null;
        let mut changes = Vec::new();
        for action in &outcome.actions {
            match &action.request {
                Request::Patch { patch, .. } => status = patch["status"].clone(),
                Request::Create { object, .. } => changes.push(format!("+{}", object["metadata"]["generateName"].as_str().unwrap())),
                Request::Delete { target, .. } => changes.push(format!("-{}", target.key.name)),
                Request::Bind { .. } => panic!("binds nothing"),
            }
        }
        (status, changes, outcome)
    }

    #[test]
    fn missing_pods_are_made() {
        let (status, changes, outcome) = run(&["a: failed", "b: deleting"], None);
        assert_eq!(changes, ["+web-1-", "+web-1-"]);
        assert_eq!(status, json!({"replicas": 0, "terminatingReplicas": 1, "observedGeneration": 3}));
        let event = outcome.actions[1].success.as_ref().unwrap();
        let Request::Create { object, .. } = &outcome.actions[1].request else { panic!("creates") };
        assert_eq!(event.message, format!("Created pod: {}", object["metadata"]["name"].as_str().unwrap()));
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "set");
    }

    #[test]
    fn too_many_pods_are_deleted_the_least_useful_first() {
        let (status, changes, _) = run(&["a: ready", "b: ready", "c", "d: pending"], None);
        assert_eq!(changes, ["-d", "-c"]);
        assert_eq!(
            status,
            json!({"replicas": 4, "fullyLabeledReplicas": 4, "readyReplicas": 2, "availableReplicas": 2, "terminatingReplicas": 0, "observedGeneration": 3})
        );
    }

    #[test]
    fn a_ready_pod_becomes_available_later() {
        let (status, changes, outcome) = run(&["a: ready", "b: ready since 2026-01-01T00:59:55Z"], None);
        assert!(changes.is_empty());
        assert_eq!((&status["readyReplicas"], &status["availableReplicas"]), (&json!(2), &json!(1)));
        assert_eq!(outcome.wake, Some("2026-01-01T01:00:05Z".parse().unwrap()));
    }

    #[test]
    fn a_failed_creation_shows_in_the_status() {
        let (status, changes, _) = run(&["a: ready"], Some("pods \"x\" is forbidden"));
        assert_eq!(changes.len(), 1, "and is tried again");
        let condition = &status["conditions"][0];
        assert_eq!((&condition["type"], &condition["reason"]), (&json!("ReplicaFailure"), &json!("FailedCreate")));
    }
}
