//! The kubelet: pods that are bound run, become ready, complete when they are a Job's, and go when they are deleted. No container is
//! ever started. Decides only.

use super::action::{Action, Outcome, Target};
use super::events::seconds;
use super::kind::{Meta, POD};
use super::pods;
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From being bound to being ready.
    pub ready: SignedDuration,
    /// From being ready to completion, for the pods of Jobs.
    pub job: SignedDuration,
    /// From the deletion of a running pod until it is gone, at most its own grace period.
    pub termination: SignedDuration,
}

/// What a decision about a pod is taken on.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The pod; it is bound to a node.
    pub pod: &'a Pod,
    /// The address of its node, where that is known.
    pub host_ip: Option<&'a str>,
    /// An address for it, should it need one.
    pub pod_ip: &'a str,
    /// When this was first seen: bound, or deleted, or running.
    pub since: Timestamp,
}

/// What to do for a pod now.
pub fn reconcile(seen: Seen, pace: Pace, now: Timestamp) -> Outcome {
    let pod = seen.pod;
    if pod.metadata.is_deleting() {
        return terminate(seen, pace, now);
    }
    match pods::phase(pod) {
        "Succeeded" | "Failed" => Outcome::default(),
        "Running" if pods::is_ready(pod) => run(seen, pace, now),
        _ => start(seen, pace, now),
    }
}

fn terminate(seen: Seen, pace: Pace, now: Timestamp) -> Outcome {
    let meta = &seen.pod.metadata;
    if meta.deletion_grace_period_seconds == Some(0) {
        return Outcome::default();
    }
    let grace = meta.deletion_grace_period_seconds.map_or(pace.termination, SignedDuration::from_secs);
    at(seen.since + pace.termination.min(grace), now, || Action::remove(Target::new(&POD, meta)))
}

fn start(seen: Seen, pace: Pace, now: Timestamp) -> Outcome {
    let started = seen.since.max(now - pace.ready);
    if now >= started + pace.ready {
        return vec![report(seen, "Running", now)].into();
    }
    let known = seen.pod.status.as_ref().is_some_and(|status| status.start_time.is_some());
    let mut outcome = Outcome::from(if known { Vec::new() } else { vec![report(seen, "Pending", now)] });
    outcome.wake_at(started + pace.ready);
    outcome
}

fn run(seen: Seen, pace: Pace, now: Timestamp) -> Outcome {
    let pod = seen.pod;
    let of_job = pod.metadata.controller().is_some_and(|owner| owner.kind == "Job");
    if of_job && pods::spec(pod).restart_policy.as_deref() != Some("Always") {
        return at(seen.since + pace.job, now, || report(seen, "Succeeded", now));
    }
    if runs_other_images(pod) { vec![report(seen, "Running", now)].into() } else { Outcome::default() }
}

fn at(time: Timestamp, now: Timestamp, action: impl FnOnce() -> Action) -> Outcome {
    if now >= time { vec![action()].into() } else { Outcome { wake: Some(time), ..Outcome::default() } }
}

/// Whether an image was changed in place.
fn runs_other_images(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let running = |container: &Container| statuses.into_iter().flatten().find(|status| status.name == container.name);
    pods::spec(pod)
        .containers
        .iter()
        .any(|container| running(container).is_some_and(|status| Some(&status.image) != container.image.as_ref()))
}

fn report(seen: Seen, phase: &str, now: Timestamp) -> Action {
    let pod = seen.pod;
    let ready = phase == "Running";
    let mut status = json!({
        "phase": phase,
        "conditions": conditions(pod, phase, now),
        "containerStatuses": containers(pod, &pods::spec(pod).containers, phase, now),
    });
    let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
    if started.is_none() {
        status["startTime"] = json!(seconds(now));
    }
    if let Some(init) = pods::spec(pod).init_containers.as_deref().filter(|init| !init.is_empty()) {
        status["initContainerStatuses"] = containers(pod, init, if phase == "Pending" { phase } else { "Succeeded" }, now);
    }
    if let Some(host_ip) = seen.host_ip {
        status["hostIP"] = json!(host_ip);
        status["hostIPs"] = json!([{"ip": host_ip}]);
    }
    let known_ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref());
    if ready && known_ip.is_none() {
        let on_host = pods::spec(pod).host_network == Some(true);
        let ip = if on_host { seen.host_ip.unwrap_or(seen.pod_ip) } else { seen.pod_ip };
        status["podIP"] = json!(ip);
        status["podIPs"] = json!([{"ip": ip}]);
    }
    if let Some(generation) = pod.metadata.generation {
        status["observedGeneration"] = json!(generation);
    }
    Action::patch_status(Target::new(&POD, &pod.metadata), json!({"status": status}))
}

