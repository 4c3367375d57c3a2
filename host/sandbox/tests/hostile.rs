//! Bodies that no client should send: every field of an object with a value of every other type. The server answers each, and goes on.

use axum::body::{Body, to_bytes};
use flotilla_sandbox::lifecycle;
use flotilla_sandbox::server::{ApiServer, ServerOptions};
use http::{Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

async fn send(server: &ApiServer, method: Method, path: &str, media: &str, body: Vec<u8>) -> u16 {
    let request = Request::builder().method(method).uri(path).header("content-type", media).body(Body::from(body)).unwrap();
    let response = server.router().oneshot(request).await.unwrap();
    let code = response.status().as_u16();
    to_bytes(response.into_body(), usize::MAX).await.unwrap();
    code
}

/// Pointers to every value in a value.
fn pointers(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| pointers(value, &format!("{here}/{}", key.replace('/', "~1")), found))
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, value)| pointers(value, &format!("{here}/{index}"), found)),
        _ => {}
    }
}

/// The object with one value replaced, for each of its values: by two wrong ones in turn.
fn spoiled(object: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    pointers(object, "", &mut found);
    let wrong = [Value::Null, json!("x"), json!([[null]]), json!({"a": {}}), json!(-7)];
    let spoil = |(index, pointer): (usize, &String)| {
        let mut object = object.clone();
        *object.pointer_mut(pointer).unwrap() = wrong[index % wrong.len()].clone();
        object
    };
    let twice = found.iter().enumerate().flat_map(|(index, pointer)| [(index, pointer), (index + 2, pointer)]);
    twice.map(spoil).collect()
}

fn pod_template() -> Value {
    json!({"metadata": {"labels": {"app": "a"}}, "spec": {"restartPolicy": "Always",
        "containers": [{"name": "main", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "b"}],
            "resources": {"requests": {"cpu": "1"}}, "livenessProbe": {"httpGet": {"path": "/", "port": 80}}, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
        "volumes": [{"name": "v", "configMap": {"name": "c"}}]}})
}

fn samples() -> Vec<(&'static str, Value)> {
    let metadata = json!({"name": "a", "labels": {"a": "b"}, "annotations": {"a": "b"}, "finalizers": ["a.io/b"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]});
    let with = |mut object: Value| {
        object["metadata"] = metadata.clone();
        object
    };
    let selector = json!({"matchLabels": {"app": "a"}});
    let template = pod_template();
    let job = json!({"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "i"}]}}});
    vec![
        (
            "/apis/apps/v1/namespaces/default/deployments",
            with(
                json!({"spec": {"replicas": 1, "selector": selector, "template": template, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
            ),
        ),
        (
            "/apis/apps/v1/namespaces/default/statefulsets",
            with(json!({"spec": {"serviceName": "s", "selector": selector, "template": template,
            "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}})),
        ),
        ("/api/v1/namespaces/default/pods", with(json!({"spec": template["spec"], "status": {"conditions": []}}))),
        (
            "/api/v1/namespaces/default/services",
            with(json!({"spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]}})),
        ),
        ("/api/v1/namespaces/default/secrets", with(json!({"data": {"a": "Yg=="}, "stringData": {"c": "d"}}))),
        (
            "/api/v1/namespaces/default/events",
            with(json!({"involvedObject": {"kind": "Pod", "namespace": "default"}, "message": "m", "source": {"component": "c"}})),
        ),
        (
            "/apis/events.k8s.io/v1/namespaces/default/events",
            with(
                json!({"regarding": {"kind": "Pod", "namespace": "default"}, "note": "m", "type": "Normal", "eventTime": "2026-01-01T00:00:00.000000Z", "action": "Looked", "reason": "R", "reportingController": "a.io/b", "reportingInstance": "b-1", "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}),
            ),
        ),
        ("/api/v1/namespaces", with(json!({"spec": {"finalizers": ["kubernetes"]}}))),
        ("/api/v1/nodes", with(json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}, "status": {"capacity": {"cpu": "1"}}}))),
        ("/apis/batch/v1/namespaces/default/jobs", with(json!({"spec": job}))),
        ("/apis/batch/v1/namespaces/default/cronjobs", with(json!({"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job}}}))),
        (
            "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
            with(
                json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}, "targetCPUUtilizationPercentage": 5}}),
            ),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            with(
                json!({"spec": {"rules": [{"host": "a", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 1}}}}]}}]}}),
            ),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            with(json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]})),
        ),
        (
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            json!({"metadata": {"name": "boats.sea.io"}, "spec": {"group": "sea.io", "scope": "Namespaced",
            "names": {"plural": "boats", "kind": "Boat", "shortNames": ["b"]}, "conversion": {"strategy": "None"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
                "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".spec.a"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string", "default": "b"}}}}}}}]}}),
        ),
    ]
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[tokio::test]
async fn a_field_of_any_other_type_is_answered() {
    for (path, sample) in samples() {
        let server = ApiServer::new(ServerOptions::default());
        lifecycle::start(&server);
        let name = sample["metadata"]["name"].as_str().unwrap();
        let one = format!("{path}/{name}");
        assert_eq!(send(&server, Method::POST, path, "application/json", bytes(&sample)).await, 201, "{path}");
        for body in spoiled(&sample) {
            // Where nothing is wrong with the body, it is there already.
            let code = send(&server, Method::POST, path, "application/json", bytes(&body)).await;
            assert!(code < 500, "{code} for {body}");
            send(&server, Method::PUT, &one, "application/json", bytes(&body)).await;
            send(&server, Method::PATCH, &one, "application/strategic-merge-patch+json", bytes(&body)).await;
            send(&server, Method::PATCH, &format!("{one}/status"), "application/merge-patch+json", bytes(&body)).await;
            let apply = format!("{one}?fieldManager=a&force=true");
            send(&server, Method::PATCH, &apply, "application/apply-patch+yaml", bytes(&body)).await;
        }
        assert_eq!(send(&server, Method::GET, path, "", Vec::new()).await, 200, "{path}");
    }
}

