//! The rules of `metadata` that hold for every kind: what the server sets, keeps and refuses. Pure; time comes in as text.

use crate::names;
use crate::registry::ResourceType;
use crate::status::{FieldError, FieldReason};
use serde_json::{Map, Value};

/// `metadata` of an object, made where it is missing.
pub fn of(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    object["metadata"].as_object_mut().expect("made above")
}

/// Names an object that asks for a name, and answers whether it did.
pub fn generate_name(object: &mut Value) -> bool {
    let metadata = of(object);
    let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or("");
    let is_asked = !prefix.is_empty() && metadata.get("name").and_then(Value::as_str).unwrap_or("").is_empty();
    if is_asked {
        let name = names::generate(prefix);
        metadata.insert("name".into(), name.into());
    }
    is_asked
}

/// Sets what the server sets on a new object.
pub fn prepare_create(object: &mut Value, kind: &ResourceType, namespace: Option<&str>, now: &str) {
    let metadata = of(object);
    for field in ["selfLink", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        metadata.remove(field);
    }
    match namespace {
        Some(namespace) => drop(metadata.insert("namespace".into(), namespace.into())),
        None => drop(metadata.remove("namespace")),
    }
    metadata.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".into(), now.into());
    if kind.has_generation {
        metadata.insert("generation".into(), 1.into());
    }
}

/// Carries over from the stored object what no writer may change.
pub fn keep(new: &mut Value, old: &Value) {
    let metadata = of(new);
    metadata.remove("selfLink");
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        // What is given and differs is refused; what is not given stays.
        if metadata.get(field).is_none_or(Value::is_null) {
            metadata.remove(field);
            metadata.extend(old["metadata"].get(field).map(|value| (field.to_owned(), value.clone())));
        }
    }
    for field in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
        match old["metadata"].get(field) {
            Some(value) => drop(metadata.insert(field.into(), value.clone())),
            None => drop(metadata.remove(field)),
        }
    }
    if !metadata.contains_key("generateName")
        && let Some(prefix) = old["metadata"].get("generateName")
    {
        metadata.insert("generateName".into(), prefix.clone());
    }
}

/// Takes out owners that are named again; answers the warning about them.
pub fn drop_repeated_owners(object: &mut Value) -> Option<String> {
    let owners = of(object).get_mut("ownerReferences")?.as_array_mut()?;
    let (mut seen, mut repeated) = (Vec::new(), Vec::new());
    owners.retain(|owner| {
        let uid = owner["uid"].as_str().unwrap_or("").to_owned();
        let is_new = !seen.contains(&uid);
        if is_new {
            seen.push(uid)
        } else {
            repeated.push(uid)
        }
        is_new
    });
    (!repeated.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests \
             as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            repeated.join(", ")
        )
    })
}

/// Raises `metadata.generation` where something outside metadata and status changed (and, for Deployments, annotations).
pub fn count_generation(new: &mut Value, old: &Value, kind: &ResourceType) {
    if kind.has_generation && is_new_generation(new, old, kind) {
        raise_generation(new);
    }
}

/// Adds one to `metadata.generation`, where it is kept.
pub fn raise_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        object["metadata"]["generation"] = (generation + 1).into();
    }
}

fn is_new_generation(new: &Value, old: &Value, kind: &ResourceType) -> bool {
    let outside = if kind.has_status { &["metadata", "apiVersion", "status"][..] } else { &["metadata", "apiVersion"] };
    let annotations =
        kind.group == "apps" && kind.plural == "deployments" && new["metadata"]["annotations"] != old["metadata"]["annotations"];
    annotations || !is_same_but(new, old, outside)
}

/// Whether two objects have the same fields, some fields aside.
fn is_same_but(a: &Value, b: &Value, aside: &[&str]) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let counts = |field: &&String| !aside.contains(&field.as_str());
    a.keys().filter(counts).count() == b.keys().filter(counts).count()
        && a.iter().filter(|(field, _)| counts(field)).all(|(field, value)| b.get(field) == Some(value))
}

