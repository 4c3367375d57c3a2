//! Jobs under a kubelet that ends pods as the test says.

use super::*;
use crate::simulation::action::{Part, Request};
use crate::simulation::sample::yaml;

const JOB_J: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: shop, uid: j}
spec:
  backoffLimit: 1
  completions: 1
  parallelism: 1
  template: {metadata: {labels: {job-name: j}}, spec: {restartPolicy: Never, containers: [{name: j, image: busybox}]}}
"#;

struct Member {
    job: Value,
    pods: Vec<Value>,
    said: Vec<String>,
    now: Timestamp,
    names: template::Names,
}

impl Member {
    fn new(spec: &str) -> Self {
        let mut job: Value = yaml(JOB_J);
        json_patch::merge(&mut job["spec"], &yaml(spec));
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Self { job, pods: Vec::new(), said: Vec::new(), now, names: template::Names::new(1) }
    }

    fn settle(&mut self) -> &mut Self {
        for _ in 0..20 {
            let job: Job = serde_json::from_value(self.job.clone()).unwrap();
            let pods: Vec<Arc<Pod>> = self.pods.iter().map(|pod| Arc::new(serde_json::from_value(pod.clone()).unwrap())).collect();
            let outcome = reconcile(&job, &pods, &mut self.names, self.now);
            if outcome.actions.is_empty() {
                return self;
            }
            outcome.actions.into_iter().for_each(|action| self.apply(action));
        }
        panic!("never settles: {:#}", self.job);
    }

    fn apply(&mut self, action: Action) {
        self.said.extend(action.success.map(|event| event.reason.to_owned()));
        match action.request {
            Request::Create { mut object, .. } => {
                object["metadata"]["uid"] = object["metadata"]["name"].clone();
                object["spec"]["nodeName"] = json!("node1");
                object["status"] = json!({"phase": "Running"});
                self.pods.push(object);
            }
            Request::Patch { part: Part::Status, patch, .. } => json_patch::merge(&mut self.job, &patch),
            Request::Patch { target, patch, .. } => {
                let pod = self.pods.iter_mut().find(|pod| pod["metadata"]["name"] == target.key.name.as_str()).unwrap();
                json_patch::merge(pod, &patch);
            }
            Request::Delete { target, .. } if target.kind == &JOB => self.job = Value::Null,
            Request::Delete { target, .. } => {
                self.pods.retain(|pod| pod["metadata"]["name"] != target.key.name.as_str());
            }
            Request::Bind { .. } => panic!("binds nothing"),
        }
    }

    /// Ends running pods, as many as there are phases.
    fn end(&mut self, phases: &[&str]) -> &mut Self {
        let running = self.pods.iter_mut().filter(|pod| pod["status"]["phase"] == "Running");
        running.zip(phases).for_each(|(pod, phase)| pod["status"]["phase"] = json!(phase));
        self.settle()
    }

    fn running(&self) -> usize {
        self.pods.iter().filter(|pod| pod["status"]["phase"] == "Running").count()
    }
}

#[test]
fn a_job_runs_once_and_is_complete() {
    let mut member = Member::new("{}");
    member.settle();
    assert_eq!(
        member.job["status"],
        json!({"active": 1, "ready": 0, "terminating": 0, "startTime": "2026-01-01T00:00:00Z", "uncountedTerminatedPods": {}})
    );
    assert_eq!(member.pods[0]["metadata"]["finalizers"], json!([FINALIZER]));
    member.now += SignedDuration::from_secs(2);
    member.end(&["Succeeded"]);
    let condition = |kind: &str| {
        json!({
            "type": kind, "status": "True", "reason": "CompletionsReached", "message": "Reached expected number of succeeded pods",
            "lastProbeTime": "2026-01-01T00:00:02Z", "lastTransitionTime": "2026-01-01T00:00:02Z",
        })
    };
    assert_eq!(
        member.job["status"],
        json!({
            "completionTime": "2026-01-01T00:00:02Z", "conditions": [condition("SuccessCriteriaMet"), condition("Complete")], "ready": 0,
            "startTime": "2026-01-01T00:00:00Z", "succeeded": 1, "terminating": 0, "uncountedTerminatedPods": {},
        })
    );
    assert_eq!(member.said, ["SuccessfulCreate", "Completed"]);
    assert!(member.pods[0]["metadata"]["finalizers"].is_null());
}

#[test]
fn parallelism_limits_what_runs_and_each_pod_counts_once() {
    let mut member = Member::new("{completions: 3, parallelism: 2}");
    assert_eq!(member.settle().running(), 2);
    assert_eq!(member.end(&["Succeeded", "Succeeded"]).running(), 1);
    member.pods.retain(|pod| pod["status"]["phase"] == "Running");
    member.end(&["Succeeded"]);
    assert_eq!(member.job["status"]["succeeded"], 3);
}

#[test]
fn too_many_failures_end_a_job() {
    let mut member = Member::new("{}");
    member.settle().end(&["Failed"]);
    assert_eq!((member.running(), &member.job["status"]["failed"]), (1, &json!(1)));
    member.end(&["Failed"]);
    let conditions = member.job["status"]["conditions"].as_array().unwrap();
    let text: Vec<String> =
        conditions.iter().map(|c| format!("{} {}", c["type"].as_str().unwrap(), c["reason"].as_str().unwrap())).collect();
    assert_eq!(text, ["FailureTarget BackoffLimitExceeded", "Failed BackoffLimitExceeded"]);
    assert_eq!(member.said.last().unwrap(), "BackoffLimitExceeded");
}

#[test]
fn a_deadline_ends_a_job_and_its_pods() {
    let mut member = Member::new("{activeDeadlineSeconds: 10}");
    member.settle();
    member.now += SignedDuration::from_secs(10);
    member.settle();
    assert_eq!((member.pods.len(), &member.job["status"]["conditions"][1]["reason"]), (0, &json!("DeadlineExceeded")));
}

#[test]
fn a_suspended_job_waits() {
    let mut member = Member::new("{suspend: true}");
    assert_eq!(member.settle().running(), 0);
    assert_eq!(member.job["status"]["conditions"][0]["type"], "Suspended");
    member.job["spec"]["suspend"] = json!(false);
    assert_eq!(member.settle().running(), 1);
    assert_eq!(member.said, ["Suspended", "Resumed", "SuccessfulCreate"]);
}

#[test]
fn an_indexed_job_runs_each_index() {
    let mut member = Member::new("{completions: 4, parallelism: 3, completionMode: Indexed}");
    member.settle().end(&["Succeeded", "Failed", "Succeeded"]);
    assert_eq!(member.job["status"]["completedIndexes"], "0,2");
    let names: Vec<&str> = member.pods.iter().skip(3).map(|pod| pod["spec"]["hostname"].as_str().unwrap()).collect();
    assert_eq!(names, ["j-1", "j-3"]);
    member.end(&["Succeeded", "Succeeded"]);
    assert_eq!(member.job["status"]["completedIndexes"], "0-3");
    assert_eq!(member.job["status"]["conditions"][1]["type"], "Complete");
}

#[test]
fn a_finished_job_goes_when_its_time_is_over() {
    let mut member = Member::new("{ttlSecondsAfterFinished: 5}");
    member.settle().end(&["Succeeded"]);
    assert!(!member.job.is_null());
    member.now += SignedDuration::from_secs(5);
    let job: Job = serde_json::from_value(member.job.clone()).unwrap();
    let outcome = reconcile(&job, &[], &mut member.names, member.now);
    assert!(matches!(&outcome.actions[0].request, Request::Delete { target, .. } if target.kind == &JOB));
}
