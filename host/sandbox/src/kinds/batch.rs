//! The `batch` group: Jobs and CronJobs.

use super::Behaviour;
use super::internal;
use super::labels;
use super::pod_spec::{self, defaults, validation};
use super::reach::{fill, fill_zero, flag, inner, present, remove, set, text};
use super::refusal::{
    IMMUTABLE, immutable, invalid, invalid_json, invalid_printed, invalid_text, negative, not_supported, one_of, required,
};
use super::schedule;
use crate::status::FieldError;
use k8s_openapi::jiff::tz;
use serde_json::Value;

/// Jobs.
pub(super) struct Jobs;

/// Labels that tie a Job to its pods, and their older names.
const CONTROLLER_UID: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
const JOB_NAME: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

impl Behaviour for Jobs {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        job_spec(spec);
        if let Some(labels) = present(spec, "/template/metadata/labels").cloned() {
            fill(inner(object, "metadata"), "labels", labels);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        if !flag(object, "/spec/manualSelector") {
            generate_selector(object);
        }
    }

    fn select_field(&self, object: &Value, field: &str) -> Option<String> {
        let succeeded = object.pointer("/status/succeeded").and_then(Value::as_i64).unwrap_or_default();
        (field == "status.successful").then(|| succeeded.to_string())
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        errors.extend(generated_selector(object));
        errors.extend(job_errors(spec, "spec"));
        match present(spec, "/selector") {
            None => errors.push(required("spec.selector", "")),
            Some(selector) => errors.extend(labels::validate_selector(selector, "spec.selector")),
        }
        errors.extend(validation::selector_mismatch(present(spec, "/selector"), &spec["template"], "spec.template"));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut fixed = new.clone();
        if may_be_rescheduled(old) {
            carry_scheduling(&mut fixed, old);
        }
        let fields = ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"];
        let mut errors: Vec<FieldError> = completions_change(new, old).into_iter().collect();
        errors.extend(immutable(new, old, "/spec/selector"));
        if fixed["spec"]["template"] != old["spec"]["template"] {
            errors.push(invalid_printed("spec.template", internal::template(&fixed["spec"]["template"]), IMMUTABLE));
        }
        errors.extend(fields.iter().filter_map(|field| immutable(new, old, &format!("/spec/{field}"))));
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod_spec::warnings(object, "/spec/template/spec")
    }
}

/// Completions of an indexed Job may change together with its parallelism.
fn completions_change(new: &Value, old: &Value) -> Option<FieldError> {
    let is_elastic = text(new, "/spec/completionMode") == "Indexed" && new["spec"]["completions"] == new["spec"]["parallelism"];
    if is_elastic && present(old, "/spec/completions").is_some() {
        return None;
    }
    immutable(new, old, "/spec/completions")
}

/// A suspended Job that never started may still get other nodes.
fn may_be_rescheduled(job: &Value) -> bool {
    flag(job, "/spec/suspend") && present(job, "/status/startTime").is_none()
}

/// Makes a copy agree with the old Job in what says where its pods go.
fn carry_scheduling(copy: &mut Value, old: &Value) {
    for (parent, field) in [
        ("metadata", "labels"),
        ("metadata", "annotations"),
        ("spec", "nodeSelector"),
        ("spec", "affinity"),
        ("spec", "tolerations"),
        ("spec", "schedulingGates"),
    ] {
        let parent_of_copy = inner(inner(inner(copy, "spec"), "template"), parent);
        match old.pointer(&format!("/spec/template/{parent}/{field}")) {
            Some(kept) => set(parent_of_copy, field, kept.clone()),
            None => drop(remove(parent_of_copy, field)),
        }
    }
}

