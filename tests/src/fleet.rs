//! A control plane, its members and the controllers, in this process: what an end-to-end test runs against.
//!
//! The controllers have a runtime of their own, so that they can be killed: whatever they were doing ends where it is, while requests
//! that they have sent are still served, as with a process that is killed.

use crate::counting::{Refusals, counting};
use crate::failing::Failing;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_controllers::Fleet;
use flotilla_controllers::cluster_api::{ApiError, ClusterApi, ObjectKey, Resource};
use flotilla_controllers::context::Options;
use flotilla_controllers::members::{ConnectBySecret, ConnectInProcess};
use flotilla_controllers::served::Served;
use flotilla_interpreter::cache::ArtefactCache;
use flotilla_interpreter::{Chain, Runtime, built_in};
use flotilla_sandbox::lifecycle;
use flotilla_sandbox::server::{ApiServer, ServerOptions};
use flotilla_sandbox::simulation::{self, MemberOptions, Simulation};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Longest wait for anything that is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where an object is: apiVersion, kind, namespace, name.
#[derive(Debug, Clone, Copy)]
pub struct At<'a>(pub &'a str, pub &'a str, pub Option<&'a str>, pub &'a str);

impl At<'_> {
    fn gvk(self) -> GroupVersionKind {
        GroupVersionKind::new(self.0, self.1)
    }

    fn key(self) -> ObjectKey {
        ObjectKey::new(self.2, self.3)
    }
}

/// A fleet of simulated clusters with running controllers.
pub struct TestFleet {
    /// The control plane.
    pub control: ApiServer,
    /// The members, `member1` first.
    pub members: Vec<ApiServer>,
    /// Answers for kinds; can be made to fail.
    pub interpreter: Arc<Failing>,
    /// Writes of the controllers that were refused.
    pub refusals: Refusals,
    /// Settings of controllers that are started.
    pub options: Options,
    controllers: Option<Controllers>,
    resources: Mutex<HashMap<(String, GroupVersionKind), Resource>>,
    _simulations: Vec<Simulation>,
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

impl TestFleet {
    /// Starts a fleet of this many members and waits until all are ready.
    pub async fn start(members: usize) -> Self {
        Self::start_with(members, Options::default()).await
    }

    /// Starts a fleet with these settings of the controllers.
    pub async fn start_with(members: usize, options: Options) -> Self {
        // `RUST_LOG=flotilla=debug` shows what the controllers do. A second test finds it set already.
        let _ = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_test_writer().try_init();
        let control = server("control");
        let members: Vec<ApiServer> = (1..=members).map(|number| server(&format!("member{number}"))).collect();
        let simulations = members.iter().map(|member| {
            simulation::start(member.client_as("kubernetes"), MemberOptions { nodes: 2, pods_per_node: 200, ..MemberOptions::default() })
        });
        let mut fleet = Self {
            control,
            _simulations: simulations.collect(),
            members,
            interpreter: Arc::new(Failing::new(chain().clone())),
            refusals: Refusals::default(),
            options,
            controllers: None,
            resources: Mutex::default(),
        };
        for crd in flotilla_api::crd::crds() {
            fleet.apply(&Object(serde_json::to_value(crd).expect("a CRD prints"))).await;
        }
        for member in fleet.members.clone() {
            fleet.join(member.name()).await;
        }
        fleet.start_controllers().await;
        for member in fleet.members.clone() {
            fleet
                .until(&fleet.control, At("cluster.karmada.io/v1alpha1", "Cluster", None, member.name()), |cluster| {
                    let conditions = cluster?.at(&["status", "conditions"])?.as_array()?;
                    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True").then_some(())
                })
                .await;
        }
        fleet
    }

