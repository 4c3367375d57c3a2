//! Many Deployments to two members: how long, how many writes, what it costs; and what a restart costs afterwards.
//!
//! `cargo bench --workspace --bench scale` runs it on the sandbox, with `FLOTILLA_TEST_BACKEND=kubernetes` on real API servers; `COUNT`
//! changes the number of Deployments (1000). The floor is what the same Deployments take when a client creates them in both members
//! itself. The controllers are a process of their own: the release binary, `make build` makes it.

mod cost;
mod seen;

use cost::{Cost, Program};
use flotilla_api::object::GroupVersionKind;
use flotilla_tests::backend::Clusters;
use flotilla_tests::cluster::Cluster;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use seen::Seen;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const MEMBERS: usize = 2;
/// Replicas of each Deployment in each member.
const REPLICAS: i64 = 2;
/// Creates under way at once.
const AT_ONCE: usize = 16;
/// Runs of what is timed alone.
const ALONE: usize = 10;

fn main() {
    // `cargo test` builds benchmarks too and runs them with this flag: they then have nothing to do.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let count = std::env::var("COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(count));
}

async fn run(count: usize) {
    let clusters = Clusters::start(MEMBERS).await;
    let bench = Bench { clusters, count };
    println!("{count} Deployments with {REPLICAS} replicas on {MEMBERS} members");
    let floor = bench.floor().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut controllers = Program::start(&bench.clusters, folder.path()).await;
    bench.join(&controllers).await;
    alone(&bench).await;
    bench.propagate(&controllers, floor).await;
    for run in ["first", "second"] {
        bench.quiet().await;
        controllers.stop();
        bench.restart(run, &mut controllers).await;
    }
    bench.delete(&controllers).await;
}

struct Bench {
    clusters: Clusters,
    count: usize,
}

fn deployment(name: &str, replicas: i64) -> Deployment {
    let deployment = json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "nginx:1.27"}]}},
        },
    });
    serde_json::from_value(deployment).expect("a Deployment")
}

impl Bench {
    fn api(&self, cluster: &Cluster, namespace: &str) -> Api<Deployment> {
        Api::namespaced(cluster.client("bench"), namespace)
    }

    fn all(&self) -> impl Iterator<Item = &Cluster> {
        std::iter::once(&self.clusters.control).chain(&self.clusters.members)
    }

    fn names(&self) -> Vec<String> {
        (0..self.count).map(|number| format!("web-{number}")).collect()
    }

