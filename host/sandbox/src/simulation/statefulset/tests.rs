//! StatefulSets under a kubelet that makes pods ready at once, one step at a time.

use super::*;
use crate::simulation::action::{Part, Request};
use crate::simulation::kind::{POD, REVISION};
use crate::simulation::sample::yaml;
use serde_json::{Value, json};

const DB: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop, uid: db, generation: 1}
spec:
  serviceName: db
  replicas: 2
  revisionHistoryLimit: 1
  podManagementPolicy: OrderedReady
  selector: {matchLabels: {app: db}}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: main, image: "postgres:17"}]}}
"#;

struct Member {
    set: Value,
    pods: Vec<Value>,
    revisions: Vec<Value>,
    claims: Vec<String>,
    did: Vec<String>,
}

impl Member {
    fn new() -> Self {
        Self { set: yaml(DB), pods: Vec::new(), revisions: Vec::new(), claims: Vec::new(), did: Vec::new() }
    }

    /// One decision, carried out; then pods become ready and deleted ones go. False when nothing was to be done.
    fn step(&mut self) -> bool {
        let set: StatefulSet = serde_json::from_value(self.set.clone()).unwrap();
        let typed = |value: &Value| Arc::new(serde_json::from_value(value.clone()).unwrap());
        let pods: Vec<Arc<Pod>> = self.pods.iter().map(typed).collect();
        let revisions: Vec<Arc<ControllerRevision>> =
            self.revisions.iter().map(|value| Arc::new(serde_json::from_value(value.clone()).unwrap())).collect();
        let wanted = wanted(&set);
        let has_claim = |key: &Key| self.claims.contains(&key.name);
        let seen = Seen { wanted: &wanted, pods: &pods, revisions: &revisions, is_taken: &|_| false, has_claim: &has_claim };
        let outcome = reconcile(&set, seen, Timestamp::UNIX_EPOCH);
        let did = self.did.len();
        let done = outcome.actions.is_empty();
        outcome.actions.into_iter().for_each(|action| self.apply(action));
        self.run_pods();
        if self.did.len() > did {
            self.did.push("|".to_owned());
        }
        !done
    }

    fn settle(&mut self) -> String {
        self.did.clear();
        (0..50).find(|_| !self.step()).expect("settles");
        self.did.join(" ").trim_end_matches(" |").to_owned()
    }

    fn apply(&mut self, action: Action) {
        match action.request {
            Request::Create { kind, object } if kind == &POD => {
                self.did.push(format!("+{}", object["metadata"]["name"].as_str().unwrap()));
                self.pods.push(object);
            }
            Request::Create { kind, object } if kind == &REVISION => self.revisions.push(object),
            Request::Create { object, .. } => self.claims.push(object["metadata"]["name"].as_str().unwrap().to_owned()),
            Request::Patch { part: Part::Status, patch, .. } => json_patch::merge(&mut self.set, &patch),
            Request::Patch { target, patch, .. } => json_patch::merge(find(&mut self.revisions, &target.key.name), &patch),
            Request::Delete { target, .. } if target.kind == &REVISION => {
                self.revisions.retain(|revision| revision["metadata"]["name"] != target.key.name.as_str());
            }
            Request::Delete { target, .. } => {
                self.did.push(format!("-{}", target.key.name));
                find(&mut self.pods, &target.key.name)["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            Request::Bind { .. } => panic!("binds nothing"),
        }
    }

    fn run_pods(&mut self) {
        self.pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        for pod in &mut self.pods {
            let broken = pod["spec"]["containers"][0]["image"] == "broken";
            let ready = if broken { "False" } else { "True" };
            pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]});
        }
    }

    fn edit(&mut self, pointer: &str, value: Value) -> &mut Self {
        *self.set.pointer_mut(pointer).expect("a field that is there") = value;
        let generation = self.set["metadata"]["generation"].as_i64().unwrap();
        self.set["metadata"]["generation"] = json!(generation + 1);
        self
    }

    fn images(&self) -> Vec<String> {
        let mut pods: Vec<&Value> = self.pods.iter().collect();
        pods.sort_by_key(|pod| pod["metadata"]["name"].as_str().unwrap());
        pods.iter().map(|pod| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()).collect()
    }
}

fn find<'a>(objects: &'a mut [Value], name: &str) -> &'a mut Value {
    objects.iter_mut().find(|object| object["metadata"]["name"] == name).expect("changes what is there")
}

