//! What sick members cost the others: one of ten answers after five seconds, one refuses connections, one answers 429.
//!
//! `cargo bench --workspace --bench isolation` prints how long Deployments take from their creation into each of the other seven members,
//! with all ten well and with three of them sick, one after the other in the same run, on the sandbox.

mod figures;

use figures::{Bar, Figures};
use flotilla_sandbox::faults::Faults;
use flotilla_tests::fleet::TestFleet;
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
const COUNT: usize = 100;
/// From one create to the next.
const PACE: Duration = Duration::from_millis(20);

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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut figures = Figures::of("isolation");
        println!(
            "{COUNT} Deployments, one every {} ms, to {MEMBERS} members; from the create into each of {}",
            PACE.as_millis(),
            MEMBERS - SICK
        );
        for run in 1..=2 {
            let [well, sick] = [p99(&mut figures, run, false).await, p99(&mut figures, run, true).await];
            figures.held(
                format!("run {run}, p99 by that with all well"),
                sick / well,
                &Bar("p99 beside sick members, by that beside well ones"),
            );
        }
    });
}

/// The time that all but one of a hundred stay below, in milliseconds.
async fn p99(figures: &mut Figures, run: usize, is_sick: bool) -> f64 {
    let mut times = propagate(is_sick).await;
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let who = if is_sick { "three sick" } else { "all well" };
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("longest", 1.0)] {
        figures.seen(format!("run {run}, {who}, {name}"), at(share), "ms");
    }
    at(0.99)
}

/// How long each Deployment took into each member that is well.
async fn propagate(is_sick: bool) -> Vec<Duration> {
    let fleet = TestFleet::start(MEMBERS).await;
    fleet.apply_yaml(POLICY).await;
    fleet.apply_yaml(&deployment("first")).await;
    for number in 1..=MEMBERS {
        fleet.there(fleet.member(number), flotilla_tests::fleet::At("apps/v1", "Deployment", None, "first")).await;
    }
    fleet.settled().await;
    if is_sick {
        fleet.member(1).set_faults(Faults { latency: Duration::from_secs(5), ..Faults::default() });
        fleet.member(2).set_faults(Faults { unreachable: true, ..Faults::default() });
        fleet.member(3).set_faults(Faults { throttled: Some(Duration::from_secs(1)), ..Faults::default() });
    }
    let arrivals = (SICK + 1..=MEMBERS).map(|number| arrivals(Api::namespaced(fleet.member(number).client("bench"), &fleet.namespace)));
    let creates = async {
        let mut created = HashMap::new();
        for number in 0..COUNT {
            let name = format!("web-{number}");
            fleet.apply_yaml(&deployment(&name)).await;
            created.insert(name, Instant::now());
            tokio::time::sleep(PACE).await;
        }
        created
    };
    let (created, arrived) = future::join(creates, future::join_all(arrivals)).await;
    let took = |(name, at): (String, Instant)| at.saturating_duration_since(created[&name]);
    arrived.into_iter().flatten().map(took).collect()
}

/// When each Deployment came.
async fn arrivals(api: Api<Deployment>) -> HashMap<String, Instant> {
    let mut arrived = HashMap::new();
    let mut events = pin!(watcher(api, watcher::Config::default()));
    while arrived.len() < COUNT {
        let event = events.next().await.expect("a watch does not end");
        let Ok(watcher::Event::Apply(deployment) | watcher::Event::InitApply(deployment)) = event else { continue };
        let name = deployment.metadata.name.unwrap_or_default();
        if name != "first" {
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
