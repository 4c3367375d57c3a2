//! StatefulSets: pods with numbers, made and replaced in order. Kubernetes' own and OpenKruise's differ in what may be asked for and in
//! what their status holds; what is done is the same. Decides only.

mod members;

use super::action::{Action, Outcome, Target, status_patch};
use super::deployment::resolve;
use super::kind::{Key, Kind, STATEFUL_SET};
use super::pods;
use super::replicaset::number;
use super::revisions::{self, Plan};
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet, StatefulSetSpec, StatefulSetStatus};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "statefulset-controller";

/// What a StatefulSet of either group asks for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// Who says its events.
    pub component: &'static str,
    /// Its metadata.
    pub meta: &'a ObjectMeta,
    /// The labels of its pods.
    pub selector: &'a LabelSelector,
    /// Its template.
    pub template: &'a PodTemplateSpec,
    /// `volumeClaimTemplates`.
    pub claims: &'a [PersistentVolumeClaim],
    /// `serviceName`.
    pub service: Option<&'a str>,
    /// How many pods.
    pub replicas: i32,
    /// The first number.
    pub start: i64,
    /// Numbers that are left out.
    pub reserved: BTreeSet<i64>,
    /// Whether pods are made and deleted all at once.
    pub parallel: bool,
    /// Whether pods are replaced by the controller.
    pub rolling: bool,
    /// Pods with a lower place than this keep the current revision.
    pub partition: i32,
    /// How many pods may be missing while others are replaced.
    pub max_unavailable: i32,
    /// How long a pod has to be ready to be available.
    pub min_ready: i32,
    /// How many old revisions are kept.
    pub history: Option<i32>,
    /// `status.currentRevision`.
    pub current: Option<&'a str>,
    /// `status.collisionCount`.
    pub collisions: i32,
}

/// What a decision about a StatefulSet is taken on.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// What it asks for.
    pub wanted: &'a Wanted<'a>,
    /// Its pods.
    pub pods: &'a [Arc<Pod>],
    /// Its revisions.
    pub revisions: &'a [Arc<ControllerRevision>],
    /// Whether a ControllerRevision of this name exists.
    pub is_taken: &'a dyn Fn(&Key) -> bool,
    /// Whether a PersistentVolumeClaim of this name exists.
    pub has_claim: &'a dyn Fn(&Key) -> bool,
}

/// The numbers of a status, before they are written in the words of one group or the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pods that exist.
    pub replicas: i32,
    /// Those that are ready.
    pub ready: i32,
    /// Those that are available.
    pub available: i32,
    /// Those of the current revision that stay.
    pub current: i32,
    /// Those of the update revision that stay.
    pub updated: i32,
    /// Those of the update revision that are ready.
    pub updated_ready: i32,
    /// Those of the update revision that are available.
    pub updated_available: i32,
    /// `currentRevision`.
    pub current_revision: String,
    /// `updateRevision`.
    pub update_revision: String,
    /// `collisionCount`.
    pub collisions: i32,
}

/// What Kubernetes' own StatefulSet asks for.
pub fn wanted(set: &StatefulSet) -> Wanted<'_> {
    let spec = spec(set);
    let status = set.status.as_ref();
    let strategy = spec.update_strategy.as_ref();
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let replicas = spec.replicas.unwrap_or(1);
    let max_unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
    Wanted {
        kind: &STATEFUL_SET,
        component: COMPONENT,
        meta: &set.metadata,
        selector: &spec.selector,
        template: &spec.template,
        claims: spec.volume_claim_templates.as_deref().unwrap_or_default(),
        service: spec.service_name.as_deref(),
        replicas,
        start: spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).map_or(0, i64::from),
        reserved: BTreeSet::new(),
        parallel: spec.pod_management_policy.as_deref() == Some("Parallel"),
        rolling: strategy.and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete"),
        partition: rolling.and_then(|rolling| rolling.partition).unwrap_or(0),
        max_unavailable: max_unavailable.map_or(1, |max| resolve(Some(max), replicas, false)).max(1),
        min_ready: spec.min_ready_seconds.unwrap_or(0),
        history: spec.revision_history_limit,
        current: status.and_then(|status| status.current_revision.as_deref()),
        collisions: status.and_then(|status| status.collision_count).unwrap_or(0),
    }
}