fn conditions(pod: &Pod, phase: &str, now: Timestamp) -> Vec<Value> {
    let started = phase != "Pending";
    let ready = phase == "Running";
    let why_not = match phase {
        "Succeeded" => Some(("PodCompleted", None)),
        "Pending" => Some(("ContainersNotReady", Some(unready_message(pod)))),
        _ => None,
    };
    [("PodReadyToStartContainers", ready), ("Initialized", true), ("Ready", ready), ("ContainersReady", ready), ("PodScheduled", true)]
        .into_iter()
        .map(|(kind, holds)| {
            let value = if holds { "True" } else { "False" };
            let known = pods::condition(pod, kind).filter(|known| known.status == value);
            let since = known.and_then(|known| known.last_transition_time.as_ref()).map_or(now, |time| time.0);
            let mut condition = json!({"type": kind, "status": value, "lastProbeTime": null, "lastTransitionTime": seconds(since)});
            if let Some(generation) = pod.metadata.generation {
                condition["observedGeneration"] = json!(generation);
            }
            if let Some((reason, message)) = why_not.as_ref().filter(|_| matches!(kind, "Ready" | "ContainersReady")) {
                condition["reason"] = json!(reason);
                if let Some(message) = message {
                    condition["message"] = json!(message);
                }
            }
            if kind == "Initialized" && started && phase == "Succeeded" {
                condition["reason"] = json!("PodCompleted");
            }
            condition
        })
        .collect()
}

fn unready_message(pod: &Pod) -> String {
    let names: Vec<&str> = pods::spec(pod).containers.iter().map(|container| container.name.as_str()).collect();
    format!("containers with unready status: [{}]", names.join(" "))
}