#[tokio::test]
async fn a_subresource_and_a_review_of_any_shape_is_answered() {
    let server = ApiServer::new(ServerOptions::default());
    lifecycle::start(&server);
    for (path, sample) in &samples()[..3] {
        assert_eq!(send(&server, Method::POST, path, "application/json", bytes(sample)).await, 201);
    }
    let account = json!({"metadata": {"name": "a"}});
    send(&server, Method::POST, "/api/v1/namespaces/default/serviceaccounts", "application/json", bytes(&account)).await;
    let posted = [
        ("/api/v1/namespaces/default/pods/a/binding", json!({"metadata": {"name": "a"}, "target": {"kind": "Node", "name": ""}})),
        ("/api/v1/namespaces/default/pods/a/eviction", json!({"deleteOptions": {"gracePeriodSeconds": 5, "dryRun": ["All"]}})),
        (
            "/api/v1/namespaces/default/serviceaccounts/a/token",
            json!({"metadata": {}, "spec": {"audiences": ["a"], "expirationSeconds": 5}}),
        ),
        (
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            json!({"metadata": {}, "spec": {"resourceAttributes": {"verb": "get"}}}),
        ),
        ("/apis/authentication.k8s.io/v1/selfsubjectreviews", json!({"metadata": {}})),
    ];
    for (path, body) in posted {
        for body in spoiled(&body) {
            send(&server, Method::POST, path, "application/json", bytes(&body)).await;
        }
    }
    let scale = json!({"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"replicas": 1}});
    let finalize = json!({"metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}});
    let options = json!({"propagationPolicy": "Orphan", "gracePeriodSeconds": 1, "dryRun": ["All"], "preconditions": {"uid": "a"}});
    for body in spoiled(&scale) {
        for kind in ["json", "merge-patch+json", "json-patch+json", "apply-patch+yaml"] {
            let method = if kind == "json" { Method::PUT } else { Method::PATCH };
            send(
                &server,
                method,
                "/apis/apps/v1/namespaces/default/deployments/a/scale?fieldManager=a",
                &format!("application/{kind}"),
                bytes(&body),
            )
            .await;
        }
    }
    for body in spoiled(&finalize) {
        send(&server, Method::PUT, "/api/v1/namespaces/default/finalize", "application/json", bytes(&body)).await;
    }
    for body in spoiled(&options) {
        send(&server, Method::DELETE, "/apis/apps/v1/namespaces/default/statefulsets/a", "application/json", bytes(&body)).await;
    }
    assert_eq!(send(&server, Method::GET, "/api/v1/namespaces", "", Vec::new()).await, 200);
}

#[tokio::test]
async fn bodies_that_are_cut_off_are_refused() {
    let server = ApiServer::new(ServerOptions::default());
    lifecycle::start(&server);
    let path = "/api/v1/namespaces/default/configmaps";
    let mut protobuf = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x10\x0a\x05\x0a\x01a\x12\x00\x12\x07\x0a\x01x\x12\x02yz".to_vec();
    assert_eq!(send(&server, Method::POST, path, "application/vnd.kubernetes.protobuf", protobuf.clone()).await, 201);
    while protobuf.pop().is_some() {
        let code = send(&server, Method::POST, path, "application/vnd.kubernetes.protobuf", protobuf.clone()).await;
        assert!((400..500).contains(&code), "{code}");
    }
    let mut text = br#"{"metadata": {"name": "b"}, "data": {"a": "b"}}"#.to_vec();
    while text.pop().is_some() {
        for media in ["application/json", "application/yaml"] {
            send(&server, Method::POST, path, media, text.clone()).await;
        }
    }
    let deep = "[".repeat(100_000).into_bytes();
    assert_eq!(send(&server, Method::POST, path, "application/json", deep.clone()).await, 400);
    assert_eq!(send(&server, Method::POST, path, "application/yaml", deep).await, 400);
}
