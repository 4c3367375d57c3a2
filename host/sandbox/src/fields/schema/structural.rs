//! Whether a CRD's schema is structural, as the API server demands of every schema, and its words for what is not.
//!
//! Checks the mistakes that people make; leaves out the corners that only generators reach.

use crate::fields::golang::{self, bad_value, quoted};
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

/// All faults of a schema, sorted by their texts. Paths start at the schema.
pub(super) fn errors(schema: &Value) -> Vec<FieldError> {
    let mut faults = Faults { found: Vec::new() };
    if schema.is_object() {
        faults.schema(schema, "", Level::Root);
    } else {
        faults.required("", "schemas are required");
    }
    faults.found.sort_by_key(FieldError::to_string);
    faults.found
}

struct Faults {
    found: Vec<FieldError>,
}

impl Faults {
    fn add(&mut self, reason: FieldReason, field: &str, value: String, detail: &str) {
        self.found.push(FieldError { reason, field: field.to_owned(), value, detail: detail.to_owned() });
    }

    fn required(&mut self, field: &str, detail: &str) {
        self.add(FieldReason::Required, field, String::new(), detail);
    }

    fn forbidden(&mut self, field: &str, detail: &str) {
        self.add(FieldReason::Forbidden, field, String::new(), detail);
    }

