//! Errors in an object's metadata, of any kind. Uniqueness, namespaces and versions are the server's business.

use super::labels;
use super::reach::{entries, flag, list, text};
use super::refusal::{each_invalid, invalid, invalid_text, required, too_long};
use super::syntax;
use crate::status::FieldError;
use serde_json::Value;

/// What the names of a kind may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameRule {
    /// DNS subdomain: most kinds, and all custom resources.
    #[default]
    Subdomain,
    /// DNS label: namespaces, StatefulSets.
    Label,
    /// DNS label that starts with a letter: Services.
    OldLabel,
    /// Path segment: roles and their bindings.
    PathSegment,
}

impl NameRule {
    fn check(self, name: &str) -> Vec<String> {
        match self {
            Self::Subdomain => syntax::dns_subdomain(name),
            Self::Label => syntax::dns_label(name),
            Self::OldLabel => syntax::dns_1035_label(name),
            Self::PathSegment => syntax::path_segment(name),
        }
    }
}

/// Finalizers of the server itself, which need no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "foregroundDeletion", "orphan"];
/// Bytes that annotations may take together.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// Field errors of `metadata`, in the order of the real server.
pub fn validate(object: &Value, names: NameRule) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let generate_name = text(object, "/metadata/generateName");
    if !generate_name.is_empty() {
        // The part that is generated ends it with something that is allowed at the end.
        let stem = generate_name.trim_end_matches('-');
        let checked = if stem.is_empty() { generate_name } else { stem };
        errors.extend(each_invalid("metadata.generateName", generate_name, names.check(checked)));
    }
    match text(object, "/metadata/name") {
        "" => errors.push(required("metadata.name", "name or generateName is required")),
        name => errors.extend(each_invalid("metadata.name", name, names.check(name))),
    }
    errors.extend(labels::validate(object.pointer("/metadata/labels"), "metadata.labels"));
    errors.extend(annotations(object.pointer("/metadata/annotations"), "metadata.annotations"));
    errors.extend(owners(object));
    errors.extend(finalizers(object));
    errors
}

fn finalizers(object: &Value) -> Vec<FieldError> {
    let path = "metadata.finalizers";
    let all = || list(object, "/metadata/finalizers").iter().filter_map(Value::as_str);
    let mut errors: Vec<FieldError> =
        all().flat_map(|finalizer| each_invalid(path, finalizer, syntax::qualified_name(finalizer))).collect();
    if ["orphan", "foregroundDeletion"].iter().all(|own| all().any(|finalizer| finalizer == *own)) {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(invalid(path, &object["metadata"]["finalizers"], detail));
    }
    for (index, finalizer) in all().enumerate() {
        if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(invalid_text(format!("{path}[{index}]"), finalizer, detail));
        }
    }
    errors
}

/// Field errors of the metadata of an object within another.
pub(crate) fn of_embedded(metadata: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = labels::validate(metadata.get("labels"), &format!("{path}.labels"));
    errors.extend(annotations(metadata.get("annotations"), &format!("{path}.annotations")));
    errors
}

/// Errors of a map of annotations.
pub(super) fn annotations(annotations: Option<&Value>, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in annotations.into_iter().flat_map(|annotations| entries(annotations, "")) {
        errors.extend(each_invalid(path, key, syntax::qualified_name(&key.to_lowercase())));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_MAX {
        errors.push(too_long(path, ANNOTATIONS_MAX));
    }
    errors
}

fn owners(object: &Value) -> Vec<FieldError> {
    let owners = list(object, "/metadata/ownerReferences");
    let mut errors = Vec::new();
    for owner in owners {
        let path = "metadata.ownerReferences";
        let version = text(owner, "/apiVersion");
        if version.rsplit('/').next().unwrap_or_default().is_empty() || version.matches('/').count() > 1 {
            errors.push(invalid_text(format!("{path}.apiVersion"), version, "version must not be empty"));
        }
        for field in ["kind", "name", "uid"] {
            if text(owner, &format!("/{field}")).is_empty() {
                errors.push(invalid_text(format!("{path}.{field}"), "", "must not be empty"));
            }
        }
        if version == "v1" && text(owner, "/kind") == "Event" {
            errors.push(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"));
        }
    }
    let controllers: Vec<String> = owners
        .iter()
        .filter(|owner| flag(owner, "/controller"))
        .map(|owner| format!("{}/{}", text(owner, "/kind"), text(owner, "/name")))
        .collect();
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}");
        errors.push(invalid("metadata.ownerReferences", &object["metadata"]["ownerReferences"], detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn errors(metadata: Value, names: NameRule) -> Vec<String> {
        validate(&json!({"metadata": metadata}), names).iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn names_follow_the_rule_of_their_kind() {
        assert_eq!(errors(json!({}), NameRule::Subdomain), ["metadata.name: Required value: name or generateName is required"]);
        assert!(errors(json!({"name": "a.b"}), NameRule::Subdomain).is_empty());
        assert!(
            errors(json!({"name": "a.b"}), NameRule::Label)[0]
                .starts_with("metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label")
        );
        assert!(errors(json!({"name": "system:x"}), NameRule::PathSegment).is_empty());
        assert!(errors(json!({"name": "a-x", "generateName": "a-"}), NameRule::Label).is_empty());
        assert_eq!(errors(json!({"name": "A-x", "generateName": "A-"}), NameRule::Label).len(), 2);
    }

    #[test]
    fn annotations_may_have_upper_case_keys_and_any_value() {
        assert!(errors(json!({"name": "a", "annotations": {"Example.com/X": "any thing"}}), NameRule::Label).is_empty());
        let long = "x".repeat(ANNOTATIONS_MAX);
        assert_eq!(
            errors(json!({"name": "a", "annotations": {"k": long}}), NameRule::Label),
            ["metadata.annotations: Too long: may not be more than 262144 bytes"]
        );
    }

    #[test]
    fn owners_are_named_in_full_and_one_controls() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true});
        assert!(errors(json!({"name": "a", "ownerReferences": [owner]}), NameRule::Label).is_empty());
        assert_eq!(errors(json!({"name": "a", "ownerReferences": [{}]}), NameRule::Label).len(), 4);
        assert_eq!(errors(json!({"name": "a", "ownerReferences": [owner, owner]}), NameRule::Label).len(), 1);
    }
}
