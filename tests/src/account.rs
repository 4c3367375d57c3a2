//! The accounts under which the controllers work on real servers: their rights are those of an installation and of `flotilla join`,
//! no more.

use crate::kubernetes::Server;
use flotilla_api::labels;
use flotilla_api::names::{CLUSTER_NAMESPACE, service_account_name};
use flotilla_api::object::Object;
use flotilla_controllers::cluster_api::ClusterApi;
use flotilla_controllers::plugins::PLUGIN_NAMESPACE;
use flotilla_controllers::served::Served;
use flotilla_core::join;
use flotilla_sandbox::kubeconfig::Context;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use serde_json::{Value, json};
use std::time::Duration;

/// What an installation consists of.
const MANIFEST: &str = include_str!("../../deploy/manifests/flotilla.yaml");
/// What of it says who may do what.
const RIGHTS: [&str; 6] = ["Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];

/// The kinds that suites propagate, by group. Under the chart's own default, all kinds, nothing else that is read would show to be allowed.
const TEMPLATES: [(&str, &[&str]); 4] = [
    // Pods: what a ClusterRole of the suites grants. Nobody may touch a role that grants what they do not hold.
    ("", &["configmaps", "pods"]),
    ("apps", &["deployments", "statefulsets"]),
    ("example.io", &["gadgets"]),
    ("rbac.authorization.k8s.io", &["clusterroles"]),
];

/// Makes the account of the controllers in a control plane; returns the way in.
pub async fn of_controllers(control: &Server) -> Context {
    let mut system = join::namespace(PLUGIN_NAMESPACE);
    system.set_label(labels::SYSTEM, labels::SYSTEM_VALUE.to_owned());
    let mut objects = vec![system];
    let documents: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).expect("the manifest is YAML");
    objects.extend(documents.into_iter().map(Object).filter(|object| RIGHTS.contains(&object.kind())));
    objects.iter_mut().for_each(narrow);
    create(control, objects).await;
    with_token(control, PLUGIN_NAMESPACE, "flotilla-controllers").await
}

/// Puts the kinds of the suites in place of all kinds, as the chart does for `rbac.templates` that name kinds.
fn narrow(object: &mut Object) {
    let Some(rules) = object.get_mut("rules").and_then(Value::as_array_mut) else { return };
    let Some(all) = rules.iter().position(|rule| rule["resources"] == json!(["*"])) else { return };
    let verbs = rules.remove(all)["verbs"].take();
    for (group, plurals) in TEMPLATES {
        rules.push(json!({"apiGroups": [group], "resources": plurals, "verbs": verbs}));
        let statuses: Vec<String> = plurals.iter().map(|plural| format!("{plural}/status")).collect();
        rules.push(json!({"apiGroups": [group], "resources": statuses, "verbs": ["patch"]}));
    }
}

/// Makes the account of the control plane in a member; returns the way in.
pub async fn of_member(member: &Server) -> Context {
    let mut objects = join::in_member(member.name(), CLUSTER_NAMESPACE);
    // Whose token comes from elsewhere.
    objects.retain(|object| object.kind() != "Secret");
    create(member, objects).await;
    with_token(member, CLUSTER_NAMESPACE, &service_account_name(member.name())).await
}

async fn create(server: &Server, objects: Vec<Object>) {
    let api = ClusterApi::new(server.client("kubectl"), Duration::from_secs(10));
    let served = Served::new(api.discover().await.expect("discovery answers"));
    for object in objects {
        let resource = served.resource(&object.gvk()).unwrap_or_else(|| panic!("{} is not served", object.gvk()));
        api.create(resource, &object).await.unwrap_or_else(|error| panic!("{}: {error}", object.display()));
    }
}

async fn with_token(server: &Server, namespace: &str, account: &str) -> Context {
    let accounts: kube::Api<ServiceAccount> = kube::Api::namespaced(server.client("kubectl"), namespace);
    let request = accounts.create_token_request(account, &PostParams::default(), &TokenRequest::default()).await;
    let status = request.expect("the account is there").status.expect("a token that was asked for");
    Context { token: status.token, ..server.access().clone() }
}
