//! A member on the in-memory API server, seen through a client: what a user would see after a while.

use super::*;
use crate::faults::Faults;
use crate::lifecycle;
use crate::server::{ApiServer, ServerOptions};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::wait::conditions::is_deleted;
use serde_json::{Value, json};

/// A member with a namespace `shop`.
struct Member {
    client: Client,
    server: ApiServer,
    simulation: Simulation,
}

impl Member {
    async fn start() -> Self {
        Self::start_with(MemberOptions::default()).await
    }

    async fn start_with(options: MemberOptions) -> Self {
        let server = ApiServer::new(ServerOptions { name: "m1".to_owned(), ..ServerOptions::default() });
        lifecycle::start(&server);
        let client = server.client_as("test");
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap()).await.unwrap();
        let options = MemberOptions { node_prefix: "m1-".to_owned(), job_duration: Duration::ZERO, ..options };
        let simulation = start(server.client_as("simulation"), options);
        Self { client, server, simulation }
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

    let services: Api<Service> = member.api();
    let svc = "{apiVersion: v1, kind: Service, metadata: {name: svc}, spec: {selector: {app: web}, ports: [{port: 80}]}}";
    services.create(&PostParams::default(), &sample::yaml(svc)).await.unwrap();
    let slices: Api<EndpointSlice> = member.api();
    let mut seen = kube::runtime::watcher(slices, kube::runtime::watcher::Config::default()).boxed();
    let slice = loop {
        let event = tokio::time::timeout(Duration::from_secs(20), seen.next()).await.unwrap().unwrap().unwrap();
        if let kube::runtime::watcher::Event::Apply(slice) | kube::runtime::watcher::Event::InitApply(slice) = event {
            break slice;
        }
    };
    let target = slice.endpoints[0].target_ref.as_ref().unwrap();
    assert_eq!((slice.endpoints.len(), &target.name), (1, &pod.metadata.name));

    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    await_condition(pods, pod.metadata.name.as_deref().unwrap(), is_deleted(pod.metadata.uid.as_deref().unwrap())).await.unwrap();
}

const DB: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: "postgres:17"}]}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
"#;

#[tokio::test]
async fn a_stateful_set_has_ordered_pods_with_volumes() {
    let member = Member::start().await;
    let sets: Api<StatefulSet> = member.api();
    sets.create(&PostParams::default(), &sample::yaml(DB)).await.unwrap();
    let is_ready = |db: &Value| db["status"]["availableReplicas"] == 2 && db["status"]["currentReplicas"] == 2;
    let db = until(&sets, "db", is_ready).await;
    assert_eq!(db["status"]["currentRevision"], db["status"]["updateRevision"]);
    let pods: Api<Pod> = member.api();
    let first = pods.get("db-0").await.unwrap();
    pods.delete("db-0", &DeleteParams::default()).await.unwrap();
    await_condition(pods.clone(), "db-0", is_deleted(first.metadata.uid.as_deref().unwrap())).await.unwrap();
    until(&pods, "db-0", |pod| pod["status"]["phase"] == "Running").await;

    let claims: Api<PersistentVolumeClaim> = member.api();
    let claim = until(&claims, "data-db-1", |claim| claim["status"]["phase"] == "Bound").await;
    let volume = claim["spec"]["volumeName"].as_str().unwrap();
    let volumes: Api<PersistentVolume> = Api::all(member.client.clone());
    until(&volumes, volume, |volume| volume["status"]["phase"] == "Bound").await;
    // A claim stays for as long as a pod has it.
    sets.delete("db", &DeleteParams::default()).await.unwrap();
    claims.delete("data-db-1", &DeleteParams::default()).await.unwrap();
    let gone = |volume: Option<&PersistentVolume>| volume.is_none();
    tokio::time::timeout(Duration::from_secs(20), await_condition(volumes, volume, gone)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_job_completes_and_leaves_its_pod() {
    let member = Member::start().await;
    let jobs: Api<Job> = member.api();
    let job = sample::yaml(
        "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: \
         {restartPolicy: Never, containers: [{name: j, image: busybox}]}}}}",
    );
    jobs.create(&PostParams::default(), &job).await.unwrap();
    let j = until(&jobs, "j", |j| j["status"]["completionTime"].is_string()).await;
    let status = &j["status"];
    assert_eq!((&status["succeeded"], &status["ready"], &status["terminating"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!(status["uncountedTerminatedPods"], json!({}));
    let pods: Api<Pod> = member.api();
    let pod = pods.list(&ListParams::default()).await.unwrap().items.remove(0);
    assert_eq!(pod.status.unwrap().phase.as_deref(), Some("Succeeded"));
    assert!(pod.metadata.finalizers.is_none());
    jobs.delete("j", &DeleteParams::background()).await.unwrap();
    let name = pod.metadata.name.unwrap();
    tokio::time::timeout(Duration::from_secs(20), await_condition(pods, &name, is_deleted(&pod.metadata.uid.unwrap())))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_daemon_set_runs_on_every_node() {
    let member = Member::start().await;
    let sets: Api<DaemonSet> = member.api();
    let agent = sample::yaml(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent}, spec: {selector: {matchLabels: {app: agent}}, \
         template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: main, image: a}]}}}}",
    );
    sets.create(&PostParams::default(), &agent).await.unwrap();
    let agent = until(&sets, "agent", |agent| agent["status"]["numberAvailable"] == 2).await;
    assert_eq!(agent["status"]["updatedNumberScheduled"], 2);
}

