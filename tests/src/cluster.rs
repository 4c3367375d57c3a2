//! One cluster of a fleet, whatever serves it: a sandbox of this process, or a real API server.

use crate::audit::AuditLog;
use crate::fleet::PATIENCE;
use crate::kubernetes;
use crate::traffic::record;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_controllers::cluster_api::{ClusterApi, Resource};
use flotilla_controllers::served::Served;
use flotilla_sandbox::counts::WriteKey;
use flotilla_sandbox::faults::{FaultState, Faults};
use flotilla_sandbox::kubeconfig::Context;
use flotilla_sandbox::server::ApiServer;
use kube::core::DynamicObject;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// What serves a cluster.
pub enum Server {
    /// An API server of this process.
    Sandbox(ApiServer),
    /// A kube-apiserver, and what was written to it since.
    Kubernetes(Box<kubernetes::Server>, Mutex<AuditLog>),
}

/// One cluster.
pub struct Cluster {
    access: Context,
    server: Server,
    faults: Arc<FaultState>,
    user: ClusterApi,
    resources: Mutex<HashMap<GroupVersionKind, Resource>>,
}

impl Cluster {
    /// A cluster that others reach by `access`.
    pub fn new(access: Context, server: Server) -> Self {
        let user = ClusterApi::new(client(&server, "kubectl"), DEADLINE);
        Self { access, server, faults: Arc::default(), user, resources: Mutex::default() }
    }

    /// `flotilla` for the control plane, `member1`, ….
    pub fn name(&self) -> &str {
        &self.access.name
    }

    /// Where it is served over HTTPS, and with which token.
    pub fn access(&self) -> &Context {
        &self.access
    }

    /// A client with all rights, whose writes are counted under this name.
    pub fn client(&self, agent: &str) -> kube::Client {
        client(&self.server, agent)
    }

    /// The API as a user of kubectl has it.
    pub fn user(&self) -> &ClusterApi {
        &self.user
    }

    /// Makes the cluster misbehave from now on, as the controllers see it.
    pub fn set_faults(&self, faults: Faults) {
        self.faults.set(faults);
    }

    /// The present faults, for the client that has to show them.
    pub fn faults(&self) -> Arc<FaultState> {
        self.faults.clone()
    }

    /// How often which writes were done, by whom.
    pub fn write_counts(&self) -> BTreeMap<WriteKey, u64> {
        match &self.server {
            Server::Sandbox(server) => server.write_counts(),
            Server::Kubernetes(_, log) => {
                log.lock().expect("no test panics while it holds this").counts().expect("the audit log can be read").clone()
            }
        }
    }

    /// Where a kind is served; waits until it is.
    pub async fn resource(&self, gvk: &GroupVersionKind) -> Resource {
        let known = self.resources.lock().expect("no test panics while it holds this").get(gvk).cloned();
        if let Some(known) = known {
            return known;
        }
        let resource = self.discover(gvk).await;
        self.resources.lock().expect("no test panics while it holds this").insert(gvk.clone(), resource.clone());
        resource
    }

    /// All objects of a kind, in a namespace or in all.
    pub async fn list(&self, resource: &Resource, namespace: Option<&str>) -> Vec<Object> {
        let (client, kind) = (self.user.client(), resource.to_kube());
        let list: kube::Api<DynamicObject> = match namespace {
            Some(namespace) => kube::Api::namespaced_with(client, namespace, &kind),
            None => kube::Api::all_with(client, &kind),
        };
        let list = list.list(&kube::api::ListParams::default()).await.expect("the server answers");
        list.items.into_iter().map(|item| Object(serde_json::to_value(item).expect("an object prints"))).collect()
    }

    /// What is served at this moment.
    pub async fn served(&self) -> Served {
        Served::new(self.user.discover().await.expect("discovery answers"))
    }

    async fn discover(&self, gvk: &GroupVersionKind) -> Resource {
        let started = Instant::now();
        loop {
            if let Some(resource) = self.served().await.resource(gvk) {
                return resource.clone();
            }
            assert!(started.elapsed() < PATIENCE, "{} does not serve {gvk}", self.name());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn client(server: &Server, agent: &str) -> kube::Client {
    let client = match server {
        Server::Sandbox(server) => server.client_as(agent),
        Server::Kubernetes(server, _) => server.client(agent),
    };
    record::recorded(client, agent)
}
