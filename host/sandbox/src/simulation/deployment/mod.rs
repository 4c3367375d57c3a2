//! Deployments: one ReplicaSet for each template, scaled so that pods are replaced as the strategy allows. Decides only.
//!
//! Reading order: [`reconcile`] (which of the ways below), [`revision`] (the ReplicaSets and their numbers), [`scale`] (how many pods
//! each may have), [`status`] (counts and conditions).

mod revision;
mod scale;
mod status;

use super::action::{Action, Outcome, Target, to_json};
use super::events::About;
use super::kind::{DEPLOYMENT, Key, Meta, REPLICA_SET};
use super::pods;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use revision::Set;
pub use scale::resolve;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "deployment-controller";

/// What a decision about a Deployment is taken on.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The Deployment.
    pub deployment: &'a Deployment,
    /// Its ReplicaSets.
    pub sets: &'a [Arc<ReplicaSet>],
    /// The pods of a ReplicaSet, by its uid.
    pub pods: &'a dyn Fn(&str) -> Vec<Arc<Pod>>,
    /// Whether a ReplicaSet of this name exists, whoever owns it.
    pub is_taken: &'a dyn Fn(&Key) -> bool,
}

/// What to do for a Deployment now.
pub fn reconcile(seen: Seen, now: Timestamp) -> Outcome {
    let mut rollout = Rollout::new(seen, now);
    if seen.deployment.metadata.is_deleting() {
        rollout.end_with_counts();
    } else {
        rollout.note_pause();
        if rollout.spec.paused == Some(true) || rollout.is_scaling() {
            rollout.scale_only();
        } else if rollout.is_recreate() {
            rollout.recreate(seen);
        } else {
            rollout.roll();
        }
    }
    let wake = rollout.deadline();
    Outcome { wake, ..rollout.finish().into() }
}

/// A Deployment's spec, or an empty one.
pub fn spec(deployment: &Deployment) -> &DeploymentSpec {
    static EMPTY: std::sync::LazyLock<DeploymentSpec> = std::sync::LazyLock::new(DeploymentSpec::default);
    deployment.spec.as_ref().unwrap_or(&EMPTY)
}

/// A decision in the making.
struct Rollout<'a> {
    seen: Seen<'a>,
    deployment: &'a Deployment,
    spec: &'a DeploymentSpec,
    now: Timestamp,
    /// `spec.replicas`.
    desired: i32,
    /// How many pods there may be beyond that, and how many of it may be missing.
    surge: i32,
    unavailable: i32,
    /// The ReplicaSet of the current template, and the others, oldest first.
    new: Option<Set>,
    old: Vec<Set>,
    /// The status as it will be, and the revision to note on the Deployment.
    status: DeploymentStatus,
    revision: Option<String>,
    actions: Vec<Action>,
}

impl<'a> Rollout<'a> {
    fn new(seen: Seen<'a>, now: Timestamp) -> Self {
        let spec = spec(seen.deployment);
        let desired = spec.replicas.unwrap_or(1);
        let (surge, unavailable) = scale::fenceposts(spec, desired);
        let (new, old) = revision::split(seen.deployment, seen.sets);
        let status = seen.deployment.status.clone().unwrap_or_default();
        Self {
            seen,
            deployment: seen.deployment,
            spec,
            now,
            desired,
            surge,
            unavailable,
            new,
            old,
            status,
            revision: None,
            actions: Vec::new(),
        }
    }

    fn is_recreate(&self) -> bool {
        self.spec.strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
    }

    /// All ReplicaSets, the new one last.
    fn all(&self) -> impl Iterator<Item = &Set> {
        self.old.iter().chain(&self.new)
    }

    fn about(&self) -> About {
        About::new(&DEPLOYMENT, &self.deployment.metadata)
    }

    /// Paused, or asked for another number of pods: no new template is rolled out meanwhile.
    fn scale_only(&mut self) {
        self.sync_revision(false);
        self.scale();
        if self.spec.paused == Some(true) {
            self.clean_up();
        }
        self.end_with_counts();
    }

    /// Pods of the new template come and pods of the old go, a few at a time.
    fn roll(&mut self) {
        if !self.sync_revision(true) {
            return;
        }
        if !self.scale_new() && !self.scale_down_old() && status::is_complete(self.deployment, &self.status) {
            self.clean_up();
        }
        self.end_with_progress();
    }

    /// All old pods go before the first new one comes.
    fn recreate(&mut self, seen: Seen) {
        self.sync_revision(false);
        if !self.scale_old_to_zero() && !self.runs_old_pods(seen) {
            if !self.sync_revision(true) {
                return;
            }
            if !self.scale_new() && status::is_complete(self.deployment, &self.status) {
                self.clean_up();
            }
        }
        self.end_with_progress();
    }

    fn runs_old_pods(&self, seen: Seen) -> bool {
        let runs = |set: &Set| (seen.pods)(set.object.metadata.uid()).iter().any(|pod| !pods::is_finished(pod));
        self.old.iter().any(|set| set.status().replicas > 0 || runs(set))
    }

    /// Old ReplicaSets beyond the history limit go, the oldest revisions first.
    fn clean_up(&mut self) {
        let limit = usize::try_from(self.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
        let mut sets: Vec<&Set> = self.old.iter().filter(|set| !set.object.metadata.is_deleting()).collect();
        sets.sort_by_key(|set| set.revision());
        let excess = sets.len().saturating_sub(limit);
        let is_idle = |set: &&&Set| {
            let observed = set.status().observed_generation.unwrap_or(0) >= set.object.metadata.generation.unwrap_or(0);
            set.replicas == 0 && set.status().replicas == 0 && observed
        };
        let gone: Vec<Action> =
            sets[..excess].iter().filter(is_idle).map(|set| Action::delete(Target::new(&REPLICA_SET, &set.object.metadata))).collect();
        self.actions.extend(gone);
    }

    /// The actions, with one write of all that changed in status and revision at the end.
    fn finish(mut self) -> Vec<Action> {
        let mut patch = Map::new();
        if let Some(status) = super::action::merge_patch(&to_json(&self.deployment.status), &to_json(&self.status)) {
            patch.insert("status".to_owned(), status);
        }
        let known = self.deployment.metadata.annotation(revision::REVISION);
        if let Some(revision) = self.revision.filter(|revision| known != Some(revision)) {
            patch.insert("metadata".to_owned(), json!({"annotations": {revision::REVISION: revision}}));
        }
        if !patch.is_empty() {
            let target = Target::new(&DEPLOYMENT, &self.deployment.metadata);
            self.actions.push(Action::patch_status(target, Value::Object(patch)));
        }
        self.actions
    }
}

#[cfg(test)]
mod tests;
