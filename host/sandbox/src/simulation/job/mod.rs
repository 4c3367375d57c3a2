//! Jobs: pods until enough have succeeded, or too many failed. Decides only.
//!
//! A finished pod is counted once: its uid goes into `status.uncountedTerminatedPods`, then its finalizer goes, then the uid turns into a
//! count. A pod can be deleted only after that.

mod indexes;

use super::action::{Action, Outcome, Target, status_patch};
use super::events::{About, Event};
use super::kind::{JOB, Meta, POD};
use super::replicaset::{number, some_number};
use super::{pods, template};
use indexes::Indexes;
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "job-controller";
/// Keeps a finished pod until it is counted.
pub const FINALIZER: &str = "batch.kubernetes.io/job-tracking";

/// What to do for a Job now; `pods` are all that it controls.
pub fn reconcile(job: &Job, pods: &[Arc<Pod>], names: &mut template::Names, now: Timestamp) -> Outcome {
    if let Some(finished) = job.status.as_ref().and_then(finished_at) {
        return after_the_end(job, pods, finished, now);
    }
    if job.metadata.is_deleting() {
        return release(pods).into();
    }
    let mut run = Run::new(job, pods, now);
    run.count();
    run.judge();
    run.manage(names);
    run.finish()
}

/// A Job's spec, or an empty one.
pub fn spec(job: &Job) -> &JobSpec {
    static EMPTY: std::sync::LazyLock<JobSpec> = std::sync::LazyLock::new(JobSpec::default);
    job.spec.as_ref().unwrap_or(&EMPTY)
}

/// Takes the finalizer off pods that nobody counts any more.
pub fn release(pods: &[Arc<Pod>]) -> Vec<Action> {
    pods.iter().filter(|pod| is_tracked(pod)).map(|pod| untrack(pod)).collect()
}

fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

fn untrack(pod: &Pod) -> Action {
    let others: Vec<&String> = pod.metadata.finalizers.iter().flatten().filter(|finalizer| *finalizer != FINALIZER).collect();
    let finalizers = if others.is_empty() { Value::Null } else { json!(others) };
    Action::patch(Target::new(&POD, &pod.metadata), json!({"metadata": {"uid": pod.metadata.uid(), "finalizers": finalizers}}))
}

