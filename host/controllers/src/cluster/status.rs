//! From what was observed of a member to what its Cluster object says: pure.

use crate::capacity::{Amounts, Capacity};
use crate::served::Served;
use flotilla_api::cluster::{ApiEnablement, ApiResource, COMPLETE_API_ENABLEMENTS, ClusterStatus, NodeSummary, READY, ResourceSummary};
use flotilla_api::labels;
use flotilla_api::quantity::{Amount, Format};
use flotilla_core::conditions::{self, Finding};
use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// What a probe says.
#[derive(Debug, Clone, PartialEq)]
pub enum Health {
    /// It answers and is ready.
    Well,
    /// It answers that it is not ready; why.
    Unwell(String),
    /// It does not answer; why.
    Unreachable(String),
    /// It is another cluster than the one that joined under this name, whose identity this is.
    Other(String),
    /// It is older than what is supported; its version.
    TooOld(String),
}

impl Health {
    /// Whether it is believed at once: waiting would not make it better.
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::Well | Self::Other(_) | Self::TooOld(_))
    }
}

/// Major and minor version of the oldest member that is supported: the first with aggregated discovery.
const OLDEST: (u32, u32) = (1, 30);

/// Whether a version like `v1.35.4` is older than what is supported; one that cannot be read is not.
pub fn is_too_old(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(|number| number.parse::<u32>().ok());
    matches!((numbers.next().flatten(), numbers.next().flatten()), (Some(major), Some(minor)) if (major, minor) < OLDEST)
}

/// What was seen of a member in one probe. What could not be seen is `None` and leaves the Cluster object as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The probe.
    pub health: Health,
    /// `gitVersion`.
    pub version: Option<String>,
    /// UID of its namespace `kube-system`.
    pub id: Option<String>,
    /// What it serves.
    pub apis: Option<Vec<ApiEnablement>>,
    /// Why discovery failed.
    pub apis_error: Option<String>,
    /// What its nodes offer and its pods use.
    pub room: Option<(NodeSummary, ResourceSummary)>,
}

impl Observation {
    /// Nothing but the probe.
    pub fn of(health: Health) -> Self {
        Self { health, version: None, id: None, apis: None, apis_error: None, room: None }
    }
}

/// What the member serves, sorted.
pub fn api_enablements(served: &Served) -> Vec<ApiEnablement> {
    let mut groups: BTreeMap<String, Vec<ApiResource>> = BTreeMap::new();
    for resource in served.all() {
        let resources = groups.entry(resource.api_version()).or_default();
        resources.push(ApiResource { name: resource.plural.clone(), kind: resource.kind.clone() });
    }
    let enablement = |(group_version, mut resources): (String, Vec<ApiResource>)| {
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        ApiEnablement { group_version, resources }
    };
    groups.into_iter().map(enablement).collect()
}

/// The sums, once both nodes and pods are known.
pub fn room(capacity: &Capacity) -> Option<(NodeSummary, ResourceSummary)> {
    let (nodes, pods) = (capacity.nodes.as_ref()?, capacity.pods.as_ref()?);
    let count = |count: usize| Some(i32::try_from(count).unwrap_or(i32::MAX));
    let summary = NodeSummary { total_num: count(nodes.len()), ready_num: count(nodes.values().filter(|node| node.is_ready).count()) };
    let mut allocatable = Amounts::default();
    nodes.values().for_each(|node| allocatable.add(&node.allocatable));
    let (mut allocating, mut allocated) = (Amounts::default(), Amounts::default());
    for pod in pods.values() {
        let sums = match (pod.is_bound, pod.is_ended) {
            (false, _) => &mut allocating,
            (true, false) => &mut allocated,
            (true, true) => continue,
        };
        sums.add(&pod.requests);
        sums.add_one("pods", Amount::units(1, Format::DecimalSi));
    }
    let resources = ResourceSummary {
        allocatable: allocatable.print(),
        allocating: allocating.print(),
        allocated: allocated.print(),
        ..Default::default()
    };
    Some((summary, resources))
}

fn note(status: &mut ClusterStatus, now: &Time, kind: &'static str, holds: bool, reason: &'static str, message: String) {
    conditions::set(&mut status.conditions, &Finding { kind, holds, reason, message }, now);
}

