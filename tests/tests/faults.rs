//! What goes wrong stays where it is: killed controllers, members that hang, plugins that fail.

use flotilla_api::interpretation::{ErrorClass, Operation};
use flotilla_api::object::Object;
use flotilla_sandbox::faults::Faults;
use flotilla_tests::fleet::{At, TestFleet, new_writes, writes_to};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

fn policy(strategy: &str) -> String {
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: all}}
spec:
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment}}]
  placement:
    clusterAffinity: {{clusterNames: [member1, member2]}}
    replicaScheduling: {strategy}
"
    )
}

const DUPLICATED: &str = "{replicaSchedulingType: Duplicated}";

fn deployment(name: &str, replicas: u64) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: 'nginx:1.27'}}]}}
"
    )
}

fn web(name: &str) -> At<'_> {
    At("apps/v1", "Deployment", None, name)
}

fn binding(name: &str) -> At<'_> {
    At("work.karmada.io/v1alpha2", "ResourceBinding", None, name)
}

/// Numbers that look random; the same seed gives the same ones.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// `FLOTILLA_SEED` repeats a run.
fn seed() -> u64 {
    let given = std::env::var("FLOTILLA_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| RandomState::new().hash_one(std::process::id()) >> 16)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controllers_that_are_killed_again_and_again_lose_and_double_nothing() {
    const OBJECTS: u64 = 6;
    const KILLS: u64 = 200;
    let seed = seed();
    println!("FLOTILLA_SEED={seed}");
    let mut dice = Dice(seed);
    let mut fleet = TestFleet::start(2).await;
    fleet.apply_yaml(&policy(DUPLICATED)).await;
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    // The first is never touched again: nothing may happen to it.
    fleet.apply_yaml(&deployment("calm", 1)).await;
    fleet.says(&fleet.control, web("calm"), "/status/readyReplicas", json!(2)).await;
    for member in &fleet.members {
        // The last that a deployment controller says of it.
        fleet.condition(member, web("calm"), "Progressing", "True", "NewReplicaSetAvailable").await;
    }
    fleet.settled().await;
    let calm: Vec<Object> = vec![fleet.there(fleet.member(1), web("calm")).await, fleet.there(fleet.member(2), web("calm")).await];
    for _ in 0..KILLS {
        for _ in 0..=dice.below(2) {
            let (name, replicas) = (format!("web{}", dice.below(OBJECTS)), 1 + dice.below(5));
            match wanted.contains_key(&name) {
                true => drop(fleet.patch(&fleet.control, web(&name), json!({"spec": {"replicas": replicas}})).await),
                false => fleet.apply_yaml(&deployment(&name, replicas)).await,
            }
            wanted.insert(name, replicas);
        }
        // Members come and go, answer late or not at all; so do plugins.
        fleet.member(2).set_faults(match dice.below(6) {
            0 => Faults { unreachable: true, ..Faults::default() },
            1 => Faults { latency: Duration::from_millis(40), ..Faults::default() },
            2 => Faults { error_rate: 0.3, ..Faults::default() },
            _ => Faults::default(),
        });
        fleet.interpreter.mend();
        if dice.below(4) == 0 {
            let hooks = [Operation::InterpretReplica, Operation::ReviseReplica, Operation::Retain, Operation::AggregateStatus];
            let hook = hooks[dice.below(hooks.len() as u64) as usize];
            fleet.interpreter.fail(&format!("web{}", dice.below(OBJECTS)), hook, ErrorClass::NotLoaded);
        }
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        fleet.kill_controllers();
        fleet.start_controllers().await;
    }
    fleet.member(2).set_faults(Faults::default());
    fleet.interpreter.mend();
    // What failed is tried again later and later: a last restart tries it at once.
    fleet.kill_controllers();
    fleet.start_controllers().await;
    for (name, replicas) in &wanted {
        for member in &fleet.members {
            fleet.says(member, web(name), "/spec/replicas", json!(replicas)).await;
        }
        fleet.says(&fleet.control, web(name), "/status/readyReplicas", json!(2 * replicas)).await;
    }
    let settled = fleet.settled().await;
    let count = wanted.len() + 1;
    assert_eq!(fleet.list(&fleet.control, "work.karmada.io/v1alpha2", "ResourceBinding").await.len(), count);
    assert_eq!(fleet.works().await.len(), 2 * count);
    for (member, calm) in fleet.members.iter().zip(calm) {
        assert_eq!(fleet.list(member, "apps/v1", "Deployment").await.len(), count);
        assert_eq!(fleet.there(member, web("calm")).await, calm, "nobody touched it");
    }
    let deleted: Vec<&String> = settled.keys().filter(|key| key.contains("Delete") && !key.contains("events")).collect();
    assert_eq!(deleted, Vec::<&String>::new());
    fleet.kill_controllers();
    fleet.start_controllers().await;
    let mut written = new_writes(&settled, &fleet.settled().await);
    written.retain(|key, _| !key.contains("clusters.cluster.karmada.io/status"));
    assert_eq!(written, BTreeMap::new(), "after the last restart");
}

async fn time_to_run(fleet: &TestFleet, name: &str) -> Duration {
    let started = Instant::now();
    fleet.apply_yaml(&deployment(name, 1)).await;
    fleet.says(fleet.member(2), web(name), "/status/readyReplicas", json!(1)).await;
    fleet.until(&fleet.control, web(name), |web| (web?.pointer("/status/readyReplicas")?.as_i64()? >= 1).then_some(())).await;
    started.elapsed()
}

async fn a_faulty_member_holds_up_nobody(faults: Faults) {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml(&policy(DUPLICATED)).await;
    let usual = time_to_run(&fleet, "before").await;
    fleet.settled().await;
    fleet.member(1).set_faults(faults);
    for number in 0..20 {
        let name = format!("web{number}");
        let now = time_to_run(&fleet, &name).await;
        // The first reports are waited for once.
        assert!(now < usual * 3 + Duration::from_secs(1), "{now:?} instead of {usual:?}");
    }
    fleet.member(1).set_faults(Faults::default());
    for number in 0..20 {
        let name = format!("web{number}");
        fleet.says(fleet.member(1), web(&name), "/status/readyReplicas", json!(1)).await;
        fleet.says(&fleet.control, web(&name), "/status/readyReplicas", json!(2)).await;
    }
    let web = fleet.get(fleet.member(1), web("before")).await.expect("it stayed");
    assert!(!web.is_deleting());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_refuses_connections_holds_up_nobody() {
    a_faulty_member_holds_up_nobody(Faults { unreachable: true, ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_hangs_holds_up_nobody() {
    a_faulty_member_holds_up_nobody(Faults { latency: Duration::from_secs(3600), ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_refuses_writes_holds_up_nobody() {
    a_faulty_member_holds_up_nobody(Faults { read_only: true, ..Faults::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_errs_now_and_then_gets_everything() {
    a_faulty_member_holds_up_nobody(Faults { error_rate: 0.5, ..Faults::default() }).await;
}

const CLASSES: [ErrorClass; 9] = [
    ErrorClass::NoInterpreter,
    ErrorClass::InvalidObject,
    ErrorClass::PluginFailed,
    ErrorClass::Deadline,
    ErrorClass::Memory,
    ErrorClass::Trap,
    ErrorClass::BadOutput,
    ErrorClass::UndeclaredWrite,
    ErrorClass::NotLoaded,
];

/// Each class, for hooks that are asked on the way there: nothing moves, the binding says why, others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_plugin_holds_its_objects_still_and_says_so() {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml(&policy(DUPLICATED)).await;
    fleet.apply_yaml(&deployment("web", 1)).await;
    fleet.says(&fleet.control, web("web"), "/status/readyReplicas", json!(2)).await;
    let mut before = fleet.settled().await;
    for (number, class) in CLASSES.into_iter().enumerate() {
        let operation = [Operation::InterpretReplica, Operation::ReviseReplica, Operation::AggregateStatus][number % 3];
        fleet.interpreter.fail("web", operation, class);
        let image = format!("nginx:2.{number}");
        let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}});
        fleet.patch(&fleet.control, web("web"), patch).await;
        fleet.controllers().interpret_again();
        let condition = fleet.condition(&fleet.control, binding("web-deployment"), "Interpreted", "False", class.as_str()).await;
        let message = condition["message"].as_str().unwrap_or_default();
        assert!(message.contains("`broken`") && message.contains(operation.hook()), "{operation}: {message}");
        if operation == Operation::ReviseReplica {
            // With Retain and Replicas answered, only the rendering stands still.
            assert_eq!(writes_to(&new_writes(&before, &fleet.writes()), "member"), 0, "nothing may change in members");
        }
        let other = format!("other{number}");
        fleet.apply_yaml(&deployment(&other, 1)).await;
        fleet.says(&fleet.control, web(&other), "/status/readyReplicas", json!(2)).await;
        fleet.interpreter.mend();
        fleet.controllers().interpret_again();
        fleet.condition(&fleet.control, binding("web-deployment"), "Interpreted", "True", "Interpreted").await;
        for member in &fleet.members {
            fleet.says(member, web("web"), "/spec/template/spec/containers/0/image", json!(image)).await;
        }
        before = fleet.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_fails_before_there_is_a_binding_tells_the_template() {
    let fleet = TestFleet::start(1).await;
    fleet.apply_yaml(&policy(DUPLICATED)).await;
    fleet.interpreter.fail("web", Operation::InterpretReplica, ErrorClass::Trap);
    fleet.apply_yaml(&deployment("web", 1)).await;
    let started = Instant::now();
    loop {
        let events = fleet.list(&fleet.control, "v1", "Event").await;
        let about = |event: &&Object| event["involvedObject"]["name"] == "web" && event["reason"] == "Trap";
        if let Some(event) = events.iter().find(about) {
            let message = event["message"].as_str().unwrap_or_default();
            assert!(message.contains("`broken`") && message.contains("`replicas`"), "{message}");
            assert_eq!((&event["type"], &event["involvedObject"]["kind"]), (&json!("Warning"), &json!("Deployment")));
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no Event: {events:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(fleet.get(&fleet.control, binding("web-deployment")).await.is_none());
    fleet.interpreter.mend();
    fleet.controllers().interpret_again();
    fleet.says(&fleet.control, web("web"), "/status/readyReplicas", json!(1)).await;
}

/// What to keep of a member's object is not known: so nothing is written to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retention_that_fails_leaves_the_members_as_they_are() {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml(&policy(DUPLICATED)).await;
    fleet.apply_yaml(&deployment("web", 1)).await;
    fleet.says(&fleet.control, web("web"), "/status/readyReplicas", json!(2)).await;
    let before = fleet.settled().await;
    fleet.interpreter.fail("web", Operation::Retain, ErrorClass::PluginFailed);
    fleet.patch(&fleet.control, web("web"), json!({"spec": {"replicas": 3}})).await;
    let is_told = |binding: &Object| {
        let items = binding.pointer("/status/aggregatedStatus").and_then(Value::as_array)?.clone();
        let is_told = |item: &Value| {
            item["appliedMessage"].as_str().is_some_and(|message| message.contains("`broken`") && message.contains("`retention`"))
        };
        (items.len() == 2 && items.iter().all(is_told)).then_some(())
    };
    fleet.until(&fleet.control, binding("web-deployment"), |binding| is_told(binding?)).await;
    assert_eq!(writes_to(&new_writes(&before, &fleet.writes()), "member"), 0);
    fleet.interpreter.mend();
    fleet.controllers().interpret_again();
    fleet.says(&fleet.control, web("web"), "/status/readyReplicas", json!(6)).await;
}
