//! Pods that cannot stay where they are: their node has a taint that they do not tolerate, or is no more. Decides only.
//!
//! A real cluster lets pods stay for as long as they tolerate it, which is five minutes where they do not say; here at most for a moment.

use super::action::{Action, Outcome, Target, to_json};
use super::events::{About, seconds};
use super::kind::{Meta, POD};
use super::pods;
use super::scheduler::is_tolerated_by;
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

fn barring(node: &Node) -> impl Iterator<Item = &Taint> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    taints.into_iter().flatten().filter(|taint| taint.effect == "NoExecute")
}

/// Whether there may be pods that cannot stay on the node; `None` for one that is no more.
pub fn drives_out(node: Option<&Arc<Node>>) -> bool {
    node.is_none_or(|node| barring(node).next().is_some())
}

/// What to do about a pod that has been unwelcome `since`; those that tolerate it for a time stay for `most` of it.
pub fn reconcile(pod: &Pod, node: Option<&Node>, since: Timestamp, most: SignedDuration, now: Timestamp) -> Outcome {
    let stays = match node {
        None => Some(most),
        Some(_) if pod.metadata.is_deleting() => return Outcome::default(),
        Some(node) => tolerated_for(pod, node),
    };
    let Some(until) = stays.map(|stays| since + stays.min(most)) else { return Outcome::default() };
    if now < until {
        return Outcome { wake: Some(until), ..Outcome::default() };
    }
    let target = || Target::new(&POD, &pod.metadata);
    if node.is_none() {
        let status = json!({"phase": "Failed", "conditions": disrupted(pod, "DeletionByPodGC", "PodGC: node no longer exists", now)});
        return vec![Action::patch_status(target(), json!({"status": status})), Action::remove(target())].into();
    }
    let message = "Taint manager: deleting due to NoExecute taint";
    let conditions = disrupted(pod, "DeletionByTaintManager", message, now);
    let about = About::new(&POD, &pod.metadata);
    let marking = format!("Marking for deletion Pod {}/{}", pod.metadata.namespace(), pod.metadata.name());
    let said = about.normal("taint-eviction-controller", "TaintManagerEviction", marking);
    let marked = Action::patch_status(target(), json!({"status": {"conditions": conditions}})).saying(said);
    vec![marked, Action::delete(target())].into()
}

/// For how long a pod tolerates all taints of the node; `None` for ever.
fn tolerated_for(pod: &Pod, node: &Node) -> Option<SignedDuration> {
    let tolerations = pods::spec(pod).tolerations.as_deref().unwrap_or_default();
    let of_taint = |taint: &Taint| {
        let times: Vec<Option<i64>> = tolerations
            .iter()
            .filter(|toleration| is_tolerated_by(taint, toleration))
            .map(|toleration| toleration.toleration_seconds)
            .collect();
        // What nothing tolerates is tolerated for no time.
        if times.is_empty() { Some(0) } else { times.into_iter().flatten().min() }
    };
    barring(node).filter_map(of_taint).min().map(|seconds| SignedDuration::from_secs(seconds.max(0)))
}

fn disrupted(pod: &Pod, reason: &str, message: &str, now: Timestamp) -> Vec<Value> {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let others = conditions.into_iter().flatten().filter(|condition| condition.type_ != "DisruptionTarget");
    let mut conditions: Vec<Value> = others.map(to_json).collect();
    let mut disrupted = json!({"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message, "lastProbeTime": null,
        "lastTransitionTime": seconds(now)});
    if let Some(generation) = pod.metadata.generation {
        disrupted["observedGeneration"] = json!(generation);
    }
    conditions.push(disrupted);
    conditions
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::{pod, yaml};
    use super::*;

    fn time(second: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    /// What is done at a second about a pod that was unwelcome from second 0 on: `stays`, `waits` or `goes`, or `is removed`.
    fn check(tolerations: &str, taints: &str, second: i64, expected: &str) {
        let mut pod = pod("p: ready");
        pod.spec.as_mut().unwrap().tolerations = Some(yaml(tolerations));
        let node: Option<Node> = (taints != "gone").then(|| yaml(&format!("{{spec: {{taints: {taints}}}}}")));
        let outcome = reconcile(&pod, node.as_ref(), time(0), SignedDuration::from_secs(9), time(second));
        let seen = match (outcome.actions.last().map(|action| &action.request), outcome.wake) {
            (None, None) => "stays",
            (None, Some(_)) => "waits",
            (Some(Request::Delete { grace: None, .. }), _) => "goes",
            (Some(Request::Delete { grace: Some(0), .. }), _) => "is removed",
            other => panic!("{other:?}"),
        };
        assert_eq!(seen, expected, "{tolerations} {taints} at {second} s");
    }

    #[test]
    fn pods_stay_for_as_long_as_they_tolerate_it_but_not_longer_than_the_delay() {
        let lost = "[{key: node.kubernetes.io/unreachable, effect: NoExecute}]";
        let usual = |seconds: i64| {
            format!("[{{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: {seconds}}}]")
        };
        check("[]", lost, 0, "goes");
        check(&usual(3), lost, 2, "waits");
        check(&usual(3), lost, 3, "goes");
        check(&usual(300), lost, 8, "waits");
        check(&usual(300), lost, 9, "goes");
        check("[{operator: Exists}]", lost, 1000, "stays");
        check("[]", "[{key: a, effect: NoSchedule}]", 1000, "stays");
        check("[{operator: Exists, key: a}]", "[{key: a, effect: NoExecute}, {key: b, effect: NoExecute}]", 0, "goes");
        check("[{operator: Exists}]", "gone", 8, "waits");
        check("[{operator: Exists}]", "gone", 9, "is removed");
    }
}
