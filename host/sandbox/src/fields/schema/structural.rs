//! Whether a CRD's schema is structural, as the API server demands of every schema, and its words for what is not.
//!
//! Checks the mistakes that people make; leaves out the corners that only generators reach.

use crate::fields::golang::{bad_value, quoted};
use crate::status::{FieldError, FieldReason};
use regex::Regex;
use serde_json::Value;

/// Where in an object a schema applies.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// All faults of a schema, sorted by their texts.
pub(super) fn errors(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut faults = Faults { found: Vec::new() };
    if schema.is_object() {
        faults.schema(schema, path, Level::Root);
    } else {
        faults.add(
            FieldReason::Required,
            path,
            String::new(),
            "schemas are required",
        );
    }
    faults.found.sort_by_key(FieldError::to_string);
    faults.found
}

struct Faults {
    found: Vec<FieldError>,
}

impl Faults {
    fn add(&mut self, reason: FieldReason, field: &str, value: String, detail: &str) {
        self.found.push(FieldError {
            reason,
            field: field.to_owned(),
            value,
            detail: detail.to_owned(),
        });
    }

    fn schema(&mut self, schema: &Value, path: &str, level: Level) {
        self.types(schema, path, level);
        self.lists(schema, path);
        self.values(schema, path);
        self.alternatives(schema, path);
        if let Some(properties) = schema["properties"].as_object() {
            if schema["additionalProperties"].is_object()
                || schema["additionalProperties"] == Value::Bool(true)
            {
                let field = format!("{path}.additionalProperties");
                self.add(
                    FieldReason::Forbidden,
                    &field,
                    String::new(),
                    "additionalProperties and properties are mutual exclusive",
                );
            }
            for (name, property) in properties {
                let below = format!("{path}.properties[{name}]");
                if level == Level::Root && name == "metadata" {
                    self.metadata(property, &below);
                } else {
                    self.schema(property, &below, Level::Field);
                }
            }
        }
        if let Value::Object(_) = &schema["additionalProperties"] {
            let below = format!("{path}.additionalProperties");
            if level == Level::Root {
                self.add(
                    FieldReason::Forbidden,
                    &below,
                    String::new(),
                    "must not be used at the root",
                );
            }
            self.schema(&schema["additionalProperties"], &below, Level::Field);
        }
        if schema["items"].is_object() {
            self.schema(&schema["items"], &format!("{path}.items"), Level::Item);
        }
    }

