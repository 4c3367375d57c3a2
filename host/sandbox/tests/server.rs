//! An API server as `kube::Client` sees it: objects, lists, watches, conflicts, deletion, definitions.

use flotilla_sandbox::lifecycle;
use flotilla_sandbox::request::Verb;
use flotilla_sandbox::server::{ApiServer, ServerOptions};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, PropagationPolicy, WatchEvent, WatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::Condition as _;
use kube::runtime::watcher;
use serde_json::json;
use std::time::Duration;

fn server() -> ApiServer {
    let server = ApiServer::new(ServerOptions::default());
    lifecycle::start(&server);
    server
}

fn from<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn config(name: &str) -> ConfigMap {
    from(json!({"metadata": {"name": name, "labels": {"app": name}}, "data": {"a": "b"}}))
}

fn configs(server: &ApiServer) -> Api<ConfigMap> {
    Api::namespaced(server.client(), "default")
}

/// Waits until a watch that starts with what is there sees something.
async fn until<T>(api: &Api<T>, name: &str, wanted: impl Fn(Option<&T>) -> bool)
where
    T: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let seen = kube::runtime::wait::await_condition(api.clone(), name, move |object: Option<&T>| wanted(object));
    tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap_or_else(|_| panic!("{name} did not become what was awaited")).unwrap();
}

#[tokio::test]
async fn objects_are_created_read_replaced_and_deleted() {
    let server = server();
    let api = configs(&server);
    let created = api.create(&PostParams::default(), &config("a")).await.unwrap();
    let metadata = &created.metadata;
    assert!(metadata.uid.is_some() && metadata.creation_timestamp.is_some() && metadata.resource_version.is_some());
    let again = api.create(&PostParams::default(), &config("a")).await.unwrap_err();
    assert!(matches!(again, kube::Error::Api(status) if status.is_already_exists() && status.message == "configmaps \"a\" already exists"));

    let mut newer = created.clone();
    newer.data = from(json!({"a": "c"}));
    let newer = api.replace("a", &PostParams::default(), &newer).await.unwrap();
    assert_ne!(newer.metadata.resource_version, created.metadata.resource_version);
    let conflict = api.replace("a", &PostParams::default(), &created).await.unwrap_err();
    assert!(conflict.to_string().contains("the object has been modified; please apply your changes to the latest version and try again"));

    api.delete("a", &DeleteParams::default()).await.unwrap();
    let missing = api.get("a").await.unwrap_err();
    assert!(matches!(missing, kube::Error::Api(status) if status.code == 404 && status.message == "configmaps \"a\" not found"));
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_not_stored() {
    let server = server();
    let api = configs(&server);
    let created = api.create(&PostParams::default(), &config("a")).await.unwrap();
    let patch = Patch::Merge(json!({"data": {"a": "b"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.metadata.resource_version, created.metadata.resource_version);
}

#[tokio::test]
async fn lists_come_in_pages_of_one_revision() {
    let server = server();
    let api = configs(&server);
    for name in ["a", "b", "c"] {
        api.create(&PostParams::default(), &config(name)).await.unwrap();
    }
    let params = ListParams::default().limit(2);
    let first = api.list(&params).await.unwrap();
    api.delete("c", &DeleteParams::default()).await.unwrap();
    let rest = api.list(&params.clone().continue_token(first.metadata.continue_.as_ref().unwrap())).await.unwrap();
    let names: Vec<_> = first.items.iter().chain(&rest.items).filter_map(|one| one.metadata.name.clone()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(first.metadata.resource_version, rest.metadata.resource_version);
    assert_eq!(first.metadata.remaining_item_count, Some(1));
    let selected = api.list(&ListParams::default().labels("app in (a,x)")).await.unwrap();
    assert_eq!(selected.items.len(), 1);
    let named = api.list(&ListParams::default().fields("metadata.name=b")).await.unwrap();
    assert_eq!(named.items.len(), 1);
    let refusal = api.list(&ListParams::default().fields("data.a=b")).await.unwrap_err().to_string();
    assert!(refusal.contains("\"data.a\" is not a known field selector"), "{refusal}");
}

#[tokio::test]
async fn a_watch_sees_objects_enter_and_leave_its_selection() {
    let server = server();
    let api = configs(&server);
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    api.create(&PostParams::default(), &config("a")).await.unwrap();
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"a": "2"}}))).await.unwrap();
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": {"app": "other"}}}))).await.unwrap();
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": {"app": "a"}}}))).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let events: Vec<_> = api.watch(&WatchParams::default().labels("app=a"), &start).await.unwrap().take(5).try_collect().await.unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| match event {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["added", "modified", "deleted", "added", "deleted"]);
}

