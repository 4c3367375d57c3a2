//! Objects for the simulation's tests, from text that a person would write.

use k8s_openapi::api::core::v1::Pod;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// An object from YAML.
pub fn yaml<K: DeserializeOwned>(text: &str) -> K {
    let value: Value = serde_saphyr::from_str(text).expect("YAML");
    serde_json::from_value(value).expect("an object of this kind")
}

/// A pod from `name: words`; the words are `pending`, `ready [since TIME]`, `on NODE`, `deleting`, `succeeded`, `failed`, `of OWNER`,
/// `revision R`, `label K=V`.
pub fn pod(text: &str) -> Pod {
    let (name, words) = text.split_once(':').unwrap_or((text, ""));
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name.trim(), "namespace": "shop", "uid": name.trim(), "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "image": "nginx:1"}], "nodeName": "node1"},
        "status": {"phase": "Running", "conditions": []},
    });
    let mut words = words.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let mut next = || words.next().expect("a word more").to_owned();
        match word {
            "pending" => {
                object["spec"]["nodeName"] = Value::Null;
                object["status"]["phase"] = json!("Pending");
            }
            "succeeded" => object["status"]["phase"] = json!("Succeeded"),
            "failed" => object["status"]["phase"] = json!("Failed"),
            "deleting" => object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
            "on" => object["spec"]["nodeName"] = json!(next()),
            "image" => object["spec"]["containers"][0]["image"] = json!(next()),
            "revision" => object["metadata"]["labels"]["controller-revision-hash"] = json!(next()),
            "finalizer" => object["metadata"]["finalizers"] = json!([next()]),
            "label" => {
                let label = next();
                let (key, value) = label.split_once('=').expect("key=value");
                object["metadata"]["labels"][key] = json!(value);
            }
            "of" => {
                object["metadata"]["ownerReferences"] =
                    json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "owner", "uid": next(), "controller": true}]);
            }
            "ready" => {
                let since = if words.peek() == Some(&"since") { words.nth(1).expect("a time") } else { "2026-01-01T00:00:00Z" };
                object["status"]["conditions"] = json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
            }
            other => panic!("what is `{other}`?"),
        }
    }
    serde_json::from_value(object).expect("a pod")
}