    /// Registers a member.
    pub async fn join(&self, name: &str) {
        let cluster = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": name}, "spec": {"syncMode": "Push"},
        });
        self.apply(&Object(cluster)).await;
    }

    /// Starts the controllers.
    pub async fn start_controllers(&mut self) {
        assert!(self.controllers.is_none(), "they run already");
        let here = tokio::runtime::Handle::current();
        let client = |server: &ApiServer| counting(server.name(), server.client_as("flotilla"), here.clone(), self.refusals.clone());
        let clients = self.members.iter().map(|member| (member.name().to_owned(), client(member))).collect();
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
    pub fn member(&self, number: usize) -> &ApiServer {
        &self.members[number - 1]
    }

    /// Creates all objects of a YAML text in the control plane, or merges them into those that are there.
    pub async fn apply_yaml(&self, yaml: &str) {
        self.apply_yaml_to(&self.control, yaml).await;
    }

    /// The same in any cluster.
    pub async fn apply_yaml_to(&self, server: &ApiServer, yaml: &str) {
        for document in serde_saphyr::from_multiple::<Value>(yaml).expect("test YAML").into_iter().filter(|document| !document.is_null()) {
            self.apply_to(server, &Object(document)).await;
        }
    }

    /// Creates an object in the control plane, or merges it into the one that is there.
    pub async fn apply(&self, object: &Object) {
        self.apply_to(&self.control, object).await;
    }

    async fn apply_to(&self, server: &ApiServer, object: &Object) {
        let resource = self.resource(server, &object.gvk()).await;
        let api = api(server);
        match api.create(&resource, object).await {
            Err(error) if error.is_already_exists() => {
                drop(api.patch(&resource, &ObjectKey::of(object), object).await.expect("the change is right"))
            }
            result => drop(result.unwrap_or_else(|error| panic!("{}: {error}", object.display()))),
        }
    }

    /// Reads an object.
    pub async fn get(&self, server: &ApiServer, at: At<'_>) -> Option<Object> {
        let resource = self.resource(server, &at.gvk()).await;
        api(server).get(&resource, &at.key()).await.expect("the server answers")
    }

    /// All objects of a kind.
    pub async fn list(&self, server: &ApiServer, api_version: &str, kind: &str) -> Vec<Object> {
        let resource = self.resource(server, &GroupVersionKind::new(api_version, kind)).await;
        let list = kube::Api::<kube::core::DynamicObject>::all_with(server.client_as("kubectl"), &resource.to_kube());
        let list = list.list(&kube::api::ListParams::default()).await.expect("the server answers");
        list.items.into_iter().map(|item| Object(serde_json::to_value(item).expect("an object prints"))).collect()
    }

    /// Merges a patch into an object.
    pub async fn patch(&self, server: &ApiServer, at: At<'_>, patch: Value) -> Object {
        let resource = self.resource(server, &at.gvk()).await;
        api(server).patch(&resource, &at.key(), &patch).await.expect("the patch is right")
    }

    /// Deletes an object.
    pub async fn delete(&self, server: &ApiServer, at: At<'_>) {
        let resource = self.resource(server, &at.gvk()).await;
        api(server).delete(&resource, &at.key(), None).await.expect("the object can be deleted");
    }

    /// Waits until the object (or its absence, `None`) satisfies `found`, and returns what it found.
    pub async fn until<T>(&self, server: &ApiServer, at: At<'_>, found: impl Fn(Option<&Object>) -> Option<T>) -> T {
        let started = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let object = self.get(server, at).await;
            if let Some(found) = found(object.as_ref()) {
                return found;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{}: {at:?} did not become what was awaited, it is {}",
                server.name(),
                shown(object.as_ref())
            );
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Waits until the object has this value at a JSON pointer.
    pub async fn says(&self, server: &ApiServer, at: At<'_>, pointer: &str, value: Value) -> Object {
        self.until(server, at, |object| object.filter(|object| object.pointer(pointer) == Some(&value)).cloned()).await
    }

    /// Waits until the object is there.
    pub async fn there(&self, server: &ApiServer, at: At<'_>) -> Object {
        self.until(server, at, |object| object.cloned()).await
    }

    /// Waits until the object is not there.
    pub async fn gone(&self, server: &ApiServer, at: At<'_>) {
        self.until(server, at, |object| object.is_none().then_some(())).await;
    }

    /// Waits until a condition in the object's status has this status and reason; returns the condition.
    pub async fn condition(&self, server: &ApiServer, at: At<'_>, kind: &str, status: &str, reason: &str) -> Value {
        self.until(server, at, |object| {
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
        for server in std::iter::once(&self.control).chain(&self.members) {
            for (key, count) in server.write_counts() {
                if key.agent.starts_with("flotilla") {
                    *counts.entry(format!("{} {:?} {}", server.name(), key.verb, key.resource)).or_default() += count;
                }
            }
        }
        counts
    }

    async fn resource(&self, server: &ApiServer, gvk: &GroupVersionKind) -> Resource {
        let key = (server.name().to_owned(), gvk.clone());
        let known = self.resources.lock().expect("no test panics while it holds this").get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let resource = discover(server, gvk).await;
        self.resources.lock().expect("no test panics while it holds this").insert(key, resource.clone());
        resource
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

fn server(name: &str) -> ApiServer {
    let server = ApiServer::new(ServerOptions { name: name.to_owned(), ..ServerOptions::default() });
    lifecycle::start(&server);
    server
}

fn api(server: &ApiServer) -> ClusterApi {
    ClusterApi::new(server.client_as("kubectl"), Duration::from_secs(10))
}

async fn discover(server: &ApiServer, gvk: &GroupVersionKind) -> Resource {
    let started = Instant::now();
    loop {
        let resources: Result<_, ApiError> = api(server).discover().await;
        if let Some(resource) = Served::new(resources.expect("discovery answers")).resource(gvk) {
            return resource.clone();
        }
        assert!(started.elapsed() < PATIENCE, "{} does not serve {gvk}", server.name());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