#[tokio::test]
async fn a_streaming_list_ends_with_a_bookmark() {
    let server = server();
    let api = configs(&server);
    api.create(&PostParams::default(), &config("a")).await.unwrap();
    let mut stream = watcher(api.clone(), watcher::Config::default().streaming_lists()).boxed();
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(watcher::Event::InitDone)) {
        seen.push(stream.try_next().await.unwrap().unwrap());
    }
    assert!(matches!(&seen[..], [watcher::Event::Init, watcher::Event::InitApply(_), watcher::Event::InitDone]), "{seen:?}");
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(matches!(stream.try_next().await.unwrap().unwrap(), watcher::Event::Delete(_)));
}

#[tokio::test]
async fn finalizers_hold_an_object() {
    let server = server();
    let api = configs(&server);
    let mut held = config("a");
    held.metadata.finalizers = Some(vec!["flotilla.io/test".into()]);
    api.create(&PostParams::default(), &held).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(api.get("a").await.unwrap().metadata.deletion_timestamp.is_some());
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.unwrap();
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn dependents_go_with_their_owner_or_stay() {
    let server = server();
    let api = configs(&server);
    for (policy, owner, stays) in
        [(PropagationPolicy::Background, "b", false), (PropagationPolicy::Foreground, "f", false), (PropagationPolicy::Orphan, "o", true)]
    {
        let uid = api.create(&PostParams::default(), &config(owner)).await.unwrap().metadata.uid.unwrap();
        let mut dependent = config(&format!("{owner}-dependent"));
        dependent.metadata.owner_references =
            from(json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": true}]));
        api.create(&PostParams::default(), &dependent).await.unwrap();
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        api.delete(owner, &params).await.unwrap();
        until(&api, owner, |object| object.is_none()).await;
        if stays {
            until(&api, &format!("{owner}-dependent"), |object| object.is_some_and(|object| object.metadata.owner_references.is_none()))
                .await;
        } else {
            until(&api, &format!("{owner}-dependent"), |object| object.is_none()).await;
        }
    }
}

#[tokio::test]
async fn a_namespace_goes_with_its_content() {
    let server = server();
    let namespaces: Api<Namespace> = Api::all(server.client());
    let refused = Api::<ConfigMap>::namespaced(server.client(), "shop").create(&PostParams::default(), &config("a")).await.unwrap_err();
    assert!(refused.to_string().contains("namespaces \"shop\" not found"));
    namespaces.create(&PostParams::default(), &from(json!({"metadata": {"name": "shop"}}))).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(server.client(), "shop");
    until(&accounts, "default", |account| account.is_some()).await;
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "shop");
    let mut held = config("a");
    held.metadata.finalizers = Some(vec!["flotilla.io/test".into()]);
    api.create(&PostParams::default(), &held).await.unwrap();
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    let refused = api.create(&PostParams::default(), &config("b")).await.unwrap_err();
    assert!(refused.to_string().contains("unable to create new content in namespace shop because it is being terminated"), "{refused}");
    until(&api, "a", |object| object.is_some_and(|object| object.metadata.deletion_timestamp.is_some())).await;
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"finalizers": null}}))).await.unwrap();
    until(&namespaces, "shop", |object| object.is_none()).await;
    assert!(accounts.list(&ListParams::default()).await.unwrap().items.is_empty());
}

fn definition() -> CustomResourceDefinition {
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "schema": schema, "subresources": {"status": {},
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}})
    };
    from(json!({"metadata": {"name": "boats.sea.io"}, "spec": {"group": "sea.io", "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat", "shortNames": ["bo"]}, "versions": [version("v1alpha1", false), version("v1", true)]}}))
}

