//! What a CustomResourceDefinition means: the types it serves, what is wrong with it ([`validation`]), and its [`status`].
//!
//! Pure: reads the definition, answers values; the server stores them.

pub mod status;
pub mod validation;

use crate::fields::schema::TypeSchema;
use crate::names;
use crate::registry::{CustomVersion, ResourceType, ScalePaths, api_version};
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
            deprecation: deprecation(definition, version),
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

/// What everybody who asks for a version that is deprecated is told.
fn deprecation(definition: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != json!(true) {
        return None;
    }
    if let Some(warning) = version["deprecationWarning"].as_str() {
        return Some(warning.to_owned());
    }
    let (group, kind) = (text(definition, "/spec/group"), text(definition, "/spec/names/kind"));
    let priority = |version: &Value| names::version_priority(text(version, "/name"));
    let better = versions(definition)
        .iter()
        .filter(|other| other["served"] == json!(true) && other["deprecated"] != json!(true) && priority(other) > priority(version))
        .max_by_key(|other| priority(other));
    let instead = better.map(|other| format!("; use {group}/{} {kind}", text(other, "/name"))).unwrap_or_default();
    Some(format!("{group}/{} {kind} is deprecated{instead}", text(version, "/name")))
}
