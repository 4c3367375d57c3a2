//! CronJobs: a Job at each of its times, and the old ones go. Decides only.

mod schedule;

use super::action::{Action, Outcome, Target, status_patch};
use super::events::{About, Event, seconds};
use super::kind::{CRON_JOB, JOB, Meta};
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, CronJobStatus, Job};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use schedule::Schedule;
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "cronjob-controller";
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// What to do for a CronJob now; `jobs` are those that it controls.
pub fn reconcile(cron: &CronJob, jobs: &[Arc<Job>], now: Timestamp) -> Outcome {
    let mut run = Run { cron, jobs, now, status: cron.status.clone().unwrap_or_default(), outcome: Outcome::default() };
    run.look_after_jobs();
    if !cron.metadata.is_deleting() && spec(cron).suspend != Some(true) {
        run.keep_schedule();
    }
    run.finish()
}

/// A CronJob's spec, or an empty one.
pub fn spec(cron: &CronJob) -> &CronJobSpec {
    static EMPTY: std::sync::LazyLock<CronJobSpec> = std::sync::LazyLock::new(CronJobSpec::default);
    cron.spec.as_ref().unwrap_or(&EMPTY)
}

fn ended(job: &Job) -> Option<&'static str> {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut held = conditions.into_iter().flatten().filter(|condition| condition.status == "True");
    held.find_map(|condition| ["Complete", "Failed"].into_iter().find(|kind| condition.type_ == *kind))
}

struct Run<'a> {
    cron: &'a CronJob,
    jobs: &'a [Arc<Job>],
    now: Timestamp,
    status: CronJobStatus,
    outcome: Outcome,
}

impl Run<'_> {
    fn event(&self, warning: bool, reason: &'static str, message: String) -> Event {
        let about = About::new(&CRON_JOB, &self.cron.metadata);
        if warning { about.warning(COMPONENT, reason, message) } else { about.normal(COMPONENT, reason, message) }
    }

    /// Lists the Jobs that run, and deletes those that ended long ago.
    fn look_after_jobs(&mut self) {
        let running = self.jobs.iter().filter(|job| ended(job).is_none() && !job.metadata.is_deleting());
        let references: Vec<ObjectReference> = running.map(|job| reference(&job.metadata)).collect();
        self.status.active = Some(references).filter(|references| !references.is_empty());
        let completions = self.jobs.iter().filter_map(|job| job.status.as_ref()?.completion_time.clone());
        self.status.last_successful_time = completions.chain(self.status.last_successful_time.take()).max();
        let spec = spec(self.cron);
        let kept = [("Complete", spec.successful_jobs_history_limit.unwrap_or(3)), ("Failed", spec.failed_jobs_history_limit.unwrap_or(1))];
        for (kind, limit) in kept {
            let mut of_kind: Vec<&Arc<Job>> =
                self.jobs.iter().filter(|job| ended(job) == Some(kind) && !job.metadata.is_deleting()).collect();
            of_kind.sort_by_key(|job| (job.status.as_ref().and_then(|status| status.start_time.clone()), job.metadata.name.clone()));
            let excess = of_kind.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            let deletions: Vec<Action> = of_kind[..excess].iter().map(|job| self.delete(job)).collect();
            self.outcome.actions.extend(deletions);
        }
    }

    fn delete(&self, job: &Job) -> Action {
        let success = self.event(false, "SuccessfulDelete", format!("Deleted job {}", job.metadata.name()));
        Action::delete(Target::new(&JOB, &job.metadata)).saying(success)
    }

    /// Makes the Job of the latest time that was missed, and waits for the next.
    fn keep_schedule(&mut self) {
        let spec = spec(self.cron);
        let Some(schedule) = Schedule::parse(&spec.schedule, spec.time_zone.as_deref()) else { return };
        let created = self.cron.metadata.creation_timestamp.as_ref();
        let mut after = self.status.last_schedule_time.as_ref().or(created).map_or(self.now, |time| time.0);
        if let Some(deadline) = spec.starting_deadline_seconds {
            after = after.max(self.now - SignedDuration::from_secs(deadline));
        }
        self.outcome.wake = schedule.next(self.now);
        let Some(time) = schedule.latest(after, self.now) else { return };
        let running: Vec<&Arc<Job>> = self.jobs.iter().filter(|job| ended(job).is_none() && !job.metadata.is_deleting()).collect();
        match spec.concurrency_policy.as_deref() {
            Some("Forbid") if !running.is_empty() => return,
            Some("Replace") => {
                let deletions: Vec<Action> = running.iter().map(|job| self.delete(job)).collect();
                self.outcome.actions.extend(deletions);
                self.status.active = None;
            }
            _ => {}
        }
        let job = self.new_job(time);
        self.status.last_schedule_time = Some(Time(time));
        if self.jobs.iter().all(|known| known.metadata.name != job.metadata.name) {
            let success = self.event(false, "SuccessfulCreate", format!("Created job {}", job.metadata.name()));
            let failure = self.event(true, "FailedCreate", "Error creating job: ".to_owned());
            self.outcome.actions.push(Action::create(&JOB, &job).saying(success).complaining(failure));
        }
    }

    /// The Job of a time; its name holds the minute, so that it is made once.
    fn new_job(&self, time: Timestamp) -> Job {
        let meta = &self.cron.metadata;
        let template = &spec(self.cron).job_template;
        let from = template.metadata.clone().unwrap_or_default();
        let mut annotations = from.annotations.unwrap_or_default();
        annotations.insert(SCHEDULED.to_owned(), seconds(time));
        Job {
            metadata: ObjectMeta {
                name: Some(format!("{}-{}", meta.name(), time.as_second() / 60)),
                namespace: meta.namespace.clone(),
                labels: from.labels,
                annotations: Some(annotations),
                owner_references: Some(vec![CRON_JOB.controller_reference(meta)]),
                ..ObjectMeta::default()
            },
            spec: template.spec.clone(),
            status: None,
        }
    }

    fn finish(mut self) -> Outcome {
        if let Some(patch) = status_patch(&self.cron.status, &self.status) {
            self.outcome.actions.push(Action::patch_status(Target::new(&CRON_JOB, &self.cron.metadata), patch));
        }
        self.outcome
    }
}

