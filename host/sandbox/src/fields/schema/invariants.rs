//! What the API server demands of custom resources beside the rules of their schemas: that embedded resources name their type, and that
//! items of sets and keyed lists occur once.

use super::check::error;
use super::node::{Identity, Shape, View};
use crate::fields::golang::{bad_value, quoted};
use crate::kinds::metadata::of_embedded as embedded_metadata;
use crate::status::{FieldError, FieldReason};
use serde_json::Value;
use std::collections::BTreeMap;

/// Embedded resources name their type.
pub(super) fn embedded_errors(view: View, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(view, object, "", &mut |view, value, path| {
        if let Value::Object(map) = value
            && view.node.embedded
        {
            for name in ["apiVersion", "kind"] {
                let field = format!("{path}.{name}");
                match map.get(name) {
                    None => errors.push(error(FieldReason::Required, &field, String::new(), String::new())),
                    Some(Value::String(text)) if !text.is_empty() => {}
                    Some(Value::String(_)) => {
                        errors.push(error(FieldReason::Invalid, &field, quoted(""), "must not be empty".to_owned()));
                    }
                    Some(other) => {
                        errors.push(error(FieldReason::Invalid, &field, bad_value(other), "must be a string".to_owned()));
                    }
                }
            }
            errors.extend(map.get("metadata").into_iter().flat_map(|metadata| embedded_metadata(metadata, &format!("{path}.metadata"))));
        }
    });
    errors
}

/// Items of sets and of lists with keys occur once.
pub(super) fn duplicate_items(view: View, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(view, object, "", &mut |view, value, path| {
        let (Shape::List { identity, .. }, Value::Array(items)) = (&view.node.shape, value) else {
            return;
        };
        let is_item = |item: &Value| item.is_object() || item.is_null();
        if let (Identity::Keys(_), Some(at)) = (identity, items.iter().position(|item| !is_item(item))) {
            let detail = "must be an object for an array of list-type map".to_owned();
            let field = format!("{path}[{at}]");
            errors.push(error(FieldReason::Invalid, &field, bad_value(&items[at]), detail));
            return;
        }
        let identify = |item: &Value| match identity {
            Identity::Atomic => None,
            Identity::Value => Some(item.clone()),
            Identity::Keys(keys) => {
                let present = keys.iter().filter_map(|key| Some((key.to_string(), item.get(&**key)?.clone())));
                Some(Value::Object(present.collect()))
            }
        };
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let Some(identity) = identify(item) else {
                return;
            };
            let times = seen.entry(identity.to_string()).or_default();
            *times += 1;
            if *times == 2 {
                errors.push(error(FieldReason::Duplicate, &format!("{path}[{index}]"), bad_value(&identity), String::new()));
            }
        }
    });
    errors
}

/// Calls `visit` for every described place of a value, from the outside in.
fn walk(view: View, value: &Value, path: &str, visit: &mut impl FnMut(View, &Value, &str)) {
    visit(view, value, path);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let described = view.map().and_then(|map| Some((map.fields.contains_key(key.as_str()), view.child(key)?)));
                let Some((is_field, child)) = described else {
                    continue;
                };
                let below = match (path, is_field) {
                    ("", _) => key.clone(),
                    (path, true) => format!("{path}.{key}"),
                    (path, false) => format!("{path}[{key}]"),
                };
                walk(child, value, &below, visit);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(view.items(), item, &format!("{path}[{index}]"), visit);
            }
        }
        _ => {}
    }
}
