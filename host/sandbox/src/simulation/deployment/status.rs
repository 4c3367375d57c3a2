//! The status of a Deployment: the sums over its ReplicaSets, and the conditions `Available`, `Progressing` and `ReplicaFailure`.

use super::super::kind::Meta;
use super::Rollout;
use super::revision::Set;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const REPLICA_FAILURE: &str = "ReplicaFailure";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";
const DONE: &str = "NewReplicaSetAvailable";
/// What the API means by no deadline.
const NO_DEADLINE: i32 = i32::MAX;

/// Whether every pod is of the new template and available.
pub fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let desired = super::spec(deployment).replicas.unwrap_or(1);
    [status.updated_replicas, status.replicas, status.available_replicas].iter().all(|count| count.unwrap_or(0) == desired)
        && status.observed_generation >= deployment.metadata.generation
}

fn find<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

fn remove(status: &mut DeploymentStatus, kind: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|condition| condition.type_ != kind);
    }
    status.conditions = status.conditions.take().filter(|conditions| !conditions.is_empty());
}

/// Sets a condition, which moves it to the end; nothing changes when status and reason are the same. The time of transition stays while
/// the status does.
fn set(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    if let Some(known) = find(status, &condition.type_) {
        if known.status == condition.status && known.reason == condition.reason {
            return;
        }
        if known.status == condition.status {
            condition.last_transition_time = known.last_transition_time.clone();
        }
    }
    remove(status, &condition.type_);
    status.conditions.get_or_insert_default().push(condition);
}

fn condition(kind: &str, status: &str, reason: &str, message: String, now: Timestamp) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

