//! What sick members cost the others: one of ten answers after five seconds, one refuses connections, one answers 429.
//!
//! `cargo bench --workspace --bench isolation` prints how long Deployments take from their creation into each of the other seven members,
//! with all ten well and with three of them sick, one after the other in the same fleet: of the sandbox, or of real API servers with
//! `FLOTILLA_TEST_BACKEND=kubernetes COUNT=40 PACE=1000`.

mod figures;

use figures::{Bar, Figures, number};
use flotilla_sandbox::faults::Faults;
use flotilla_tests::fleet::{At, TestFleet};
use futures::{StreamExt as _, future};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::runtime::watcher;
use std::collections::HashMap;
use std::pin::pin;
use std::time::{Duration, Instant};

const MEMBERS: usize = 10;
/// The first members are the ones that fall sick.
const SICK: usize = 3;
const RUNS: usize = 2;
/// How many Deployments; `COUNT` in the environment says otherwise.
const COUNT: usize = 100;
/// Milliseconds from one create to the next; `PACE` in the environment says otherwise. Where eleven real API servers share two cores, 1000
/// leaves them time.
const PACE: usize = 20;

const POLICY: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: all}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  placement: {replicaScheduling: {replicaSchedulingType: Duplicated}}
";

fn main() {
    // `cargo test` builds benchmarks too and runs them with this flag: they then have nothing to do.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let (count, pace) = (number("COUNT", COUNT), Duration::from_millis(number("PACE", PACE) as u64));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let figures = Figures::of("isolation");
        println!(
            "{count} Deployments, one every {} ms, to {MEMBERS} members; from the create into each of {}",
            pace.as_millis(),
            MEMBERS - SICK
        );
        let fleet = TestFleet::start(MEMBERS).await;
        fleet.apply_yaml(POLICY).await;
        fleet.apply_yaml(&deployment("first")).await;
        for number in 1..=MEMBERS {
            fleet.there(fleet.member(number), At("apps/v1", "Deployment", None, "first")).await;
        }
        for run in 1..=RUNS {
            let well = propagate(&fleet, &figures, &format!("well-{run}"), count, pace).await;
            fleet.member(1).set_faults(Faults { latency: Duration::from_secs(5), ..Faults::default() });
            fleet.member(2).set_faults(Faults { unreachable: true, ..Faults::default() });
            fleet.member(3).set_faults(Faults { throttled: Some(Duration::from_secs(1)), ..Faults::default() });
            let sick = propagate(&fleet, &figures, &format!("sick-{run}"), count, pace).await;
            (1..=SICK).for_each(|number| fleet.member(number).set_faults(Faults::default()));
            let bar = Bar("p99 beside sick members, by that beside well ones");
            figures.held(format!("run {run}, p99 with three sick by that with all well"), sick / well, &bar);
        }
    });
}

/// How long 99 of 100 Deployments took at most into a member that is well, in milliseconds.
async fn propagate(fleet: &TestFleet, figures: &Figures, prefix: &str, count: usize, pace: Duration) -> f64 {
    for number in 1..=MEMBERS {
        let cluster = format!("member{number}");
        let at = At("cluster.karmada.io/v1alpha1", "Cluster", Some(""), &cluster);
        fleet.condition(&fleet.control, at, "Ready", "True", "ClusterReady").await;
    }
    fleet.settled().await;
    let member = |number| Api::namespaced(fleet.member(number).client("bench"), &fleet.namespace);
    let arrivals = (SICK + 1..=MEMBERS).map(|number| arrivals(member(number), prefix, count));
    let creates = async {
        let mut created = HashMap::new();
        for number in 0..count {
            let name = format!("{prefix}-{number}");
            fleet.apply_yaml(&deployment(&name)).await;
            created.insert(name, Instant::now());
            tokio::time::sleep(pace).await;
        }
        created
    };
    let (created, arrived) = future::join(creates, future::join_all(arrivals)).await;
    let took = |(name, at): (String, Instant)| at.saturating_duration_since(created[&name]);
    let mut times: Vec<Duration> = arrived.into_iter().flatten().map(took).collect();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
        figures.seen(format!("{prefix}, {name}"), at(share), "ms");
    }
    at(0.99)
}

/// When each Deployment came.
async fn arrivals(api: Api<Deployment>, prefix: &str, count: usize) -> HashMap<String, Instant> {
    let mut arrived = HashMap::new();
    let mut events = pin!(watcher(api, watcher::Config::default()));
    while arrived.len() < count {
        let event = events.next().await.expect("a watch does not end");
        let Ok(watcher::Event::Apply(deployment) | watcher::Event::InitApply(deployment)) = event else { continue };
        let name = deployment.metadata.name.unwrap_or_default();
        if name.starts_with(prefix) {
            arrived.entry(name).or_insert_with(Instant::now);
        }
    }
    arrived
}

fn deployment(name: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: main, image: 'nginx:1.27'}}]}}
"
    )
}