fn finished_at(status: &JobStatus) -> Option<Timestamp> {
    let mut conditions = status.conditions.iter().flatten();
    let last = conditions.find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed") && condition.status == "True")?;
    Some(last.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

fn after_the_end(job: &Job, pods: &[Arc<Pod>], finished: Timestamp, now: Timestamp) -> Outcome {
    let mut outcome = Outcome::from(release(pods));
    if let Some(seconds) = spec(job).ttl_seconds_after_finished.filter(|_| !job.metadata.is_deleting()) {
        let end = finished + SignedDuration::from_secs(i64::from(seconds));
        if end <= now {
            outcome.actions.push(Action::delete(Target::new(&JOB, &job.metadata)));
        } else {
            outcome.wake_at(end);
        }
    }
    outcome
}

/// A decision in the making.
struct Run<'a> {
    job: &'a Job,
    spec: &'a JobSpec,
    pods: &'a [Arc<Pod>],
    now: Timestamp,
    status: JobStatus,
    /// Pods that run, or will.
    active: Vec<&'a Arc<Pod>>,
    terminating: usize,
    succeeded: i32,
    failed: i32,
    completed: Indexes,
    actions: Vec<Action>,
    last_event: Option<Event>,
}

impl<'a> Run<'a> {
    fn new(job: &'a Job, pods: &'a [Arc<Pod>], now: Timestamp) -> Self {
        let status = job.status.clone().unwrap_or_default();
        let active = pods.iter().filter(|pod| pods::is_active(pod)).collect();
        let terminating = pods.iter().filter(|pod| pod.metadata.is_deleting() && !pods::is_finished(pod)).count();
        let completed = Indexes::parse(status.completed_indexes.as_deref().unwrap_or(""));
        let (spec, actions) = (spec(job), Vec::new());
        Self { job, spec, pods, now, status, active, terminating, succeeded: 0, failed: 0, completed, actions, last_event: None }
    }

    fn is_indexed(&self) -> bool {
        self.spec.completion_mode.as_deref() == Some("Indexed")
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// Moves finished pods along: tracked → uncounted → counted.
    fn count(&mut self) {
        let tracked: HashMap<&str, &Arc<Pod>> =
            self.pods.iter().filter(|pod| is_tracked(pod)).map(|pod| (pod.metadata.uid(), pod)).collect();
        let uncounted = self.status.uncounted_terminated_pods.take().unwrap_or_default();
        let (mut succeeding, succeeded) = split(uncounted.succeeded, &tracked);
        let (mut failing, failed) = split(uncounted.failed, &tracked);
        self.status.failed = some_number(usize::try_from(self.status.failed.unwrap_or(0)).unwrap_or(0) + failed);
        if !self.is_indexed() {
            self.status.succeeded = some_number(usize::try_from(self.status.succeeded.unwrap_or(0)).unwrap_or(0) + succeeded);
        }
        for pod in self.pods.iter().filter(|pod| is_tracked(pod)) {
            let uid = pod.metadata.uid();
            let known = succeeding.iter().chain(&failing).any(|known| known == uid);
            let ended = pods::is_finished(pod) || (pod.metadata.is_deleting() && pods::node_name(pod).is_none());
            if known || !ended {
                continue;
            }
            match pods::phase(pod) {
                "Succeeded" if self.is_indexed() => {
                    self.completed.extend(indexes::of(pod));
                    succeeding.push(uid.to_owned());
                }
                "Succeeded" => succeeding.push(uid.to_owned()),
                _ => failing.push(uid.to_owned()),
            }
        }
        let untracked: Vec<Action> =
            succeeding.iter().chain(&failing).filter_map(|uid| tracked.get(uid.as_str())).map(|pod| untrack(pod)).collect();
        self.actions.extend(untracked);
        if self.is_indexed() {
            self.status.succeeded = some_number(self.completed.len());
            self.status.completed_indexes = Some(self.completed.to_string()).filter(|text| !text.is_empty());
            self.succeeded = number(self.completed.len());
        } else {
            self.succeeded = self.status.succeeded.unwrap_or(0) + number(succeeding.len());
        }
        self.failed = self.status.failed.unwrap_or(0) + number(failing.len());
        let some = |uids: Vec<String>| if uids.is_empty() { None } else { Some(uids) };
        self.status.uncounted_terminated_pods = Some(UncountedTerminatedPods { succeeded: some(succeeding), failed: some(failing) });
    }

    /// Notes that the Job is to end, well or not, or that it was suspended or resumed.
    fn judge(&mut self) {
        if self.is_suspended() {
            if !self.holds("Suspended") {
                self.set("Suspended", "True", "JobSuspended", "Job suspended");
                self.say(false, "Suspended", "Job suspended");
            }
            self.status.start_time = None;
        } else if self.holds("Suspended") {
            self.set("Suspended", "False", "JobResumed", "Job resumed");
            self.say(false, "Resumed", "Job resumed");
        }
        if self.status.start_time.is_none() && !self.is_suspended() {
            self.status.start_time = Some(Time(self.now));
        }
        if self.holds("SuccessCriteriaMet") || self.holds("FailureTarget") {
            return;
        }
        if self.failed > self.spec.backoff_limit.unwrap_or(6) {
            self.set("FailureTarget", "True", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
        } else if self.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.set("FailureTarget", "True", "DeadlineExceeded", "Job was active longer than specified deadline");
        } else if self.is_complete() {
            self.set("SuccessCriteriaMet", "True", "CompletionsReached", "Reached expected number of succeeded pods");
        }
    }

    fn is_complete(&self) -> bool {
        match self.spec.completions {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0 && self.active.is_empty(),
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.spec.active_deadline_seconds?;
        Some(self.status.start_time.as_ref()?.0 + SignedDuration::from_secs(seconds))
    }

    /// Makes and deletes pods; ends the Job when none is left of one that is to end.
    fn manage(&mut self, names: &mut template::Names) {
        let ending = self.holds("SuccessCriteriaMet") || self.holds("FailureTarget");
        let wanted = if ending || self.is_suspended() { 0 } else { self.wanted() };
        let mut victims: Vec<Arc<Pod>> = self.active.iter().map(|pod| Arc::clone(pod)).collect();
        if victims.len() > wanted {
            pods::sort_victims_first(&mut victims, &[], self.now);
            let excess = victims.len() - wanted;
            self.actions.extend(victims[..excess].iter().map(|pod| self.delete(pod)).collect::<Vec<_>>());
        } else {
            let replaces_terminating = self.spec.pod_replacement_policy.as_deref() != Some("Failed");
            let held = victims.len() + if replaces_terminating { 0 } else { self.terminating };
            self.create(wanted.saturating_sub(held), names);
        }
        if ending && victims.is_empty() && self.terminating == 0 {
            self.end();
        }
    }

    fn wanted(&self) -> usize {
        let parallelism = self.spec.parallelism.unwrap_or(1);
        let wanted = match self.spec.completions {
            Some(completions) => parallelism.min(completions - self.succeeded),
            None if self.succeeded > 0 => number(self.active.len()).min(parallelism),
            None => parallelism,
        };
        usize::try_from(wanted).unwrap_or(0)
    }

    fn create(&mut self, count: usize, names: &mut template::Names) {
        let indexes: Vec<Option<i32>> = if self.is_indexed() {
            let taken: Indexes = self.active.iter().filter_map(|pod| indexes::of(pod)).collect();
            let free = (0..self.spec.completions.unwrap_or(0)).filter(|index| !taken.contains(*index) && !self.completed.contains(*index));
            free.take(count).map(Some).collect()
        } else {
            vec![None; count]
        };
        for index in indexes {
            let pod = self.new_pod(index, names);
            let success = self.event(false, "SuccessfulCreate", format!("Created pod: {}", pod.metadata.name()));
            let failure = self.event(true, "FailedCreate", "Error creating: ".to_owned());
            self.actions.push(Action::create(&POD, &pod).saying(success).complaining(failure));
        }
    }

    fn new_pod(&self, index: Option<i32>, names: &mut template::Names) -> Pod {
        let meta = &self.job.metadata;
        let base = index.map_or_else(|| meta.name().to_owned(), |index| format!("{}-{index}", meta.name()));
        let owner = JOB.controller_reference(meta);
        let mut pod = template::pod(&self.spec.template, meta.namespace(), names.under(&base), owner);
        pod.metadata.generate_name = Some(format!("{base}-"));
        pod.metadata.finalizers.get_or_insert_default().push(FINALIZER.to_owned());
        if let Some(index) = index {
            indexes::mark(&mut pod, index, meta.name());
        }
        pod
    }

    fn delete(&self, pod: &Pod) -> Action {
        let success = self.event(false, "SuccessfulDelete", format!("Deleted pod: {}", pod.metadata.name()));
        Action::delete(Target::new(&POD, &pod.metadata)).saying(success)
    }

    /// The last condition, once all pods are counted.
    fn end(&mut self) {
        let uncounted = self.status.uncounted_terminated_pods.as_ref();
        if uncounted.is_some_and(|uncounted| uncounted.succeeded.is_some() || uncounted.failed.is_some()) {
            return;
        }
        let why = |kind: &str| {
            let condition = self.status.conditions.iter().flatten().find(|condition| condition.type_ == kind)?;
            Some((condition.reason.clone().unwrap_or_default(), condition.message.clone().unwrap_or_default()))
        };
        if let Some((reason, message)) = why("FailureTarget") {
            self.set("Failed", "True", &reason, &message);
            let reason = if reason == "DeadlineExceeded" { "DeadlineExceeded" } else { "BackoffLimitExceeded" };
            self.say(true, reason, &message);
        } else if let Some((reason, message)) = why("SuccessCriteriaMet") {
            self.set("Complete", "True", &reason, &message);
            self.status.completion_time = Some(Time(self.now));
            self.say(false, "Completed", "Job completed");
        }
    }

    fn holds(&self, kind: &str) -> bool {
        self.status.conditions.iter().flatten().any(|condition| condition.type_ == kind && condition.status == "True")
    }

    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let conditions = self.status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_ != kind);
        conditions.push(JobCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_probe_time: Some(Time(self.now)),
            last_transition_time: Some(Time(self.now)),
        });
    }

    fn event(&self, warning: bool, reason: &'static str, message: String) -> Event {
        let about = About::new(&JOB, &self.job.metadata);
        if warning { about.warning(COMPONENT, reason, message) } else { about.normal(COMPONENT, reason, message) }
    }

    /// Says something once the status is written.
    fn say(&mut self, warning: bool, reason: &'static str, message: &str) {
        self.last_event = Some(self.event(warning, reason, message.to_owned()));
    }

    /// The status is written first: what it notes as uncounted may then lose its finalizer.
    fn finish(mut self) -> Outcome {
        self.status.active = some_number(self.active.len());
        self.status.ready = Some(number(self.active.iter().filter(|pod| pods::is_ready(pod)).count()));
        self.status.terminating = Some(number(self.terminating));
        if let Some(patch) = status_patch(&self.job.status, &self.status) {
            let mut action = Action::patch_status(Target::new(&JOB, &self.job.metadata), patch);
            action.success = self.last_event.take();
            self.actions.insert(0, action);
        }
        let wake = self.deadline().filter(|deadline| *deadline > self.now);
        Outcome { wake, ..self.actions.into() }
    }
}

/// The uids of pods that still have to lose their finalizer, and how many others there were.
fn split(uids: Option<Vec<String>>, tracked: &HashMap<&str, &Arc<Pod>>) -> (Vec<String>, usize) {
    let all = uids.unwrap_or_default();
    let total = all.len();
    let left: Vec<String> = all.into_iter().filter(|uid| tracked.contains_key(uid.as_str())).collect();
    let counted = total - left.len();
    (left, counted)
}

#[cfg(test)]
mod tests;
