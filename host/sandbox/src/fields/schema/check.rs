//! The value rules of a CRD's schema, and what the API server says of values that break them.
//!
//! Words and order are those of the real server; where it goes through a map in no order, ours is alphabetical.

use super::format;
use crate::fields::golang::{bad_value, float, quoted};
use crate::status::{FieldError, FieldReason};
use regex::Regex;
use serde_json::{Map, Number, Value};
use std::collections::{BTreeMap, HashSet};

/// The rules of one place, and of what is below it.
#[derive(Debug, Default)]
pub(crate) struct Check {
    types: Vec<&'static str>,
    nullable: bool,
    format: Option<String>,
    enumeration: Vec<Value>,
    minimum: Option<Bound>,
    maximum: Option<Bound>,
    multiple_of: Option<f64>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<(String, Option<Regex>)>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    unique_items: bool,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    required: Vec<String>,
    properties: BTreeMap<String, Check>,
    additional: Option<Box<Check>>,
    items: Option<Box<Check>>,
    all_of: Vec<Check>,
    any_of: Vec<Check>,
    one_of: Vec<Check>,
    not: Option<Box<Check>>,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    limit: f64,
    exclusive: bool,
}

/// What checking one value gave: its errors, and how many rules it kept, by which the nearest of several alternatives is found.
#[derive(Default)]
struct Outcome {
    errors: Vec<FieldError>,
    kept: u32,
}

impl Outcome {
    fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.kept += other.kept;
    }
}