/// A definition of CloneSets that takes any fields.
const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: clonesets.apps.kruise.io}
spec:
  group: apps.kruise.io
  scope: Namespaced
  names: {kind: CloneSet, listKind: CloneSetList, plural: clonesets, singular: cloneset}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"#;

#[tokio::test]
async fn a_clone_set_runs_once_it_is_defined() {
    let member = Member::start().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(member.client.clone());
    definitions.create(&PostParams::default(), &sample::yaml(DEFINITION)).await.unwrap();
    let established = |definition: &Value| {
        let conditions = definition["status"]["conditions"].as_array();
        conditions.is_some_and(|conditions| conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True"))
    };
    until(&definitions, "clonesets.apps.kruise.io", established).await;
    let kind = kube::core::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("apps.kruise.io", "v1alpha1", "CloneSet"));
    let sets: Api<kube::core::DynamicObject> = Api::namespaced_with(member.client.clone(), "shop", &kind);
    let sample = sample::yaml(
        "{apiVersion: apps.kruise.io/v1alpha1, kind: CloneSet, metadata: {name: c}, spec: {replicas: 3, \
         selector: {matchLabels: {app: c}}, template: {metadata: {labels: {app: c}}, spec: {containers: [{name: main, image: a}]}}}}",
    );
    sets.create(&PostParams::default(), &sample).await.unwrap();
    let available = |set: Option<&kube::core::DynamicObject>| set.is_some_and(|set| set.data["status"]["updatedAvailableReplicas"] == 3);
    tokio::time::timeout(Duration::from_secs(20), await_condition(sets, "c", available)).await.unwrap().unwrap();
}

#[tokio::test]
async fn events_tell_what_happened() {
    let member = Member::start().await;
    let deployments: Api<Deployment> = member.api();
    deployments.create(&PostParams::default(), &sample::yaml(WEB)).await.unwrap();
    until(&deployments, "web", |web| web["status"]["availableReplicas"] == 2).await;
    let events: Api<Event> = member.api();
    let mut seen = kube::runtime::watcher(events, kube::runtime::watcher::Config::default()).boxed();
    let mut said = BTreeSet::new();
    while said.len() < 3 {
        let event = tokio::time::timeout(Duration::from_secs(20), seen.next()).await.unwrap().unwrap().unwrap();
        if let kube::runtime::watcher::Event::Apply(event) | kube::runtime::watcher::Event::InitApply(event) = event {
            said.insert(format!("{} {}", event.reporting_component.unwrap(), event.reason.unwrap()));
        }
    }
    let expected = ["default-scheduler Scheduled", "deployment-controller ScalingReplicaSet", "replicaset-controller SuccessfulCreate"];
    assert_eq!(said.iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn many_deployments_settle() {
    let member = Member::start_with(MemberOptions { pods_per_node: 1000, cpu: "1000".to_owned(), ..MemberOptions::default() }).await;
    let deployments: Api<Deployment> = member.api();
    for number in 0..10 {
        let mut web: Deployment = sample::yaml(WEB);
        web.metadata.name = Some(format!("web-{number}"));
        web.spec.as_mut().unwrap().replicas = Some(5);
        deployments.create(&PostParams::default(), &web).await.unwrap();
    }
    for number in 0..10 {
        until(&deployments, &format!("web-{number}"), |web| web["status"]["availableReplicas"] == 5).await;
    }
}

#[tokio::test]
async fn a_member_settles_although_every_third_request_fails() {
    let member = Member::start().await;
    let deployments: Api<Deployment> = member.api();
    deployments.create(&PostParams::default(), &sample::yaml(WEB)).await.unwrap();
    member.server.set_faults(Faults { error_rate: 0.3, ..Faults::default() });
    let settled = async {
        loop {
            let web = deployments.get("web").await.ok().and_then(|web| web.status);
            if web.is_some_and(|status| status.available_replicas == Some(2)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.unwrap();
    member.server.set_faults(Faults::default());
    let pods: Api<Pod> = member.api();
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_simulation_that_starts_anew_writes_nothing_about_what_is_settled() {
    let Member { client, server, simulation } = Member::start().await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    deployments.create(&PostParams::default(), &sample::yaml(WEB)).await.unwrap();
    until(&deployments, "web", |web| web["status"]["conditions"][1]["reason"] == "NewReplicaSetAvailable").await;
    simulation.shutdown().await;
    let writes = |server: &ApiServer| {
        let counts = server.write_counts().into_iter();
        counts
            .filter(|(key, _)| key.resource.contains("sets") || key.resource.contains("deployments") || key.resource == "nodes")
            .collect::<Vec<_>>()
    };
    let before = writes(&server);
    let _again = start(server.client_as("simulation"), MemberOptions { node_prefix: "m1-".to_owned(), ..MemberOptions::default() });
    let pods: Api<Pod> = Api::namespaced(client, "shop");
    let alone = "{apiVersion: v1, kind: Pod, metadata: {name: alone}, spec: {containers: [{name: main, image: a}]}}";
    pods.create(&PostParams::default(), &sample::yaml(alone)).await.unwrap();
    until(&pods, "alone", |pod| pod["status"]["phase"] == "Running").await;
    assert_eq!(writes(&server), before);
}
