//! Schemas as OpenAPI v3 documents publish them: the definitions of `k8s-openapi` with our facts about them, for `kubectl explain` and
//! for clients that make patches.
//!
//! What the values of an enumeration mean is not known here, only which there are.

use super::built_in::{OBJECT_META, reference};
use super::facts::{self, Facts};
use super::types::DEFINITIONS;
use serde_json::{Map, Value, json};

/// The reference prefix of published schemas.
const PUBLISHED: &str = "#/components/schemas/";

/// The name of a built-in type's definition; `None` for one that has none.
pub(crate) fn definition_of(api_version: &str, kind: &str) -> Option<&'static str> {
    let found = DEFINITIONS.types.iter().find(|of| of.api_version == api_version && of.kind == kind)?;
    Some(&found.definition)
}

/// Adds a definition and all that it refers to.
pub(crate) fn publish(schemas: &mut Map<String, Value>, name: &str) {
    if schemas.contains_key(name) {
        return;
    }
    let Some(schema) = DEFINITIONS.schemas.get(name) else { return };
    schemas.insert(name.to_owned(), definition(name, schema));
    let mut wanted = Vec::new();
    references(schema, &mut wanted);
    wanted.into_iter().for_each(|name| publish(schemas, name));
}

/// Adds the schema of a custom resource under a name, with `apiVersion`, `kind` and `metadata` as every resource has them.
pub(crate) fn publish_custom(schemas: &mut Map<String, Value>, name: &str, open_api: &Value) {
    let mut schema = open_api.clone();
    let any = definition_of("v1", "ConfigMap").and_then(|name| DEFINITIONS.schemas.get(name)).expect("a built-in type");
    for field in ["apiVersion", "kind", "metadata"] {
        schema["properties"][field] = property(&any["properties"][field], None);
    }
    schemas.insert(name.to_owned(), schema);
    publish(schemas, OBJECT_META);
}

fn references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    found.extend(reference(schema));
    match schema {
        Value::Object(fields) => fields.values().for_each(|field| references(field, found)),
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn definition(name: &str, schema: &Value) -> Value {
    let mut published = schema.clone();
    let type_facts = facts::of(name);
    if name.ends_with(".IntOrString") {
        published =
            json!({"description": schema["description"], "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]});
    }
    if let Some(properties) = published.get_mut("properties").and_then(Value::as_object_mut) {
        for (field, schema) in properties {
            *schema = property(schema, type_facts.and_then(|facts| facts.fields.get(field.as_str())));
        }
    }
    if type_facts.is_some_and(|facts| facts.atomic) {
        published["x-kubernetes-map-type"] = "atomic".into();
    }
    published
}

fn property(schema: &Value, facts: Option<&Facts>) -> Value {
    let mut published = schema.clone();
    if let Some(name) = reference(schema) {
        published = json!({"allOf": [{"$ref": format!("{PUBLISHED}{name}")}]});
        if let Some(description) = schema.get("description") {
            published["description"] = description.clone();
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = schema.get(inner).filter(|schema| schema.is_object()) {
            published[inner] = property(schema, None);
        }
    }
    if let Some(facts) = facts {
        describe(&mut published, facts);
    }
    published
}

/// What clients that merge must know, and which values there are.
fn describe(schema: &mut Value, facts: &Facts) {
    if !facts.keys.is_empty() {
        schema["x-kubernetes-list-type"] = "map".into();
        schema["x-kubernetes-list-map-keys"] = json!(facts.keys);
    } else if facts.set {
        schema["x-kubernetes-list-type"] = "set".into();
    }
    if facts.atomic || facts.granular {
        schema["x-kubernetes-map-type"] = if facts.atomic { "atomic" } else { "granular" }.into();
    }
    let strategies = [(facts.merge.is_some(), "merge"), (facts.replace, "replace"), (facts.retain, "retainKeys")];
    let strategies: Vec<&str> = strategies.into_iter().filter_map(|(is_so, name)| is_so.then_some(name)).collect();
    if !strategies.is_empty() {
        schema["x-kubernetes-patch-strategy"] = strategies.join(",").into();
    }
    if let Some(Some(key)) = facts.merge {
        schema["x-kubernetes-patch-merge-key"] = key.into();
    }
    if let Some(default) = facts.default {
        schema["default"] = default.into();
    }
    if !facts.values.is_empty() {
        schema["enum"] = json!(facts.values);
        let listed: Vec<String> = facts.values.iter().map(|value| format!(" - `\"{value}\"`")).collect();
        let description = schema["description"].as_str().unwrap_or("");
        schema["description"] = format!("{description}\n\nPossible enum values:\n{}", listed.join("\n")).into();
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::REFERENCE;
    use super::*;

    #[test]
    fn a_published_schema_says_how_its_lists_merge_and_refers_to_nothing_that_is_missing() {
        let mut schemas = Map::new();
        publish(&mut schemas, definition_of("apps/v1", "Deployment").unwrap());
        let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["items"]["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.core.v1.Container");
        assert_eq!(schemas["io.k8s.api.apps.v1.DeploymentStrategy"]["properties"]["type"]["enum"], json!(["Recreate", "RollingUpdate"]));
        let text = Value::Object(schemas.clone()).to_string();
        assert!(!text.contains(REFERENCE), "a reference of the source is left");
        for name in text.split(PUBLISHED).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(schemas.contains_key(name), "{name} is referred to and missing");
        }
    }
}
