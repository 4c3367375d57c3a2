//! The `apps` group (and the ReplicationController it grew from): workloads that keep pods running.

mod daemon_sets;
mod deployments;
mod replica_sets;
mod stateful_sets;

pub(super) use daemon_sets::DaemonSets;
pub(super) use deployments::Deployments;
pub(super) use replica_sets::{ReplicaSets, ReplicationControllers};
pub(super) use stateful_sets::StatefulSets;

use super::Behaviour;
use super::labels;
use super::pod_spec::validation;
use super::reach::{int, present, text};
use super::refusal::{immutable, invalid, negative, required};
use crate::status::FieldError;
use serde_json::Value;

/// ControllerRevisions: their `data` is another object, kept as it is.
pub(super) struct ControllerRevisions;

impl Behaviour for ControllerRevisions {
    fn default(&self, _object: &mut Value) {}

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(revision) = object.get("revision").filter(|revision| revision.as_i64().is_some_and(|number| number < 0)) {
            errors.push(invalid("revision", revision, super::refusal::NEGATIVE));
        }
        if present(object, "/data").is_none() {
            errors.push(required("data", "data is mandatory"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        immutable(new, old, "/data").into_iter().collect()
    }
}

/// Errors of a workload's selector. `kind` is named in the message.
fn selector(spec: &Value, kind: &str) -> Vec<FieldError> {
    let Some(selector) = present(spec, "/selector") else { return vec![required("spec.selector", "")] };
    let mut errors = labels::validate_selector(selector, "spec.selector");
    if labels::is_empty(selector) {
        errors.push(invalid("spec.selector", selector, format!("empty selector is invalid for {kind}")));
    }
    errors
}

/// Errors of the template of pods that are kept running, and of the selector that must match it.
fn running_template(spec: &Value, kind: &str) -> Vec<FieldError> {
    let template = spec.get("template").unwrap_or(&Value::Null);
    let mut errors: Vec<FieldError> =
        validation::selector_mismatch(present(spec, "/selector"), template, "spec.template").into_iter().collect();
    errors.extend(validation::template(template, "spec.template"));
    errors.extend(validation::keeps_running(template, "spec.template", kind));
    errors
}

/// Errors of a field that is a count or a percentage.
pub(super) fn count_or_percentage(object: &Value, path: &str, field: &str) -> Option<FieldError> {
    let value = present(object, &format!("/{field}"))?;
    let path = format!("{path}.{field}");
    match value {
        Value::String(percentage) => {
            let is_right =
                percentage.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
                validation is '[0-9]+%')";
            (!is_right).then(|| invalid(path, value, detail))
        }
        number => number.as_i64().is_some_and(|count| count < 0).then(|| invalid(path, value, super::refusal::NEGATIVE)),
    }
}

/// Whether a count or percentage is given as nothing at all.
fn is_zero(object: &Value, field: &str) -> bool {
    match text(object, &format!("/{field}")) {
        "" => int(object, &format!("/{field}")).unwrap_or_default() == 0,
        percentage => percentage.trim_end_matches('%').bytes().all(|digit| digit == b'0'),
    }
}

/// Errors of fields that must not be negative.
fn counts(spec: &Value, fields: &[&str]) -> Vec<FieldError> {
    fields.iter().filter_map(|field| negative(spec, "spec", field)).collect()
}
