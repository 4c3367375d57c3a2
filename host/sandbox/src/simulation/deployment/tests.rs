//! Deployments under a ReplicaSet controller and a kubelet that do at once what they are told.

use super::*;
use crate::simulation::action::Request;
use crate::simulation::sample::yaml;
use std::cell::RefCell;

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: d, generation: 1, annotations: {note: x}}
spec:
  replicas: 2
  progressDeadlineSeconds: 600
  revisionHistoryLimit: 10
  selector: {matchLabels: {app: web}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:1"}]}
"#;

/// A Deployment and its ReplicaSets, as JSON, and what was said about them.
struct Member {
    deployment: Value,
    sets: Vec<Value>,
    said: Vec<String>,
    works: bool,
    now: Timestamp,
    foreign: RefCell<Vec<String>>,
}

impl Member {
    fn new(text: &str) -> Self {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Self { deployment: yaml(text), sets: Vec::new(), said: Vec::new(), works: true, now, foreign: RefCell::default() }
    }

    fn reconcile(&self) -> Outcome {
        let deployment: Deployment = serde_json::from_value(self.deployment.clone()).unwrap();
        let sets: Vec<Arc<ReplicaSet>> = self.sets.iter().map(|set| Arc::new(serde_json::from_value(set.clone()).unwrap())).collect();
        let is_taken = |key: &Key| self.foreign.borrow_mut().pop().is_some() || sets.iter().any(|set| set.metadata.name() == key.name);
        let pods = |_: &str| Vec::new();
        reconcile(Seen { deployment: &deployment, sets: &sets, pods: &pods, is_taken: &is_taken }, self.now)
    }

    /// Reconciles until nothing changes; each step takes a second.
    fn settle(&mut self) -> Option<Timestamp> {
        for _ in 0..100 {
            let outcome = self.reconcile();
            let done = outcome.actions.is_empty();
            outcome.actions.into_iter().for_each(|action| self.apply(action));
            if !self.run_sets() && done {
                return outcome.wake;
            }
            self.now += k8s_openapi::jiff::SignedDuration::from_secs(1);
        }
        panic!("never settles: {:?}", self.said);
    }

    fn apply(&mut self, action: Action) {
        self.said.extend(action.success.map(|event| self.letters(&event.message)));
        match action.request {
            Request::Create { mut object, .. } => {
                object["metadata"]["uid"] = object["metadata"]["name"].clone();
                object["metadata"]["creationTimestamp"] = json!(self.now);
                object["metadata"]["generation"] = json!(1);
                self.sets.push(object);
            }
            Request::Patch { target, patch, .. } => {
                let object = if target.kind == &DEPLOYMENT { &mut self.deployment } else { self.set(&target.key.name) };
                json_patch::merge(object, &patch);
            }
            Request::Delete { target, .. } => self.sets.retain(|set| set["metadata"]["name"] != target.key.name.as_str()),
            Request::Bind { .. } => panic!("binds nothing"),
        }
    }

    fn set(&mut self, name: &str) -> &mut Value {
        self.sets.iter_mut().find(|set| set["metadata"]["name"] == name).expect("patches what is there")
    }

    /// Pods follow the ReplicaSets' numbers; they become ready unless they do not work. True when that changed a status.
    fn run_sets(&mut self) -> bool {
        let mut changed = false;
        for set in &mut self.sets {
            let replicas = set["spec"]["replicas"].as_i64().unwrap();
            let broken = set["spec"]["template"]["spec"]["containers"][0]["image"] == "broken" || !self.works;
            let mut status = json!({"replicas": replicas, "terminatingReplicas": 0, "observedGeneration": 1});
            if replicas > 0 && !broken {
                status["readyReplicas"] = json!(replicas);
                status["availableReplicas"] = json!(replicas);
            }
            changed |= set["status"] != status;
            set["status"] = status;
        }
        changed
    }

    /// Names of ReplicaSets replaced by `A`, `B`, … in the order in which they were made.
    fn letters(&self, text: &str) -> String {
        let name = |set: &Value| set["metadata"]["name"].as_str().unwrap().to_owned();
        let mut text = text.to_owned();
        for (set, letter) in self.sets.iter().zip('A'..) {
            text = text.replace(&name(set), &letter.to_string());
        }
        let new = text.split_whitespace().find(|word| word.starts_with("web-")).map(str::to_owned);
        new.map_or(text.clone(), |new| text.replace(&new, &char::from(b'A' + u8::try_from(self.sets.len()).unwrap()).to_string()))
    }

    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    fn edit(&mut self, pointer: &str, value: Value) -> &mut Self {
        *self.deployment.pointer_mut(pointer).expect("a field that is there") = value;
        let generation = self.deployment["metadata"]["generation"].as_i64().unwrap();
        self.deployment["metadata"]["generation"] = json!(generation + 1);
        self
    }

    fn image(&mut self, image: &str) -> &mut Self {
        self.edit("/spec/template/spec/containers/0/image", json!(image))
    }

    fn conditions(&self) -> Vec<String> {
        let word = |condition: &Value, key: &str| condition[key].as_str().unwrap().to_owned();
        let conditions = self.deployment["status"]["conditions"].as_array().unwrap().iter();
        conditions
            .map(|c| self.letters(&format!("{} {} {}: {}", word(c, "type"), word(c, "status"), word(c, "reason"), word(c, "message"))))
            .collect()
    }

    fn revisions(&self) -> Vec<&str> {
        self.sets.iter().map(|set| set["metadata"]["annotations"][revision::REVISION].as_str().unwrap()).collect()
    }
}

#[test]
fn a_new_deployment_gets_a_replica_set_and_a_full_status() {
    let mut member = Member::new(WEB);
    let wake = member.settle();
    assert_eq!(wake, None, "nothing more to wait for");
    assert_eq!(member.said(), ["Scaled up replica set A from 0 to 2"]);
    let mut status = member.deployment["status"].clone();
    status.as_object_mut().unwrap().remove("conditions");
    assert_eq!(
        status,
        json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2, "terminatingReplicas": 0})
    );
    assert_eq!(
        member.conditions(),
        [
            "Available True MinimumReplicasAvailable: Deployment has minimum availability.",
            "Progressing True NewReplicaSetAvailable: ReplicaSet \"A\" has successfully progressed.",
        ]
    );
    let set = &member.sets[0];
    assert_eq!(
        set["metadata"]["annotations"],
        json!({
            "note": "x", "deployment.kubernetes.io/desired-replicas": "2", "deployment.kubernetes.io/max-replicas": "3",
            "deployment.kubernetes.io/revision": "1",
        })
    );
    assert_eq!(set["spec"]["selector"]["matchLabels"]["pod-template-hash"], set["metadata"]["labels"]["pod-template-hash"]);
    assert_eq!(member.deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
}

