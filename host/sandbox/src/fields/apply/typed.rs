//! How the values of a schema take part in merging: as one value, item by item, or key by key; and whether they can at all.

use super::field_set::{Entry, FieldSet, Scalar, Step};
use crate::fields::golang::{plain, quoted, type_of};
use crate::fields::schema::node::{Identity, Scalar as ScalarType, Shape, View, Written};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What a value is for merging.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    /// One value.
    Leaf,
    /// A list of items that can be told apart.
    Items(&'a Identity),
    /// A map whose keys are owned one by one.
    Keys,
}

/// Of a value at a place; where the schema says nothing, the value itself decides.
pub(super) fn kind<'a>(view: View<'a>, value: Option<&Value>) -> Kind<'a> {
    match &view.node.shape {
        Shape::Scalar(_) | Shape::List { identity: Identity::Atomic, .. } => Kind::Leaf,
        Shape::List { identity, .. } => Kind::Items(identity),
        Shape::Map(map) if map.atomic => Kind::Leaf,
        Shape::Map(_) => Kind::Keys,
        Shape::Any => match value {
            None | Some(Value::Null | Value::Object(_)) => Kind::Keys,
            Some(_) => Kind::Leaf,
        },
    }
}

/// The step to a list item; an error in the server's words for an item that cannot be identified.
pub(super) fn item_step(list: View, identity: &Identity, item: &Value) -> Result<Step, String> {
    let keys = match identity {
        Identity::Keys(keys) => keys,
        Identity::Atomic | Identity::Value => return value_step(item),
    };
    let map = match item {
        Value::Object(map) => map,
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut found: Vec<(Box<str>, Scalar)> = keys.iter().filter_map(|key| Some((key.clone(), key_value(list, map, key)?))).collect();
    if found.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| quoted(key)).collect();
        let keys = keys.join(" ");
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{keys}] (and doesn't have default values for any key fields)"
        ));
    }
    found.sort();
    Ok(Step::Keys(found))
}

/// The value of a key field, or its default; text that is never absent defaults to `""`, numbers to 0.
fn key_value(list: View, map: &Map<String, Value>, key: &str) -> Option<Scalar> {
    let default = || {
        let view = list.items().child(key)?;
        let is_never_absent = list.items().field(key)?.written == Written::Always;
        view.node.default.clone().or_else(|| is_never_absent.then(|| zero(view)))
    };
    map.get(key).cloned().or_else(default).map(Scalar)
}

fn zero(view: View) -> Value {
    match view.node.shape {
        Shape::Scalar(ScalarType::Text) => Value::String(String::new()),
        _ => Value::from(0),
    }
}

fn value_step(item: &Value) -> Result<Step, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
        scalar => Ok(Step::Value(Scalar(scalar.clone()))),
    }
}

/// The fields that a configuration sets: its leaves, its list items, and the empty maps in it.
pub(super) fn field_set(view: View, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(view, value, &mut set);
    set
}

/// Whether the place itself is set; what is below it goes into `set`.
fn collect(view: View, value: &Value, set: &mut FieldSet) -> bool {
    match (kind(view, Some(value)), value) {
        (Kind::Leaf, _) => return true,
        (Kind::Items(identity), Value::Array(items)) => {
            for item in items {
                let Ok(step) = item_step(view, identity, item) else {
                    continue;
                };
                let is_duplicate = set.contains(&step);
                let entry = set.steps.entry(step).or_default();
                entry.member = true;
                if is_duplicate {
                    entry.below = FieldSet::default();
                } else {
                    collect(view.items(), item, &mut entry.below);
                }
            }
        }
        (Kind::Keys, Value::Object(map)) => {
            for (key, value) in map {
                let Some(child) = view.child(key) else {
                    continue;
                };
                let mut entry = Entry::default();
                let is_leaf = collect(child, value, &mut entry.below);
                let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                entry.member = is_leaf || is_empty || view.field(key).is_none();
                if entry.member || !entry.below.is_empty() {
                    set.steps.insert(Step::field(key), entry);
                }
            }
        }
        _ => {}
    }
    false
}