    async fn namespace(&self, cluster: &Cluster, name: &str) {
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(cluster.client("bench"));
        let namespace = serde_json::from_value(json!({"metadata": {"name": name}})).expect("a Namespace");
        namespaces.create(&PostParams::default(), &namespace).await.expect("the namespace is new");
        // Without its account no pod is admitted.
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(cluster.client("bench"), name);
        while accounts.get_opt("default").await.expect("the server answers").is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How long the same objects take without anything between the client and the members.
    async fn floor(&self) -> Duration {
        let members = &self.clusters.members;
        for member in members {
            self.namespace(member, "floor").await;
        }
        let seen = self.follow_members("floor").await;
        let started = Instant::now();
        let creates = self.names().into_iter().flat_map(|name| members.iter().map(move |member| (member, name.clone())));
        stream::iter(creates)
            .for_each_concurrent(AT_ONCE, |(member, name)| async move {
                let created = self.api(member, "floor").create(&PostParams::default(), &deployment(&name, REPLICAS)).await;
                created.expect("the Deployment is new");
            })
            .await;
        for seen in &seen {
            seen.until(|seen| seen.ready(REPLICAS) == self.count).await;
        }
        let took = started.elapsed();
        println!("  floor, created in both members by a client, all ready: {:.1} s", took.as_secs_f64());
        for (member, seen) in members.iter().zip(&seen) {
            self.api(member, "floor")
                .delete_collection(&DeleteParams::background(), &Default::default())
                .await
                .expect("the server answers");
            seen.until(|seen| seen.known() == 0).await;
            let pods: Api<Pod> = Api::namespaced(member.client("bench"), "floor");
            while !pods.list_metadata(&ListParams::default().limit(1)).await.expect("the server answers").items.is_empty() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        took
    }

    /// Makes the clusters members and sends everything of the namespace `bench` to both.
    async fn join(&self, controllers: &Program) {
        for member in &self.clusters.members {
            controllers.join(member.name());
        }
        self.namespace(&self.clusters.control, "bench").await;
        let policy = json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "all", "namespace": "bench"},
            "spec": {
                "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
                "placement": {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}},
            },
        });
        let kind = GroupVersionKind::new("policy.karmada.io/v1alpha1", "PropagationPolicy");
        let resource = self.clusters.control.resource(&kind).await;
        self.clusters.control.user().create(&resource, &policy.into()).await.expect("the policy is new");
        // A first one brings the namespace to the members.
        self.create("first").await;
        let seen = Seen::follow(self.api(&self.clusters.control, "bench")).await;
        seen.until(|seen| seen.ready(REPLICAS * MEMBERS as i64) == 1).await;
    }

    async fn follow_members(&self, namespace: &str) -> Vec<Seen> {
        let mut members = Vec::new();
        for member in &self.clusters.members {
            members.push(Seen::follow(self.api(member, namespace)).await);
        }
        members
    }

    async fn create(&self, name: &str) {
        let api = self.api(&self.clusters.control, "bench");
        api.create(&PostParams::default(), &deployment(name, REPLICAS)).await.expect("the Deployment is new");
    }

    async fn propagate(&self, controllers: &Program, floor: Duration) {
        let control = Seen::follow(self.api(&self.clusters.control, "bench")).await;
        let members = self.follow_members("bench").await;
        let here = control.settled().await;
        let (writes, cost) = (self.writes(), Cost::of(&self.clusters.control, controllers));
        let started = Instant::now();
        stream::iter(self.names()).for_each_concurrent(AT_ONCE, |name| async move { self.create(&name).await }).await;
        let created = started.elapsed();
        for member in &members {
            member.until(|seen| seen.known() == here + self.count).await;
        }
        let arrived = started.elapsed();
        control.until(|seen| seen.ready(REPLICAS * MEMBERS as i64) == here + self.count).await;
        let ready = started.elapsed();
        println!("  created after {:.1} s, all in both members after {:.1} s", created.as_secs_f64(), arrived.as_secs_f64());
        let ratio = ready.as_secs_f64() / floor.as_secs_f64();
        println!("  all ready on the template after {:.1} s: {ratio:.2} x the floor (bar 1.25)", ready.as_secs_f64());
        self.quiet().await;
        let spent = Cost::of(&self.clusters.control, controllers);
        println!("  {}", spent.since(&cost));
        self.print_writes(&writes, self.count);
    }

    /// Starts the controllers again and edits a Deployment meanwhile.
    async fn restart(&self, run: &str, controllers: &mut Program) {
        let before = self.writes();
        let replicas = if run == "first" { 3 } else { 4 };
        let member = Seen::follow(self.api(&self.clusters.members[1], "bench")).await;
        let started = Instant::now();
        controllers.start_again();
        let patch = json!({"spec": {"replicas": replicas}});
        let api = self.api(&self.clusters.control, "bench");
        api.patch("web-7", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("it is there");
        member.until(|seen| seen.replicas("web-7") == Some(replicas)).await;
        println!(
            "  {run} restart: an edit reaches the member {} ms after the process was started (bar 1000)",
            started.elapsed().as_millis()
        );
        self.quiet().await;
        let new = self.since(&before);
        println!("    writes, one edit included: {} on the control plane, {} in members", sum(&new, true), sum(&new, false));
        new.iter().for_each(|(key, writes)| println!("    {writes:6} {key}"));
    }

    async fn delete(&self, controllers: &Program) {
        let (before, cost) = (self.writes(), Cost::of(&self.clusters.control, controllers));
        let started = Instant::now();
        let api = self.api(&self.clusters.control, "bench");
        api.delete_collection(&DeleteParams::background(), &Default::default()).await.expect("the server answers");
        for member in &self.clusters.members {
            Seen::follow(self.api(member, "bench")).await.until(|seen| seen.known() == 0).await;
        }
        println!("  all deleted by one deletecollection: gone from both members after {:.1} s", started.elapsed().as_secs_f64());
        self.quiet().await;
        println!("  {}", Cost::of(&self.clusters.control, controllers).since(&cost));
        self.print_writes(&before, self.count);
    }

    /// Waits until the controllers have written nothing for a while.
    async fn quiet(&self) {
        let (mut writes, mut since) = (self.writes(), Instant::now());
        while since.elapsed() < Duration::from_secs(4) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = self.writes();
            if now != writes {
                (writes, since) = (now, Instant::now());
            }
        }
    }

    /// Writes of the controllers so far, without what goes on whatever happens: the Lease, what room the members
    /// have, and questions about rights.
    fn writes(&self) -> BTreeMap<String, u64> {
        let mut writes = BTreeMap::new();
        for cluster in self.all() {
            for (key, count) in cluster.write_counts() {
                let goes_on =
                    ["leases.coordination.k8s.io", "clusters.cluster.karmada.io/status", "selfsubjectaccessreviews.authorization.k8s.io"]
                        .contains(&&*key.resource);
                if key.agent.starts_with("flotilla") && !goes_on {
                    *writes.entry(format!("{} {:?} {}", cluster.name(), key.verb, key.resource)).or_default() += count;
                }
            }
        }
        writes
    }

    fn since(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        flotilla_tests::fleet::new_writes(before, &self.writes())
    }

    fn print_writes(&self, before: &BTreeMap<String, u64>, count: usize) {
        let new = self.since(before);
        let each = |is_control| sum(&new, is_control) as f64 / count as f64;
        println!(
            "  writes for each Deployment: {:.2} on the control plane (bar {}), {:.2} in members",
            each(true),
            4 + 2 * MEMBERS,
            each(false)
        );
        for (key, writes) in &new {
            println!("    {writes:6} {key}");
        }
    }
}

fn sum(writes: &BTreeMap<String, u64>, is_control: bool) -> u64 {
    writes.iter().filter(|(key, _)| key.starts_with("member") != is_control).map(|(_, count)| count).sum()
}

/// One Deployment while nothing else goes on: until it is in the members, and until it is ready on the template.
async fn alone(bench: &Bench) {
    let control = Seen::follow(bench.api(&bench.clusters.control, "bench")).await;
    let member = Seen::follow(bench.api(&bench.clusters.members[0], "bench")).await;
    let (mut arrived, mut ready) = (Vec::new(), Vec::new());
    for number in 0..ALONE {
        control.settled().await;
        let name = format!("alone-{number}");
        bench.create(&name).await;
        let created = Instant::now();
        member.until(|seen| seen.replicas(&name).is_some()).await;
        arrived.push(created.elapsed());
        control.until(|seen| seen.is_ready(&name, REPLICAS * MEMBERS as i64)).await;
        ready.push(created.elapsed());
    }
    for (what, mut times, bar) in [("in a member", arrived, 15), ("ready on the template", ready, 120)] {
        times.sort();
        let [least, middle, most] = [times[0], times[times.len() / 2], times[times.len() - 1]].map(|time| time.as_millis());
        println!("  one alone, {what} after the create returned: {middle} ms, {least} to {most} (bar {bar})");
    }
}