#[tokio::test]
async fn a_definition_serves_its_versions_until_it_goes() {
    let server = server();
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client());
    definitions.create(&PostParams::default(), &definition()).await.unwrap();
    let established = kube::runtime::conditions::is_crd_established();
    until(&definitions, "boats.sea.io", |crd| established.matches_object(crd)).await;
    let boats = |version: &str| -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("sea.io", version, "Boat"), "boats");
        Api::namespaced_with(server.client(), "default", &resource)
    };
    let boat =
        from(json!({"apiVersion": "sea.io/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"replicas": 2}, "status": {"x": 1}}));
    let created = boats("v1").create(&PostParams::default(), &boat).await.unwrap();
    assert!(created.data.get("status").is_none() && created.metadata.generation == Some(1));
    let older = boats("v1alpha1").get("a").await.unwrap();
    assert_eq!(older.types.unwrap().api_version, "sea.io/v1alpha1");
    let status = boats("v1")
        .patch_status("a", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 9}, "status": {"replicas": 1}})))
        .await
        .unwrap();
    assert_eq!(
        (&status.data["spec"]["replicas"], &status.data["status"]["replicas"], status.metadata.generation),
        (&json!(2), &json!(1), Some(1))
    );
    let scale = boats("v1").patch_scale("a", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 3}}))).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(3));
    assert_eq!(boats("v1").get("a").await.unwrap().metadata.generation, Some(2));
    definitions.delete("boats.sea.io", &DeleteParams::default()).await.unwrap();
    until(&definitions, "boats.sea.io", |crd| crd.is_none()).await;
    assert!(matches!(boats("v1").get("a").await.unwrap_err(), kube::Error::Api(status) if status.code == 404));
}

#[tokio::test]
async fn what_the_storage_version_does_not_know_is_not_kept() {
    let server = server();
    let schema = |field: &str| json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {field: {"type": "string"}}}}}});
    let version =
        |name: &str, storage: bool, field: &str| json!({"name": name, "served": true, "storage": storage, "schema": schema(field)});
    let definition = json!({"metadata": {"name": "boats.sea.io"}, "spec": {"group": "sea.io", "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat"}, "versions": [version("v1beta1", false, "old"), version("v1", true, "new")]}});
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client());
    definitions.create(&PostParams::default(), &from(definition)).await.unwrap();
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("sea.io", "v1beta1", "Boat"), "boats");
    let boats: Api<DynamicObject> = Api::namespaced_with(server.client(), "default", &resource);
    let boat = json!({"apiVersion": "sea.io/v1beta1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"old": "x"}});
    let made = boats.create(&PostParams::default(), &from(boat)).await.unwrap();
    assert_eq!((&made.data["spec"], made.types.unwrap().api_version.as_str()), (&json!({}), "sea.io/v1beta1"));
}

#[tokio::test]
async fn a_definition_that_makes_no_sense_is_refused() {
    let server = server();
    let definitions: Api<CustomResourceDefinition> = Api::all(server.client());
    let mut wrong = definition();
    wrong.metadata.name = Some("ships.sea.io".into());
    wrong.spec.versions[0].storage = true;
    let refused = definitions.create(&PostParams::default(), &wrong).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!(status.code, 422);
    assert!(
        status.message.contains("metadata.name: Invalid value: \"ships.sea.io\": must be spec.names.plural+\".\"+spec.group"),
        "{}",
        status.message
    );
    assert!(status.message.contains("must have exactly one version marked as storage version"), "{}", status.message);
}

#[tokio::test]
async fn writes_are_counted_by_who_did_them() {
    let server = server();
    let api: Api<ConfigMap> = Api::namespaced(server.client_as("bench"), "default");
    api.create(&PostParams::default(), &config("a")).await.unwrap();
    api.create(&PostParams { dry_run: true, ..PostParams::default() }, &config("b")).await.unwrap();
    let counts: Vec<_> = server.write_counts().into_iter().filter(|(key, _)| key.agent == "bench").collect();
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].0.verb, counts[0].0.resource.as_str(), counts[0].1), (Verb::Create, "configmaps", 1));
}

#[tokio::test]
async fn discovery_names_what_is_served() {
    let server = server();
    let discovery = kube::Discovery::new(server.client()).run_aggregated().await.unwrap();
    assert!(discovery.has_group("apps") && discovery.has_group("authorization.k8s.io"));
    let (deployments, capabilities) = discovery.resolve_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment")).unwrap();
    assert_eq!(deployments.plural, "deployments");
    assert!(capabilities.supports_operation("watch"));
    let version = server.client().apiserver_version().await.unwrap();
    assert_eq!(version.git_version, "v1.35.4");
}
