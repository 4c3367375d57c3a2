//! One cluster of a fleet, whatever serves it: a sandbox of this process, or a real API server.

use crate::audit::AuditLog;
use crate::counting::{Between, Lies};
use crate::fleet::PATIENCE;
use crate::kubernetes;
use crate::traffic::record;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_controllers::cluster_api::{ClusterApi, FIELD_MANAGER, Resource};
use flotilla_controllers::served::Served;
use flotilla_sandbox::counts::WriteKey;
use flotilla_sandbox::faults::Faults;
use flotilla_sandbox::kubeconfig::Context;
use flotilla_sandbox::server::ApiServer;
use kube::core::DynamicObject;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
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
    account: Context,
    server: Server,
    between: Between,
    user: ClusterApi,
    resources: Mutex<HashMap<GroupVersionKind, Resource>>,
}

impl Cluster {
    /// A cluster that users reach by `access`, and the controllers by `account`.
    pub fn new(access: Context, account: Context, server: Server) -> Self {
        let user = ClusterApi::new(client(&server, "kubectl", &access.token), DEADLINE);
        Self { access, account, server, between: Between::default(), user, resources: Mutex::default() }
    }

    /// `flotilla` for the control plane, `member1`, ….
    pub fn name(&self) -> &str {
        &self.access.name
    }

    /// Where it is served over HTTPS, and with which token of somebody who may do everything.
    pub fn access(&self) -> &Context {
        &self.access
    }

    /// The same with the token of the controllers.
    pub fn account(&self) -> &Context {
        &self.account
    }

    /// A client with all rights, whose writes are counted under this name.
    pub fn client(&self, agent: &str) -> kube::Client {
        client(&self.server, agent, &self.access.token)
    }

    /// The client of the controllers, with their rights.
    pub fn controllers_client(&self) -> kube::Client {
        client(&self.server, FIELD_MANAGER, &self.account.token)
    }

    /// The API as a user of kubectl has it.
    pub fn user(&self) -> &ClusterApi {
        &self.user
    }

    /// Makes the cluster misbehave from now on, as the controllers see it.
    pub fn set_faults(&self, faults: Faults) {
        self.between.faults.set(faults);
    }

    /// Where the cluster does not say the truth, as the controllers see it.
    pub fn lies(&self) -> &Lies {
        &self.between.lies
    }

    /// What the client of the controllers has to show.
    pub fn between(&self) -> Between {
        self.between.clone()
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

    /// What the controllers were refused for want of a right.
    pub fn forbidden(&self) -> Vec<String> {
        match &self.server {
            // It refuses nobody.
            Server::Sandbox(_) => Vec::new(),
            Server::Kubernetes(_, log) => {
                let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                log.forbidden(FIELD_MANAGER).expect("the audit log can be read").to_vec()
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

fn client(server: &Server, agent: &str, token: &str) -> kube::Client {
    let client = match server {
        Server::Sandbox(server) => server.client_as(agent),
        Server::Kubernetes(server, _) => server.client_of(token, agent),
    };
    record::recorded(client, agent)
}
