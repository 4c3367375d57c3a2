//! What an update of a template means: policies that take effect lazily wait for a change that a user made.

use flotilla_api::labels::SKIP_AUTO_PROPAGATION;
use flotilla_api::object::Object;
use serde_json::{Map, Value};

/// What changed in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that propagation looks at.
    Nothing,
    /// Only what the control plane writes itself.
    Ours,
    /// What users write.
    Users,
}

/// Compares a template with what it was. Source: controlplane.md §1.3 and §2.7.
pub fn change(before: &Object, after: &Object) -> Change {
    let (before, after) = (fields(before), fields(after));
    let metadata = |fields: &Map<String, Value>| fields.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let (metadata_before, metadata_after) = (metadata(&before), metadata(&after));
    let is_changed = |one: &Map<String, Value>, other: &Map<String, Value>, ignored: &[&str]| {
        let keys = one.keys().chain(other.keys()).filter(|key| !ignored.contains(&key.as_str()));
        keys.into_iter().any(|key| one.get(key) != other.get(key))
    };
    let is_others = |field: &str| others(&metadata_before, field) != others(&metadata_after, field);
    if is_changed(&before, &after, &["metadata", "status"])
        || is_changed(&metadata_before, &metadata_after, &["managedFields", "resourceVersion", "generation", "labels", "annotations"])
        || is_others("labels")
        || is_others("annotations")
    {
        return Change::Users;
    }
    match is_changed(&metadata_before, &metadata_after, &["managedFields", "resourceVersion"]) {
        true => Change::Ours,
        false => Change::Nothing,
    }
}

fn fields(object: &Object) -> Map<String, Value> {
    object.as_object().cloned().unwrap_or_default()
}

/// Labels or annotations that the control plane does not write.
fn others<'a>(metadata: &'a Map<String, Value>, field: &str) -> Vec<(&'a String, &'a Value)> {
    let all = metadata.get(field).and_then(Value::as_object).into_iter().flatten();
    all.filter(|(key, _)| !key.contains(".karmada.io") || *key == SKIP_AUTO_PROPAGATION).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(after: &str, expect: Change) {
        let before = "{metadata: {name: web, generation: 1, resourceVersion: '1', labels: {a: b}}, spec: {x: 1}, status: {y: 1}}";
        let [before, after]: [Object; 2] = [before, after].map(|yaml| serde_saphyr::from_str(yaml).unwrap());
        assert_eq!(change(&before, &after), expect);
    }

    #[test]
    fn what_users_write_counts() {
        check("{metadata: {name: web, generation: 2, resourceVersion: '2', labels: {a: b}}, spec: {x: 2}, status: {y: 1}}", Change::Users);
        check("{metadata: {name: web, generation: 1, resourceVersion: '2', labels: {a: c}}, spec: {x: 1}}", Change::Users);
        check(
            "{metadata: {name: web, generation: 1, resourceVersion: '2', labels: {a: b, namespace.karmada.io/skip-auto-propagation: 'true'}}, spec: {x: 1}}",
            Change::Users,
        );
        check("{metadata: {name: web, generation: 1, deletionTimestamp: now, labels: {a: b}}, spec: {x: 1}}", Change::Users);
    }

    #[test]
    fn status_and_versions_do_not_count() {
        check(
            "{metadata: {name: web, generation: 1, resourceVersion: '2', labels: {a: b}, managedFields: []}, spec: {x: 1}, status: {y: 2}}",
            Change::Nothing,
        );
    }

    #[test]
    fn a_claim_is_ours() {
        check(
            "{metadata: {name: web, generation: 1, resourceVersion: '2', labels: {a: b, propagationpolicy.karmada.io/permanent-id: i}, annotations: {propagationpolicy.karmada.io/name: p}}, spec: {x: 1}}",
            Change::Ours,
        );
    }
}
