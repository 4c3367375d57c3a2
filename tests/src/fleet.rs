//! A control plane, its members and the controllers: what an end-to-end test runs against.
//!
//! The clusters are a sandbox's or real ones ([`crate::backend`]); a test cannot tell. The controllers run in this process, on a runtime of
//! their own, so that they can be killed: whatever they were doing ends where it is, while requests that they have sent are still served,
//! as with a process that is killed.

use crate::backend::Clusters;
use crate::cluster::Cluster;
use crate::counting::{Refusals, counting};
use crate::failing::Failing;
use flotilla_api::labels;
use flotilla_api::names::CLUSTER_NAMESPACE;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_controllers::Fleet;
use flotilla_controllers::cluster_api::{ClusterApi, FIELD_MANAGER, ObjectKey, Resource};
use flotilla_controllers::context::Options;
use flotilla_controllers::members::{ConnectBySecret, ConnectInProcess};
use flotilla_controllers::watch::Own;
use flotilla_interpreter::cache::ArtefactCache;
use flotilla_interpreter::{Chain, Runtime, built_in};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The definition of the kind `Gadget`, which no plugin knows.
pub const GADGETS: &str = include_str!("../traffic/definitions.yaml");

/// Longest wait for anything that is awaited.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where an object is: apiVersion, kind, namespace (`None` for the fleet's own, or for none where the kind has none), name.
#[derive(Debug, Clone, Copy)]
pub struct At<'a>(pub &'a str, pub &'a str, pub Option<&'a str>, pub &'a str);

/// A fleet with running controllers. Its clusters are fields of it.
pub struct TestFleet {
    // First: controllers end before the clusters do.
    controllers: Option<Controllers>,
    clusters: Clusters,
    reach: Reach,
    /// Answers for kinds; can be made to fail.
    pub interpreter: Arc<Failing>,
    /// Writes of the controllers that were refused.
    pub refusals: Refusals,
    /// Settings of controllers that are started.
    pub options: Options,
}

/// How the controllers reach members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// By clients that are handed to them, which show faults and count refusals.
    Clients,
    /// As in production: by `spec.apiEndpoint` and the Secret of `spec.secretRef`.
    Secrets,
}

struct Controllers {
    fleet: Option<Fleet>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Controllers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.fleet = None;
    }
}

impl Drop for TestFleet {
    /// Whatever a test was about, the controllers have the rights that they need.
    fn drop(&mut self) {
        self.kill_controllers();
        let clusters = std::iter::once(&self.control).chain(&self.members);
        let forbidden: Vec<String> = clusters.flat_map(Cluster::forbidden).collect();
        // A panic in a panic would hide the first.
        assert!(forbidden.is_empty() || std::thread::panicking(), "the controllers lack rights: {forbidden:#?}");
    }
}

impl Deref for TestFleet {
    type Target = Clusters;

    fn deref(&self) -> &Clusters {
        &self.clusters
    }
}

impl TestFleet {
    /// Starts a fleet of this many members and waits until all are ready.
    pub async fn start(members: usize) -> Self {
        Self::start_with(members, Options::default()).await
    }

    /// Starts a fleet with these settings of the controllers.
    pub async fn start_with(members: usize, options: Options) -> Self {
        Self::launch(members, options, Reach::Clients).await
    }

    /// Starts a fleet whose members are reached over HTTPS, with a token from a Secret.
    pub async fn start_over_https(members: usize) -> Self {
        Self::launch(members, Options::default(), Reach::Secrets).await
    }

    async fn launch(members: usize, options: Options, reach: Reach) -> Self {
        // `RUST_LOG=flotilla=debug` shows what the controllers do. A second test finds it set already.
        let _ = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_test_writer().try_init();
        let mut fleet = Self {
            controllers: None,
            clusters: Clusters::start(members).await,
            reach,
            interpreter: Arc::new(Failing::new(chain().clone())),
            refusals: Refusals::default(),
            options,
        };
        fleet.prepare().await;
        for member in &fleet.members {
            fleet.join(member).await;
        }
        fleet.start_controllers().await;
        for member in &fleet.members {
            fleet
                .until(&fleet.control, At("cluster.karmada.io/v1alpha1", "Cluster", None, member.name()), |cluster| {
                    (condition(cluster?, "Ready")?["status"] == "True").then_some(())
                })
                .await;
        }
        fleet
    }

