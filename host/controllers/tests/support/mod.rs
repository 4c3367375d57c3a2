//! A control plane and a member in this process, reached through clients that remember what passed through them.
#![allow(dead_code, reason = "each suite uses a part of it")]

use flotilla_api::object::Object;
use flotilla_controllers::Fleet;
use flotilla_controllers::cluster_api::{ClusterApi, ObjectKey, Resource};
use flotilla_controllers::context::Options;
use flotilla_controllers::members::{ConnectBySecret, ConnectInProcess};
use flotilla_controllers::watch::Own;
use flotilla_interpreter::{Chain, Runtime};
use flotilla_sandbox::lifecycle;
use flotilla_sandbox::server::{ApiServer, ServerOptions};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for anything that is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request that was answered with success: who, method, path, when.
#[derive(Debug, Clone)]
pub struct Seen {
    pub agent: String,
    pub method: http::Method,
    pub path: String,
    pub at: Instant,
}

/// What passed through its clients.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
    open: Arc<()>,
}

impl Recorder {
    /// A client of a server under a name.
    pub fn client(&self, server: &ApiServer, agent: &str) -> kube::Client {
        let (inner, recorder, agent) = (server.client_as(agent), self.clone(), agent.to_owned());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (inner, recorder, agent) = (inner.clone(), recorder.clone(), agent.clone());
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            async move {
                let response = inner.send(request).await.map_err(std::io::Error::other)?;
                if response.status().is_success() {
                    let seen = Seen { agent, method, path, at: Instant::now() };
                    recorder.seen.lock().expect("no test panics while it holds this").push(seen);
                }
                let open = recorder.open.clone();
                Ok::<_, std::io::Error>(response.map(|body| {
                    body.map_frame(move |frame| {
                        let _ = &open;
                        frame
                    })
                }))
            }
        });
        kube::Client::new(service, "default")
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics while it holds this").clone()
    }

    /// All writes so far, those of Leases excepted.
    pub fn writes(&self) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.method != http::Method::GET && !seen.path.contains("/leases"));
        seen
    }

    /// Answers that are still being read: watches.
    pub fn open_answers(&self) -> usize {
        Arc::strong_count(&self.open) - 1 - self.clients()
    }

    fn clients(&self) -> usize {
        Arc::strong_count(&self.seen) - 1
    }
}

/// Waits until something holds; at least a second of its time goes by between two looks only when nothing else happens.
pub async fn until<T>(what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A server with its own controllers.
pub fn server(name: &str) -> ApiServer {
    let server = ApiServer::new(ServerOptions { name: name.to_owned(), ..ServerOptions::default() });
    lifecycle::start(&server);
    server
}

/// The API of a server as a user has it.
pub fn user(server: &ApiServer) -> ClusterApi {
    ClusterApi::new(server.client_as("kubectl"), Duration::from_secs(10))
}

/// A served resource by group, version, kind and plural.
pub fn resource(api_version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    Resource { group: group.into(), version: version.into(), kind: kind.into(), plural: plural.into(), namespaced, has_status: true }
}

/// Deployments.
pub fn deployments() -> Resource {
    resource("apps/v1", "Deployment", "deployments", true)
}

/// Where the Deployment of [`Pair::apply_web`] is.
pub fn web() -> ObjectKey {
    ObjectKey::new(Some("default"), "web")
}

/// A control plane and one member, `member1`, which is registered.
pub struct Pair {
    pub control: ApiServer,
    pub member: ApiServer,
}

impl Pair {
    /// Starts both, with our kinds in the control plane.
    pub async fn start() -> Self {
        let pair = Self { control: server("control"), member: server("member1") };
        let definitions = resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", false);
        for crd in flotilla_api::crd::crds() {
            pair.create(&definitions, serde_json::to_value(crd).expect("a CRD prints")).await;
        }
        let cluster = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": "member1"}, "spec": {"syncMode": "Push"},
        });
        pair.create(&Own::Cluster.resource(), cluster).await;
        pair
    }

    /// Creates an object in the control plane as soon as its kind is served.
    pub async fn create(&self, resource: &Resource, object: Value) {
        until(&format!("{object} is created"), async || user(&self.control).create(resource, &Object(object.clone())).await.ok()).await;
    }

    /// A Deployment, and a policy that sends it to all members.
    pub async fn apply_web(&self) {
        let policy = json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "all", "namespace": "default"},
            "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}], "placement": {}},
        });
        self.create(&Own::PropagationPolicy.resource(), policy).await;
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "nginx:1"}]}},
            },
        });
        self.create(&deployments(), deployment).await;
    }

    /// The API of the control plane as controllers of this name have it.
    pub fn api(&self, recorder: &Recorder, agent: &str) -> ClusterApi {
        ClusterApi::new(recorder.client(&self.control, agent), Duration::from_secs(10))
    }

    /// Starts controllers under a name, without plugins.
    pub async fn start_controllers(&self, recorder: &Recorder, control: ClusterApi, agent: &str, options: Options) -> Fleet {
        let clients = [("member1".to_owned(), recorder.client(&self.member, agent))].into();
        let connect = ConnectInProcess::new(clients, ConnectBySecret::new(control.clone()));
        let chain = Chain::new(Arc::new(Runtime::new().expect("the runtime starts")), Vec::new());
        Fleet::start(control, Box::new(connect), Arc::new(chain), options).await.expect("the options are right")
    }

    /// Waits until the Deployment is in the member with this image.
    pub async fn member_has(&self, image: &str) {
        let is_there = async || {
            let found = user(&self.member).get(&deployments(), &web()).await.ok()??;
            (found.pointer("/spec/template/spec/containers/0/image")? == image).then_some(())
        };
        until(&format!("{image} runs in the member"), is_there).await;
    }

    /// Gives the template another image.
    pub async fn set_image(&self, image: &str) {
        let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}});
        user(&self.control).patch(&deployments(), &web(), &patch).await.expect("the patch is right");
    }
}
