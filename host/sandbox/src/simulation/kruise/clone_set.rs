//! CloneSets: pods without order, replaced by deletion or in place. Decides only.

use super::super::action::{Action, Outcome, Target, status_patch};
use super::super::events::{About, Event, seconds};
use super::super::kind::{Key, Kind, Meta, POD};
use super::super::replicaset::{number, some_number};
use super::super::revisions::{self, POD_LABEL, Plan, Revision};
use super::super::{pods, template};
use super::diff::{Diff, Member, diff, partition};
use super::{Labels, ScaleStrategy, UpdateStrategy, selector_text};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "cloneset-controller";
const INSTANCE: &str = "apps.kruise.io/cloneset-instance-id";
const DELETE: &str = "apps.kruise.io/specified-delete";
const STATE: &str = "lifecycle.apps.kruise.io/state";
const STATE_SINCE: &str = "lifecycle.apps.kruise.io/timestamp";

/// A CloneSet, in either version.
pub type CloneSet = kube::core::Object<CloneSetSpec, CloneSetStatus>;

/// What a CloneSet asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CloneSetSpec {
    /// How many pods.
    pub replicas: Option<i32>,
    /// The labels of its pods.
    pub selector: LabelSelector,
    /// Their template.
    pub template: PodTemplateSpec,
    /// How pods are replaced.
    pub update_strategy: UpdateStrategy,
    /// How pods are deleted.
    pub scale_strategy: ScaleStrategy,
    /// How many old revisions are kept.
    pub revision_history_limit: Option<i32>,
    /// How long a pod has to be ready to be available.
    pub min_ready_seconds: i32,
}

/// What is known of a CloneSet. Fields without which the definition's schema is not satisfied are always written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CloneSetStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_generation: Option<i64>,
    replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    updated_replicas: i32,
    updated_ready_replicas: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_available_replicas: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_updated_replicas: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collision_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_selector: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conditions: Vec<Value>,
}

/// What a decision about a CloneSet is taken on.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Where it is served.
    pub kind: &'static Kind,
    /// The CloneSet.
    pub set: &'a CloneSet,
    /// Its pods.
    pub pods: &'a [Arc<Pod>],
    /// Its revisions.
    pub revisions: &'a [Arc<ControllerRevision>],
    /// Whether a ControllerRevision of this name exists.
    pub is_taken: &'a dyn Fn(&Key) -> bool,
}

/// What to do for a CloneSet now: scale, or else update; never both at once.
pub fn reconcile(seen: Seen, names: &mut template::Names, now: Timestamp) -> Outcome {
    let (set, spec) = (seen.set, &seen.set.spec);
    let status = set.status.clone().unwrap_or_default();
    let mut plan = revisions::plan(revisions::Seen {
        kind: seen.kind,
        owner: &set.metadata,
        template: &spec.template,
        revisions: seen.revisions,
        current: status.current_revision.as_deref(),
        collisions: status.collision_count.unwrap_or(0),
        hash_label: revisions::HASH_LABEL,
        is_taken: seen.is_taken,
    });
    let mut outcome = Outcome::from(std::mem::take(&mut plan.actions));
    let active: Vec<Arc<Pod>> = seen.pods.iter().filter(|pod| pods::is_active(pod)).cloned().collect();
    let run = Run { seen, plan: &plan, now };
    if !set.metadata.is_deleting() {
        outcome.actions.extend(run.act(&active, names));
        let metas = seen.pods.iter().map(|pod| &pod.metadata);
        outcome.actions.extend(revisions::truncate(seen.revisions, &plan, metas, spec.revision_history_limit));
    }
    if let Some(patch) = status_patch(&set.status, &run.status(&active, status.conditions)) {
        outcome.actions.push(Action::patch_status(Target::new(seen.kind, &set.metadata), patch));
    }
    outcome.wake = pods::next_available(&active, spec.min_ready_seconds, now);
    outcome
}

struct Run<'a> {
    seen: Seen<'a>,
    plan: &'a Plan,
    now: Timestamp,
}