    /// The fleet's namespace in all clusters.
    async fn prepare(&self) {
        let labels = json!({labels::SKIP_AUTO_PROPAGATION: "true"});
        for cluster in std::iter::once(&self.control).chain(&self.members).filter(|_| self.namespace != "default") {
            let metadata = json!({"name": self.namespace, "labels": labels});
            self.apply_to(cluster, &Object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))).await;
        }
        for member in &self.members {
            // Without it, no pod is admitted.
            self.there(member, At("v1", "ServiceAccount", None, "default")).await;
        }
    }

    /// Registers a member.
    pub async fn join(&self, member: &Cluster) {
        let (name, account) = (member.name(), member.account());
        let mut cluster = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": name}, "spec": {"syncMode": "Push"},
        });
        if self.reach == Reach::Secrets {
            cluster["spec"]["apiEndpoint"] = account.url.clone().into();
            cluster["spec"]["secretRef"] = json!({"namespace": CLUSTER_NAMESPACE, "name": name});
            let data = json!({"token": account.token, "caBundle": account.authority});
            let metadata = json!({"namespace": CLUSTER_NAMESPACE, "name": name});
            self.apply(&Object(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}))).await;
        }
        self.apply(&Object(cluster)).await;
    }

    /// Starts the controllers.
    pub async fn start_controllers(&mut self) {
        assert!(self.controllers.is_none(), "they run already");
        let here = tokio::runtime::Handle::current();
        let client = |cluster: &Cluster| {
            counting(cluster.name(), cluster.controllers_client(), here.clone(), self.refusals.clone(), cluster.between())
        };
        let handed = self.members.iter().filter(|_| self.reach == Reach::Clients);
        let clients: HashMap<_, _> = handed.map(|member| (member.name().to_owned(), client(member))).collect();
        let api = ClusterApi::new(client(&self.control), Duration::from_secs(10));
        let connect = ConnectInProcess::new(clients, ConnectBySecret::new(api.clone()));
        let (interpreter, options) = (self.interpreter.clone(), self.options.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let mut controllers = Controllers { fleet: None, runtime: Some(runtime) };
        let runtime = controllers.runtime.as_ref().expect("set above");
        let fleet = runtime.spawn(async move { Fleet::start(api, Box::new(connect), interpreter, options).await });
        controllers.fleet = Some(fleet.await.expect("no panic").expect("the options are right"));
        self.controllers = Some(controllers);
    }

    /// Kills the controllers: they do nothing more.
    pub fn kill_controllers(&mut self) {
        self.controllers = None;
    }

    /// The running controllers.
    pub fn controllers(&self) -> &Fleet {
        self.controllers.as_ref().and_then(|controllers| controllers.fleet.as_ref()).expect("the controllers run")
    }

    /// The member of this number, from 1.
    pub fn member(&self, number: usize) -> &Cluster {
        &self.members[number - 1]
    }

    /// Creates all objects of a YAML text in the control plane, or merges them into those that are there.
    pub async fn apply_yaml(&self, yaml: &str) {
        self.apply_yaml_to(&self.control, yaml).await;
    }

    /// The same in any cluster.
    pub async fn apply_yaml_to(&self, cluster: &Cluster, yaml: &str) {
        for document in serde_saphyr::from_multiple::<Value>(yaml).expect("test YAML").into_iter().filter(|document| !document.is_null()) {
            self.apply_to(cluster, &Object(document)).await;
        }
    }

    /// Creates an object in the control plane, or merges it into the one that is there.
    pub async fn apply(&self, object: &Object) {
        self.apply_to(&self.control, object).await;
    }

    async fn apply_to(&self, cluster: &Cluster, object: &Object) {
        let resource = cluster.resource(&object.gvk()).await;
        let mut object = object.clone();
        if !resource.namespaced {
            self.note(&resource, object.name());
        } else if object.namespace().is_none() {
            object["metadata"]["namespace"] = self.namespace.clone().into();
        }
        let api = cluster.user();
        match api.create(&resource, &object).await {
            Err(error) if error.is_already_exists() => {
                drop(api.patch(&resource, &ObjectKey::of(&object), &object).await.expect("the change is right"))
            }
            result => drop(result.unwrap_or_else(|error| panic!("{}: {error}", object.display()))),
        }
    }

    /// Where this is served, and the object's key.
    async fn find(&self, cluster: &Cluster, At(api_version, kind, namespace, name): At<'_>) -> (Resource, ObjectKey) {
        let resource = cluster.resource(&GroupVersionKind::new(api_version, kind)).await;
        let namespace = namespace.unwrap_or(&self.namespace);
        let key = ObjectKey::new(Some(namespace).filter(|_| resource.namespaced), name);
        (resource, key)
    }

    /// Reads an object.
    pub async fn get(&self, cluster: &Cluster, at: At<'_>) -> Option<Object> {
        let (resource, key) = self.find(cluster, at).await;
        cluster.user().get(&resource, &key).await.expect("the server answers")
    }

    /// All objects of a kind in the fleet's namespace.
    pub async fn list(&self, cluster: &Cluster, api_version: &str, kind: &str) -> Vec<Object> {
        let resource = cluster.resource(&GroupVersionKind::new(api_version, kind)).await;
        cluster.list(&resource, Some(&self.namespace)).await
    }

    /// All Works of the control plane.
    pub async fn works(&self) -> Vec<Object> {
        self.control.list(&Own::Work.resource(), None).await
    }

    /// All Events of the controllers.
    pub async fn events(&self) -> Vec<Object> {
        let resource = self.control.resource(&GroupVersionKind::new("v1", "Event")).await;
        let mut events = self.control.list(&resource, None).await;
        events.retain(|event| event["reportingComponent"] == FIELD_MANAGER);
        events
    }

    /// Merges a patch into an object.
    pub async fn patch(&self, cluster: &Cluster, at: At<'_>, patch: Value) -> Object {
        let (resource, key) = self.find(cluster, at).await;
        cluster.user().patch(&resource, &key, &patch).await.expect("the patch is right")
    }

    /// Deletes an object.
    pub async fn delete(&self, cluster: &Cluster, at: At<'_>) {
        let (resource, key) = self.find(cluster, at).await;
        cluster.user().delete(&resource, &key, None).await.expect("the object can be deleted");
    }

    /// Waits until the object (or its absence, `None`) satisfies `found`, and returns what it found.
    pub async fn until<T>(&self, cluster: &Cluster, at: At<'_>, found: impl Fn(Option<&Object>) -> Option<T>) -> T {
        let started = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let object = self.get(cluster, at).await;
            if let Some(found) = found(object.as_ref()) {
                return found;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{}: {at:?} did not become what was awaited, it is {}",
                cluster.name(),
                shown(object.as_ref())
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Waits until the object has this value at a JSON pointer.
    pub async fn says(&self, cluster: &Cluster, at: At<'_>, pointer: &str, value: Value) -> Object {
        self.until(cluster, at, |object| object.filter(|object| object.pointer(pointer) == Some(&value)).cloned()).await
    }

    /// Waits until the object is there.
    pub async fn there(&self, cluster: &Cluster, at: At<'_>) -> Object {
        self.until(cluster, at, |object| object.cloned()).await
    }

    /// Waits until the object is not there.
    pub async fn gone(&self, cluster: &Cluster, at: At<'_>) {
        self.until(cluster, at, |object| object.is_none().then_some(())).await;
    }

    /// Waits until a condition in the object's status has this status and reason; returns the condition.
    pub async fn condition(&self, cluster: &Cluster, at: At<'_>, kind: &str, status: &str, reason: &str) -> Value {
        self.until(cluster, at, |object| {
            let condition = condition(object?, kind)?;
            (condition["status"] == status && condition["reason"] == reason).then(|| condition.clone())
        })
        .await
    }

    /// Waits until the controllers have nothing to do and no server has been written to for a while; returns all writes so far.
    pub async fn settled(&self) -> BTreeMap<String, u64> {
        let mut last = self.writes();
        let mut quiet = 0;
        let started = Instant::now();
        while quiet < 8 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.writes();
            let is_idle = self.controllers.is_none() || self.controllers().is_idle();
            quiet = if now == last && is_idle { quiet + 1 } else { 0 };
            assert!(
                started.elapsed() < PATIENCE,
                "it does not settle: {:?} {:#?}",
                self.controllers().context().queues.depths(),
                new_writes(&last, &now)
            );
            last = now;
        }
        last
    }

    /// Writes by the controllers so far: `cluster verb resource`.
    pub fn writes(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for cluster in std::iter::once(&self.control).chain(&self.members) {
            for (key, count) in cluster.write_counts() {
                if key.agent.starts_with("flotilla") {
                    *counts.entry(format!("{} {:?} {}", cluster.name(), key.verb, key.resource)).or_default() += count;
                }
            }
        }
        counts
    }
}

/// The condition of this type in an object's status.
pub fn condition<'o>(object: &'o Object, kind: &str) -> Option<&'o Value> {
    object.at(&["status", "conditions"])?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn shown(object: Option<&Object>) -> String {
    object.map_or_else(|| "not there".to_owned(), |object| serde_json::to_string_pretty(object).expect("an object prints"))
}

/// The writes of `after` that `before` does not have.
pub fn new_writes(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let difference = after.iter().map(|(key, count)| (key.clone(), count - before.get(key).copied().unwrap_or(0)));
    difference.filter(|(_, count)| *count > 0).collect()
}

/// The sum of the writes to clusters whose name begins like this.
pub fn writes_to(writes: &BTreeMap<String, u64>, cluster: &str) -> u64 {
    writes.iter().filter(|(key, _)| key.starts_with(cluster)).map(|(_, count)| count).sum()
}

/// The built-in plugins, loaded once a process.
pub fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let runtime = Runtime::with_cache(ArtefactCache::in_user_directory()).expect("the runtime starts");
        let plugins = built_in::load(&runtime).expect("the built-in plugins load");
        Chain::new(Arc::new(runtime), plugins)
    })
}