/// The selector that the server generates must be the one that is there.
fn generated_selector(job: &Value) -> Vec<FieldError> {
    if flag(job, "/spec/manualSelector") || present(job, "/spec/selector").is_none() {
        return Vec::new();
    }
    let mut errors = Vec::new();
    let labels = job.pointer("/spec/template/metadata/labels");
    let expected = |labels: [&'static str; 2], value: &str| labels.map(|label| (label, value.to_owned()));
    let (uid, name) = (expected(CONTROLLER_UID, text(job, "/metadata/uid")), expected(JOB_NAME, text(job, "/metadata/name")));
    for (label, value) in uid.into_iter().chain(name) {
        let path = format!("spec.template.metadata.labels[{label}]");
        let detail = format!("must be '{value}'");
        match labels.and_then(|labels| labels.get(label)) {
            None => errors.push(required(path, &detail)),
            Some(actual) if actual.as_str() != Some(&value) => errors.push(invalid_json(path, labels, detail)),
            Some(_) => {}
        }
    }
    if !labels::matches(&job["spec"]["selector"], labels) {
        errors.push(invalid("spec.selector", &job["spec"]["selector"], "`selector` not auto-generated"));
    }
    errors
}

/// Errors of a Job's spec, in Jobs and in the templates of CronJobs.
fn job_errors(spec: &Value, path: &str) -> Vec<FieldError> {
    let counts = ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex"];
    let mut errors: Vec<FieldError> = counts.iter().filter_map(|field| negative(spec, path, field)).collect();
    let mode = spec.get("completionMode").unwrap_or(&Value::Null);
    match mode.as_str() {
        None | Some("NonIndexed") => {}
        Some("Indexed") if present(spec, "/completions").is_none() => {
            errors.push(required(format!("{path}.completions"), "when completion mode is Indexed"));
        }
        Some("Indexed") => {}
        Some(_) => errors.push(not_supported(format!("{path}.completionMode"), mode, &["NonIndexed", "Indexed"])),
    }
    let template = spec.get("template").unwrap_or(&Value::Null);
    errors.extend(validation::template(template, &format!("{path}.template")));
    if !matches!(text(template, "/spec/restartPolicy"), "OnFailure" | "Never") {
        errors.push(required(format!("{path}.template.spec.restartPolicy"), "valid values: \"OnFailure\", \"Never\""));
    }
    errors
}

/// Writes the generated selector, and the labels it needs, into the template and the Job.
fn generate_selector(job: &mut Value) {
    let uid = text(job, "/metadata/uid").to_owned();
    let name = text(job, "/metadata/name").to_owned();
    let spec = inner(job, "spec");
    let labels = inner(inner(inner(spec, "template"), "metadata"), "labels");
    for label in CONTROLLER_UID {
        fill(labels, label, uid.as_str());
    }
    for label in JOB_NAME {
        fill(labels, label, name.as_str());
    }
    let labels = labels.clone();
    fill(inner(inner(spec, "selector"), "matchLabels"), CONTROLLER_UID[0], uid);
    fill(inner(job, "metadata"), "labels", labels);
}

fn job_spec(spec: &mut Value) {
    if present(spec, "/completions").is_none() && present(spec, "/parallelism").is_none() {
        fill(spec, "completions", 1);
    }
    fill(spec, "parallelism", 1);
    fill(spec, "completionMode", "NonIndexed");
    if present(spec, "/backoffLimitPerIndex").is_some() {
        fill(spec, "backoffLimit", i64::from(i32::MAX));
    }
    fill(spec, "backoffLimit", 6);
    fill(spec, "suspend", false);
    fill(spec, "manualSelector", false);
    let replaces = if spec.get("podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    fill(spec, "podReplacementPolicy", replaces);
    defaults::template(inner(spec, "template"));
}

/// CronJobs.
pub(super) struct CronJobs;

impl Behaviour for CronJobs {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill_zero(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", false);
        fill(spec, "successfulJobsHistoryLimit", 3);
        fill(spec, "failedJobsHistoryLimit", 1);
        let job = inner(spec, "jobTemplate");
        inner(job, "metadata");
        defaults::template(inner(inner(job, "spec"), "template"));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        let name = text(object, "/metadata/name");
        if name.len() > CRON_JOB_NAME_MAX {
            errors.push(invalid_text("metadata.name", name, format!("must be no more than {CRON_JOB_NAME_MAX} characters")));
        }
        errors.extend(schedule_errors(spec));
        errors.extend(time_zone(spec));
        errors.extend(negative(spec, "spec", "startingDeadlineSeconds"));
        errors.extend(one_of(spec, "spec", "concurrencyPolicy", &["Allow", "Forbid", "Replace"]));
        let job = spec.pointer("/jobTemplate/spec").unwrap_or(&Value::Null);
        errors.extend(job_errors(job, "spec.jobTemplate.spec"));
        if let Some(selector) = present(job, "/selector") {
            errors.push(invalid("spec.jobTemplate.spec.selector", selector, "`selector` will be auto-generated"));
        }
        for limit in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            errors.extend(negative(spec, "spec", limit));
        }
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod_spec::warnings(object, "/spec/jobTemplate/spec/template/spec")
    }
}

/// Longest name of a CronJob: its Jobs get eleven characters more.
const CRON_JOB_NAME_MAX: usize = 52;

/// Where no list of zones is at hand: whether a name begins as they do.
fn looks_like_zone(zone: &str) -> bool {
    const AREAS: [&str; 12] =
        ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Etc", "Europe", "Indian", "Pacific", "US"];
    zone.split_once('/').map_or(!zone.contains(' '), |(area, _)| AREAS.contains(&area))
}

fn time_zone(spec: &Value) -> Option<FieldError> {
    let zone = spec.get("timeZone")?.as_str()?;
    if zone.is_empty() || zone == "Local" {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        return Some(invalid_text("spec.timeZone", zone, detail));
    }
    let is_known = if tz::db().is_definitively_empty() { looks_like_zone(zone) } else { tz::db().get(zone).is_ok() };
    (!is_known).then(|| invalid_text("spec.timeZone", zone, format!("unknown time zone {zone}")))
}

fn schedule_errors(spec: &Value) -> Option<FieldError> {
    let schedule = text(spec, "/schedule");
    if schedule.is_empty() {
        return Some(required("spec.schedule", ""));
    }
    if schedule.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        return Some(invalid_text("spec.schedule", schedule, detail));
    }
    schedule::check(schedule).err().map(|words| invalid_text("spec.schedule", schedule, words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_selects_the_pods_it_labels() {
        let mut job = json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"spec": {"containers": []}}}});
        Jobs.default(&mut job);
        Jobs.prepare_create(&mut job);
        assert_eq!(job["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}));
        let labels =
            json!({"batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "j", "controller-uid": "u", "job-name": "j"});
        assert_eq!(job["spec"]["template"]["metadata"]["labels"], labels);
        assert_eq!(job["metadata"]["labels"], labels);
    }

    #[test]
    fn a_job_of_unknown_length_has_no_completions() {
        let mut job = json!({"spec": {"parallelism": 4}});
        Jobs.default(&mut job);
        assert!(job["spec"].get("completions").is_none());
    }

    #[test]
    fn a_cron_job_does_not_default_what_its_jobs_default() {
        let mut cron = json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}});
        CronJobs.default(&mut cron);
        assert!(cron["spec"]["jobTemplate"]["spec"].get("parallelism").is_none());
        assert_eq!(cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"], "ClusterFirst");
        assert_eq!(cron["spec"]["failedJobsHistoryLimit"], 1);
    }

    fn job(spec: Value) -> Value {
        let mut job = json!({"metadata": {"name": "j", "uid": "u"}, "spec": spec});
        Jobs.default(&mut job);
        Jobs.prepare_create(&mut job);
        job
    }

    fn said(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_job_says_how_its_pods_restart() {
        let once = json!({"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}});
        assert_eq!(Jobs.validate(&job(once)), []);
        let forgotten =
            json!({"completions": -1, "completionMode": "Some", "template": {"spec": {"containers": [{"name": "c", "image": "x"}]}}});
        assert_eq!(
            said(Jobs.validate(&job(forgotten))),
            [
                "spec.completions: Invalid value: -1: must be greater than or equal to 0",
                "spec.completionMode: Unsupported value: \"Some\": supported values: \"NonIndexed\", \"Indexed\"",
                "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
            ]
        );
    }

    #[test]
    fn a_job_cannot_wear_the_labels_of_another() {
        let labels = json!({"job-name": "other"});
        let copied = job(
            json!({"template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}),
        );
        let said = said(Jobs.validate(&copied));
        assert!(said[0].starts_with("spec.template.metadata.labels[job-name]: Invalid value: {"), "{said:?}");
        assert!(said[0].ends_with(": must be 'j'"), "{said:?}");
    }

    #[test]
    fn a_job_that_started_stays_as_it_is() {
        let old =
            job(json!({"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}));
        let mut new = old.clone();
        new["spec"]["parallelism"] = json!(3);
        new["spec"]["template"]["spec"]["nodeSelector"] = json!({"a": "b"});
        assert_eq!(Jobs.validate_update(&new, &old), []);
        let mut started = old.clone();
        started["status"]["startTime"] = json!("2026-01-01T00:00:00Z");
        assert!(said(Jobs.validate_update(&new, &started))[0].ends_with(": field is immutable"));
        new["spec"]["completions"] = json!(2);
        assert_eq!(said(Jobs.validate_update(&new, &old)), ["spec.completions: Invalid value: 2: field is immutable"]);
    }

    #[test]
    fn a_cron_job_has_a_schedule() {
        let mut cron = json!({"metadata": {"name": "c"}, "spec": {"schedule": "x", "concurrencyPolicy": "Maybe",
            "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}}}});
        CronJobs.default(&mut cron);
        assert_eq!(
            said(CronJobs.validate(&cron)),
            [
                "spec.schedule: Invalid value: \"x\": expected exactly 5 fields, found 1: [x]",
                "spec.concurrencyPolicy: Unsupported value: \"Maybe\": supported values: \"Allow\", \"Forbid\", \"Replace\"",
            ]
        );
    }
}
