//! What the API server does around objects: validation, admission, faults, forms of answers, grace, expiry of history.

use flotilla_sandbox::admission::{Admission, AdmissionRequest, Admitted};
use flotilla_sandbox::faults::Faults;
use flotilla_sandbox::lifecycle;
use flotilla_sandbox::request::Verb;
use flotilla_sandbox::server::{ApiServer, ServerOptions};
use flotilla_sandbox::status::ApiError;
use futures::{StreamExt as _, TryStreamExt as _};
use http::{Method, Request};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use serde_json::{Value, json};
use std::sync::Arc;

fn server() -> ApiServer {
    let server = ApiServer::new(ServerOptions::default());
    lifecycle::start(&server);
    server
}

fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// One raw request; the status code, the `Warning:` headers and the body.
async fn raw(server: &ApiServer, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Vec<String>, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(axum::body::Body::from(body.to_owned())).unwrap();
    let response = tower::ServiceExt::oneshot(server.router(), request).await.unwrap();
    let warnings = response.headers().get_all("warning").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    let code = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (code, warnings, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

const CONFIGS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}}}})
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_of_or_dropped() {
    let server = server();
    let mut typo = deployment();
    typo["spec"]["replicaz"] = json!(2);
    let post = async |validation: &str| {
        raw(&server, Method::POST, &format!("{DEPLOYMENTS}?dryRun=All&fieldValidation={validation}"), &[], &typo.to_string()).await
    };
    let (code, _, status) = post("Strict").await;
    let words = "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replicaz\"";
    assert_eq!((code, status["message"].as_str().unwrap()), (400, words));
    let (code, warnings, object) = post("Warn").await;
    assert_eq!((code, warnings), (201, vec!["299 - \"unknown field \\\"spec.replicaz\\\"\"".to_owned()]));
    assert!(object["spec"].get("replicaz").is_none() && object["spec"]["strategy"]["type"] == "RollingUpdate");
    assert_eq!(post("Ignore").await.1, Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_the_words_of_the_real_server() {
    let server = server();
    let refused = async |method: Method, path: &str, headers: &[(&str, &str)], body: &str| {
        let (code, _, status) = raw(&server, method, path, headers, body).await;
        (code, status["reason"].as_str().unwrap_or("").to_owned(), status["message"].as_str().unwrap_or("").to_owned())
    };
    let expect = |code: u16, reason: &str, message: &str| (code, reason.to_owned(), message.to_owned());
    let unknown = "the server could not find the requested resource";
    assert_eq!(refused(Method::GET, "/api/v1/nopes", &[], "").await, expect(404, "NotFound", unknown));
    assert_eq!(refused(Method::GET, "/apis/nope.io/v1/nopes", &[], "").await.0, 404);
    let method = "the server does not allow this method on the requested resource";
    assert_eq!(refused(Method::PUT, CONFIGS, &[], "{}").await, expect(405, "MethodNotAllowed", method));
    assert_eq!(refused(Method::POST, "/api/v1/configmaps", &[], "{}").await, expect(405, "MethodNotAllowed", method));
    assert_eq!(refused(Method::POST, CONFIGS, &[("content-type", "text/csv")], "a,b").await.0, 415);
    assert_eq!(refused(Method::GET, CONFIGS, &[("accept", "text/html")], "").await.0, 406);
    let version = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: no kind \"ConfigMap\" is registered for version \"apps/v1\" in scheme \"pkg/runtime/scheme.go:111\"";
    let other = r#"{"apiVersion": "apps/v1", "kind": "ConfigMap", "metadata": {"name": "a"}}"#;
    assert_eq!(refused(Method::POST, CONFIGS, &[], other).await, expect(400, "BadRequest", version));
    let elsewhere = r#"{"metadata": {"name": "a", "namespace": "other"}}"#;
    let namespace = "the namespace of the provided object does not match the namespace sent on the request";
    assert_eq!(refused(Method::POST, CONFIGS, &[], elsewhere).await, expect(400, "BadRequest", namespace));
    let large = format!(r#"{{"metadata": {{"name": "a"}}, "data": {{"a": "{}"}}}}"#, "x".repeat(4 << 20));
    assert_eq!(refused(Method::POST, CONFIGS, &[], &large).await.0, 413);
    let nameless = "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required";
    assert_eq!(refused(Method::POST, CONFIGS, &[], "{}").await, expect(422, "Invalid", nameless));
}

#[tokio::test]
async fn answers_come_as_tables_and_as_metadata() {
    let server = server();
    raw(&server, Method::POST, DEPLOYMENTS, &[], &deployment().to_string()).await;
    let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let (_, _, list) = raw(&server, Method::GET, DEPLOYMENTS, &table, "").await;
    assert_eq!(
        (&list["kind"], &list["rows"][0]["cells"][0], &list["rows"][0]["object"]["kind"]),
        (&json!("Table"), &json!("web"), &json!("PartialObjectMetadata"))
    );
    let partial = [("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")];
    let (_, _, list) = raw(&server, Method::GET, DEPLOYMENTS, &partial, "").await;
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&json!("PartialObjectMetadataList"), &json!("PartialObjectMetadata")));
    let api: Api<PartialObjectMeta<Deployment>> = Api::namespaced(server.client(), "default");
    let events: Vec<_> = watcher(api, watcher::Config::default()).take(2).try_collect().await.unwrap();
    assert!(matches!(&events[1], watcher::Event::InitApply(object) if object.metadata.name.as_deref() == Some("web")), "{events:?}");
}

#[tokio::test]
async fn who_owns_a_field_is_kept_and_defended() {
    let server = server();
    let mine: Api<Deployment> = Api::namespaced(server.client_as("mine"), "default");
    let apply = |value: Value, force: bool| {
        let params = PatchParams { force, field_manager: Some("theirs".into()), ..PatchParams::default() };
        let mine = mine.clone();
        async move { mine.patch("web", &params, &Patch::Apply(value)).await }
    };
    mine.create(&PostParams::default(), &from(deployment())).await.unwrap();
    let mut wanted = deployment();
    wanted["spec"]["replicas"] = json!(5);
    let conflict = apply(wanted.clone(), false).await.unwrap_err();
    let words = "Apply failed with 1 conflict: conflict with \"mine\" using apps/v1: .spec.replicas";
    assert!(matches!(conflict, kube::Error::Api(status) if status.code == 409 && status.message == words));
    assert_eq!(apply(wanted, true).await.unwrap().spec.unwrap().replicas, Some(5));
    let made = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "new"}, "spec": deployment()["spec"]});
    let params = PatchParams::apply("theirs");
    assert_eq!(mine.patch("new", &params, &Patch::Apply(made)).await.unwrap().metadata.generation, Some(1));
}

