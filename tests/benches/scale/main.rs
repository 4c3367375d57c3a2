//! Many Deployments to two members: how long, how many writes, what it costs; and what a restart costs afterwards.
//!
//! `cargo bench --workspace --bench scale` runs it on the sandbox, with `FLOTILLA_TEST_BACKEND=kubernetes` on real API servers; `COUNT`
//! changes the number of Deployments (1000). The floor is what the same Deployments take when a client creates them in both members
//! itself. The controllers are a process of their own: the release binary, `make build` makes it.

mod cost;
#[path = "../figures/mod.rs"]
mod figures;
mod seen;

use cost::{Cost, Program};
use figures::{Bar, Figures, number};
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
    let count = number("COUNT", 1000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(count));
}

async fn run(count: usize) {
    let clusters = Clusters::start(MEMBERS).await;
    let bench = Bench { clusters, count };
    let figures = Figures::of("scale");
    println!("{count} Deployments with {REPLICAS} replicas on {MEMBERS} members");
    let floor = bench.floor().await;
    figures.seen("floor: created in both members by a client, all ready", floor.as_secs_f64(), "s");
    let folder = tempfile::tempdir().expect("a folder");
    let mut controllers = Program::start(&bench.clusters, folder.path()).await;
    bench.join(&controllers).await;
    alone(&bench, &figures).await;
    bench.propagate(&figures, &controllers, floor).await;
    for run in ["first", "second"] {
        bench.quiet().await;
        controllers.stop();
        bench.restart(&figures, run, &mut controllers).await;
    }
    bench.delete(&figures, &controllers).await;
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

    async fn propagate(&self, figures: &Figures, controllers: &Program, floor: Duration) {
        let control = Seen::follow(self.api(&self.clusters.control, "bench")).await;
        let members = self.follow_members("bench").await;
        let here = control.settled().await;
        let (writes, cost) = (self.writes(), Cost::of(&self.clusters.control, controllers));
        let started = Instant::now();
        stream::iter(self.names()).for_each_concurrent(AT_ONCE, |name| async move { self.create(&name).await }).await;
        figures.seen("all created", started.elapsed().as_secs_f64(), "s");
        for member in &members {
            member.until(|seen| seen.known() == here + self.count).await;
        }
        figures.seen("all in both members", started.elapsed().as_secs_f64(), "s");
        control.until(|seen| seen.ready(REPLICAS * MEMBERS as i64) == here + self.count).await;
        let ready = started.elapsed().as_secs_f64();
        figures.seen("all ready on the template", ready, "s");
        figures.held("all ready on the template, by the floor", ready / floor.as_secs_f64(), &Bar("all ready, by the floor"));
        self.quiet().await;
        let spent = Cost::of(&self.clusters.control, controllers).since(&cost);
        let each = |time: Duration| time.as_secs_f64() * 1000.0 / self.count as f64;
        let name = "processor time of the controllers for each";
        figures.held(name, each(spent.controllers), &Bar("processor time of the controllers for a Deployment"));
        if let Some(server) = spent.server {
            let name = "processor time of the control plane's API server for each";
            figures.held(name, each(server), &Bar("processor time of the API server for a Deployment"));
        }
        let bar = if self.count <= 1000 { Bar("memory, 1,000 Deployments") } else { Bar("memory, 5,000 Deployments") };
        figures.held("most memory of the controllers", spent.peak, &bar);
        self.count_writes(figures, "create", &writes, self.count);
    }

    /// Starts the controllers again and edits a Deployment meanwhile.
    async fn restart(&self, figures: &Figures, run: &str, controllers: &mut Program) {
        let before = self.writes();
        let replicas = if run == "first" { 3 } else { 4 };
        let member = Seen::follow(self.api(&self.clusters.members[1], "bench")).await;
        let started = Instant::now();
        controllers.start_again();
        let patch = json!({"spec": {"replicas": replicas}});
        let api = self.api(&self.clusters.control, "bench");
        api.patch("web-7", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("it is there");
        member.until(|seen| seen.replicas("web-7") == Some(replicas)).await;
        let took = started.elapsed().as_secs_f64() * 1000.0;
        figures.held(format!("{run} restart until an edit is in a member"), took, &Bar("restart until an edit is in a member"));
        self.quiet().await;
        self.count_writes(figures, &format!("{run} restart with that edit"), &before, 1);
    }

    async fn delete(&self, figures: &Figures, controllers: &Program) {
        let (before, cost) = (self.writes(), Cost::of(&self.clusters.control, controllers));
        let started = Instant::now();
        let api = self.api(&self.clusters.control, "bench");
        api.delete_collection(&DeleteParams::background(), &Default::default()).await.expect("the server answers");
        for member in &self.clusters.members {
            Seen::follow(self.api(member, "bench")).await.until(|seen| seen.known() == 0).await;
        }
        figures.seen("all gone from both members after one deletecollection", started.elapsed().as_secs_f64(), "s");
        self.quiet().await;
        let spent = Cost::of(&self.clusters.control, controllers).since(&cost);
        figures.seen("processor time of the controllers, delete", spent.controllers.as_secs_f64(), "s");
        figures.held("most memory of the controllers since the restart", spent.peak, &Bar("memory, 5,000 Deployments, after restarts"));
        // Beside those that were created at once, those that were created alone, and the first.
        self.count_writes(figures, "delete", &before, self.count + ALONE + 1);
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

    /// New writes for each Deployment, then all of them by kind.
    fn count_writes(&self, figures: &Figures, step: &str, before: &BTreeMap<String, u64>, count: usize) {
        let new = self.since(before);
        let each = |is_control| sum(&new, is_control) as f64 / count as f64;
        figures.held(format!("{step}: writes to the control plane"), each(true), &Bar("writes to the control plane for a Deployment"));
        figures.held(format!("{step}: writes to the members"), each(false), &Bar("writes to the members for a Deployment"));
        for (key, writes) in &new {
            figures.seen(format!("  {key}"), *writes as f64 / count as f64, "");
        }
    }
}

fn sum(writes: &BTreeMap<String, u64>, is_control: bool) -> u64 {
    writes.iter().filter(|(key, _)| key.starts_with("member") != is_control).map(|(_, count)| count).sum()
}

/// One Deployment while nothing else goes on: until it is in the members, and until it is ready on the template.
async fn alone(bench: &Bench, figures: &Figures) {
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
    for (what, mut times, bar) in
        [("in a member", arrived, Bar("alone, in a member")), ("ready on the template", ready, Bar("alone, ready on the template"))]
    {
        times.sort();
        let millis = |place: usize| times[place].as_secs_f64() * 1000.0;
        figures.held(format!("one alone, {what} after the create returned: median"), millis(times.len() / 2), &bar);
        figures.seen("  least", millis(0), "ms");
        figures.seen("  most", millis(times.len() - 1), "ms");
    }
}