    fn not_supported(&mut self, field: &str, value: &str, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|value| quoted(value)).collect();
        self.add(FieldReason::NotSupported, field, quoted(value), &format!("supported values: {}", supported.join(", ")));
    }

    /// Something that must hold a certain text is missing or holds another.
    fn wrong_text(&mut self, field: &str, found: &Value, detail: &str) {
        match found.as_str() {
            None | Some("") => self.required(field, detail),
            Some(text) => self.add(FieldReason::Invalid, field, quoted(text), detail),
        }
    }

    fn schema(&mut self, schema: &Value, path: &str, level: Level) {
        self.types(schema, path, level);
        self.lists(schema, path);
        self.values(schema, path);
        self.alternatives(schema, path);
        let additional = &schema["additionalProperties"];
        if schema["properties"].is_object() && (additional.is_object() || *additional == Value::Bool(true)) {
            self.forbidden(&at(path, "additionalProperties"), "additionalProperties and properties are mutual exclusive");
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let below = at(path, &format!("properties[{name}]"));
            match (level, name.as_str()) {
                (Level::Root, "metadata") => self.metadata(property, &below),
                _ => self.schema(property, &below, Level::Field),
            }
        }
        if additional.is_object() {
            let below = at(path, "additionalProperties");
            if level == Level::Root {
                self.forbidden(&below, "must not be used at the root");
            }
            self.schema(additional, &below, Level::Field);
        }
        if schema["items"].is_object() {
            self.schema(&schema["items"], &at(path, "items"), Level::Item);
        }
    }

    fn types(&mut self, schema: &Value, path: &str, level: Level) {
        const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
        let field = at(path, "type");
        let is = |name: &str| schema[name] == Value::Bool(true);
        let found = schema["type"].as_str().unwrap_or_default();
        let (embedded, preserve) = (is("x-kubernetes-embedded-resource"), is("x-kubernetes-preserve-unknown-fields"));
        if embedded && found != "object" {
            self.wrong_text(&field, &schema["type"], "must be object if x-kubernetes-embedded-resource is true");
        } else if found.is_empty() && !is("x-kubernetes-int-or-string") && !preserve {
            let detail = match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            };
            self.required(&field, detail);
        } else if !found.is_empty() && !TYPES.contains(&found) {
            self.not_supported(&field, found, &TYPES);
        }
        if embedded && !preserve && !schema["properties"].is_object() {
            let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
            self.required(&at(path, "properties"), detail);
        }
        if level == Level::Root && !found.is_empty() && found != "object" {
            self.add(FieldReason::Invalid, &field, quoted(found), "must be object at the root");
        }
        if found == "array" && !schema["items"].is_object() {
            self.required(&at(path, "items"), "must be specified");
        }
        if schema["x-kubernetes-preserve-unknown-fields"] == Value::Bool(false) {
            let field = at(path, "x-kubernetes-preserve-unknown-fields");
            self.add(FieldReason::Invalid, &field, "false".to_owned(), "must be true or undefined");
        }
    }

    fn lists(&mut self, schema: &Value, path: &str) {
        let (list_type, keys) = (&schema["x-kubernetes-list-type"], &schema["x-kubernetes-list-map-keys"]);
        let field = at(path, "x-kubernetes-list-type");
        if keys.as_array().is_some_and(|keys| !keys.is_empty()) && list_type.as_str() != Some("map") {
            self.wrong_text(&field, list_type, "must be map if x-kubernetes-list-map-keys is non-empty");
        }
        let Some(list_type) = list_type.as_str() else { return };
        if !["atomic", "set", "map"].contains(&list_type) {
            self.not_supported(&field, list_type, &["atomic", "set", "map"]);
        }
        if schema["type"].as_str() != Some("array") {
            self.wrong_text(&at(path, "type"), &schema["type"], "must be array if x-kubernetes-list-type is specified");
        }
        if list_type == "map" {
            self.list_map(schema, path, keys);
        }
    }

    fn list_map(&mut self, schema: &Value, path: &str, keys: &Value) {
        let field = at(path, "x-kubernetes-list-map-keys");
        let items = &schema["items"];
        let names: Vec<&str> = keys.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if names.is_empty() {
            self.required(&field, "must not be empty if x-kubernetes-list-type is map");
        }
        if !items.is_object() {
            return self.required(&at(path, "items"), "must have a schema if x-kubernetes-list-type is map");
        }
        if items["type"].as_str() != Some("object") {
            let detail = "must be object if parent array's x-kubernetes-list-type is map";
            self.add(FieldReason::Invalid, &at(path, "items.type"), bad_value(&items["type"]), detail);
        }
        let required = |name: &str| items["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
        for name in names {
            let property = &items["properties"][name];
            if property.is_null() {
                self.add(FieldReason::Invalid, &field, bad_value(keys), "entries must all be names of item properties");
            } else if !required(name) && property["default"].is_null() {
                let field = at(path, &format!("items.properties[{name}].default"));
                self.required(
                    &field,
                    "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
                );
            }
        }
    }

    fn values(&mut self, schema: &Value, path: &str) {
        const UNSUPPORTED: [&str; 6] = ["$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties"];
        for name in UNSUPPORTED.into_iter().filter(|name| schema.get(*name).is_some()) {
            self.forbidden(&at(path, name), &format!("{name} is not supported"));
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && let Err(error) = Regex::new(pattern)
        {
            let problem = golang::regex_fault(pattern).unwrap_or_else(|| error.to_string());
            let detail = format!("must be a valid regular expression, but isn't: {problem}");
            self.add(FieldReason::Invalid, &at(path, "pattern"), quoted(pattern), &detail);
        }
        if schema["uniqueItems"] == Value::Bool(true) {
            let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            self.forbidden(&at(path, "uniqueItems"), detail);
        }
    }

    /// Alternatives may narrow values, not describe them; but for the two ways of writing int-or-string.
    fn alternatives(&mut self, schema: &Value, path: &str) {
        for junctor in ["allOf", "anyOf", "oneOf"] {
            for (index, nested) in schema[junctor].as_array().into_iter().flatten().enumerate() {
                let is_int_or_string = match junctor {
                    "anyOf" => is_int_or_string(&schema["anyOf"]),
                    "allOf" => index == 0 && is_int_or_string(&nested["anyOf"]),
                    _ => false,
                };
                if !is_int_or_string {
                    self.nested(nested, &at(path, &format!("{junctor}[{index}]")));
                }
            }
        }
        if schema["not"].is_object() {
            self.nested(&schema["not"], &at(path, "not"));
        }
    }

    fn nested(&mut self, schema: &Value, path: &str) {
        const RULES: [(&str, &str); 9] = [
            ("type", "must be empty to be structural"),
            ("title", "must be empty to be structural"),
            ("description", "must be empty to be structural"),
            ("default", "must be undefined to be structural"),
            ("additionalProperties", "must be undefined to be structural"),
            ("nullable", "must be false to be structural"),
            ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
            ("x-kubernetes-embedded-resource", "must be false to be structural"),
            ("x-kubernetes-int-or-string", "must be false to be structural"),
        ];
        let is_given = |name: &str| !matches!(schema.get(name), None | Some(Value::Null | Value::Bool(false)));
        for (name, rule) in RULES.into_iter().filter(|(name, _)| is_given(name)) {
            self.forbidden(&at(path, name), rule);
        }
        self.alternatives(schema, path);
        self.values(schema, path);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.nested(property, &at(path, &format!("properties[{name}]")));
        }
        if schema["items"].is_object() {
            self.nested(&schema["items"], &at(path, "items"));
        }
    }

    fn metadata(&mut self, schema: &Value, path: &str) {
        if schema["type"].as_str() != Some("object") {
            let found = schema["type"].as_str().unwrap_or_default();
            self.add(FieldReason::Invalid, &at(path, "type"), quoted(found), "must be object");
        }
        let is_named = |name: &String| name == "name" || name == "generateName";
        if schema["properties"].as_object().is_some_and(|properties| !properties.keys().all(is_named)) {
            let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            self.forbidden(path, detail);
        }
    }
}

fn at(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}

fn is_int_or_string(any_of: &Value) -> bool {
    *any_of == serde_json::json!([{"type": "integer"}, {"type": "string"}])
}
