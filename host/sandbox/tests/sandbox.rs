//! A whole sandbox from outside: HTTPS, the kubeconfig, real kubectl, definitions copied to members.

use flotilla_sandbox::faults::Faults;
use flotilla_sandbox::sandbox::{Sandbox, SandboxOptions, members};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::await_condition;
use kube::{Client, Config};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

async fn sandbox() -> Sandbox {
    let kubeconfig = std::env::temp_dir().join(format!("sandbox-{}", uuid::Uuid::new_v4()));
    let options = SandboxOptions { members: members(2), kubeconfig: Some(kubeconfig), ..SandboxOptions::default() };
    Sandbox::start(options).await.unwrap()
}

async fn config(sandbox: &Sandbox, context: &str) -> Config {
    let file = Kubeconfig::read_from(sandbox.kubeconfig().unwrap()).unwrap();
    let options = KubeConfigOptions { context: Some(context.into()), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(file, &options).await.unwrap()
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.expect("this happens at once")
}

#[tokio::test]
async fn every_cluster_answers_over_https_to_those_who_have_its_token() {
    let sandbox = sandbox().await;
    for context in ["flotilla", "member1", "member2"] {
        let mut config = config(&sandbox, context).await;
        let client = Client::try_from(config.clone()).unwrap();
        assert_eq!(Api::<Namespace>::all(client).list(&ListParams::default()).await.unwrap().items.len(), 4);
        config.auth_info.token = Some("wrong".to_owned().into());
        let refused = Api::<Namespace>::all(Client::try_from(config).unwrap()).list(&ListParams::default()).await.unwrap_err();
        assert!(matches!(refused, kube::Error::Api(status) if status.code == 401 && status.reason == "Unauthorized"));
    }
    let path = sandbox.kubeconfig().unwrap().clone();
    within(sandbox.shutdown()).await;
    assert!(!path.exists(), "the kubeconfig goes with the clusters it names");
}

#[tokio::test]
async fn an_unreachable_cluster_breaks_connections() {
    let sandbox = sandbox().await;
    let client = Client::try_from(config(&sandbox, "member1").await).unwrap();
    let nodes: Api<Node> = Api::all(client);
    within(await_condition(nodes.clone(), "m1-node1", |node: Option<&Node>| node.is_some())).await.unwrap();
    sandbox.member("member1").unwrap().api.set_faults(Faults { unreachable: true, ..Faults::default() });
    assert!(!matches!(nodes.list(&ListParams::default()).await.unwrap_err(), kube::Error::Api(_)));
    sandbox.member("member1").unwrap().api.set_faults(Faults::default());
    assert!(nodes.list(&ListParams::default()).await.is_ok());
}

#[tokio::test]
async fn faults_are_switched_with_a_config_map_of_the_control_plane() {
    let options = SandboxOptions { members: members(2), listen: false, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let switches: Api<ConfigMap> = Api::namespaced(sandbox.control().api.client(), "kube-system");
    let nodes = |member: &str| Api::<Node>::all(sandbox.member(member).unwrap().api.client());
    let switch = async |line: Option<&str>| {
        let patch = Patch::Merge(json!({"data": {"member1": line}}));
        switches.patch("flotilla-sandbox-faults", &PatchParams::default(), &patch).await.unwrap();
    };
    let refused = async || match nodes("member1").list(&ListParams::default()).await {
        Err(kube::Error::Api(status)) => Some((status.code, status.reason.clone())),
        Err(_) => Some((0, String::new())),
        Ok(_) => None,
    };
    let until = async |wanted: Option<(u16, &str)>| {
        while refused().await != wanted.map(|(code, reason)| (code, reason.to_owned())) {
            tokio::task::yield_now().await;
        }
    };
    switch(Some("throttled=2s")).await;
    within(until(Some((429, "TooManyRequests")))).await;
    assert!(nodes("member2").list(&ListParams::default()).await.is_ok(), "a line is about one member");
    switch(Some("errors=1")).await;
    within(until(Some((500, "InternalError")))).await;
    switch(Some("no such fault")).await;
    switch(Some("unreachable, latency=1ms")).await;
    within(until(Some((0, "")))).await;
    switch(None).await;
    within(until(None)).await;
}

fn definition(group: &str) -> CustomResourceDefinition {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}});
    let definition = json!({"metadata": {"name": format!("boats.{group}"), "labels": {"a": "b"}}, "spec": {"group": group, "scope": "Cluster",
        "names": {"plural": "boats", "kind": "Boat"}, "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]}});
    serde_json::from_value(definition).unwrap()
}

#[tokio::test]
async fn definitions_reach_the_members_except_karmadas_own() {
    let options = SandboxOptions { members: members(2), listen: false, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    let control: Api<CustomResourceDefinition> = Api::all(sandbox.control().api.client());
    for group in ["policy.karmada.io", "sea.io"] {
        control.create(&PostParams::default(), &definition(group)).await.unwrap();
    }
    for member in sandbox.members() {
        let theirs: Api<CustomResourceDefinition> = Api::all(member.api.client());
        within(await_condition(theirs.clone(), "boats.sea.io", kube::runtime::conditions::is_crd_established())).await.unwrap();
        assert!(theirs.get_opt("boats.policy.karmada.io").await.unwrap().is_none());
    }
    control.delete("boats.sea.io", &DeleteParams::default()).await.unwrap();
    let theirs: Api<CustomResourceDefinition> = Api::all(sandbox.member("member2").unwrap().api.client());
    within(await_condition(theirs, "boats.sea.io", |found: Option<&CustomResourceDefinition>| found.is_none())).await.unwrap();
}

/// What kubectl prints, both streams; `None` where there is no kubectl.
async fn kubectl(kubeconfig: PathBuf, words: &'static str) -> Option<String> {
    let run = move || {
        let cache = std::env::temp_dir().join("sandbox-kubectl-cache");
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(kubeconfig).arg("--cache-dir").arg(cache).args(words.split(' '));
        command.output().ok().map(|output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_needs_no_flags() {
    let sandbox = sandbox().await;
    let path = sandbox.kubeconfig().unwrap().clone();
    let Some(created) = kubectl(path.clone(), "create configmap a --from-literal=x=y").await else {
        eprintln!("kubectl is not in PATH: nothing was checked");
        return;
    };
    // kubectl sends protobuf here.
    assert_eq!(created, "configmap/a created\n");
    let printed = kubectl(path.clone(), "get configmap a -o json").await.unwrap();
    let object: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(object["data"], json!({"x": "y"}));
    assert_eq!(
        kubectl(path.clone(), "create deployment web --image=nginx --context member1").await.unwrap(),
        "deployment.apps/web created\n"
    );
    let waited = "wait deployment/web --for=condition=Available --timeout=20s --context member1";
    assert_eq!(kubectl(path.clone(), waited).await.unwrap(), "deployment.apps/web condition met\n");
    assert_eq!(kubectl(path.clone(), "auth can-i delete pods").await.unwrap(), "yes\n");
    assert_eq!(kubectl(path, "get nopes").await.unwrap(), "error: the server doesn't have a resource type \"nopes\"\n");
    within(sandbox.shutdown()).await;
}
