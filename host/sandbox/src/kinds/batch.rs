//! The `batch` group: Jobs and CronJobs.

use super::Behaviour;
use super::pod_spec::defaults;
use super::reach::{fill, fill_zero, flag, inner, present, text};
use super::tidy::tidy;
use serde_json::Value;

/// Jobs.
pub(super) struct Jobs;

/// Labels that tie a Job to its pods, and their older names.
const CONTROLLER_UID: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
const JOB_NAME: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

impl Behaviour for Jobs {
    fn default(&self, object: &mut Value) {
        tidy(object);
        inner(object, "status");
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
        let succeeded = object
            .pointer("/status/succeeded")
            .and_then(Value::as_i64)
            .unwrap_or_default();
        (field == "status.successful").then(|| succeeded.to_string())
    }
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
    fill(
        inner(inner(spec, "selector"), "matchLabels"),
        CONTROLLER_UID[0],
        uid,
    );
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
    let replaces = if spec.get("podFailurePolicy").is_some() {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    fill(spec, "podReplacementPolicy", replaces);
    defaults::template(inner(spec, "template"));
}

/// CronJobs.
pub(super) struct CronJobs;

impl Behaviour for CronJobs {
    fn default(&self, object: &mut Value) {
        tidy(object);
        inner(object, "status");
        let spec = inner(object, "spec");
        fill_zero(spec, "concurrencyPolicy", "Allow");
        fill(spec, "suspend", false);
        fill(spec, "successfulJobsHistoryLimit", 3);
        fill(spec, "failedJobsHistoryLimit", 1);
        let job = inner(spec, "jobTemplate");
        inner(job, "metadata");
        defaults::template(inner(inner(job, "spec"), "template"));
    }
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
        assert_eq!(
            job["spec"]["selector"],
            json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}})
        );
        let labels = json!({"batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "j", "controller-uid": "u", "job-name": "j"});
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
        let mut cron =
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}});
        CronJobs.default(&mut cron);
        assert!(
            cron["spec"]["jobTemplate"]["spec"]
                .get("parallelism")
                .is_none()
        );
        assert_eq!(
            cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["dnsPolicy"],
            "ClusterFirst"
        );
        assert_eq!(cron["spec"]["failedJobsHistoryLimit"], 1);
    }
}
