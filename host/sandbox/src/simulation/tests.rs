//! A member on the in-memory API server, seen through a client: what a user would see after a while.

use super::*;
use crate::lifecycle;
use crate::server::{ApiServer, ServerOptions};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::wait::conditions::is_deleted;
use serde_json::{Value, json};

/// A member with a namespace `shop`.
struct Member {
    client: Client,
    _server: ApiServer,
    _simulation: Simulation,
}

impl Member {
    async fn start() -> Self {
        let server = ApiServer::new(ServerOptions { name: "m1".to_owned(), ..ServerOptions::default() });
        lifecycle::start(&server);
        let client = server.client_as("test");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap()).await.unwrap();
        let options = MemberOptions { node_prefix: "m1-".to_owned(), job_duration: Duration::ZERO, ..MemberOptions::default() };
        let simulation = start(server.client_as("simulation"), options);
        Self { client, _server: server, _simulation: simulation }
    }

    fn api<K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), "shop")
    }
}

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "nginx:1", resources: {requests: {cpu: 250m}}}]}
"#;

async fn until<K>(api: &Api<K>, name: &str, holds: impl Fn(&Value) -> bool) -> Value
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned + Send + 'static,
{
    let holds = |object: Option<&K>| object.is_some_and(|object| holds(&serde_json::to_value(object).unwrap()));
    let found = tokio::time::timeout(Duration::from_secs(20), await_condition(api.clone(), name, holds)).await;
    match found {
        Ok(object) => serde_json::to_value(object.unwrap()).unwrap(),
        Err(_) => panic!("never: {:#}", serde_json::to_value(api.get(name).await.unwrap()).unwrap()),
    }
}

#[tokio::test]
async fn a_deployment_becomes_available_scales_and_goes() {
    let member = Member::start().await;
    let deployments: Api<Deployment> = member.api();
    deployments.create(&PostParams::default(), &sample::yaml(WEB)).await.unwrap();
    let web = until(&deployments, "web", |web| web["status"]["conditions"][1]["reason"] == "NewReplicaSetAvailable").await;
    assert_eq!(web["status"]["availableReplicas"], 2);
    assert_eq!(web["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");

    let pods: Api<Pod> = member.api();
    let listed = pods.list(&ListParams::default().labels("app=web")).await.unwrap();
    let mut nodes: Vec<_> = listed.iter().map(|pod| pod.spec.as_ref().unwrap().node_name.clone().unwrap()).collect();
    nodes.sort();
    assert_eq!(nodes, ["m1-node1", "m1-node2"]);
    assert!(listed.iter().all(|pod| pod.status.as_ref().unwrap().pod_ip.is_some()));

    let scale = Patch::Merge(json!({"spec": {"replicas": 60}}));
    deployments.patch("web", &PatchParams::default(), &scale).await.unwrap();
    let web = until(&deployments, "web", |web| web["status"]["availableReplicas"] == 32 && web["status"]["replicas"] == 60).await;
    assert_eq!(web["status"]["unavailableReplicas"], 28);
    let scale = Patch::Merge(json!({"spec": {"replicas": 1}}));
    deployments.patch("web", &PatchParams::default(), &scale).await.unwrap();
    until(&deployments, "web", |web| web["status"]["replicas"] == 1 && web["status"]["terminatingReplicas"] == 0).await;
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 1);

    let image = Patch::Merge(json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "nginx:2"}]}}}}));
    deployments.patch("web", &PatchParams::default(), &image).await.unwrap();
    let is_rolled_out = |web: &Value| {
        let status = &web["status"];
        let revision = &web["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        revision == "2" && status["replicas"] == 1 && status["updatedReplicas"] == 1 && status["availableReplicas"] == 1
    };
    until(&deployments, "web", is_rolled_out).await;
    let pod = pods.list(&ListParams::default()).await.unwrap().items.remove(0);
    assert_eq!(pod.spec.unwrap().containers[0].image.as_deref(), Some("nginx:2"));

    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    await_condition(pods, pod.metadata.name.as_deref().unwrap(), is_deleted(pod.metadata.uid.as_deref().unwrap())).await.unwrap();
}