fn containers(pod: &Pod, containers: &[Container], phase: &str, now: Timestamp) -> Value {
    let known = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let began = |container: &Container| {
        let state = known.into_iter().flatten().find(|status| status.name == container.name)?.state.as_ref()?;
        state.running.as_ref()?.started_at.as_ref().map(|time| time.0)
    };
    let state = |container: &Container| match phase {
        "Running" => json!({"running": {"startedAt": seconds(began(container).unwrap_or(now))}}),
        "Succeeded" => {
            let (from, to) = (seconds(began(container).unwrap_or(now)), seconds(now));
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": from, "finishedAt": to}})
        }
        _ => json!({"waiting": {"reason": "ContainerCreating"}}),
    };
    let ready = phase == "Running";
    containers
        .iter()
        .map(|container| {
            json!({
                "name": container.name, "state": state(container), "lastState": {}, "ready": ready, "restartCount": 0,
                "image": container.image, "imageID": "", "started": ready,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::yaml;
    use super::*;

    const PACE: Pace =
        Pace { ready: SignedDuration::from_secs(5), job: SignedDuration::from_secs(2), termination: SignedDuration::from_secs(3) };
    const BOUND: &str = "
metadata: {name: a, namespace: shop, uid: a, generation: 1}
spec: {nodeName: node1, containers: [{name: main, image: 'nginx:1'}]}
status: {phase: Pending, conditions: [{type: PodScheduled, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z'}]}
";

    fn time(second: i64) -> Timestamp {
        "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    /// The pod after what is done for it at a second, having been as it is since another; `None` when it is gone.
    fn step(pod: &Value, since: i64, second: i64) -> (Option<Value>, Option<Timestamp>) {
        let seen: Pod = serde_json::from_value(pod.clone()).unwrap();
        let seen = Seen { pod: &seen, host_ip: Some("192.0.2.1"), pod_ip: "10.0.0.1", since: time(since) };
        let outcome = reconcile(seen, PACE, time(second));
        let mut pod = pod.clone();
        for action in outcome.actions {
            match action.request {
                Request::Patch { patch, .. } => json_patch::merge(&mut pod, &patch),
                Request::Delete { grace: Some(0), .. } => return (None, outcome.wake),
                other => panic!("{other:?}"),
            }
        }
        (Some(pod), outcome.wake)
    }

    fn state(pod: &Value) -> String {
        let conditions = pod["status"]["conditions"].as_array().unwrap().iter();
        let held: Vec<&str> = conditions.filter(|c| c["status"] == "True").map(|c| c["type"].as_str().unwrap()).collect();
        format!("{} {}", pod["status"]["phase"].as_str().unwrap(), held.join(","))
    }

    #[test]
    fn a_bound_pod_starts_and_becomes_ready_after_the_delay() {
        let (starting, wake) = step(&yaml(BOUND), 0, 0);
        let starting = starting.unwrap();
        assert_eq!((state(&starting).as_str(), wake), ("Pending Initialized,PodScheduled", Some(time(5))));
        assert_eq!(starting["status"]["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
        assert_eq!(step(&starting, 0, 4), (Some(starting.clone()), Some(time(5))));
        let running = step(&starting, 0, 5).0.unwrap();
        assert_eq!(state(&running), "Running PodReadyToStartContainers,Initialized,Ready,ContainersReady,PodScheduled");
        let status = &running["status"];
        assert_eq!(
            (&status["podIP"], &status["hostIP"], &status["startTime"]),
            (&json!("10.0.0.1"), &json!("192.0.2.1"), &json!("2026-01-01T00:00:00Z"))
        );
        assert_eq!(status["conditions"][2]["lastTransitionTime"], "2026-01-01T00:00:05Z");
        assert_eq!(
            status["containerStatuses"][0],
            json!({
                "name": "main", "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}}, "lastState": {}, "ready": true,
                "restartCount": 0, "image": "nginx:1", "imageID": "", "started": true,
            })
        );
        assert_eq!(step(&running, 0, 9), (Some(running.clone()), None));
    }

    #[test]
    fn a_pod_of_a_job_completes() {
        let mut pod: Value = yaml(BOUND);
        pod["spec"]["restartPolicy"] = json!("Never");
        pod["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j", "controller": true}]);
        let running = step(&pod, 0, 5).0.unwrap();
        assert_eq!(step(&running, 5, 6), (Some(running.clone()), Some(time(7))));
        let done = step(&running, 5, 7).0.unwrap();
        assert_eq!(state(&done), "Succeeded Initialized,PodScheduled");
        assert_eq!(done["status"]["containerStatuses"][0]["state"]["terminated"]["startedAt"], "2026-01-01T00:00:05Z");
        assert_eq!(step(&done, 7, 9).0, Some(done));
    }

    #[test]
    fn a_deleted_pod_goes_after_the_delay_but_not_after_its_grace() {
        let mut pod: Value = yaml(BOUND);
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:40Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        assert_eq!(step(&pod, 10, 12), (Some(pod.clone()), Some(time(13))));
        assert_eq!(step(&pod, 10, 13).0, None);
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(1);
        assert_eq!(step(&pod, 10, 11).0, None);
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        assert_eq!(step(&pod, 10, 11), (Some(pod), None), "only finalizers keep it");
    }

    #[test]
    fn an_image_that_was_changed_in_place_shows_in_the_status() {
        let mut running = step(&yaml(BOUND), 0, 5).0.unwrap();
        running["spec"]["containers"][0]["image"] = json!("nginx:2");
        let updated = step(&running, 5, 6).0.unwrap();
        assert_eq!(updated["status"]["containerStatuses"][0]["image"], "nginx:2");
        assert_eq!(state(&updated), state(&running));
    }
}