struct Guard;

impl Admission for Guard {
    fn review(&self, request: &AdmissionRequest<'_>) -> Result<Admitted, ApiError> {
        if request.resource != "configmaps" {
            return Ok(Admitted::default());
        }
        if request.operation == Verb::Delete {
            return Err(ApiError::forbidden("", "configmaps", request.name, "it is guarded"));
        }
        let mut object = request.object.unwrap().clone();
        let before = request.old_object.map_or("", |old| old["data"]["seen"].as_str().unwrap_or("unseen"));
        object["data"]["seen"] = format!("{before}{}", request.operation.as_str()).into();
        Ok(Admitted { object: Some(object), warnings: vec!["guarded".into()] })
    }
}

#[tokio::test]
async fn admission_changes_warns_and_refuses() {
    let server = server();
    server.set_admission(Some(Arc::new(Guard)));
    let (code, warnings, made) = raw(&server, Method::POST, CONFIGS, &[], r#"{"metadata": {"name": "a"}, "data": {"x": "1"}}"#).await;
    assert_eq!((code, warnings.as_slice(), &made["data"]["seen"]), (201, &["299 - \"guarded\"".to_owned()][..], &json!("create")));
    let merge = [("content-type", "application/merge-patch+json")];
    let (_, _, changed) = raw(&server, Method::PATCH, &format!("{CONFIGS}/a"), &merge, r#"{"data": {"x": "2"}}"#).await;
    assert_eq!(changed["data"], json!({"x": "2", "seen": "createupdate"}));
    let (code, _, status) = raw(&server, Method::DELETE, &format!("{CONFIGS}/a"), &[], "").await;
    assert_eq!((code, status["message"].as_str().unwrap()), (403, "configmaps \"a\" is forbidden: it is guarded"));
}

#[tokio::test]
async fn a_server_can_be_made_to_fail() {
    let server = server();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let made: ConfigMap = from(json!({"metadata": {"name": "a"}}));
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut watch = api.watch(&WatchParams::default(), &start).await.unwrap().boxed();
    server.set_faults(Faults { read_only: true, ..Faults::default() });
    assert!(matches!(api.create(&PostParams::default(), &made).await.unwrap_err(), kube::Error::Api(status) if status.code == 503));
    server.set_faults(Faults { error_rate: 0.5, ..Faults::default() });
    assert!(api.list(&ListParams::default()).await.is_ok());
    assert!(matches!(api.list(&ListParams::default()).await.unwrap_err(), kube::Error::Api(status) if status.code == 500));
    server.set_faults(Faults { unreachable: true, ..Faults::default() });
    assert!(!matches!(api.list(&ListParams::default()).await.unwrap_err(), kube::Error::Api(_)));
    assert!(!matches!(watch.next().await, Some(Ok(_))), "a watch ends with its server");
    server.set_faults(Faults::default());
    assert!(api.create(&PostParams::default(), &made).await.is_ok());
}

#[tokio::test]
async fn a_watch_from_too_long_ago_is_told_so() {
    let server = server();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    let first = api.create(&PostParams::default(), &from(json!({"metadata": {"name": "a"}}))).await.unwrap();
    for number in 0..4200 {
        let patch = Patch::Merge(json!({"data": {"n": number.to_string()}}));
        api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    }
    let start = first.metadata.resource_version.unwrap();
    let event = api.watch(&WatchParams::default(), &start).await.unwrap().boxed().next().await.unwrap().unwrap();
    assert!(matches!(event, WatchEvent::Error(status) if status.code == 410 && status.reason == "Expired"));
}

fn pod(name: &str) -> Pod {
    from(json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}}))
}