#[test]
fn a_rolling_update_moves_one_pod_at_a_time() {
    let mut member = Member::new(WEB);
    member.settle();
    member.said();
    member.image("nginx:2").settle();
    assert_eq!(
        member.said(),
        [
            "Scaled up replica set B from 0 to 1",
            "Scaled down replica set A from 2 to 1",
            "Scaled up replica set B from 1 to 2",
            "Scaled down replica set A from 1 to 0",
        ]
    );
    assert_eq!(member.revisions(), ["1", "2"]);
}

#[test]
fn going_back_renumbers_the_old_replica_set() {
    let mut member = Member::new(WEB);
    member.settle();
    member.image("nginx:2").settle();
    member.image("nginx:1").settle();
    assert_eq!(member.revisions(), ["3", "2"]);
    assert_eq!(member.sets[0]["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
    assert_eq!(member.deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    assert_eq!(member.sets[1]["spec"]["replicas"], 0);
}

#[test]
fn recreate_stops_the_old_pods_first() {
    let mut member = Member::new(WEB);
    member.deployment["spec"]["strategy"] = json!({"type": "Recreate"});
    member.settle();
    member.said();
    member.image("nginx:2").settle();
    assert_eq!(member.said(), ["Scaled down replica set A from 2 to 0", "Scaled up replica set B from 0 to 2"]);
}

#[test]
fn scaling_changes_the_active_replica_set_only() {
    let mut member = Member::new(WEB);
    member.settle();
    member.image("nginx:2").settle();
    member.said();
    member.edit("/spec/replicas", json!(5)).settle();
    assert_eq!(member.said(), ["Scaled up replica set B from 2 to 5"]);
    assert_eq!(member.sets[1]["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"], "7");
}

#[test]
fn scaling_in_the_middle_of_a_rollout_is_shared_in_proportion() {
    let mut member = Member::new(WEB);
    member.deployment["spec"]["replicas"] = json!(10);
    member.deployment["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": 3, "maxUnavailable": 2});
    member.settle();
    member.image("broken").settle();
    member.said();
    let sizes = |member: &Member| member.sets.iter().map(|set| set["spec"]["replicas"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(sizes(&member), [8, 5]);
    member.edit("/spec/replicas", json!(15)).reconcile().actions.into_iter().for_each(|action| member.apply(action));
    assert_eq!(sizes(&member), [11, 7]);
}

#[test]
fn a_template_that_does_not_work_stops_and_times_out() {
    let mut member = Member::new(WEB);
    member.settle();
    let wake = member.image("broken").settle().expect("a deadline");
    assert_eq!(member.deployment["status"]["unavailableReplicas"], 1);
    member.now = wake;
    member.settle();
    assert_eq!(member.conditions()[1], "Progressing False ProgressDeadlineExceeded: ReplicaSet \"B\" has timed out progressing.");
}

#[test]
fn lost_availability_moves_its_condition_to_the_end() {
    let mut member = Member::new(WEB);
    member.settle();
    member.works = false;
    member.run_sets();
    member.settle();
    assert_eq!(
        member.conditions(),
        [
            "Progressing True NewReplicaSetAvailable: ReplicaSet \"A\" has successfully progressed.",
            "Available False MinimumReplicasUnavailable: Deployment does not have minimum availability.",
        ]
    );
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut member = Member::new(WEB);
    member.settle();
    member.deployment["spec"]["paused"] = json!(true);
    member.image("nginx:2").settle();
    assert_eq!(member.sets.len(), 1);
    assert!(member.conditions().contains(&"Progressing Unknown DeploymentPaused: Deployment is paused".to_owned()));
    member.edit("/spec/replicas", json!(3)).settle();
    assert_eq!(member.sets[0]["spec"]["replicas"], 3);
    member.edit("/spec/paused", json!(false)).settle();
    assert_eq!(member.sets.len(), 2);
}

#[test]
fn old_replica_sets_beyond_the_limit_go() {
    let mut member = Member::new(WEB);
    member.deployment["spec"]["revisionHistoryLimit"] = json!(1);
    for image in ["nginx:1", "nginx:2", "nginx:3", "nginx:4"] {
        member.image(image).settle();
    }
    assert_eq!(member.revisions(), ["3", "4"]);
}

#[test]
fn a_taken_name_is_avoided() {
    let mut member = Member::new(WEB);
    member.foreign.borrow_mut().push("taken".to_owned());
    member.settle();
    assert_eq!(member.deployment["status"]["collisionCount"], 1);
    assert_eq!(member.sets.len(), 1);
}