    fn types(&mut self, schema: &Value, path: &str, level: Level) {
        let field = format!("{path}.type");
        let is = |name: &str| schema[name] == Value::Bool(true);
        let found = schema["type"].as_str().unwrap_or_default();
        if is("x-kubernetes-embedded-resource") && found != "object" {
            let (reason, value) = if found.is_empty() {
                (FieldReason::Required, String::new())
            } else {
                (FieldReason::Invalid, quoted(found))
            };
            self.add(
                reason,
                &field,
                value,
                "must be object if x-kubernetes-embedded-resource is true",
            );
        } else if found.is_empty()
            && !is("x-kubernetes-int-or-string")
            && !is("x-kubernetes-preserve-unknown-fields")
        {
            let detail = match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            };
            self.add(FieldReason::Required, &field, String::new(), detail);
        } else if !found.is_empty()
            && !["object", "array", "string", "integer", "number", "boolean"].contains(&found)
        {
            let detail =
                r#"supported values: "array", "boolean", "integer", "number", "object", "string""#;
            self.add(FieldReason::NotSupported, &field, quoted(found), detail);
        }
        if level == Level::Root && !found.is_empty() && found != "object" {
            self.add(
                FieldReason::Invalid,
                &field,
                quoted(found),
                "must be object at the root",
            );
        }
        if found == "array" && !schema["items"].is_object() {
            self.add(
                FieldReason::Required,
                &format!("{path}.items"),
                String::new(),
                "must be specified",
            );
        }
        if schema["x-kubernetes-preserve-unknown-fields"] == Value::Bool(false) {
            let field = format!("{path}.x-kubernetes-preserve-unknown-fields");
            self.add(
                FieldReason::Invalid,
                &field,
                "false".to_owned(),
                "must be true or undefined",
            );
        }
    }

    fn lists(&mut self, schema: &Value, path: &str) {
        let field = format!("{path}.x-kubernetes-list-map-keys");
        let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let Some(list_type) = schema["x-kubernetes-list-type"].as_str() else {
            if !keys.is_empty() {
                let detail = "must not be specified if x-kubernetes-list-type is not map";
                self.add(FieldReason::Forbidden, &field, String::new(), detail);
            }
            return;
        };
        let list_type_field = format!("{path}.x-kubernetes-list-type");
        if !["atomic", "set", "map"].contains(&list_type) {
            let detail = r#"supported values: "atomic", "map", "set""#;
            self.add(
                FieldReason::NotSupported,
                &list_type_field,
                quoted(list_type),
                detail,
            );
        }
        if schema["type"].as_str() != Some("array") {
            let found = schema["type"].as_str().unwrap_or_default();
            self.add(
                FieldReason::Invalid,
                &format!("{path}.type"),
                quoted(found),
                "must be array if x-kubernetes-list-type is specified",
            );
        }
        if list_type == "map" && keys.is_empty() {
            self.add(
                FieldReason::Required,
                &field,
                String::new(),
                "must not be empty if x-kubernetes-list-type is map",
            );
        }
        let items = &schema["items"];
        for key in keys {
            let property = &items["properties"][key];
            if list_type == "map" && property.is_null() {
                let detail = "entries must all be names of item properties";
                self.add(
                    FieldReason::Invalid,
                    &field,
                    bad_value(&schema["x-kubernetes-list-map-keys"]),
                    detail,
                );
            } else if list_type == "map"
                && !is_required(items, key)
                && property["default"].is_null()
            {
                let field = format!("{path}.items.properties[{key}].default");
                let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                self.add(FieldReason::Required, &field, String::new(), detail);
            }
        }
    }

    fn values(&mut self, schema: &Value, path: &str) {
        if let Some(pattern) = schema["pattern"].as_str()
            && let Err(error) = Regex::new(pattern)
        {
            let detail = format!("must be a valid regular expression, but isn't: {error}");
            self.add(
                FieldReason::Invalid,
                &format!("{path}.pattern"),
                quoted(pattern),
                &detail,
            );
        }
        if schema["uniqueItems"] == Value::Bool(true) {
            let detail =
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.add(
                FieldReason::Forbidden,
                &format!("{path}.uniqueItems"),
                String::new(),
                detail,
            );
        }
        if schema.get("$ref").is_some() {
            self.add(
                FieldReason::Forbidden,
                &format!("{path}.$ref"),
                String::new(),
                "$ref is not supported",
            );
        }
    }

    /// Alternatives may narrow values, not describe them.
    fn alternatives(&mut self, schema: &Value, path: &str) {
        let int_or_string = is_int_or_string(&schema["anyOf"]);
        for junctor in ["allOf", "anyOf", "oneOf"] {
            for (index, nested) in schema[junctor].as_array().into_iter().flatten().enumerate() {
                let known = (junctor == "anyOf" && int_or_string)
                    || (junctor == "allOf" && index == 0 && is_int_or_string(&nested["anyOf"]));
                if !known {
                    self.nested(nested, &format!("{path}.{junctor}[{index}]"));
                }
            }
        }
        if schema["not"].is_object() {
            self.nested(&schema["not"], &format!("{path}.not"));
        }
    }

    fn nested(&mut self, schema: &Value, path: &str) {
        const EMPTY: [&str; 3] = ["type", "title", "description"];
        for name in EMPTY.into_iter().filter(|name| schema.get(*name).is_some()) {
            self.add(
                FieldReason::Forbidden,
                &format!("{path}.{name}"),
                String::new(),
                "must be empty to be structural",
            );
        }
        for name in ["default", "additionalProperties"]
            .into_iter()
            .filter(|name| schema.get(*name).is_some())
        {
            self.add(
                FieldReason::Forbidden,
                &format!("{path}.{name}"),
                String::new(),
                "must be undefined to be structural",
            );
        }
        const FALSE: [&str; 4] = [
            "nullable",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-embedded-resource",
            "x-kubernetes-int-or-string",
        ];
        for name in FALSE
            .into_iter()
            .filter(|name| schema[*name] == Value::Bool(true))
        {
            self.add(
                FieldReason::Forbidden,
                &format!("{path}.{name}"),
                String::new(),
                "must be false to be structural",
            );
        }
        self.alternatives(schema, path);
        self.values(schema, path);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.nested(property, &format!("{path}.properties[{name}]"));
        }
        if schema["items"].is_object() {
            self.nested(&schema["items"], &format!("{path}.items"));
        }
    }

    fn metadata(&mut self, schema: &Value, path: &str) {
        if schema["type"].as_str() != Some("object") {
            let found = schema["type"].as_str().unwrap_or_default();
            self.add(
                FieldReason::Invalid,
                &format!("{path}.type"),
                quoted(found),
                "must be object",
            );
        }
        let named = |name: &String| name == "name" || name == "generateName";
        let others = schema["properties"]
            .as_object()
            .is_some_and(|properties| !properties.keys().all(named));
        if others {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.add(FieldReason::Forbidden, path, String::new(), detail);
        }
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| {
        required
            .iter()
            .any(|required| required.as_str() == Some(name))
    })
}

fn is_int_or_string(any_of: &Value) -> bool {
    *any_of == serde_json::json!([{"type": "integer"}, {"type": "string"}])
}