#[tokio::test]
async fn a_pod_that_runs_has_time_to_end() {
    let server = server();
    let api: Api<Pod> = Api::namespaced(server.client(), "default");
    for name in ["waits", "runs", "evicted"] {
        api.create(&PostParams::default(), &pod(name)).await.unwrap();
    }
    for name in ["runs", "evicted"] {
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": "n1"}});
        let path = format!("/api/v1/namespaces/default/pods/{name}/binding");
        assert_eq!(raw(&server, Method::POST, &path, &[], &binding.to_string()).await.0, 201);
        assert_eq!(raw(&server, Method::POST, &path, &[], &binding.to_string()).await.0, 409);
    }
    api.delete("waits", &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt("waits").await.unwrap().is_none());
    api.delete("runs", &DeleteParams::default()).await.unwrap();
    api.evict("evicted", &kube::api::EvictParams::default()).await.unwrap();
    for name in ["runs", "evicted"] {
        let going = api.get(name).await.unwrap().metadata;
        assert_eq!((going.deletion_grace_period_seconds, going.deletion_timestamp.is_some()), (Some(30), true));
    }
    api.delete("runs", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert!(api.get_opt("runs").await.unwrap().is_none());
}

#[tokio::test]
async fn a_delete_can_name_the_object_it_means() {
    let server = server();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "default");
    api.create(&PostParams::default(), &from(json!({"metadata": {"name": "a"}}))).await.unwrap();
    let other = kube::api::Preconditions { uid: Some("other".into()), resource_version: None };
    let refused = api.delete("a", &DeleteParams::default().preconditions(other)).await.unwrap_err();
    assert!(
        matches!(refused, kube::Error::Api(status) if status.code == 409 && status.message.contains("the UID in the precondition (other)"))
    );
}

#[tokio::test]
async fn events_of_both_groups_are_the_same_events() {
    let server = server();
    let event = json!({"metadata": {"name": "e"}, "regarding": {"kind": "Pod", "name": "p"}, "note": "it works", "reason": "Works", "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c", "reportingInstance": "i", "action": "Work"});
    assert_eq!(raw(&server, Method::POST, "/apis/events.k8s.io/v1/namespaces/default/events", &[], &event.to_string()).await.0, 201);
    let core: Api<Event> = Api::namespaced(server.client(), "default");
    let found = core.list(&ListParams::default().fields("involvedObject.name=p")).await.unwrap();
    assert_eq!(found.items[0].message.as_deref(), Some("it works"));
    let (_, _, back) = raw(&server, Method::GET, "/apis/events.k8s.io/v1/namespaces/default/events/e", &[], "").await;
    assert_eq!((&back["note"], &back["apiVersion"]), (&json!("it works"), &json!("events.k8s.io/v1")));
}

#[tokio::test(start_paused = true)]
async fn events_go_after_an_hour() {
    let server = server();
    let api: Api<Event> = Api::namespaced(server.client(), "default");
    let event = json!({"metadata": {"name": "e", "namespace": "default"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "message": "m"});
    api.create(&PostParams::default(), &from(event)).await.unwrap();
    let gone = kube::runtime::wait::await_condition(api.clone(), "e", |event: Option<&Event>| event.is_none());
    let started = tokio::time::Instant::now();
    gone.await.unwrap();
    assert!(started.elapsed() >= lifecycle::events::KEPT - std::time::Duration::from_secs(1), "{:?}", started.elapsed());
}