/// A StatefulSet's spec, or an empty one.
pub fn spec(set: &StatefulSet) -> &StatefulSetSpec {
    static EMPTY: std::sync::LazyLock<StatefulSetSpec> = std::sync::LazyLock::new(StatefulSetSpec::default);
    set.spec.as_ref().unwrap_or(&EMPTY)
}

/// What to do for Kubernetes' own StatefulSet now.
pub fn reconcile(set: &StatefulSet, seen: Seen, now: Timestamp) -> Outcome {
    let (counts, mut outcome) = decide(seen, now);
    let some = |count: i32| Some(count).filter(|count| *count != 0);
    let new = StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: counts.replicas,
        ready_replicas: some(counts.ready),
        available_replicas: Some(counts.available),
        current_replicas: some(counts.current),
        updated_replicas: some(counts.updated),
        current_revision: Some(counts.current_revision),
        update_revision: Some(counts.update_revision),
        collision_count: Some(counts.collisions),
        conditions: set.status.as_ref().and_then(|status| status.conditions.clone()),
    };
    if let Some(patch) = status_patch(&set.status, &new) {
        outcome.actions.push(Action::patch_status(Target::new(&STATEFUL_SET, &set.metadata), patch));
    }
    outcome
}

/// Pods and revisions to write, and the counts of what there is.
pub fn decide(seen: Seen, now: Timestamp) -> (Counts, Outcome) {
    let wanted = seen.wanted;
    let mut plan = revisions::plan(revisions::Seen {
        kind: wanted.kind,
        owner: wanted.meta,
        template: wanted.template,
        revisions: seen.revisions,
        current: wanted.current,
        collisions: wanted.collisions,
        hash_label: revisions::HASH_LABEL,
        is_taken: seen.is_taken,
    });
    let mut counts = count(seen, &plan, now);
    complete(wanted, &mut counts);
    let mut outcome = Outcome::from(std::mem::take(&mut plan.actions));
    outcome.actions.extend(members::manage(seen, &plan, now));
    outcome.actions.extend(revisions::truncate(seen.revisions, &plan, seen.pods.iter().map(|pod| &pod.metadata), wanted.history));
    outcome.wake = pods::next_available(seen.pods, wanted.min_ready, now);
    (counts, outcome)
}

fn count(seen: Seen, plan: &Plan, now: Timestamp) -> Counts {
    let of = |what: &dyn Fn(&Pod) -> bool| number(seen.pods.iter().filter(|pod| what(pod)).count());
    let is_ready = |pod: &Pod| pods::phase(pod) == "Running" && pods::is_ready(pod);
    let is_available = |pod: &Pod| is_ready(pod) && pods::is_available(pod, seen.wanted.min_ready, now);
    let is_updated = |pod: &Pod| plan.update.is_of(&pod.metadata);
    let stays = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
    Counts {
        replicas: number(seen.pods.len()),
        ready: of(&is_ready),
        available: of(&is_available),
        current: of(&|pod| stays(pod) && plan.current.is_of(&pod.metadata)),
        updated: of(&|pod| stays(pod) && is_updated(pod)),
        updated_ready: of(&|pod| is_updated(pod) && is_ready(pod)),
        updated_available: of(&|pod| is_updated(pod) && is_available(pod)),
        current_revision: plan.current.name.clone(),
        update_revision: plan.update.name.clone(),
        collisions: plan.collisions,
    }
}

/// When all pods are of the update revision and ready, it becomes the current one.
fn complete(wanted: &Wanted, counts: &mut Counts) {
    let all = [counts.updated, counts.ready, counts.replicas].iter().all(|count| *count == wanted.replicas);
    if wanted.rolling && all {
        counts.current = counts.updated;
        counts.current_revision.clone_from(&counts.update_revision);
    }
}

#[cfg(test)]
mod tests;