impl Run<'_> {
    fn spec(&self) -> &CloneSetSpec {
        &self.seen.set.spec
    }

    fn is_updated(&self, pod: &Pod) -> bool {
        self.plan.update.is_of(&pod.metadata)
    }

    fn is_ready(pod: &Pod) -> bool {
        pods::phase(pod) == "Running" && pods::is_ready(pod)
    }

    fn is_available(&self, pod: &Pod) -> bool {
        Self::is_ready(pod) && pods::is_available(pod, self.spec().min_ready_seconds, self.now)
    }

    fn is_doomed(&self, pod: &Pod) -> bool {
        pod.metadata.label(DELETE) == Some("true")
            || self.spec().scale_strategy.pods_to_delete.iter().any(|name| name == pod.metadata.name())
    }

    fn act(&self, active: &[Arc<Pod>], names: &mut template::Names) -> Vec<Action> {
        let members: Vec<Member> = active
            .iter()
            .map(|pod| Member { updated: self.is_updated(pod), doomed: self.is_doomed(pod), available: self.is_available(pod) })
            .collect();
        let diff = diff(self.spec(), &members);
        let scaling = self.scale(diff, active, names);
        let paused = self.spec().update_strategy.rolling().paused;
        if scaling.is_empty() && !paused { self.update(diff, active) } else { scaling }
    }

    /// Makes pods; or deletes those that are named; or, when none is, those that are too many.
    fn scale(&self, diff: Diff, active: &[Arc<Pod>], names: &mut template::Names) -> Vec<Action> {
        if diff.create > 0 {
            return (0..diff.create)
                .map(|made| self.create(if made < diff.create_old { &self.plan.current } else { &self.plan.update }, names))
                .collect();
        }
        let (doomed, others): (Vec<&Arc<Pod>>, Vec<&Arc<Pod>>) = active.iter().partition(|pod| self.is_doomed(pod));
        let victims = if doomed.is_empty() { self.choose(diff, &others) } else { doomed };
        let mut left = diff.delete_available;
        let may_go = |pod: &&Arc<Pod>| {
            let free = !self.is_available(pod);
            if !free {
                left -= 1;
            }
            free || left >= 0
        };
        victims.into_iter().filter(may_go).map(|pod| self.delete(pod)).collect()
    }

    fn choose<'p>(&self, diff: Diff, pods: &[&'p Arc<Pod>]) -> Vec<&'p Arc<Pod>> {
        let total = usize::try_from(diff.delete).unwrap_or(0);
        let (new, old): (Vec<&Arc<Pod>>, Vec<&Arc<Pod>>) = pods.iter().copied().partition(|pod| self.is_updated(pod));
        let from_old = usize::try_from(diff.delete_old).unwrap_or(0).min(total).min(old.len());
        let mut victims = self.first(old, from_old);
        victims.extend(self.first(new, total - from_old));
        victims
    }

    /// The pods that serve least.
    fn first<'p>(&self, pods: Vec<&'p Arc<Pod>>, count: usize) -> Vec<&'p Arc<Pod>> {
        let mut sorted: Vec<Arc<Pod>> = pods.iter().copied().cloned().collect();
        pods::sort_victims_first(&mut sorted, &[], self.now);
        let chosen = sorted.into_iter().take(count);
        chosen.filter_map(|pod| pods.iter().copied().find(|known| Arc::ptr_eq(known, &pod))).collect()
    }

    /// Has old pods replaced, or changes them in place, while not too many are missing.
    fn update(&self, diff: Diff, active: &[Arc<Pod>]) -> Vec<Action> {
        let old: Vec<&Arc<Pod>> = active.iter().filter(|pod| !self.is_updated(pod) && !self.is_doomed(pod)).collect();
        let mut missing = number(active.iter().filter(|pod| !self.is_available(pod)).count());
        let mut actions = Vec::new();
        for pod in self.first(old, usize::try_from(diff.update).unwrap_or(0)) {
            if self.is_available(pod) {
                if missing >= diff.update_unavailable {
                    break;
                }
                missing += 1;
            }
            actions.push(self.update_pod(pod));
        }
        actions
    }

    fn update_pod(&self, pod: &Pod) -> Action {
        let (name, revision) = (pod.metadata.name(), &self.plan.update.name);
        let target = Target::new(&POD, &pod.metadata);
        if self.spec().update_strategy.is_in_place()
            && let Some(patch) = self.in_place(pod)
        {
            let message = format!("successfully update pod {name} in-place(revision {revision})");
            return Action::patch_items(target, patch).saying(self.event(false, "SuccessfulUpdatePodInPlace", message));
        }
        let message = format!("successfully patch pod {name} specified-delete for update(revision {revision})");
        let patch = json!({"metadata": {"labels": {DELETE: "true"}}});
        Action::patch(target, patch).saying(self.event(false, "SuccessfulUpdatePodReCreate", message))
    }

    /// The patch that gives a pod the images of the update revision, where nothing else differs.
    fn in_place(&self, pod: &Pod) -> Option<Value> {
        let old = self.seen.revisions.iter().find(|revision| pod.metadata.label(POD_LABEL) == Some(revision.metadata.name()))?;
        let old: PodTemplateSpec = serde_json::from_value(old.data.as_ref()?.0.pointer("/spec/template")?.clone()).ok()?;
        let new = &self.plan.update.template;
        let mut changed = old.clone();
        let images = new.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
        for container in changed.spec.iter_mut().flat_map(|spec| &mut spec.containers) {
            container.image = images.iter().find(|other| other.name == container.name)?.image.clone();
        }
        if changed != *new {
            return None;
        }
        let of_pod = pods::spec(pod).containers.iter().filter_map(|own| images.iter().find(|other| other.name == own.name));
        let containers: Vec<Value> = of_pod.map(|container| json!({"name": container.name, "image": container.image})).collect();
        Some(json!({"metadata": {"labels": {POD_LABEL: self.plan.update.name}}, "spec": {"containers": containers}}))
    }

    fn create(&self, revision: &Revision, names: &mut template::Names) -> Action {
        let meta = &self.seen.set.metadata;
        let id = names.suffix();
        let owner = self.seen.kind.controller_reference(meta);
        let mut pod = template::pod(&revision.template, meta.namespace(), format!("{}-{id}", meta.name()), owner);
        pod.metadata.generate_name = Some(format!("{}-", meta.name()));
        let labels: &mut Labels = &mut pod.metadata.labels;
        for (key, value) in [(INSTANCE, id.as_str()), (POD_LABEL, revision.name.as_str()), (STATE, "Normal")] {
            template::set_label(labels, key, value);
        }
        template::set_label(&mut pod.metadata.annotations, STATE_SINCE, seconds(self.now));
        let message = format!("succeed to create pod {}", pod.metadata.name());
        let success = self.event(false, "SuccessfulCreate", message);
        Action::create(&POD, &pod).saying(success).complaining(self.event(true, "FailedCreate", "failed to create pod: ".to_owned()))
    }

    fn delete(&self, pod: &Pod) -> Action {
        let success = self.event(false, "SuccessfulDelete", format!("succeed to delete pod {}", pod.metadata.name()));
        let failure = self.event(true, "FailedDelete", format!("failed to delete pod {}: ", pod.metadata.name()));
        Action::delete(Target::new(&POD, &pod.metadata)).saying(success).complaining(failure)
    }

    fn event(&self, warning: bool, reason: &'static str, message: String) -> Event {
        let about = About::new(self.seen.kind, &self.seen.set.metadata);
        if warning { about.warning(COMPONENT, reason, message) } else { about.normal(COMPONENT, reason, message) }
    }

    fn status(&self, active: &[Arc<Pod>], conditions: Vec<Value>) -> CloneSetStatus {
        let count = |what: &dyn Fn(&Pod) -> bool| active.iter().filter(|pod| what(pod)).count();
        let replicas = self.spec().replicas.unwrap_or(1);
        let (total, updated) = (number(active.len()), number(count(&|pod| self.is_updated(pod))));
        let stable = updated == total && total == replicas;
        let current = if stable { &self.plan.update } else { &self.plan.current };
        CloneSetStatus {
            observed_generation: self.seen.set.metadata.generation,
            replicas: total,
            ready_replicas: number(count(&Self::is_ready)),
            available_replicas: number(count(&|pod| self.is_available(pod))),
            updated_replicas: updated,
            updated_ready_replicas: number(count(&|pod| self.is_updated(pod) && Self::is_ready(pod))),
            updated_available_replicas: some_number(count(&|pod| self.is_updated(pod) && self.is_available(pod))),
            expected_updated_replicas: Some(replicas - partition(self.spec(), replicas)).filter(|expected| *expected != 0),
            update_revision: Some(self.plan.update.name.clone()),
            current_revision: Some(current.name.clone()),
            collision_count: Some(self.plan.collisions),
            label_selector: selector_text(&self.spec().selector),
            conditions,
        }
    }
}

#[cfg(test)]
mod tests;
