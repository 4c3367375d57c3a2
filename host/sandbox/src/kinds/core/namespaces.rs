//! Namespaces and nodes.

use crate::kinds::Behaviour;
use crate::kinds::metadata::NameRule;
use crate::kinds::reach::{fill, fill_zero, inner, remove, set, text};
use crate::kinds::refusal::{forbidden, invalid_text, not_supported};
use crate::status::FieldError;
use serde_json::{Value, json};

/// Namespaces.
pub(in crate::kinds) struct Namespaces;

impl Behaviour for Namespaces {
    fn default(&self, object: &mut Value) {
        let name = text(object, "/metadata/name").to_owned();
        if !name.is_empty() {
            let labels = inner(inner(object, "metadata"), "labels");
            set(labels, "kubernetes.io/metadata.name", name);
        }
        fill_zero(inner(object, "status"), "phase", "Active");
    }

    fn prepare_create(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        let mut finalizers = spec.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
        if !finalizers.contains(&json!("kubernetes")) {
            finalizers.push(json!("kubernetes"));
        }
        set(spec, "finalizers", finalizers);
    }

    /// Finalizers change through `/finalize` alone.
    fn prepare_update(&self, new: &mut Value, old: &Value) {
        let spec = inner(new, "spec");
        match old.pointer("/spec/finalizers") {
            Some(finalizers) => set(spec, "finalizers", finalizers.clone()),
            None => drop(remove(spec, "finalizers")),
        }
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn validate_update(&self, new: &Value, _: &Value) -> Vec<FieldError> {
        let (wanted, when) = match new["metadata"]["deletionTimestamp"] {
            Value::Null => ("Active", "empty"),
            _ => ("Terminating", "not empty"),
        };
        let phase = text(new, "/status/phase");
        let detail = format!("may only be '{wanted}' if `deletionTimestamp` is {when}");
        (phase != wanted).then(|| invalid_text("status.Phase", phase, detail)).into_iter().collect()
    }

    fn select_field(&self, object: &Value, field: &str) -> Option<String> {
        matches!(field, "status.phase" | "name").then(|| match field {
            "name" => text(object, "/metadata/name").to_owned(),
            _ => text(object, "/status/phase").to_owned(),
        })
    }
}

/// Nodes.
pub(in crate::kinds) struct Nodes;

impl Behaviour for Nodes {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        let taints = object.pointer("/spec/taints").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let wrong = taints.iter().enumerate().filter(|(_, taint)| !effects.contains(&text(taint, "/effect")));
        wrong.map(|(index, taint)| not_supported(format!("metadata.taints[{index}].effect"), &taint["effect"], &effects)).collect()
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let (before, after) = (text(old, "/spec/providerID"), text(new, "/spec/providerID"));
        let changes = !before.is_empty() && before != after;
        let detail = "node updates may not change providerID except from \"\" to valid";
        // Taints are looked at twice.
        let taints = self.validate(new).into_iter();
        taints.chain(changes.then(|| forbidden("spec.providerID", detail))).collect()
    }

    fn default(&self, object: &mut Value) {
        let status = inner(object, "status");
        if let Some(capacity) = status.get("capacity").cloned() {
            fill(status, "allocatable", capacity);
        }
    }

    fn select_field(&self, object: &Value, field: &str) -> Option<String> {
        let is_unschedulable = object.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false);
        (field == "spec.unschedulable").then(|| is_unschedulable.to_string())
    }
}
