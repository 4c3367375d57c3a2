//! The ReplicaSets of a Deployment: which is of the current template, the numbers that they bear, and how a new one is made.

use super::super::action::{Action, Target, to_json};
use super::super::kind::{DEPLOYMENT, Key, Meta, REPLICA_SET};
use super::super::{replicaset, template};
use super::{COMPONENT, Rollout, spec};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which change of the template this is, counting from 1.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// How many replicas the Deployment wanted, and could have at most, when the ReplicaSet was last scaled.
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// See [`DESIRED`].
pub const MAX: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";
/// Annotations that stay on the Deployment.
const NOT_COPIED: [&str; 6] =
    ["kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAX, "deprecated.deployment.rollback.to"];
const HISTORY_LENGTH: usize = 2000;

/// A ReplicaSet, with the number of replicas that it is given by this decision.
#[derive(Debug, Clone)]
pub struct Set {
    /// As it was seen.
    pub object: Arc<ReplicaSet>,
    /// `spec.replicas`.
    pub replicas: i32,
}

impl Set {
    fn new(object: Arc<ReplicaSet>) -> Self {
        let replicas = replicaset::spec(&object).replicas.unwrap_or(1);
        Self { object, replicas }
    }

    /// Its status, or an empty one.
    pub fn status(&self) -> &ReplicaSetStatus {
        static EMPTY: std::sync::LazyLock<ReplicaSetStatus> = std::sync::LazyLock::new(ReplicaSetStatus::default);
        self.object.status.as_ref().unwrap_or(&EMPTY)
    }

    /// `status.availableReplicas`.
    pub fn available(&self) -> i32 {
        self.status().available_replicas.unwrap_or(0)
    }

    /// Its revision, 0 for none.
    pub fn revision(&self) -> i64 {
        self.number(REVISION).unwrap_or(0)
    }

    /// An annotation that is a number.
    pub fn number(&self, annotation: &str) -> Option<i64> {
        self.object.metadata.annotation(annotation)?.parse().ok()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.object.metadata.name()
    }
}

/// The oldest ReplicaSet with the Deployment's template, and all others, oldest first.
pub fn split(deployment: &Deployment, sets: &[Arc<ReplicaSet>]) -> (Option<Set>, Vec<Set>) {
    let mut sorted = sets.to_vec();
    sorted.sort_by_cached_key(|set| (set.metadata.creation_timestamp.clone(), set.metadata.name.clone()));
    let wanted = without_hash(&spec(deployment).template);
    let is_new = |set: &Arc<ReplicaSet>| replicaset::spec(set).template.as_ref().is_some_and(|template| without_hash(template) == wanted);
    let new = sorted.iter().position(is_new).map(|at| Set::new(sorted.remove(at)));
    (new, sorted.into_iter().map(Set::new).collect())
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    let meta = template.metadata.get_or_insert_default();
    if let Some(labels) = &mut meta.labels {
        labels.remove(HASH);
    }
    meta.labels = meta.labels.take().filter(|labels| !labels.is_empty());
    meta.annotations = meta.annotations.take().filter(|annotations| !annotations.is_empty());
    template
}

impl Rollout<'_> {
    /// Numbers the new ReplicaSet after the highest of the old ones; makes it where it is missing and `create` says so. False when its
    /// name is taken by another: then only a new name is asked for, and nothing else is to be decided.
    pub fn sync_revision(&mut self, create: bool) -> bool {
        let next = self.old.iter().map(Set::revision).max().unwrap_or(0) + 1;
        match self.new.clone() {
            Some(new) => self.renumber(&new, next),
            None if create => return self.create_set(next),
            None => {}
        }
        true
    }

    fn renumber(&mut self, new: &Set, next: i64) {
        let mut patch = Map::new();
        let mut annotations = changed_annotations(self.deployment, &new.object.metadata);
        let revision = new.revision().max(next);
        if new.revision() < next {
            annotations.insert(REVISION.to_owned(), json!(next.to_string()));
            if let Some(history) = history(&new.object.metadata) {
                annotations.insert(HISTORY.to_owned(), json!(history));
            }
        }
        if !annotations.is_empty() {
            patch.insert("metadata".to_owned(), json!({"annotations": annotations}));
        }
        let min_ready = self.spec.min_ready_seconds.unwrap_or(0);
        if replicaset::spec(&new.object).min_ready_seconds.unwrap_or(0) != min_ready {
            patch.insert("spec".to_owned(), json!({"minReadySeconds": min_ready}));
        }
        if !patch.is_empty() {
            let target = Target::new(&REPLICA_SET, &new.object.metadata);
            self.actions.push(Action::patch(target, Value::Object(patch)));
        }
        self.revision = Some(revision.to_string());
        let message = format!("Found new replica set \"{}\"", new.name());
        self.begin_progress("FoundNewReplicaSet", message);
    }

    fn create_set(&mut self, revision: i64) -> bool {
        let hash = template::hash(&self.spec.template, self.status.collision_count);
        let name = format!("{}-{hash}", self.deployment.metadata.name());
        if (self.seen.is_taken)(&Key::new(self.deployment.metadata.namespace(), &name)) {
            self.status.collision_count = Some(self.status.collision_count.unwrap_or(0) + 1);
            return false;
        }
        let total: i32 = self.old.iter().map(|set| set.replicas).sum();
        let replicas = if self.is_recreate() { self.desired } else { (self.desired + self.surge - total).clamp(0, self.desired) };
        let object = self.new_set(&name, &hash, revision, replicas);
        let failure = self.about().warning(COMPONENT, "ReplicaSetCreateError", format!("Failed to create new replica set \"{name}\": "));
        let mut action = Action::create(&REPLICA_SET, &object).complaining(failure);
        if replicas > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {replicas}");
            action = action.saying(self.about().normal(COMPONENT, "ScalingReplicaSet", message));
        }
        self.actions.push(action);
        self.new = Some(Set::new(Arc::new(object)));
        self.revision = Some(revision.to_string());
        self.begin_progress("NewReplicaSetCreated", format!("Created new replica set \"{name}\""));
        true
    }

    fn new_set(&self, name: &str, hash: &str, revision: i64, replicas: i32) -> ReplicaSet {
        let mut template = self.spec.template.clone();
        let labels = &mut template.metadata.get_or_insert_default().labels;
        template::set_label(labels, HASH, hash);
        let mut selector = self.spec.selector.clone();
        template::set_label(&mut selector.match_labels, HASH, hash);
        let mut annotations = copied_annotations(self.deployment);
        annotations.insert(REVISION.to_owned(), revision.to_string());
        annotations.insert(DESIRED.to_owned(), self.desired.to_string());
        annotations.insert(MAX.to_owned(), (self.desired + self.surge).to_string());
        ReplicaSet {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: self.deployment.metadata.namespace.clone(),
                labels: labels.clone(),
                annotations: Some(annotations),
                owner_references: Some(vec![DEPLOYMENT.controller_reference(&self.deployment.metadata)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(replicas),
                min_ready_seconds: self.spec.min_ready_seconds.filter(|seconds| *seconds != 0),
                selector,
                template: Some(template),
            }),
            status: None,
        }
    }
}

fn copied_annotations(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut annotations = deployment.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|key, _| !NOT_COPIED.contains(&key.as_str()));
    annotations
}

fn changed_annotations(deployment: &Deployment, set: &ObjectMeta) -> Map<String, Value> {
    let copied = copied_annotations(deployment).into_iter();
    copied.filter(|(key, value)| set.annotation(key) != Some(value)).map(|(key, value)| (key, to_json(&value))).collect()
}

/// The revisions that a ReplicaSet had before, with its present one added; the oldest are cut off.
fn history(set: &ObjectMeta) -> Option<String> {
    let present = set.annotation(REVISION)?;
    let mut revisions: Vec<&str> = set.annotation(HISTORY).into_iter().flat_map(|history| history.split(',')).collect();
    revisions.push(present);
    while revisions.len() > 1 && revisions.iter().map(|revision| revision.len() + 1).sum::<usize>() > HISTORY_LENGTH {
        revisions.remove(0);
    }
    Some(revisions.join(","))
}
