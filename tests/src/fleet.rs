//! A control plane, its members and the controllers, in this process: what an end-to-end test runs against.

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
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Longest wait for anything that is awaited.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fleet of simulated clusters with running controllers.
pub struct TestFleet {
    /// The control plane.
    pub control: ApiServer,
    /// The members, `member1` first.
    pub members: Vec<ApiServer>,
    /// The controllers; `None` while they are stopped.
    pub controllers: Option<Fleet>,
    _simulations: Vec<Simulation>,
}

impl TestFleet {
    /// Starts a fleet of this many members and waits until all are ready.
    pub async fn start(members: usize) -> Self {
        let control = server("control");
        let members: Vec<ApiServer> = (1..=members).map(|number| server(&format!("member{number}"))).collect();
        let simulations = members
            .iter()
            .map(|member| simulation::start(member.client_as("kubernetes"), MemberOptions { nodes: 2, ..MemberOptions::default() }))
            .collect();
        let mut fleet = Self { control, members, controllers: None, _simulations: simulations };
        for crd in flotilla_api::crd::crds() {
            fleet.apply(&Object(serde_json::to_value(crd).expect("a CRD prints"))).await;
        }
        for member in fleet.members.clone() {
            let cluster = json!({
                "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
                "metadata": {"name": member.name()}, "spec": {"syncMode": "Push"},
            });
            fleet.apply(&Object(cluster)).await;
        }
        fleet.start_controllers().await;
        for member in fleet.members.clone() {
            fleet
                .until(&fleet.control, "cluster.karmada.io/v1alpha1", "Cluster", None, member.name(), |cluster| {
                    let conditions = cluster?.at(&["status", "conditions"])?.as_array()?;
                    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True").then_some(())
                })
                .await;
        }
        fleet
    }

    /// Starts the controllers.
    pub async fn start_controllers(&mut self) {
        let clients = self.members.iter().map(|member| (member.name().to_owned(), member.client_as("flotilla"))).collect();
        let api = ClusterApi::new(self.control.client_as("flotilla"), Duration::from_secs(10));
        let connect = ConnectInProcess::new(clients, ConnectBySecret::new(api.clone()));
        let fleet = Fleet::start(api, Box::new(connect), Arc::new(chain().clone()), Options::default()).await;
        self.controllers = Some(fleet.expect("the default options are right"));
    }

    /// Stops the controllers at once, as a killed process would.
    pub fn kill_controllers(&mut self) {
        self.controllers = None;
    }

    /// The member of this number, from 1.
    pub fn member(&self, number: usize) -> &ApiServer {
        &self.members[number - 1]
    }

    /// Creates or replaces all objects of a YAML text in the control plane.
    pub async fn apply_yaml(&self, yaml: &str) {
        for document in serde_saphyr::from_multiple::<Value>(yaml).expect("test YAML").into_iter().filter(|document| !document.is_null()) {
            self.apply(&Object(document)).await;
        }
    }

    /// Creates an object in the control plane, or merges it into the one that is there.
    pub async fn apply(&self, object: &Object) {
        let resource = resource(&self.control, &object.gvk()).await;
        let api = api(&self.control, "kubectl");
        match api.create(&resource, object).await {
            Err(error) if error.is_already_exists() => {
                drop(api.patch(&resource, &ObjectKey::of(object), object).await.expect("the change is right"))
            }
            result => drop(result.unwrap_or_else(|error| panic!("{}: {error}", object.display()))),
        }
    }

    /// Reads an object.
    pub async fn get(&self, server: &ApiServer, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<Object> {
        let resource = resource(server, &GroupVersionKind::new(api_version, kind)).await;
        api(server, "kubectl").get(&resource, &ObjectKey::new(namespace, name)).await.expect("the server answers")
    }

    /// Merges a patch into an object.
    pub async fn patch(
        &self,
        server: &ApiServer,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        patch: Value,
    ) -> Object {
        let resource = resource(server, &GroupVersionKind::new(api_version, kind)).await;
        api(server, "kubectl").patch(&resource, &ObjectKey::new(namespace, name), &patch).await.expect("the patch is right")
    }

    /// Deletes an object.
    pub async fn delete(&self, server: &ApiServer, api_version: &str, kind: &str, namespace: Option<&str>, name: &str) {
        let resource = resource(server, &GroupVersionKind::new(api_version, kind)).await;
        api(server, "kubectl").delete(&resource, &ObjectKey::new(namespace, name), None).await.expect("the object can be deleted");
    }

    /// Waits until the object (or its absence, `None`) satisfies `found`, and returns what it found.
    pub async fn until<T>(
        &self,
        server: &ApiServer,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        found: impl Fn(Option<&Object>) -> Option<T>,
    ) -> T {
        let started = std::time::Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let object = self.get(server, api_version, kind, namespace, name).await;
            if let Some(found) = found(object.as_ref()) {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "{}: {kind} {name} did not become what was awaited, it is {object:#?}", server.name());
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Waits until the controllers have nothing to do and no server has been written to for a while; returns all writes so far.
    pub async fn settled(&self) -> BTreeMap<String, u64> {
        let mut last = self.writes();
        let mut quiet = 0;
        while quiet < 8 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.writes();
            let is_idle = self.controllers.as_ref().is_none_or(Fleet::is_idle);
            quiet = if now == last && is_idle { quiet + 1 } else { 0 };
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
}

/// The writes of `after` that `before` does not have.
pub fn new_writes(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let difference = after.iter().map(|(key, count)| (key.clone(), count - before.get(key).copied().unwrap_or(0)));
    difference.filter(|(_, count)| *count > 0).collect()
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

fn api(server: &ApiServer, agent: &str) -> ClusterApi {
    ClusterApi::new(server.client_as(agent), Duration::from_secs(10))
}

async fn resource(server: &ApiServer, gvk: &GroupVersionKind) -> Resource {
    let started = std::time::Instant::now();
    loop {
        let resources: Result<_, ApiError> = api(server, "kubectl").discover().await;
        if let Some(resource) = Served::new(resources.expect("discovery answers")).resource(gvk) {
            return resource.clone();
        }
        assert!(started.elapsed() < PATIENCE, "{} does not serve {gvk}", server.name());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
