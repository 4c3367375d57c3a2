//! What is wrong with a definition, in the real server's words and order.

use super::{text, texts, versions};
use crate::fields::golang::quoted;
use crate::fields::schema::TypeSchema;
use crate::kinds::{dns_1035_label, dns_subdomain};
use crate::status::{FieldError, FieldReason};
use serde_json::{Value, json};

const IMMUTABLE: &str = "field is immutable";
const APPROVAL: &str = "api-approved.kubernetes.io";

fn error(reason: FieldReason, field: impl Into<String>, value: String, detail: impl Into<String>) -> FieldError {
    FieldError { reason, field: field.into(), value, detail: detail.into() }
}

fn required(field: impl Into<String>, detail: &str) -> FieldError {
    error(FieldReason::Required, field, String::new(), detail)
}

fn invalid(field: impl Into<String>, text: &str, detail: impl Into<String>) -> FieldError {
    error(FieldReason::Invalid, field, quoted(text), detail)
}

/// What is wrong with a new definition.
pub fn of_new(definition: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(definition, "/metadata/name");
    if name != format!("{}.{}", text(definition, "/spec/names/plural"), text(definition, "/spec/group")) {
        errors.push(invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
    }
    errors.extend(of_any(definition));
    errors.extend(unapproved(definition));
    errors
}

/// What is wrong with a change of a definition: names and scope stay once they were accepted.
pub fn of_change(new: &Value, old: &Value) -> Vec<FieldError> {
    let immutable = |pointer: &str| {
        let (before, after) = (text(old, pointer), text(new, pointer));
        (before != after).then(|| invalid(pointer[1..].replace('/', "."), after, IMMUTABLE))
    };
    let mut errors = of_any(new);
    if super::status::is_established(&old["status"]) {
        let fields = ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"];
        errors.extend(fields.into_iter().filter_map(immutable));
    }
    errors
}

fn of_any(definition: &Value) -> Vec<FieldError> {
    let mut errors = group(text(definition, "/spec/group"));
    match text(definition, "/spec/scope") {
        "" => errors.push(required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        scope => {
            let supported = "supported values: \"Cluster\", \"Namespaced\"";
            errors.push(error(FieldReason::NotSupported, "spec.scope", quoted(scope), supported));
        }
    }
    errors.extend(all_versions(definition));
    errors.extend(names(&definition["spec"]["names"]));
    let all = versions(definition);
    let is_single = all.len() == 1;
    for (index, version) in all.iter().enumerate() {
        let prefix = if is_single { "spec".to_owned() } else { format!("spec.versions[{index}]") };
        errors.extend(schema(version, index, is_single));
        errors.extend(scale(&version["subresources"]["scale"], &format!("{prefix}.subresources.scale")));
        for (index, column) in version["additionalPrinterColumns"].as_array().into_iter().flatten().enumerate() {
            errors.extend(self::column(column, &format!("{prefix}.additionalPrinterColumns[{index}]")));
        }
    }
    errors.extend(stored(definition));
    errors
}

fn group(group: &str) -> Vec<FieldError> {
    let wrong = dns_subdomain(group);
    let found = match group {
        "" => Some(required("spec.group", "")),
        _ if !wrong.is_empty() => Some(invalid("spec.group", group, wrong.join(","))),
        _ if !group.contains('.') => Some(invalid("spec.group", group, "should be a domain with at least one dot")),
        _ => None,
    };
    found.into_iter().collect()
}

fn all_versions(definition: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let all = versions(definition);
    let named = |version: &Value| text(version, "/name").to_owned();
    let label = |field: String, version: &Value| {
        let wrong = dns_1035_label(text(version, "/name"));
        (!wrong.is_empty()).then(|| invalid(field, text(version, "/name"), wrong.join(",")))
    };
    errors.extend(all.iter().enumerate().filter_map(|(index, version)| label(format!("spec.versions[{index}].name"), version)));
    let quoted = || match definition["spec"].get("versions") {
        Some(Value::Array(all)) => Value::Array(all.iter().map(in_go).collect()).to_string(),
        _ => "null".to_owned(),
    };
    if all.iter().enumerate().any(|(index, version)| all[..index].iter().any(|other| named(other) == named(version))) {
        errors.push(error(FieldReason::Invalid, "spec.versions", quoted(), "must contain unique version names"));
    }
    if all.iter().filter(|version| version["storage"] == json!(true)).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(error(FieldReason::Invalid, "spec.versions", quoted(), detail));
    }
    errors.extend(all.first().and_then(|version| label("spec.version".to_owned(), version)));
    errors
}

/// A version as the server itself holds it, where all versions share one schema.
fn in_go(version: &Value) -> Value {
    json!({"Name": version["name"], "Served": version["served"] == json!(true), "Storage": version["storage"] == json!(true),
        "Deprecated": version["deprecated"] == json!(true), "DeprecationWarning": version["deprecationWarning"], "Schema": null,
        "Subresources": null, "AdditionalPrinterColumns": null, "SelectableFields": null})
}

fn names(names: &Value) -> Vec<FieldError> {
    let fields = ["plural", "singular", "kind", "listKind"];
    let mut errors: Vec<FieldError> = fields
        .iter()
        .filter(|field| names[*field].as_str().unwrap_or_default().is_empty())
        .map(|field| required(format!("spec.names.{field}"), ""))
        .collect();
    let given = |field: &str| names[field].as_str().filter(|name| !name.is_empty());
    for field in ["plural", "singular"] {
        let wrong = given(field).map(dns_1035_label).unwrap_or_default();
        errors
            .extend((!wrong.is_empty()).then(|| invalid(format!("spec.names.{field}"), given(field).unwrap_or_default(), wrong.join(","))));
    }
    for field in ["kind", "listKind"] {
        let wrong = given(field).map(|name| dns_1035_label(&name.to_lowercase())).unwrap_or_default();
        let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
        errors.extend((!wrong.is_empty()).then(|| invalid(format!("spec.names.{field}"), given(field).unwrap_or_default(), detail)));
    }
    let listed = |field: &str| {
        let wrong = |(index, name): (usize, String)| {
            let wrong = dns_1035_label(&name);
            (!wrong.is_empty()).then(|| invalid(format!("spec.names.{field}[{index}]"), &name, wrong.join(",")))
        };
        texts(names.get(field)).into_iter().enumerate().filter_map(wrong).collect::<Vec<_>>()
    };
    errors.extend(listed("shortNames"));
    if let Some(kind) = given("kind").filter(|kind| given("listKind") == Some(kind)) {
        errors.push(invalid("spec.names.listKind", kind, "kind and listKind may not be the same"));
    }
    errors.extend(listed("categories"));
    errors
}

fn schema(version: &Value, index: usize, is_single: bool) -> Vec<FieldError> {
    let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
    let Some(schema) = version.pointer("/schema/openAPIV3Schema") else { return vec![required(field, "")] };
    let field = if is_single { "spec.validation.openAPIV3Schema".to_owned() } else { field };
    let at = |mut error: FieldError| {
        error.field = if error.field.is_empty() { field.clone() } else { format!("{field}.{}", error.field) };
        error
    };
    TypeSchema::from_crd(schema).err().into_iter().flatten().map(at).collect()
}

fn is_simple(path: &str) -> bool {
    path.len() > 1 && path.starts_with('.')
}

fn scale(scale: &Value, field: &str) -> Vec<FieldError> {
    const NOT_SIMPLE: &str = "must be a simple json path starting with .";
    if !scale.is_object() {
        return Vec::new();
    }
    let check = |name: &str, below: &[&str], words: &str| {
        let path = scale[name].as_str().unwrap_or_default();
        let place = format!("{field}.{name}");
        match path {
            "" if name == "labelSelectorPath" => None,
            "" => Some(required(place, "")),
            _ if !is_simple(path) => Some(invalid(place, path, NOT_SIMPLE)),
            _ if !below.iter().any(|start| path.starts_with(start)) => Some(invalid(place, path, words)),
            _ => None,
        }
    };
    [
        check("specReplicasPath", &[".spec."], "should be a json path under .spec"),
        check("statusReplicasPath", &[".status."], "should be a json path under .status"),
        check("labelSelectorPath", &[".spec.", ".status."], "should be a json path under either .spec or .status"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn column(column: &Value, field: &str) -> Vec<FieldError> {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    let given = |name: &str| column[name].as_str().unwrap_or_default();
    let mut errors = Vec::new();
    errors.extend(given("name").is_empty().then(|| required(format!("{field}.name"), "")));
    match given("type") {
        "" => errors.push(required(format!("{field}.type"), "must be one of boolean,date,integer,number,string")),
        kind if !TYPES.contains(&kind) => {
            errors.push(invalid(format!("{field}.type"), kind, "must be one of boolean,date,integer,number,string"));
        }
        _ => {}
    }
    match given("jsonPath") {
        "" => errors.push(required(format!("{field}.JSONPath"), "")),
        path if !is_simple(path) => {
            errors.push(invalid(format!("{field}.JSONPath"), path, "must be a simple json path starting with ."));
        }
        _ => {}
    }
    errors
}

/// Versions that objects may still be stored in must stay; and there is one to store in.
fn stored(definition: &Value) -> Vec<FieldError> {
    let (stored, field) = (super::status::stored_versions(definition), "status.storedVersions");
    if stored.is_empty() {
        return vec![error(FieldReason::Invalid, field, "null".to_owned(), "must have at least one stored version")];
    }
    let mut storage = versions(definition).iter().filter(|version| version["storage"] == json!(true)).map(|version| text(version, "/name"));
    if let (Some(first), Some(other)) = (storage.next(), storage.next()) {
        // Only the first of several is taken for the one.
        let printed = json!([first]).to_string();
        return vec![error(FieldReason::Invalid, field, printed, format!("must have the storage version {other}"))];
    }
    let known = |name: &String| versions(definition).iter().any(|version| version["name"] == name.as_str());
    let missing = |(index, name): (usize, &String)| {
        let detail = format!(
            "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage \
             migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
        );
        invalid(format!("{field}[{index}]"), name, detail)
    };
    stored.iter().enumerate().filter(|(_, name)| !known(name)).map(missing).collect()
}

/// Groups of the Kubernetes project need its approval.
fn unapproved(definition: &Value) -> Option<FieldError> {
    let group = text(definition, "/spec/group");
    let is_protected = ["k8s.io", "kubernetes.io"].iter().any(|domain| group == *domain || group.ends_with(&format!(".{domain}")));
    let is_approved = definition["metadata"]["annotations"][APPROVAL].is_string();
    let detail =
        format!("protected groups must have approval annotation {APPROVAL:?}, see https://github.com/kubernetes/enhancements/pull/1111");
    (is_protected && !is_approved).then(|| required(format!("metadata.annotations[{APPROVAL}]"), &detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_definition_is_named_after_its_plural_and_group() {
        let definition = json!({"metadata": {"name": "wrong"}, "spec": {"group": "g.io", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}, "versions": []}});
        assert_eq!(
            said(&of_new(&definition)),
            [
                "metadata.name: Invalid value: \"wrong\": must be spec.names.plural+\".\"+spec.group",
                "spec.versions: Invalid value: []: must have exactly one version marked as storage version",
                "status.storedVersions: Invalid value: null: must have at least one stored version",
            ]
        );
    }

    #[test]
    fn paths_of_columns_and_scale_start_with_a_dot() {
        let scale = said(&scale(&json!({"specReplicasPath": ".replicas", "statusReplicasPath": "status.replicas"}), "s"));
        assert_eq!(scale[0], "s.specReplicasPath: Invalid value: \".replicas\": should be a json path under .spec");
        assert_eq!(scale[1], "s.statusReplicasPath: Invalid value: \"status.replicas\": must be a simple json path starting with .");
        assert_eq!(
            said(&column(&json!({"name": "n", "type": "text", "jsonPath": ".a"}), "c")),
            ["c.type: Invalid value: \"text\": must be one of boolean,date,integer,number,string"]
        );
    }

    #[test]
    fn what_was_accepted_stays() {
        let spec = |scope: &str| {
            json!({"group": "g.io", "scope": scope, "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
                "versions": [{"name": "v1", "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]})
        };
        let established = json!({"conditions": [{"type": "Established", "status": "True"}]});
        let old = json!({"spec": spec("Cluster"), "status": established});
        let errors = of_change(&json!({"spec": spec("Namespaced")}), &old);
        assert_eq!(said(&errors), ["spec.scope: Invalid value: \"Namespaced\": field is immutable"]);
    }
}