/// What a change of metadata is refused for, beyond what a new object is.
pub fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let finalizers = |object: &Value| -> Vec<String> {
        let all = object["metadata"]["finalizers"].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut errors = Vec::new();
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (found, was) = (&new["metadata"][field], &old["metadata"][field]);
        if !found.is_null() && found != was {
            let detail = "field is immutable".to_owned();
            let field = format!("metadata.{field}");
            errors.push(FieldError { reason: FieldReason::Invalid, field, value: found.to_string(), detail });
        }
    }
    let before = finalizers(old);
    let added: Vec<_> = finalizers(new).into_iter().filter(|finalizer| !before.contains(finalizer)).collect();
    if old["metadata"]["deletionTimestamp"].is_null() || added.is_empty() {
        return errors;
    }
    let listed: Vec<_> = added.iter().map(|finalizer| format!("{finalizer:?}")).collect();
    errors.push(FieldError {
        reason: FieldReason::Forbidden,
        field: "metadata.finalizers".into(),
        value: String::new(),
        detail: format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            listed.join(", ")
        ),
    });
    errors
}

/// Whether an object waits for nothing more than its removal.
pub fn is_ready_to_go(object: &Value) -> bool {
    let empty = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).is_none_or(Vec::is_empty);
    // The namespace's own finalizers stand in its spec.
    let spec = object["kind"] != "Namespace" || object["apiVersion"] != "v1" || empty("/spec/finalizers");
    let grace = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    !object["metadata"]["deletionTimestamp"].is_null() && grace == 0 && spec && empty("/metadata/finalizers")
}

/// Whether a write would change nothing but the times of managed fields.
pub fn is_same(new: &Value, old: &Value) -> bool {
    const MAPS: [&str; 2] = ["labels", "annotations"];
    let (a, b) = (&new["metadata"], &old["metadata"]);
    let entries = |metadata: &Value| metadata["managedFields"].as_array().map_or(0, Vec::len);
    is_same_but(new, old, &["metadata"])
        && is_same_but(a, b, &["resourceVersion", "managedFields", MAPS[0], MAPS[1]])
        && MAPS.iter().all(|map| a[map] == b[map] || (is_empty(&a[map]) && is_empty(&b[map])))
        && entries(a) == entries(b)
        && (0..entries(a)).all(|index| is_same_but(&a["managedFields"][index], &b["managedFields"][index], &["time"]))
}

fn is_empty(map: &Value) -> bool {
    map.as_object().is_none_or(Map::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finalizers_cannot_be_added_while_deleting() {
        let old = json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["a.io/x"]}});
        let new = json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["a.io/x", "b.io/y"]}});
        assert_eq!(
            validate_update(&new, &old)[0].to_string(),
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"b.io/y\"}"
        );
        assert!(validate_update(&old, &new).is_empty());
    }

    #[test]
    fn an_object_goes_when_the_last_finalizer_and_the_grace_are_gone() {
        assert!(is_ready_to_go(&json!({"metadata": {"deletionTimestamp": "t", "finalizers": []}})));
        assert!(!is_ready_to_go(&json!({"metadata": {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 30}})));
        assert!(!is_ready_to_go(&json!({"metadata": {"finalizers": []}})));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"deletionTimestamp": "t"}, "spec": {"finalizers": ["kubernetes"]}});
        assert!(!is_ready_to_go(&namespace));
    }

    #[test]
    fn only_the_time_of_managed_fields_may_differ_in_a_write_that_changes_nothing() {
        let at = |time: &str, data: i64| json!({"metadata": {"managedFields": [{"manager": "a", "time": time}]}, "data": data});
        assert!(is_same(&at("1", 1), &at("2", 1)));
        assert!(!is_same(&at("1", 1), &at("1", 2)));
        assert!(!is_same(&at("1", 1), &json!({"data": 1})));
        assert!(is_same(&json!({"metadata": {"labels": {}}}), &json!({"metadata": {}})));
        assert!(!is_same(&json!({"metadata": {"labels": {"a": "b"}}}), &json!({"metadata": {}})));
    }
}