impl Check {
    /// Of an `openAPIV3Schema` or a part of one.
    pub(crate) fn of(schema: &Value) -> Self {
        let flag = |name: &str| schema[name].as_bool() == Some(true);
        let count = |name: &str| schema[name].as_u64();
        let list = |name: &str| schema[name].as_array().into_iter().flatten();
        let checks = |name: &str| list(name).map(Self::of).collect();
        let below = |name: &str| schema[name].is_object().then(|| Box::new(Self::of(&schema[name])));
        let bound = |name: &str, exclusive: &str| schema[name].as_f64().map(|limit| Bound { limit, exclusive: flag(exclusive) });
        let int_or_string = flag("x-kubernetes-int-or-string");
        Self {
            types: if int_or_string { vec!["integer", "string"] } else { type_name(&schema["type"]).into_iter().collect() },
            nullable: flag("nullable"),
            format: schema["format"].as_str().and_then(format::supported),
            enumeration: list("enum").cloned().collect(),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: schema["multipleOf"].as_f64(),
            min_length: count("minLength"),
            max_length: count("maxLength"),
            pattern: schema["pattern"].as_str().map(|pattern| (pattern.to_owned(), Regex::new(pattern).ok())),
            min_items: count("minItems"),
            max_items: count("maxItems"),
            unique_items: flag("uniqueItems"),
            min_properties: count("minProperties"),
            max_properties: count("maxProperties"),
            required: list("required").filter_map(Value::as_str).map(str::to_owned).collect(),
            properties: schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), Self::of(property)))
                .collect(),
            additional: below("additionalProperties"),
            items: below("items"),
            all_of: checks("allOf"),
            any_of: checks("anyOf"),
            one_of: checks("oneOf"),
            not: below("not"),
        }
    }

    /// All errors of an object.
    pub(crate) fn errors(&self, object: &Value) -> Vec<FieldError> {
        self.run(object, "").errors
    }

    fn run(&self, value: &Value, path: &str) -> Outcome {
        let mut outcome = Outcome::default();
        self.check_type(value, path, &mut outcome);
        if value.is_null() {
            self.check_enumeration(value, path, &mut outcome);
            return outcome;
        }
        self.check_alternatives(value, path, &mut outcome);
        match value {
            Value::String(text) => self.check_text(text, path, &mut outcome),
            Value::Number(number) => self.check_number(number, path, &mut outcome),
            Value::Array(items) => self.check_items(items, path, &mut outcome),
            _ => {}
        }
        self.check_enumeration(value, path, &mut outcome);
        if let Value::Object(map) = value {
            self.check_map(map, path, &mut outcome);
        }
        outcome
    }

    fn check_type(&self, value: &Value, path: &str, outcome: &mut Outcome) {
        if self.types.is_empty() && self.format.is_none() {
            return;
        }
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let whole = value.as_f64().is_some_and(|number| number.fract() == 0.0);
        let fits = match value {
            Value::Null => self.nullable || self.types.is_empty(),
            // The server takes lists for text that has a format.
            Value::Array(_) if self.format.is_some() && self.types == ["string"] => true,
            Value::Number(_) if self.types.contains(&"number") => true,
            Value::Number(_) if whole && self.types.contains(&"integer") => true,
            _ => self.types.is_empty() || self.types.contains(&found),
        };
        // A value that is no text is held against the format, where there is one.
        let (expected, found) = match (&self.format, value) {
            (Some(format), Value::Number(number)) => (format.clone(), if number.is_f64() { "float64" } else { "int64" }),
            (Some(format), Value::Bool(_) | Value::Object(_)) => (format.clone(), ""),
            _ => (self.types.join(","), found),
        };
        if fits {
            outcome.kept += 1;
        } else {
            let detail = format!("{path} in body must be of type {expected}: {}", quoted(found));
            outcome.errors.push(error(FieldReason::TypeInvalid, path, quoted(found), detail));
        }
        outcome.kept += 1;
    }

    fn check_enumeration(&self, value: &Value, path: &str, outcome: &mut Outcome) {
        if !self.enumeration.is_empty() && !self.enumeration.iter().any(|allowed| equal(allowed, value)) {
            let allowed: Vec<String> = self.enumeration.iter().map(|value| quoted(&enumerated(value))).collect();
            let detail = format!("supported values: {}", allowed.join(", "));
            outcome.errors.push(error(FieldReason::NotSupported, path, bad_value(value), detail));
        }
        outcome.kept += 1;
    }

    fn check_text(&self, text: &str, path: &str, outcome: &mut Outcome) {
        let length = text.chars().count() as u64;
        let value = quoted(text);
        if let Some(max) = self.max_length.filter(|max| length > *max) {
            let detail = format!("may not be more than {max} {}", if max == 1 { "byte" } else { "bytes" });
            outcome.errors.push(error(FieldReason::TooLong, path, String::new(), detail));
        } else if let Some(min) = self.min_length.filter(|min| length < *min) {
            let detail = format!("{path} in body should be at least {min} chars long");
            outcome.errors.push(error(FieldReason::Invalid, path, value.clone(), detail));
        } else if let Some((pattern, regex)) = &self.pattern
            && !regex.as_ref().is_some_and(|regex| regex.is_match(text))
        {
            let detail = format!("{path} in body should match '{pattern}'");
            outcome.errors.push(error(FieldReason::Invalid, path, value.clone(), detail));
        }
        outcome.kept += 1;
        if let Some(format) = self.format.as_deref().filter(|format| !format::matches(format, text)) {
            let detail = format!("{path} in body must be of type {format}: {value}");
            outcome.errors.push(error(FieldReason::TypeInvalid, path, value, detail));
        }
        outcome.kept += 1;
    }

    fn check_number(&self, number: &Number, path: &str, outcome: &mut Outcome) {
        let (Some(value), whole) = (number.as_f64(), !number.is_f64()) else {
            return;
        };
        let limit = |limit: f64| {
            if whole { (limit as i64).to_string() } else { float(limit) }
        };
        let printed = if whole { number.to_string() } else { float(value) };
        let mut refuse = |rule: String| {
            outcome.errors.push(error(FieldReason::Invalid, path, printed.clone(), format!("{path} in body {rule}")));
        };
        if let Some(factor) = self.multiple_of.filter(|factor| (value / factor).fract().abs() > f64::EPSILON) {
            refuse(format!("should be a multiple of {}", limit(factor)));
        }
        if let Some(min) = self.minimum.filter(|min| value < min.limit || (min.exclusive && value <= min.limit)) {
            refuse(format!("should be greater than {}{}", if min.exclusive { "" } else { "or equal to " }, limit(min.limit)));
        }
        if let Some(max) = self.maximum.filter(|max| value > max.limit || (max.exclusive && value >= max.limit)) {
            refuse(format!("should be less than {}{}", if max.exclusive { "" } else { "or equal to " }, limit(max.limit)));
        }
        outcome.kept += 2;
    }

    fn check_items(&self, items: &[Value], path: &str, outcome: &mut Outcome) {
        if let Some(check) = &self.items {
            for (index, item) in items.iter().enumerate() {
                outcome.merge(check.run(item, &format!("{path}[{index}]")));
            }
        }
        let count = items.len() as u64;
        if let Some(min) = self.min_items.filter(|min| count < *min) {
            let detail = format!("{path} in body should have at least {min} items");
            outcome.errors.push(error(FieldReason::Invalid, path, count.to_string(), detail));
        }
        if let Some(max) = self.max_items.filter(|max| count > *max) {
            outcome.errors.push(too_many(path, count, max));
        }
        if self.unique_items && has_duplicates(items) {
            let detail = format!("{path} in body shouldn't contain duplicates");
            outcome.errors.push(error(FieldReason::Invalid, path, quoted(""), detail));
        }
        outcome.kept += 2;
    }

    fn check_map(&self, map: &Map<String, Value>, path: &str, outcome: &mut Outcome) {
        let count = map.len() as u64;
        if let Some(min) = self.min_properties.filter(|min| count < *min) {
            let detail = format!("{path} in body should have at least {min} properties");
            outcome.errors.push(error(FieldReason::Invalid, path, count.to_string(), detail));
        }
        if let Some(max) = self.max_properties.filter(|max| count > *max) {
            outcome.errors.push(too_many(path, count, max));
        }
        for (key, value) in map {
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if let Some(check) = self.properties.get(key).or(self.additional.as_deref()) {
                outcome.merge(check.run(value, &below));
            }
        }
        for name in self.required.iter().filter(|name| !map.contains_key(*name)) {
            let missing = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            outcome.errors.push(error(FieldReason::Required, &missing, String::new(), String::new()));
        }
        outcome.kept += 1;
    }

    fn check_alternatives(&self, value: &Value, path: &str, outcome: &mut Outcome) {
        if !self.any_of.is_empty() {
            let outcomes: Vec<Outcome> = self.any_of.iter().map(|check| check.run(value, path)).collect();
            let valid = outcomes.iter().any(|outcome| outcome.errors.is_empty());
            if !valid {
                outcome.errors.push(alternative_error(path, "must validate at least one schema (anyOf)"));
            }
            outcome.merge(best(outcomes));
        }
        if !self.one_of.is_empty() {
            let outcomes: Vec<Outcome> = self.one_of.iter().map(|check| check.run(value, path)).collect();
            let found = match outcomes.iter().filter(|outcome| outcome.errors.is_empty()).count() {
                1 => None,
                0 => Some("Found none valid".to_owned()),
                valid => Some(format!("Found {valid} valid alternatives")),
            };
            if let Some(found) = &found {
                outcome.errors.push(alternative_error(path, &format!("must validate one and only one schema (oneOf). {found}")));
            }
            outcome.merge(best(outcomes));
        }
        if !self.all_of.is_empty() {
            let outcomes: Vec<Outcome> = self.all_of.iter().map(|check| check.run(value, path)).collect();
            let valid = outcomes.iter().filter(|outcome| outcome.errors.is_empty()).count();
            let total = outcomes.len();
            outcomes.into_iter().for_each(|each| outcome.merge(each));
            if valid != total {
                let none = if valid == 0 { ". None validated" } else { "" };
                outcome.errors.push(alternative_error(path, &format!("must validate all the schemas (allOf){none}")));
            }
        }
        if self.not.as_ref().is_some_and(|check| check.run(value, path).errors.is_empty()) {
            outcome.errors.push(alternative_error(path, "must not validate the schema (not)"));
        }
        outcome.kept += 1;
    }
}

