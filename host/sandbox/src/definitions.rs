//! What a CustomResourceDefinition means: the types it serves, its defaults, its own validation, and its status.
//!
//! Pure: reads the definition, answers values; the server stores them.

use crate::fields::schema::TypeSchema;
use crate::names;
use crate::registry::{CustomVersion, ResourceType, ScalePaths, api_version};
use crate::status::{FieldError, FieldReason};
use serde_json::{Value, json};
use std::sync::Arc;

/// Under which name definitions are stored.
pub const STORED_AS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Finalizer that keeps a definition until its objects are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn versions(definition: &Value) -> &[Value] {
    definition.pointer("/spec/versions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What is wrong with a definition.
pub fn validate(definition: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let expected = format!("{}.{}", text(definition, "/spec/names/plural"), text(definition, "/spec/group"));
    let name = text(definition, "/metadata/name");
    if name != expected {
        errors.push(FieldError {
            reason: FieldReason::Invalid,
            field: "metadata.name".into(),
            value: format!("{name:?}"),
            detail: "must be spec.names.plural+\".\"+spec.group".into(),
        });
    }
    for (pointer, field) in [
        ("/spec/group", "spec.group"),
        ("/spec/scope", "spec.scope"),
        ("/spec/names/plural", "spec.names.plural"),
        ("/spec/names/kind", "spec.names.kind"),
    ] {
        if text(definition, pointer).is_empty() {
            errors.push(required(field, ""));
        }
    }
    let scope = text(definition, "/spec/scope");
    if !["", "Cluster", "Namespaced"].contains(&scope) {
        errors.push(FieldError {
            reason: FieldReason::NotSupported,
            field: "spec.scope".into(),
            value: format!("{scope:?}"),
            detail: "supported values: \"Cluster\", \"Namespaced\"".into(),
        });
    }
    let stored = versions(definition).iter().filter(|version| version["storage"] == json!(true)).count();
    if stored != 1 {
        errors.push(FieldError {
            reason: FieldReason::Invalid,
            field: "spec.versions".into(),
            value: serde_json::to_string(&definition["spec"]["versions"]).unwrap_or_default(),
            detail: "must have exactly one version marked as storage version".into(),
        });
    }
    for (index, version) in versions(definition).iter().enumerate() {
        let mut field = format!("spec.versions[{index}].schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            None => errors.push(required(&field, "")),
            Some(_) if versions(definition).len() == 1 => field = "spec.validation.openAPIV3Schema".into(),
            Some(_) => {}
        }
        if let Some(schema) = version.pointer("/schema/openAPIV3Schema") {
            errors.extend(TypeSchema::from_crd(schema).err().into_iter().flatten().map(|mut error| {
                error.field = if error.field.is_empty() { field.clone() } else { format!("{field}.{}", error.field) };
                error
            }));
        }
    }
    errors
}

fn required(field: &str, detail: &str) -> FieldError {
    FieldError { reason: FieldReason::Required, field: field.into(), value: String::new(), detail: detail.into() }
}

/// What is wrong with a change of a definition: names and scope stay once they were accepted.
pub fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let immutable = |pointer: &str, field: &str| {
        (new.pointer(pointer) != old.pointer(pointer)).then(|| FieldError {
            reason: FieldReason::Invalid,
            field: field.into(),
            value: new.pointer(pointer).map(Value::to_string).unwrap_or_default(),
            detail: "field is immutable".into(),
        })
    };
    let fields = [("/spec/scope", "spec.scope"), ("/spec/names/kind", "spec.names.kind"), ("/spec/names/plural", "spec.names.plural")];
    fields.iter().filter_map(|(pointer, field)| immutable(pointer, field)).collect()
}

/// `status` of a definition that nobody has looked at yet.
pub fn initial_status(definition: &Value) -> Value {
    json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": stored_versions(definition)})
}

/// All versions that objects were ever stored in.
fn stored_versions(definition: &Value) -> Vec<String> {
    let mut stored = texts(definition.pointer("/status/storedVersions"));
    for version in versions(definition).iter().filter(|version| version["storage"] == json!(true)) {
        let name = text(version, "/name").to_owned();
        if !stored.contains(&name) {
            stored.push(name);
        }
    }
    stored
}

/// `status` of an accepted definition. The times of conditions that were there stay.
pub fn accepted_status(definition: &Value, now: &str) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| {
        let old = definition.pointer("/status/conditions").and_then(Value::as_array);
        let old = old.and_then(|all| all.iter().find(|old| old["type"] == kind && old["status"] == "True"));
        old.cloned()
            .unwrap_or_else(|| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}))
    };
    json!({
        "acceptedNames": definition["spec"]["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": stored_versions(definition),
    })
}

