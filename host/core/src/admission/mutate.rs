//! What is written into policies as they come in. Works on the JSON: what we do not know is kept as it is.

use super::{Context, PolicyKind};
use flotilla_api::object::Object;
use serde_json::{Map, Value, json};

/// How long an object may stay in the cluster that it leaves, in seconds, where its policy does not say.
const GRACE_PERIOD_SECONDS: i64 = 600;

/// The policy with defaults that depend on more than one field; on its creation with its permanent id and its finalizer.
pub fn mutate(kind: PolicyKind, old: Option<&Object>, new: &Object, context: &Context<'_>) -> Object {
    let mut policy = new.clone();
    if let Some(spec) = policy.get_mut("spec").and_then(Value::as_object_mut) {
        if kind.is_namespaced() {
            default_namespaces(spec, context.namespace);
        }
        if kind.claims_by().is_some() {
            default_propagation(spec);
        }
    }
    if let (Some((label, finalizer)), None) = (kind.claims_by(), old) {
        // Ids that users copied from another policy would claim its templates.
        policy.set_label(label, (context.new_id)());
        add_finalizer(&mut policy, finalizer);
    }
    policy
}

fn default_namespaces(spec: &mut Map<String, Value>, namespace: &str) {
    for selector in items(spec, "resourceSelectors") {
        if is_unsaid(selector.get("namespace")) {
            selector.insert("namespace".to_owned(), json!(namespace));
        }
    }
}

fn default_propagation(spec: &mut Map<String, Value>) {
    let is_import = |selector: &Map<String, Value>| {
        let api_version = selector.get("apiVersion").and_then(Value::as_str).unwrap_or("");
        api_version.starts_with("multicluster.x-k8s.io/") && selector.get("kind").is_some_and(|kind| kind == "ServiceImport")
    };
    if items(spec, "resourceSelectors").any(|selector| is_import(selector)) {
        // The Service that is derived from an import is one of its dependencies.
        spec.insert("propagateDeps".to_owned(), json!(true));
    }
    if let Some(placement) = field(spec, "placement") {
        items(placement, "spreadConstraints").for_each(default_spread);
        field(placement, "replicaScheduling").into_iter().for_each(default_division);
    }
    if let Some(application) = field(spec, "failover").and_then(|failover| field(failover, "application")) {
        let is_gracefully = application.get("purgeMode").is_none_or(|mode| mode == "Gracefully");
        if is_gracefully && is_unsaid(application.get("gracePeriodSeconds")) {
            application.insert("gracePeriodSeconds".to_owned(), json!(GRACE_PERIOD_SECONDS));
        }
    }
}

fn default_spread(constraint: &mut Map<String, Value>) {
    if is_unsaid(constraint.get("spreadByField")) && is_unsaid(constraint.get("spreadByLabel")) {
        constraint.insert("spreadByField".to_owned(), json!("cluster"));
    }
    if constraint.get("minGroups").and_then(Value::as_i64).unwrap_or(0) == 0 {
        constraint.insert("minGroups".to_owned(), json!(1));
    }
}

/// Replicas are divided where nothing is said: so the schema has it.
fn default_division(strategy: &mut Map<String, Value>) {
    let is_divided = strategy.get("replicaSchedulingType").is_none_or(|kind| kind == "Divided");
    if is_divided && is_unsaid(strategy.get("replicaDivisionPreference")) {
        strategy.insert("replicaDivisionPreference".to_owned(), json!("Weighted"));
    }
}

fn add_finalizer(policy: &mut Object, finalizer: &str) {
    let Some(metadata) = policy.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let finalizers = metadata.entry("finalizers").or_insert(Value::Null);
    if !finalizers.is_array() {
        *finalizers = json!([]);
    }
    let finalizers = finalizers.as_array_mut().expect("made a list above");
    if !finalizers.iter().any(|present| present == finalizer) {
        finalizers.push(json!(finalizer));
    }
}

fn is_unsaid(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || value == "")
}

fn field<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    fields.get_mut(name).and_then(Value::as_object_mut)
}

fn items<'a>(fields: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    fields.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}