/// The first valid alternative, or the one with the most rules kept.
fn best(outcomes: Vec<Outcome>) -> Outcome {
    let mut best: Option<Outcome> = None;
    for outcome in outcomes {
        if outcome.errors.is_empty() {
            return outcome;
        }
        if best.as_ref().is_none_or(|best| outcome.kept > best.kept) {
            best = Some(outcome);
        }
    }
    best.unwrap_or_default()
}

/// Alternatives have no field of their own in the server's answer.
fn alternative_error(path: &str, rule: &str) -> FieldError {
    error(FieldReason::Invalid, "<nil>", quoted(""), format!("{} {rule}", quoted(path)))
}

pub(super) fn error(reason: FieldReason, field: &str, value: String, detail: String) -> FieldError {
    let field = if field.is_empty() { "<nil>".to_owned() } else { field.to_owned() };
    FieldError { reason, field, value, detail }
}

fn too_many(path: &str, count: u64, max: u64) -> FieldError {
    let detail = format!("must have at most {max} {}", if max == 1 { "item" } else { "items" });
    error(FieldReason::TooMany, path, count.to_string(), detail)
}

fn type_name(value: &Value) -> Option<&'static str> {
    ["object", "array", "string", "integer", "number", "boolean"].into_iter().find(|name| value.as_str() == Some(name))
}

fn enumerated(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Numbers are equal whatever their form.
fn equal(left: &Value, right: &Value) -> bool {
    left == right || left.as_f64().is_some_and(|number| right.as_f64() == Some(number))
}

fn has_duplicates(items: &[Value]) -> bool {
    let mut seen = HashSet::new();
    items.iter().any(|item| !seen.insert(item.to_string()))
}
