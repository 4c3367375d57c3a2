//! Names are those that Karmada gives: `tests/vectors/names.ndjson`.

use flotilla_api::names;
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/names.ndjson");

fn answer(question: &Value) -> Value {
    let text = |field: &str| question.get(field).and_then(Value::as_str);
    if let Some(namespace) = text("executionNamespace") {
        return json!({"cluster": names::cluster_of_execution_namespace(namespace)});
    }
    let namespace = text("namespace").expect("a question has a namespace");
    let Some(name) = text("name") else {
        return json!({"reserved": names::is_reserved_namespace(namespace)});
    };
    let (kind, cluster) = (text("kind").unwrap(), text("cluster").unwrap());
    let execution_namespace = names::execution_namespace(cluster);
    json!({
        "bindingName": names::binding_name(kind, name),
        "bindingReferenceKey": names::binding_reference_key(namespace, name),
        "clusterFromNamespace": names::cluster_of_execution_namespace(&execution_namespace),
        "derivedServiceName": names::derived_service_name(name),
        "endpointSliceName": names::imported_endpoint_slice_name(name, cluster),
        "executionNamespace": execution_namespace,
        "impersonationSecretName": names::impersonation_secret_name(cluster),
        "namespacedKey": names::namespaced_key(namespace, name),
        "policyName": names::promotion_policy_name(namespace, name, text("gvkForPolicyName").unwrap()),
        "reservedNamespace": names::is_reserved_namespace(namespace),
        "serviceAccountName": names::service_account_name(cluster),
        "workName": names::work_name(kind, name, namespace),
    })
}

#[test]
fn all_vectors() {
    let mut count = 0;
    for line in VECTORS.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let answer = answer(&case["in"]);
        assert_eq!(answer, case["out"], "{} ({})", case["id"], case["note"]);
        count += 1;
    }
    assert_eq!(count, 66);
}

#[test]
fn a_namespace_that_is_no_execution_space_has_no_cluster() {
    assert_eq!(names::cluster_of_execution_namespace("default"), None);
}
