//! The journey of one object: template → binding → Works → members → status back.

use flotilla_api::object::Object;
use flotilla_tests::fleet::{TestFleet, new_writes};
use serde_json::{Value, json};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'nginx:1.27'}]}
";

const DUPLICATED: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: default}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  placement:
    clusterAffinity: {clusterNames: [member1, member2]}
    replicaScheduling: {replicaSchedulingType: Duplicated}
";

fn ready_replicas(object: Option<&Object>) -> i64 {
    object.and_then(|object| object.at(&["status", "readyReplicas"])).and_then(Value::as_i64).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_runs_in_its_members_and_its_template_shows_the_sum() {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml(DUPLICATED).await;
    let before = fleet.settled().await;
    fleet.apply_yaml(WEB).await;
    fleet.until(&fleet.control, "apps/v1", "Deployment", Some("default"), "web", |web| (ready_replicas(web) == 4).then_some(())).await;
    let after = fleet.settled().await;
    let writes = new_writes(&before, &after);
    let on_control: u64 = writes.iter().filter(|(key, _)| key.starts_with("control")).map(|(_, count)| count).sum();
    assert!(on_control <= 8, "at most 4 + 2n writes to the control plane: {writes:#?}");
    let binding = fleet
        .get(&fleet.control, "work.karmada.io/v1alpha2", "ResourceBinding", Some("default"), "web-deployment")
        .await
        .expect("a binding");
    assert_eq!(binding.at(&["spec", "clusters"]), Some(&json!([{"name": "member1", "replicas": 2}, {"name": "member2", "replicas": 2}])));
}