impl Rollout<'_> {
    fn deadline_seconds(&self) -> Option<i32> {
        self.spec.progress_deadline_seconds.filter(|seconds| *seconds != NO_DEADLINE)
    }

    /// Notes the beginning of a rollout, where none is noted.
    pub fn begin_progress(&mut self, reason: &str, message: String) {
        let created = reason == "NewReplicaSetCreated";
        if self.deadline_seconds().is_some() && (created || find(&self.status, PROGRESSING).is_none()) {
            set(&mut self.status, condition(PROGRESSING, "True", reason, message, self.now));
        }
    }

    /// Notes that the Deployment was paused or resumed, so that its deadline does not pass meanwhile.
    pub fn note_pause(&mut self) {
        let reason = find(&self.status, PROGRESSING).and_then(|condition| condition.reason.clone());
        if self.deadline_seconds().is_none() || reason.as_deref() == Some(TIMED_OUT) {
            return;
        }
        let noted = reason.as_deref() == Some("DeploymentPaused");
        let (reason, message) = match (self.spec.paused == Some(true), noted) {
            (true, false) => ("DeploymentPaused", "Deployment is paused"),
            (false, true) => ("DeploymentResumed", "Deployment is resumed"),
            _ => return,
        };
        set(&mut self.status, condition(PROGRESSING, "Unknown", reason, message.to_owned(), self.now));
    }

    /// Ends the decision with the counts and `Available`.
    pub fn end_with_counts(&mut self) {
        self.status = self.count();
    }

    /// Ends the decision with the counts and all conditions.
    pub fn end_with_progress(&mut self) {
        let mut status = self.count();
        if self.deadline_seconds().is_none() {
            remove(&mut status, PROGRESSING);
        } else {
            self.progress(&mut status);
        }
        match self.replica_failure() {
            Some(failure) => set(&mut status, failure),
            None => remove(&mut status, REPLICA_FAILURE),
        }
        self.status = status;
    }

    fn count(&self) -> DeploymentStatus {
        let sum = |of: &dyn Fn(&Set) -> i32| self.all().map(of).sum::<i32>();
        let some = |count: i32| Some(count).filter(|count| *count != 0);
        let replicas = sum(&|set| set.status().replicas);
        let available = sum(&Set::available);
        let mut status = DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            replicas: some(replicas),
            updated_replicas: some(self.new.as_ref().map_or(0, |new| new.status().replicas)),
            ready_replicas: some(sum(&|set| set.status().ready_replicas.unwrap_or(0))),
            available_replicas: some(available),
            unavailable_replicas: some((replicas - available).max(0)),
            terminating_replicas: self.all().map(|set| set.status().terminating_replicas).sum(),
            collision_count: self.status.collision_count,
            conditions: self.status.conditions.clone(),
        };
        let (value, reason, message) = if available >= self.desired - self.unavailable {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        set(&mut status, condition(AVAILABLE, value, reason, message.to_owned(), self.now));
        status
    }

    fn progress(&self, status: &mut DeploymentStatus) {
        let current = find(&self.status, PROGRESSING);
        let was_done = current.is_some_and(|condition| condition.reason.as_deref() == Some(DONE));
        if was_done && status.replicas == status.updated_replicas {
            return;
        }
        let subject = match &self.new {
            Some(new) => format!("ReplicaSet \"{}\"", new.name()),
            None => format!("Deployment \"{}\"", self.deployment.metadata.name()),
        };
        let make = |value: &str, reason: &str, message: String| condition(PROGRESSING, value, reason, message, self.now);
        if is_complete(self.deployment, status) {
            set(status, make("True", DONE, format!("{subject} has successfully progressed.")));
        } else if self.has_progressed(status) {
            let mut progressing = make("True", "ReplicaSetUpdated", format!("{subject} is progressing."));
            if let Some(current) = current.filter(|current| current.status == "True") {
                progressing.last_transition_time = current.last_transition_time.clone();
            }
            remove(status, PROGRESSING);
            set(status, progressing);
        } else if self.has_timed_out() {
            set(status, make("False", TIMED_OUT, format!("{subject} has timed out progressing.")));
        }
    }

    /// Whether more pods are new, ready or available than before, or fewer are old.
    fn has_progressed(&self, status: &DeploymentStatus) -> bool {
        let old = |status: &DeploymentStatus| status.replicas.unwrap_or(0) - status.updated_replicas.unwrap_or(0);
        let grew = |of: &dyn Fn(&DeploymentStatus) -> Option<i32>| of(status).unwrap_or(0) > of(&self.status).unwrap_or(0);
        old(status) < old(&self.status)
            || grew(&|status| status.updated_replicas)
            || grew(&|status| status.ready_replicas)
            || grew(&|status| status.available_replicas)
    }

    fn has_timed_out(&self) -> bool {
        let reason = find(&self.status, PROGRESSING).and_then(|condition| condition.reason.as_deref());
        reason == Some(TIMED_OUT) || (reason != Some(DONE) && self.deadline_of(&self.status).is_some_and(|deadline| deadline < self.now))
    }

    fn deadline_of(&self, status: &DeploymentStatus) -> Option<Timestamp> {
        let from = find(status, PROGRESSING)?.last_update_time.as_ref()?.0;
        Some(from + SignedDuration::from_secs(i64::from(self.deadline_seconds()?)))
    }

    /// When a rollout under way will have taken too long.
    pub fn deadline(&self) -> Option<Timestamp> {
        let reason = find(&self.status, PROGRESSING)?.reason.as_deref();
        if self.spec.paused == Some(true) || matches!(reason, Some(TIMED_OUT | DONE)) {
            return None;
        }
        let second = SignedDuration::from_secs(1);
        self.deadline_of(&self.status).map(|deadline| deadline.max(self.now) + second)
    }

    fn replica_failure(&self) -> Option<DeploymentCondition> {
        let failure = |set: &Set| set.status().conditions.iter().flatten().find(|condition| condition.type_ == REPLICA_FAILURE).cloned();
        let found = self.new.iter().chain(&self.old).find_map(failure)?;
        Some(DeploymentCondition {
            type_: REPLICA_FAILURE.to_owned(),
            status: found.status,
            reason: found.reason,
            message: found.message,
            last_update_time: found.last_transition_time.clone(),
            last_transition_time: found.last_transition_time,
        })
    }
}