/// The types that a definition serves, newest version first; none while its schema cannot be read.
pub fn served_types(definition: &Value) -> Vec<Arc<ResourceType>> {
    let Some(storage) = versions(definition).iter().find(|version| version["storage"] == json!(true)) else { return Vec::new() };
    let mut served: Vec<_> = versions(definition)
        .iter()
        .filter(|version| version["served"] == json!(true))
        .filter_map(|version| Some(Arc::new(served_type(definition, version, storage)?)))
        .collect();
    served.sort_by_key(|of| std::cmp::Reverse(names::version_priority(&of.version)));
    served
}

fn served_type(definition: &Value, version: &Value, storage: &Value) -> Option<ResourceType> {
    let spec = &definition["spec"];
    let group = text(definition, "/spec/group").to_owned();
    let open_api = version.pointer("/schema/openAPIV3Schema")?.clone();
    let subresources = &version["subresources"];
    let (kind, plural) = (text(spec, "/names/kind"), text(spec, "/names/plural"));
    Some(ResourceType {
        version: text(version, "/name").to_owned(),
        kind: kind.to_owned(),
        list_kind: Some(text(spec, "/names/listKind")).filter(|kind| !kind.is_empty()).map_or(format!("{kind}List"), str::to_owned),
        plural: plural.to_owned(),
        singular: text(spec, "/names/singular").to_owned(),
        short_names: texts(spec.pointer("/names/shortNames")),
        categories: texts(spec.pointer("/names/categories")),
        namespaced: text(spec, "/scope") == "Namespaced",
        has_status: subresources["status"].is_object(),
        scale: scale_paths(&subresources["scale"]),
        has_generation: true,
        stored_as: format!("{plural}.{group}").into(),
        storage_api_version: api_version(&group, text(storage, "/name")),
        view: None,
        behaviour: None,
        schema: Some(schema_of(version)?),
        custom: Some(CustomVersion {
            printer_columns: version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
            selectable_fields: selectable_fields(version),
            deprecation: deprecation(version, &group, kind),
            open_api,
            storage_schema: if version["name"] == storage["name"] { None } else { Some(schema_of(storage)?) },
        }),
        group,
    })
}

fn schema_of(version: &Value) -> Option<Arc<TypeSchema>> {
    Some(Arc::new(TypeSchema::from_crd(version.pointer("/schema/openAPIV3Schema")?).ok()?))
}

fn scale_paths(scale: &Value) -> Option<ScalePaths> {
    Some(ScalePaths {
        spec_replicas: scale["specReplicasPath"].as_str()?.to_owned(),
        status_replicas: scale["statusReplicasPath"].as_str()?.to_owned(),
        selector: scale["labelSelectorPath"].as_str().map(str::to_owned),
    })
}

fn selectable_fields(version: &Value) -> Vec<String> {
    let fields = version["selectableFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    fields.iter().filter_map(|field| field["jsonPath"].as_str()).map(str::to_owned).collect()
}

fn deprecation(version: &Value, group: &str, kind: &str) -> Option<String> {
    (version["deprecated"] == json!(true)).then(|| match version["deprecationWarning"].as_str() {
        Some(warning) => warning.to_owned(),
        None => format!("{group}/{} {kind} is deprecated", text(version, "/name")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_named_after_its_plural_and_group() {
        let definition = json!({"metadata": {"name": "wrong"}, "spec": {"group": "g.io", "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"}, "versions": []}});
        let messages: Vec<_> = validate(&definition).iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "metadata.name: Invalid value: \"wrong\": must be spec.names.plural+\".\"+spec.group",
                "spec.versions: Invalid value: []: must have exactly one version marked as storage version",
            ]
        );
    }

    #[test]
    fn accepted_conditions_keep_their_times() {
        let mut definition =
            json!({"spec": {"names": {"kind": "Thing", "plural": "things"}, "versions": [{"name": "v1", "storage": true}]}});
        definition["status"] = accepted_status(&definition, "2026-01-01T00:00:00Z");
        let again = accepted_status(&definition, "2027-01-01T00:00:00Z");
        assert_eq!(definition["status"], again);
        assert_eq!(again["storedVersions"], json!(["v1"]));
    }
}