/// The new status. Unless the probe is `adopted`, the condition Ready stays as it is.
pub fn status(old: Option<&ClusterStatus>, adopted: bool, seen: &Observation, now: &Time) -> ClusterStatus {
    let mut new = old.cloned().unwrap_or_default();
    if adopted {
        let (holds, reason, message) = match &seen.health {
            Health::Well => (true, "ClusterReady", "cluster is healthy and ready to accept workloads".to_owned()),
            Health::Unwell(why) => {
                (false, "ClusterNotReady", format!("cluster is reachable but health endpoint responded without ok: {why}"))
            }
            Health::Unreachable(why) => (false, "ClusterNotReachable", format!("cluster is not reachable: {why}")),
            Health::Other(id) => (
                false,
                "ClusterIdentityChanged",
                format!(
                    "another cluster answers: the uid of its namespace `kube-system` is {id}, not `spec.id`; nothing is sent there. If the cluster was rebuilt, set `spec.id` to {id}"
                ),
            ),
            Health::TooOld(version) => {
                let (major, minor) = OLDEST;
                (
                    false,
                    "UnsupportedVersion",
                    format!("version {version} is older than v{major}.{minor}; upgrade the cluster, nothing is sent there"),
                )
            }
        };
        note(&mut new, now, READY, holds, reason, message);
    }
    if seen.version.is_some() {
        new.kubernetes_version = seen.version.clone();
    }
    match (&seen.apis, &seen.apis_error) {
        (Some(apis), _) if apis.is_empty() => {
            note(&mut new, now, COMPLETE_API_ENABLEMENTS, false, "Empty", "the list of APIs is empty".to_owned())
        }
        (Some(apis), None) => {
            new.api_enablements = apis.clone();
            note(&mut new, now, COMPLETE_API_ENABLEMENTS, true, "Complete", "the list of APIs is complete".to_owned());
        }
        (Some(apis), Some(why)) => {
            new.api_enablements = apis.clone();
            note(&mut new, now, COMPLETE_API_ENABLEMENTS, false, "Partial", why.clone());
        }
        (None, Some(why)) => note(&mut new, now, COMPLETE_API_ENABLEMENTS, false, "Partial", format!("discovery failed: {why}")),
        (None, None) => {}
    }
    if let Some((nodes, resources)) = &seen.room {
        new.node_summary = Some(nodes.clone());
        new.resource_summary = Some(resources.clone());
    }
    new
}

/// The taints that go with the status, if they differ: not ready keeps new bindings away, and nothing else.
pub fn taints(old: &[Taint], status: &ClusterStatus) -> Option<Vec<Taint>> {
    let ready = status.conditions.iter().find(|condition| condition.type_ == READY).map(|condition| condition.status.as_str());
    let wanted = match ready {
        Some("True") => None,
        Some("Unknown") => Some(labels::TAINT_UNREACHABLE),
        _ => Some(labels::TAINT_NOT_READY),
    };
    let is_ours =
        |taint: &Taint| taint.effect == "NoSchedule" && (taint.key == labels::TAINT_NOT_READY || taint.key == labels::TAINT_UNREACHABLE);
    let mut new: Vec<Taint> = old.iter().filter(|taint| !is_ours(taint) || Some(taint.key.as_str()) == wanted).cloned().collect();
    if let Some(key) = wanted.filter(|key| !new.iter().any(|taint| taint.key == *key && taint.effect == "NoSchedule")) {
        new.push(Taint { key: key.to_owned(), effect: "NoSchedule".to_owned(), value: None, time_added: None });
    }
    (new != old).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(health: Health) -> (String, String, String) {
        let now = Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH);
        let status = status(None, true, &Observation::of(health), &now);
        let ready = status.conditions.into_iter().find(|condition| condition.type_ == READY).expect("the probe is adopted");
        (ready.status, ready.reason, ready.message)
    }

    #[test]
    fn versions_without_aggregated_discovery_are_too_old() {
        for (version, expected) in
            [("v1.29.9", true), ("v1.30.0", false), ("v1.35.4+k3s1", false), ("v2.0.0", false), ("unknown", false), ("", false)]
        {
            assert_eq!(is_too_old(version), expected, "{version}");
        }
        let (status, reason, message) = ready(Health::TooOld("v1.27.3".into()));
        assert_eq!((&*status, &*reason), ("False", "UnsupportedVersion"));
        assert_eq!(message, "version v1.27.3 is older than v1.30; upgrade the cluster, nothing is sent there");
    }

    #[test]
    fn a_cluster_that_is_another_one_is_not_ready_and_the_cure_is_told() {
        let (status, reason, message) = ready(Health::Other("5d1c".into()));
        assert_eq!((&*status, &*reason), ("False", "ClusterIdentityChanged"));
        assert!(message.ends_with("If the cluster was rebuilt, set `spec.id` to 5d1c"), "{message}");
    }

    #[test]
    fn a_list_of_apis_with_gaps_is_partial_and_kept() {
        let apis = vec![ApiEnablement { group_version: "apps/v1".into(), resources: Vec::new() }];
        let seen = Observation {
            apis: Some(apis.clone()),
            apis_error: Some("no answer from the servers of x/v1".into()),
            ..Observation::of(Health::Well)
        };
        let status = status(None, true, &seen, &Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH));
        let complete = status.conditions.iter().find(|condition| condition.type_ == COMPLETE_API_ENABLEMENTS).expect("it is said");
        assert_eq!((&*complete.status, &*complete.reason), ("False", "Partial"));
        assert_eq!(status.api_enablements, apis);
    }
}
