//! CloneSets under a kubelet that makes pods ready at once.

use super::*;
use crate::simulation::action::{Part, Request};
use crate::simulation::kind::{CLONE_SET_V1ALPHA1, REVISION};
use crate::simulation::sample::yaml;

const SAMPLE: &str = r#"
apiVersion: apps.kruise.io/v1alpha1
kind: CloneSet
metadata: {name: c, namespace: shop, uid: c, generation: 1}
spec:
  replicas: 5
  selector: {matchLabels: {app: c}}
  template: {metadata: {labels: {app: c}}, spec: {containers: [{name: main, image: "nginx:1"}]}}
"#;

struct Cluster {
    set: Value,
    pods: Vec<Value>,
    revisions: Vec<Value>,
    names: template::Names,
    /// The least number of available pods that there ever was, and the largest number of pods.
    least: usize,
    most: usize,
}

impl Cluster {
    fn new(spec: &str) -> Self {
        let mut set: Value = yaml(SAMPLE);
        json_patch::merge(&mut set["spec"], &yaml(spec));
        Self { set, pods: Vec::new(), revisions: Vec::new(), names: template::Names::new(1), least: usize::MAX, most: 0 }
    }

    fn settle(&mut self) -> &mut Self {
        (self.least, self.most) = (usize::MAX, 0);
        for _ in 0..60 {
            let set: CloneSet = serde_json::from_value(self.set.clone()).unwrap();
            let pods: Vec<Arc<Pod>> = self.pods.iter().map(|pod| Arc::new(serde_json::from_value(pod.clone()).unwrap())).collect();
            let revisions: Vec<Arc<ControllerRevision>> =
                self.revisions.iter().map(|revision| Arc::new(serde_json::from_value(revision.clone()).unwrap())).collect();
            let seen = Seen { kind: &CLONE_SET_V1ALPHA1, set: &set, pods: &pods, revisions: &revisions, is_taken: &|_| false };
            let outcome = reconcile(seen, &mut self.names, Timestamp::UNIX_EPOCH);
            if outcome.actions.is_empty() {
                return self;
            }
            outcome.actions.into_iter().for_each(|action| self.apply(action));
            self.most = self.most.max(self.pods.len());
            self.least = self.least.min(self.pods.iter().filter(|pod| pod["status"]["phase"] == "Running").count());
            self.pods
                .iter_mut()
                .for_each(|pod| pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        }
        panic!("never settles: {:#}", self.set);
    }

    fn apply(&mut self, action: Action) {
        match action.request {
            Request::Create { kind, mut object } if kind == &POD => {
                object["metadata"]["uid"] = object["metadata"]["name"].clone();
                self.pods.push(object);
            }
            Request::Create { object, .. } => self.revisions.push(object),
            Request::Patch { part: Part::Status, patch, .. } => json_patch::merge(&mut self.set, &patch),
            Request::Patch { target, patch, .. } => {
                let pod = self.pods.iter_mut().find(|pod| pod["metadata"]["name"] == target.key.name.as_str()).unwrap();
                json_patch::merge(pod, &patch);
            }
            Request::Delete { target, .. } if target.kind == &REVISION => {}
            Request::Delete { target, .. } => self.pods.retain(|pod| pod["metadata"]["name"] != target.key.name.as_str()),
            Request::Bind { .. } => panic!("binds nothing"),
        }
    }

    fn edit(&mut self, patch: &str) -> &mut Self {
        json_patch::merge(&mut self.set["spec"], &yaml(patch));
        self
    }

    fn image(&mut self, image: &str) -> &mut Self {
        self.set["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        self
    }

    /// How many pods have each image.
    fn images(&self) -> (usize, usize) {
        let count = |image: &str| self.pods.iter().filter(|pod| pod["spec"]["containers"][0]["image"] == image).count();
        (count("nginx:1"), count("nginx:2"))
    }

    fn names(&self) -> Vec<String> {
        self.pods.iter().map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn pods_are_made_and_the_status_is_full() {
    let mut cluster = Cluster::new("{}");
    cluster.settle();
    let revision = cluster.revisions[0]["metadata"]["name"].clone();
    assert_eq!(
        cluster.set["status"],
        json!({
            "observedGeneration": 1, "replicas": 5, "readyReplicas": 5, "availableReplicas": 5, "updatedReplicas": 5,
            "updatedReadyReplicas": 5, "updatedAvailableReplicas": 5, "expectedUpdatedReplicas": 5, "currentRevision": revision,
            "updateRevision": revision, "collisionCount": 0, "labelSelector": "app=c",
        })
    );
    let labels = &cluster.pods[0]["metadata"]["labels"];
    assert_eq!(cluster.names()[0], format!("c-{}", labels[INSTANCE].as_str().unwrap()));
    assert_eq!((&labels[POD_LABEL], &labels[STATE]), (&revision, &json!("Normal")));
}

#[test]
fn an_update_keeps_four_of_five_available() {
    let mut cluster = Cluster::new("{}");
    cluster.settle().image("nginx:2").settle();
    assert_eq!((cluster.images(), cluster.least, cluster.most), ((0, 5), 4, 5));
    assert_eq!(cluster.set["status"]["currentRevision"], cluster.set["status"]["updateRevision"]);
}

#[test]
fn a_surge_makes_before_it_deletes() {
    let mut cluster = Cluster::new("{updateStrategy: {maxSurge: 1, maxUnavailable: 0}}");
    cluster.settle().image("nginx:2").settle();
    assert_eq!((cluster.images(), cluster.least, cluster.most), ((0, 5), 5, 6));
}

#[test]
fn a_partition_stops_the_update() {
    let mut cluster = Cluster::new("{updateStrategy: {partition: 60%}}");
    cluster.settle().image("nginx:2").settle();
    assert_eq!(cluster.images(), (3, 2));
    assert_eq!(cluster.set["status"]["expectedUpdatedReplicas"], 2);
    assert_ne!(cluster.set["status"]["currentRevision"], cluster.set["status"]["updateRevision"]);
    cluster.edit("replicas: 10").settle();
    assert_eq!(cluster.images(), (6, 4), "the partition holds when it scales");
    cluster.edit("updateStrategy: {partition: 0}").settle();
    assert_eq!(cluster.images(), (0, 10));
}

#[test]
fn the_newer_version_says_the_same_under_rolling_update() {
    let mut cluster = Cluster::new("{updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 4, maxUnavailable: 2}}}");
    cluster.settle().image("nginx:2").settle();
    assert_eq!(cluster.images(), (4, 1));
}

#[test]
fn images_alone_are_changed_in_place() {
    let mut cluster = Cluster::new("{updateStrategy: {type: InPlaceIfPossible}}");
    let before = cluster.settle().names();
    assert_eq!(cluster.image("nginx:2").settle().names(), before);
    assert_eq!(cluster.images(), (0, 5));
    cluster.set["spec"]["template"]["metadata"]["labels"]["x"] = json!("y");
    assert!(cluster.settle().names().iter().all(|name| !before.contains(name)));
}

#[test]
fn named_pods_go_first() {
    let mut cluster = Cluster::new("{}");
    let names = cluster.settle().names();
    cluster.edit(&format!("{{replicas: 4, scaleStrategy: {{podsToDelete: [{}]}}}}", names[2])).settle();
    assert_eq!(cluster.names(), [&names[..2], &names[3..]].concat());
}

#[test]
fn a_paused_set_scales_but_does_not_update() {
    let mut cluster = Cluster::new("{updateStrategy: {paused: true}}");
    cluster.settle().image("nginx:2").edit("replicas: 6").settle();
    assert_eq!(cluster.images(), (5, 1));
}
