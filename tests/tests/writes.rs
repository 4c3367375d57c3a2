//! How much is written: as little as the change needs, nothing in vain, and nothing at all when nothing changed.

use flotilla_controllers::context::Options;
use flotilla_controllers::queue::Window;
use flotilla_controllers::queues::Windows;
use flotilla_sandbox::sandbox::CONTROL;
use flotilla_tests::fleet::{At, TestFleet, new_writes, writes_to};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const WEB: At = At("apps/v1", "Deployment", None, "web");

/// Windows that a busy machine does not outlast: what is counted is how news are put together, not how fast this machine is.
fn patient() -> Options {
    let window = Window { quiet: Duration::from_secs(2), longest: Duration::from_secs(30) };
    let windows = Windows {
        work_status: window,
        binding_status: window,
        on_the_way: window.longest,
        first_report: window.longest,
        other_reports: window.longest,
    };
    Options { windows, ..Options::default() }
}

fn policy(name: &str, strategy: &str) -> String {
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: {name}}}
spec:
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}]
  placement:
    clusterAffinity: {{clusterNames: [member1, member2]}}
    replicaScheduling: {strategy}
"
    )
}

const DUPLICATED: &str = "{replicaSchedulingType: Duplicated}";
const DIVIDED: &str = "{replicaSchedulingType: Divided, replicaDivisionPreference: Weighted, weightPreference: {staticWeightList: [\
    {targetCluster: {clusterNames: [member1]}, weight: 1}, {targetCluster: {clusterNames: [member2]}, weight: 1}]}}";

fn deployment(name: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 4
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: 'nginx:1.27', resources: {{requests: {{cpu: 1m, memory: 1024Ki}}}}}}]}}
"
    )
}

/// Probes of the members write what room they have, whatever else is going on.
fn apart_from_probes(mut writes: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    writes.retain(|key, _| !key.contains("clusters.cluster.karmada.io/status"));
    writes
}

#[track_caller]
fn check(what: &str, writes: BTreeMap<String, u64>, on_control: u64, on_each_member: u64) {
    let writes = &apart_from_probes(writes);
    println!("{what}: {writes:?}");
    assert!(writes_to(writes, CONTROL) <= on_control, "{what}: at most {on_control} on the control plane: {writes:#?}");
    for member in ["member1", "member2"] {
        assert_eq!(writes_to(writes, member), on_each_member, "{what}: {member}: {writes:#?}");
    }
}

/// Counts the writes of a create, a new image, a scale and a delete.
async fn a_life(strategy: &str, ready: i64, ready_scaled: i64) {
    let fleet = TestFleet::start_with(2, patient()).await;
    fleet.apply_yaml(&policy("all", strategy)).await;
    let start = fleet.settled().await;
    fleet.apply_yaml(&deployment("web")).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(ready)).await;
    let created = fleet.settled().await;
    assert!(fleet.events().await.is_empty(), "{:#?}", fleet.events().await);
    check("create", new_writes(&start, &created), 8, 1);
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:1.28"}]}}}});
    let generation = fleet.patch(&fleet.control, WEB, image).await.generation();
    fleet.says(&fleet.control, WEB, "/status/observedGeneration", json!(generation)).await;
    let rolled = fleet.settled().await;
    check("new image", new_writes(&created, &rolled), 8, 1);
    fleet.patch(&fleet.control, WEB, json!({"spec": {"replicas": 8}})).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(ready_scaled)).await;
    let scaled = fleet.settled().await;
    check("scale", new_writes(&rolled, &scaled), 8, 1);
    fleet.delete(&fleet.control, WEB).await;
    for member in &fleet.members {
        fleet.gone(member, WEB).await;
    }
    let deleted = fleet.settled().await;
    check("delete", new_writes(&scaled, &deleted), 6, 1);
    assert_eq!(fleet.refusals.all(), Vec::<String>::new(), "refused");
    assert!(fleet.events().await.is_empty(), "{:#?}", fleet.events().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_duplicated_deployment_costs_few_writes() {
    a_life(DUPLICATED, 8, 16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_divided_deployment_costs_few_writes() {
    a_life(DIVIDED, 4, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_writes_nothing_when_nothing_changed() {
    const COUNT: usize = 50;
    let mut fleet = TestFleet::start_with(2, patient()).await;
    fleet.apply_yaml(&policy("all", DIVIDED)).await;
    let start = fleet.settled().await;
    for number in 0..COUNT {
        fleet.apply_yaml(&deployment(&format!("web{number}"))).await;
    }
    for number in 0..COUNT {
        let name = format!("web{number}");
        fleet.says(&fleet.control, At("apps/v1", "Deployment", None, &name), "/status/readyReplicas", json!(4)).await;
    }
    let settled = fleet.settled().await;
    // Some pods of a busy machine may start later than the windows last.
    check("50 Deployments", new_writes(&start, &settled), 10 * COUNT as u64, COUNT as u64);
    for _ in 0..2 {
        fleet.kill_controllers();
        fleet.start_controllers().await;
        let restarted = fleet.settled().await;
        assert_eq!(apart_from_probes(new_writes(&settled, &restarted)), BTreeMap::new(), "after a restart");
    }
    assert_eq!(fleet.refusals.all(), Vec::<String>::new(), "refused");
    // Still awake.
    let web = At("apps/v1", "Deployment", None, "web7");
    fleet.patch(fleet.member(2), web, json!({"spec": {"replicas": 9}})).await;
    fleet.says(fleet.member(2), web, "/spec/replicas", json!(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_edited_while_the_controllers_were_away_is_put_back() {
    let mut fleet = TestFleet::start(2).await;
    fleet.apply_yaml(&policy("all", DUPLICATED)).await;
    fleet.apply_yaml(&deployment("web")).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(8)).await;
    fleet.settled().await;
    fleet.kill_controllers();
    fleet.patch(fleet.member(1), WEB, json!({"spec": {"replicas": 1}})).await;
    fleet.delete(fleet.member(2), WEB).await;
    fleet.gone(fleet.member(2), WEB).await;
    fleet.start_controllers().await;
    fleet.says(fleet.member(1), WEB, "/spec/replicas", json!(4)).await;
    fleet.says(fleet.member(2), WEB, "/status/readyReplicas", json!(4)).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(8)).await;
}

/// With the windows that users have: news come in time, also of a Deployment whose pods take a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_ordinary_work_are_not_written() {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml(&policy("all", DUPLICATED)).await;
    fleet.apply_yaml(&deployment("web")).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(8)).await;
    let writes = fleet.settled().await;
    let events: Vec<&String> = writes.keys().filter(|key| key.contains("events")).collect();
    assert!(events.is_empty(), "{:#?}", fleet.events().await);
    assert_eq!(fleet.get(&fleet.control, WEB).await.and_then(|web| web.pointer("/status/replicas").cloned()), Some(Value::from(8)));
}
