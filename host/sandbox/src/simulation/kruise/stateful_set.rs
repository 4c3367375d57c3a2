//! OpenKruise's StatefulSet: asks for more than Kubernetes' own, and says more in its status.

use super::super::action::{Action, Outcome, Target, status_patch};
use super::super::deployment::resolve;
use super::super::kind::KRUISE_STATEFUL_SET;
use super::super::statefulset::{self, Seen, Wanted, decide};
use super::{UpdateStrategy, selector_text};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An OpenKruise StatefulSet.
pub type KruiseStatefulSet = kube::core::Object<KruiseStatefulSetSpec, KruiseStatefulSetStatus>;

/// What it asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KruiseStatefulSetSpec {
    /// How many pods.
    pub replicas: Option<i32>,
    /// The labels of its pods.
    pub selector: LabelSelector,
    template: PodTemplateSpec,
    volume_claim_templates: Vec<PersistentVolumeClaim>,
    service_name: Option<String>,
    pod_management_policy: Option<String>,
    update_strategy: UpdateStrategy,
    revision_history_limit: Option<i32>,
    reserve_ordinals: Vec<IntOrString>,
    ordinals: Ordinals,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Ordinals {
    start: i64,
}

/// What is known of it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KruiseStatefulSetStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    current_replicas: i32,
    updated_replicas: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_ready_replicas: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_available_replicas: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collision_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_selector: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Value>,
}

/// What it asks for, in the words of both StatefulSets.
pub fn wanted(set: &KruiseStatefulSet) -> Wanted<'_> {
    let spec = &set.spec;
    let status = set.status.as_ref();
    let rolling = spec.update_strategy.rolling();
    let replicas = spec.replicas.unwrap_or(1);
    let partition = if rolling.paused { replicas } else { resolve(rolling.partition.as_ref(), replicas, true) };
    let reserved = spec.reserve_ordinals.iter().flat_map(|ordinal| match ordinal {
        IntOrString::Int(number) => i64::from(*number)..=i64::from(*number),
        IntOrString::String(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            first.trim().parse().unwrap_or(0)..=last.trim().parse().unwrap_or(-1)
        }
    });
    Wanted {
        kind: &KRUISE_STATEFUL_SET,
        component: statefulset::COMPONENT,
        meta: &set.metadata,
        selector: &spec.selector,
        template: &spec.template,
        claims: &spec.volume_claim_templates,
        service: spec.service_name.as_deref(),
        replicas,
        start: spec.ordinals.start,
        reserved: reserved.collect(),
        parallel: spec.pod_management_policy.as_deref() == Some("Parallel"),
        rolling: spec.update_strategy.kind.as_deref() != Some("OnDelete"),
        partition,
        max_unavailable: rolling.max_unavailable.as_ref().map_or(1, |max| resolve(Some(max), replicas, false)).max(1),
        min_ready: rolling.min_ready_seconds.unwrap_or(0),
        history: spec.revision_history_limit,
        current: status.and_then(|status| status.current_revision.as_deref()),
        collisions: status.and_then(|status| status.collision_count).unwrap_or(0),
    }
}

/// What to do for it now.
pub fn reconcile(set: &KruiseStatefulSet, seen: Seen, now: Timestamp) -> Outcome {
    let (counts, mut outcome) = decide(seen, now);
    let some = |count: i32| Some(count).filter(|count| *count != 0);
    let new = KruiseStatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: counts.replicas,
        ready_replicas: counts.ready,
        available_replicas: counts.available,
        current_replicas: counts.current,
        updated_replicas: counts.updated,
        updated_ready_replicas: some(counts.updated_ready),
        updated_available_replicas: some(counts.updated_available),
        current_revision: Some(counts.current_revision),
        update_revision: Some(counts.update_revision),
        collision_count: Some(counts.collisions),
        label_selector: selector_text(&set.spec.selector),
        conditions: set.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default(),
    };
    if let Some(patch) = status_patch(&set.status, &new) {
        outcome.actions.push(Action::patch_status(Target::new(&KRUISE_STATEFUL_SET, &set.metadata), patch));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::action::Request;
    use crate::simulation::sample::yaml;

    #[test]
    fn reserved_numbers_are_left_out() {
        let set: KruiseStatefulSet = yaml(
            "
apiVersion: apps.kruise.io/v1beta1
kind: StatefulSet
metadata: {name: s, namespace: shop, uid: s}
spec:
  replicas: 3
  reserveOrdinals: [1, '3-4']
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: s}}
  template: {metadata: {labels: {app: s}}, spec: {containers: []}}
",
        );
        let wanted = wanted(&set);
        let seen = Seen { wanted: &wanted, pods: &[], revisions: &[], is_taken: &|_| false, has_claim: &|_| false };
        let outcome = reconcile(&set, seen, Timestamp::UNIX_EPOCH);
        let made: Vec<&str> = outcome
            .actions
            .iter()
            .filter_map(|action| match &action.request {
                Request::Create { object, .. } if object["kind"] == "Pod" => object["metadata"]["name"].as_str(),
                _ => None,
            })
            .collect();
        assert_eq!(made, ["s-0", "s-2", "s-5"]);
        let Some(Action { request: Request::Patch { patch, .. }, .. }) = outcome.actions.last() else { panic!("writes a status") };
        assert_eq!(patch["status"]["labelSelector"], "app=s");
    }
}
