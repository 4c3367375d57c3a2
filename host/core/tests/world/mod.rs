//! What tests are written with: objects as YAML, and an interpreter that knows one kind with replicas.

#![allow(dead_code, reason = "each test file uses its part")]

use flotilla_api::interpretation::{Answer, Asked, Demand, ErrorClass, Health, HookError, Interpreter, Layer, Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::work::{AggregatedStatusItem, Component, DependentObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// The documents of a YAML text.
pub fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).expect("YAML")
}

/// The only document of a YAML text.
pub fn one<T: DeserializeOwned>(yaml: &str) -> T {
    let value: Value = serde_saphyr::from_str(yaml).expect("YAML");
    serde_json::from_value(value).expect("an object of this type")
}

/// `one("2026-01-01T00:00:00Z")`.
pub fn time(text: &str) -> Time {
    serde_json::from_value(json!(text)).expect("a time")
}

/// Fails with both texts when two values differ.
#[track_caller]
pub fn assert_same(got: &Value, want: &str) {
    let want: Value = serde_saphyr::from_str(want).expect("YAML");
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    assert_eq!(pretty(got), pretty(&want));
}

/// Knows `spec.replicas` of Deployments, keeps `spec.paused` of members, and calls what has `ready` of all replicas healthy. An
/// object with the annotation `broken: <operation>` makes that operation fail.
pub struct Plugin;

fn answer<T>(value: T) -> Asked<T> {
    let by = Origin { layer: Layer::BuiltIn, plugin: "test".to_owned(), version: "1".to_owned(), digest: String::new() };
    Ok(Some(Answer { value, by: Arc::new(by) }))
}

fn ask<T>(object: &Object, operation: Operation, value: impl FnOnce() -> T) -> Asked<T> {
    if object.annotation("broken") == Some(operation.name()) {
        let message = format!("plugin `test` trapped in `{}`", operation.hook());
        return Err(HookError { class: ErrorClass::Trap, plugin: None, operation, message });
    }
    if object.kind() == "Deployment" { answer(value()) } else { Ok(None) }
}

fn number(object: &Object, path: &[&str]) -> i64 {
    object.at(path).and_then(Value::as_i64).unwrap_or(0)
}

impl Interpreter for Plugin {
    fn is_supported(&self, object: &Object, _: Operation) -> Result<bool, HookError> {
        Ok(object.kind() == "Deployment")
    }
    fn replicas(&self, template: &Object) -> Asked<Demand> {
        let requirements = || template.get("spec").map(|_| flotilla_api::work::ReplicaRequirements::default());
        let demand = || Demand { replicas: number(template, &["spec", "replicas"]), requirements: requirements() };
        ask(template, Operation::InterpretReplica, demand)
    }
    fn components(&self, _: &Object) -> Asked<Vec<Component>> {
        Ok(None)
    }
    fn revise(&self, template: &Object, replicas: i64) -> Asked<Object> {
        ask(template, Operation::ReviseReplica, || {
            let mut revised = template.clone();
            revised["spec"]["replicas"] = replicas.into();
            revised
        })
    }
    fn retain(&self, desired: &Object, observed: &Object) -> Asked<Object> {
        ask(desired, Operation::Retain, || {
            let mut retained = desired.clone();
            if let Some(paused) = observed.at(&["spec", "paused"]) {
                retained["spec"]["paused"] = paused.clone();
            }
            retained
        })
    }
    fn reflect(&self, observed: &Object) -> Asked<Option<Value>> {
        if observed.annotation("broken") == Some("InterpretStatus") {
            return ask(observed, Operation::InterpretStatus, || None);
        }
        answer(observed.get("status").cloned())
    }
    fn aggregate(&self, template: &Object, items: Option<&[AggregatedStatusItem]>) -> Asked<Object> {
        ask(template, Operation::AggregateStatus, || {
            let ready = |item: &AggregatedStatusItem| item.status.as_ref().and_then(|status| status["ready"].as_i64());
            let mut aggregated = template.clone();
            aggregated["status"] = json!({"ready": items.unwrap_or_default().iter().filter_map(ready).sum::<i64>()});
            aggregated
        })
    }
    fn health(&self, observed: &Object) -> Asked<Health> {
        ask(observed, Operation::InterpretHealth, || {
            let (ready, wanted) = (number(observed, &["status", "ready"]), number(observed, &["spec", "replicas"]));
            if ready == wanted { Health::Healthy } else { Health::Unhealthy(format!("{ready} of {wanted} are ready")) }
        })
    }
    fn dependencies(&self, _: &Object) -> Asked<Vec<DependentObjectReference>> {
        Ok(None)
    }
}
