//! What the controllers ask of a pod: is it active, ready, available, and which of several goes first. Reads only.

use super::kind::Meta;
use k8s_openapi::api::core::v1::{Container, Pod, PodCondition, PodSpec};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// `status.phase`, or empty.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("")
}

/// `spec.nodeName`; `None` for a pod that is not bound.
pub fn node_name(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

/// Whether all containers have ended for good.
pub fn is_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether the pod counts as a replica: neither finished nor being deleted.
pub fn is_active(pod: &Pod) -> bool {
    !is_finished(pod) && !pod.metadata.is_deleting()
}

/// One of the pod's conditions.
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

/// Whether the condition `Ready` is true.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// When the pod became ready; `None` while it is not.
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|ready| ready.status == "True")?;
    Some(ready.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

/// When the pod counts as available, having been ready for `min_ready` seconds; `None` while it is not ready.
pub fn available_from(pod: &Pod, min_ready: i32) -> Option<Timestamp> {
    Some(ready_since(pod)? + SignedDuration::from_secs(i64::from(min_ready)))
}

/// Whether the pod has been ready for `min_ready` seconds.
pub fn is_available(pod: &Pod, min_ready: i32, now: Timestamp) -> bool {
    available_from(pod, min_ready).is_some_and(|from| from <= now)
}

/// When the next of these pods becomes available by the passing of time.
pub fn next_available<'a>(pods: impl IntoIterator<Item = &'a Arc<Pod>>, min_ready: i32, now: Timestamp) -> Option<Timestamp> {
    pods.into_iter().filter_map(|pod| available_from(pod, min_ready)).filter(|from| *from > now).min()
}

/// A pod's spec, or an empty one.
pub fn spec(pod: &Pod) -> &PodSpec {
    static EMPTY: std::sync::LazyLock<PodSpec> = std::sync::LazyLock::new(PodSpec::default);
    pod.spec.as_ref().unwrap_or(&EMPTY)
}

/// Keeps of a pod what the scheduler, the kubelet and the controllers look at: about a fifth.
pub fn slim(pod: &mut Pod) {
    if let Some(spec) = pod.spec.take() {
        let container = |container: Container| Container {
            name: container.name,
            image: container.image,
            ports: container.ports,
            resources: container.resources,
            restart_policy: container.restart_policy,
            ..Container::default()
        };
        pod.spec = Some(PodSpec {
            affinity: spec.affinity,
            containers: spec.containers.into_iter().map(container).collect(),
            host_network: spec.host_network,
            init_containers: spec.init_containers.map(|containers| containers.into_iter().map(container).collect()),
            node_name: spec.node_name,
            node_selector: spec.node_selector,
            overhead: spec.overhead,
            priority: spec.priority,
            resources: spec.resources,
            restart_policy: spec.restart_policy,
            scheduler_name: spec.scheduler_name,
            scheduling_gates: spec.scheduling_gates,
            tolerations: spec.tolerations,
            ..PodSpec::default()
        });
    }
}

/// Sorts pods so that those to delete come first: not bound, pending, not ready, cheap to delete, sharing a node with many of
/// `related`, ready or created lately, restarted often. Ages are compared by their order of magnitude, then uids decide.
pub fn sort_victims_first(pods: &mut [Arc<Pod>], related: &[Arc<Pod>], now: Timestamp) {
    let mut crowd: HashMap<&str, usize> = HashMap::new();
    for node in related.iter().filter(|pod| is_active(pod)).filter_map(|pod| node_name(pod)) {
        *crowd.entry(node).or_default() += 1;
    }
    pods.sort_by_cached_key(|pod| {
        let magnitude = |time: Option<Timestamp>| time.map_or(-1, |time| magnitude(now.duration_since(time)));
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let neighbours = node_name(pod).and_then(|node| crowd.get(node)).copied().unwrap_or(0);
        (
            node_name(pod).is_some(),
            phase_rank(phase(pod)),
            is_ready(pod),
            deletion_cost(pod),
            Reverse(neighbours),
            magnitude(ready_since(pod)),
            Reverse(restarts(pod)),
            magnitude(created),
            pod.metadata.uid.clone(),
        )
    });
}

fn phase_rank(phase: &str) -> u8 {
    match phase {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    pod.metadata.annotation("controller.kubernetes.io/pod-deletion-cost").and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|container| container.restart_count).max().unwrap_or(0)
}

fn magnitude(age: SignedDuration) -> i32 {
    let nanoseconds = age.as_nanos();
    if nanoseconds <= 0 { -1 } else { i32::try_from(nanoseconds.ilog2()).expect("at most 127") }
}

#[cfg(test)]
mod tests {
    use super::super::sample::pod;
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_pod_is_available_after_it_has_been_ready_long_enough() {
        let ready = Arc::new(pod("a: ready since 2026-01-01T00:59:50Z"));
        assert!(is_available(&ready, 10, now()) && !is_available(&ready, 11, now()));
        assert_eq!(next_available([&ready], 15, now()), Some("2026-01-01T01:00:05Z".parse().unwrap()));
        assert_eq!(next_available([&ready], 5, now()), None);
    }

    #[test]
    fn victims_are_those_that_serve_least() {
        let mut pods: Vec<Arc<Pod>> = [
            "old: ready since 2026-01-01T00:00:00Z on node1",
            "new: ready since 2026-01-01T00:59:59Z on node2",
            "crowded: ready since 2026-01-01T00:00:00Z on node3",
            "starting: on node1",
            "waiting: pending",
        ]
        .map(|text| Arc::new(pod(text)))
        .to_vec();
        let related = [pods.clone(), vec![Arc::new(pod("other: ready since 2026-01-01T00:00:00Z on node3"))]].concat();
        sort_victims_first(&mut pods, &related, now());
        let names: Vec<&str> = pods.iter().map(|pod| pod.metadata.name()).collect();
        // node1 and node3 are both shared by two; then age decides, and the uid.
        assert_eq!(names, ["waiting", "starting", "crowded", "old", "new"]);
    }
}
