//! ControllerRevisions: the templates that a StatefulSet, DaemonSet or CloneSet has had, and which of them its pods are to follow.
//! Decides only.

use super::action::{Action, Target, to_json};
use super::kind::{Key, Kind, Meta, REVISION};
use super::template;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};
use std::sync::Arc;

/// The label of pods that names their revision.
pub const POD_LABEL: &str = "controller-revision-hash";
/// The label of revisions that holds their hash.
pub const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The owner's kind.
    pub kind: &'static Kind,
    /// The owner.
    pub owner: &'a ObjectMeta,
    /// Its present template.
    pub template: &'a PodTemplateSpec,
    /// Its revisions, in any order.
    pub revisions: &'a [Arc<ControllerRevision>],
    /// `status.currentRevision`.
    pub current: Option<&'a str>,
    /// `status.collisionCount`.
    pub collisions: i32,
    /// The label of revisions that holds their hash.
    pub hash_label: &'static str,
    /// Whether a ControllerRevision of this name exists, whoever owns it.
    pub is_taken: &'a dyn Fn(&Key) -> bool,
}

/// The revisions that pods are to follow, and what to write so that they exist.
#[derive(Debug)]
pub struct Plan {
    /// The revision that the pods had when the last rollout ended.
    pub current: Revision,
    /// The revision of the present template.
    pub update: Revision,
    /// `status.collisionCount`.
    pub collisions: i32,
    /// Creates or renumbers the revision of the present template.
    pub actions: Vec<Action>,
}

/// One revision.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its name: `db-6667d58565`.
    pub name: String,
    /// Its hash: `6667d58565`.
    pub hash: String,
    /// Its template.
    pub template: PodTemplateSpec,
}

impl Revision {
    /// Whether a pod follows it; pods name their revision or its hash.
    pub fn is_of(&self, meta: &ObjectMeta) -> bool {
        meta.label(POD_LABEL).is_some_and(|label| label == self.name || label == self.hash)
    }

    fn read(revision: &ControllerRevision, hash_label: &str) -> Option<Self> {
        let template = data(revision).pointer("/spec/template").cloned()?;
        Some(Self {
            name: revision.metadata.name().to_owned(),
            hash: revision.metadata.label(hash_label).unwrap_or_default().to_owned(),
            template: serde_json::from_value(template).ok()?,
        })
    }
}

fn data(revision: &ControllerRevision) -> &Value {
    revision.data.as_ref().map_or(&Value::Null, |data| &data.0)
}

/// Finds or makes the revision of the present template.
pub fn plan(seen: Seen) -> Plan {
    let mut sorted: Vec<&Arc<ControllerRevision>> = seen.revisions.iter().collect();
    sorted.sort_by_key(|revision| (revision.revision, revision.metadata.name.clone()));
    let next = sorted.last().map_or(0, |last| last.revision) + 1;
    let wanted = patch_of(seen.template);
    let mut collisions = seen.collisions;
    let mut actions = Vec::new();
    let equal = sorted.iter().rev().find(|revision| *data(revision) == wanted);
    let update = match equal.and_then(|equal| Some((equal, Revision::read(equal, seen.hash_label)?))) {
        Some((equal, revision)) => {
            if equal.revision + 1 != next {
                actions.push(Action::patch(Target::new(&REVISION, &equal.metadata), json!({"revision": next})));
            }
            revision
        }
        None => {
            let made = make(seen, wanted, next, &mut collisions);
            actions.push(Action::create(&REVISION, &made));
            Revision::read(&made, seen.hash_label).expect("made of a template")
        }
    };
    let current = sorted.iter().find(|revision| seen.current == Some(revision.metadata.name()));
    let current = current.and_then(|revision| Revision::read(revision, seen.hash_label)).unwrap_or_else(|| update.clone());
    Plan { current, update, collisions, actions }
}

fn patch_of(template: &PodTemplateSpec) -> Value {
    let mut template = to_json(template);
    template["$patch"] = json!("replace");
    json!({"spec": {"template": template}})
}

fn make(seen: Seen, data: Value, revision: i64, collisions: &mut i32) -> ControllerRevision {
    let (mut hash, mut name);
    loop {
        hash = template::hash(&data, Some(*collisions));
        name = format!("{}-{hash}", seen.owner.name());
        if !(seen.is_taken)(&Key::new(seen.owner.namespace(), &name)) {
            break;
        }
        *collisions += 1;
    }
    let mut labels = seen.template.metadata.as_ref().and_then(|meta| meta.labels.clone());
    template::set_label(&mut labels, seen.hash_label, hash);
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: seen.owner.namespace.clone(),
            labels,
            annotations: seen.owner.annotations.clone(),
            owner_references: Some(vec![seen.kind.controller_reference(seen.owner)]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(data)),
        revision,
    }
}

/// Deletes the oldest revisions beyond `limit` that neither pods nor the plan follow.
pub fn truncate<'a>(
    revisions: &[Arc<ControllerRevision>],
    plan: &Plan,
    pods: impl Iterator<Item = &'a ObjectMeta>,
    limit: Option<i32>,
) -> Vec<Action> {
    let followed: Vec<&str> = pods.filter_map(|pod| pod.label(POD_LABEL)).collect();
    let is_live = |name: &str| {
        name == plan.current.name
            || name == plan.update.name
            || followed.iter().any(|label| *label == name || name.ends_with(&format!("-{label}")))
    };
    let mut idle: Vec<&Arc<ControllerRevision>> =
        revisions.iter().filter(|revision| !is_live(revision.metadata.name()) && !revision.metadata.is_deleting()).collect();
    idle.sort_by_key(|revision| revision.revision);
    let excess = idle.len().saturating_sub(usize::try_from(limit.unwrap_or(10)).unwrap_or(0));
    idle[..excess].iter().map(|revision| Action::delete(Target::new(&REVISION, &revision.metadata))).collect()
}