/// The set with the fields of structs that its paths lead through.
pub(super) fn with_named_fields(set: &FieldSet, view: Option<View>) -> FieldSet {
    let steps = set.steps.iter().map(|(step, entry)| {
        let (named, child) = match (step, view) {
            (Step::Field(name), Some(view)) => (view.field(name).is_some() && !entry.below.is_empty(), view.child(name)),
            (_, view) => (false, view.map(View::items)),
        };
        (step.clone(), Entry { member: entry.member || named, below: with_named_fields(&entry.below, child) })
    });
    FieldSet { steps: steps.collect() }
}

/// The value without the fields of a set; `null` where nothing is left of a map or list.
pub(super) fn without(view: View, value: &Value, set: &FieldSet) -> Value {
    match (kind(view, Some(value)), value) {
        (Kind::Keys, Value::Object(map)) => {
            let kept = map.iter().filter(|(key, _)| !set.contains(&Step::field(key)));
            let kept: Map<String, Value> = kept
                .map(|(key, value)| match (set.below(&Step::field(key)), view.child(key)) {
                    (Some(below), Some(child)) => (key.clone(), without(child, value, below)),
                    _ => (key.clone(), value.clone()),
                })
                .collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Kind::Items(identity), Value::Array(items)) => {
            let mut kept = Vec::new();
            for item in items {
                match item_step(view, identity, item) {
                    Ok(step) if set.contains(&step) => {}
                    Ok(step) => match set.below(&step) {
                        Some(below) => kept.push(without(view.items(), item, below)),
                        None => kept.push(item.clone()),
                    },
                    Err(_) => kept.push(item.clone()),
                }
            }
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (Kind::Leaf, Value::Object(_) | Value::Array(_)) => Value::Null,
        (_, value) => value.clone(),
    }
}

/// Why a configuration cannot be merged: fields that its type does not have, values of other types, items that occur twice. Each with its
/// path, in the server's words.
pub(super) fn problems(view: View, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(view, value, "", &mut found);
    found
}

fn check(view: View, value: &Value, path: &str, found: &mut Vec<String>) {
    match (&view.node.shape, value) {
        (Shape::Any, _) | (_, Value::Null) => {}
        (Shape::Map(_), Value::Object(map)) => {
            for (key, value) in map {
                let below = format!("{path}.{key}");
                match view.child(key) {
                    Some(child) => check(child, value, &below, found),
                    None => found.push(format!("{below}: field not declared in schema")),
                }
            }
        }
        (Shape::List { identity, .. }, Value::Array(items)) => check_items(view, identity, items, path, found),
        (Shape::Map(_), _) => found.push(format!("{path}: expected map, got {}", shown(value))),
        (Shape::List { .. }, _) => found.push(format!("{path}: expected list, got {}", shown(value))),
        (Shape::Scalar(scalar), value) => {
            let expected = match (scalar, value) {
                (ScalarType::Int32 | ScalarType::Int64 | ScalarType::Number, Value::Number(_))
                | (ScalarType::Text | ScalarType::Bytes, Value::String(_))
                | (ScalarType::Boolean, Value::Bool(_)) => return,
                (ScalarType::Int32 | ScalarType::Int64 | ScalarType::Number, _) => {
                    found.push(format!("{path}: expected numeric (int or float), got {}", type_of(value)));
                    return;
                }
                (ScalarType::Text | ScalarType::Bytes, _) => "string",
                (ScalarType::Boolean, _) => "boolean",
                (_, Value::Object(_) | Value::Array(_)) => "any scalar",
                _ => return,
            };
            let printed = if expected == "string" { format!("&value.valueUnstructured{{Value:{}}}", shown(value)) } else { shown(value) };
            found.push(format!("{path}: expected {expected}, got {printed}"));
        }
    }
}

fn check_items(view: View, identity: &Identity, items: &[Value], path: &str, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let step = match identity {
            Identity::Atomic => Step::Index(index),
            identity => match item_step(view, identity, item) {
                Ok(step) => step,
                Err(problem) => {
                    found.push(format!("{path}: element {index}: {problem}"));
                    return;
                }
            },
        };
        let below = format!("{path}{step}");
        if !seen.insert(step.clone()) {
            found.push(format!("{path}: duplicate entries for key {step}"));
        }
        check(view.items(), item, &below, found);
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => format!("&{{{}}}", plain(value)),
        other => other.to_string(),
    }
}