#[test]
fn pods_come_one_after_the_other_and_the_status_is_full() {
    let mut member = Member::new();
    assert_eq!(member.settle(), "+db-0 | +db-1");
    let revision = member.revisions[0]["metadata"]["name"].clone();
    assert_eq!(
        member.set["status"],
        json!({
            "observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "currentReplicas": 2, "updatedReplicas": 2,
            "currentRevision": revision, "updateRevision": revision, "collisionCount": 0,
        })
    );
    let pod = &member.pods[1];
    assert_eq!(pod["spec"]["hostname"], "db-1");
    assert_eq!(
        pod["metadata"]["labels"],
        json!({
            "app": "db", "apps.kubernetes.io/pod-index": "1", "controller-revision-hash": revision,
            "statefulset.kubernetes.io/pod-name": "db-1",
        })
    );
}

#[test]
fn scaling_down_takes_the_highest_and_a_deleted_pod_comes_back() {
    let mut member = Member::new();
    member.settle();
    member.edit("/spec/replicas", json!(4)).settle();
    assert_eq!(member.edit("/spec/replicas", json!(1)).settle(), "-db-3 | -db-2 | -db-1");
    member.pods.clear();
    assert_eq!(member.settle(), "+db-0");
}

#[test]
fn updates_go_from_the_highest_to_the_partition() {
    let mut member = Member::new();
    member.edit("/spec/replicas", json!(3)).settle();
    member.edit("/spec/updateStrategy/rollingUpdate/partition", json!(1));
    assert_eq!(member.edit("/spec/template/spec/containers/0/image", json!("postgres:18")).settle(), "-db-2 | +db-2 | -db-1 | +db-1");
    assert_eq!(member.images(), ["postgres:17", "postgres:18", "postgres:18"]);
    let status = &member.set["status"];
    assert_eq!((&status["currentReplicas"], &status["updatedReplicas"]), (&json!(1), &json!(2)));
    assert_ne!(status["currentRevision"], status["updateRevision"]);
    member.pods.retain(|pod| pod["metadata"]["name"] != "db-0");
    member.settle();
    assert_eq!(member.images()[0], "postgres:17", "below the partition pods come back as they were");
    assert_eq!(member.edit("/spec/updateStrategy/rollingUpdate/partition", json!(0)).settle(), "-db-0 | +db-0");
    assert_eq!(member.set["status"]["currentRevision"], member.set["status"]["updateRevision"]);
}

#[test]
fn an_update_stops_at_a_pod_that_does_not_work() {
    let mut member = Member::new();
    member.settle();
    assert_eq!(member.edit("/spec/template/spec/containers/0/image", json!("broken")).settle(), "-db-1 | +db-1");
    assert_eq!(member.set["status"]["readyReplicas"], 1);
}

#[test]
fn parallel_sets_do_not_wait() {
    let mut member = Member::new();
    member.edit("/spec/podManagementPolicy", json!("Parallel")).edit("/spec/replicas", json!(3));
    assert_eq!(member.settle(), "+db-0 +db-1 +db-2");
    assert_eq!(member.edit("/spec/replicas", json!(1)).settle(), "-db-2 -db-1");
}

#[test]
fn on_delete_waits_for_somebody_to_delete() {
    let mut member = Member::new();
    member.settle();
    member.edit("/spec/updateStrategy", json!({"type": "OnDelete"}));
    assert_eq!(member.edit("/spec/template/spec/containers/0/image", json!("postgres:18")).settle(), "");
    member.pods.remove(0);
    member.settle();
    assert_eq!(member.images(), ["postgres:18", "postgres:17"]);
}

#[test]
fn going_back_renumbers_the_old_revision_and_old_ones_are_dropped() {
    let mut member = Member::new();
    member.settle();
    for image in ["postgres:18", "postgres:17", "postgres:19", "postgres:20"] {
        member.edit("/spec/template/spec/containers/0/image", json!(image)).settle();
    }
    let mut numbers: Vec<i64> = member.revisions.iter().map(|revision| revision["revision"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [4, 5], "one beyond the current is kept");
}

#[test]
fn claims_are_made_once_for_each_pod() {
    let mut member = Member::new();
    member.set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {}}]);
    member.settle();
    member.pods.clear();
    member.settle();
    assert_eq!(member.claims, ["data-db-0", "data-db-1"]);
    assert_eq!(member.pods[0]["spec"]["volumes"], json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]));
}