fn reference(job: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(JOB.api_version()),
        kind: Some(JOB.kind.to_owned()),
        name: job.name.clone(),
        namespace: job.namespace.clone(),
        uid: job.uid.clone(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::yaml;
    use super::*;
    use serde_json::{Value, json};

    const CRON: &str = "
metadata: {name: tick, namespace: shop, uid: cron, creationTimestamp: '2026-01-01T00:00:30Z'}
spec:
  schedule: '* * * * *'
  successfulJobsHistoryLimit: 1
  jobTemplate: {spec: {template: {spec: {containers: [{name: main, image: busybox}]}}}}
";

    /// What is done at a time: Jobs made (`+`) and deleted (`-`), and the status.
    fn run(spec: &str, jobs: &[&str], time: &str) -> (String, Value) {
        let mut cron: Value = yaml(CRON);
        json_patch::merge(&mut cron["spec"], &yaml(spec));
        let jobs: Vec<Arc<Job>> = jobs.iter().map(|text| Arc::new(yaml(text))).collect();
        let outcome = reconcile(&serde_json::from_value(cron).unwrap(), &jobs, time.parse().unwrap());
        let mut did = Vec::new();
        let mut status = Value::Null;
        for action in outcome.actions {
            match action.request {
                Request::Create { object, .. } => did.push(format!("+{}", object["metadata"]["name"].as_str().unwrap())),
                Request::Delete { target, .. } => did.push(format!("-{}", target.key.name)),
                Request::Patch { patch, .. } => status = patch["status"].clone(),
                Request::Bind { .. } => panic!("binds nothing"),
            }
        }
        assert!(outcome.wake.is_some());
        (did.join(" "), status)
    }

    #[test]
    fn a_job_is_made_at_each_time_and_once() {
        assert_eq!(run("{}", &[], "2026-01-01T00:00:59Z").0, "");
        let (did, status) = run("{}", &[], "2026-01-01T00:02:01Z");
        assert_eq!((did.as_str(), &status["lastScheduleTime"]), ("+tick-29453762", &json!("2026-01-01T00:02:00Z")));
        assert_eq!(run("{}", &["metadata: {name: tick-29453762, uid: a}"], "2026-01-01T00:02:01Z").0, "");
    }

    #[test]
    fn what_still_runs_is_listed_and_may_forbid_or_be_replaced() {
        let running = ["metadata: {name: tick-1, uid: a, namespace: shop}"];
        let (did, status) = run("{concurrencyPolicy: Forbid}", &running, "2026-01-01T00:02:01Z");
        assert_eq!((did.as_str(), &status["active"][0]["name"]), ("", &json!("tick-1")));
        assert_eq!(run("{concurrencyPolicy: Replace}", &running, "2026-01-01T00:02:01Z").0, "-tick-1 +tick-29453762");
    }

    #[test]
    fn ended_jobs_beyond_the_limit_go() {
        let job = |name: &str| {
            format!("{{metadata: {{name: {name}, uid: {name}}}, status: {{conditions: [{{type: Complete, status: 'True'}}]}}}}")
        };
        let (a, b) = (job("a"), job("b"));
        assert_eq!(run("{suspend: false}", &[&a, &b], "2026-01-01T00:00:40Z").0, "-a");
    }
}
