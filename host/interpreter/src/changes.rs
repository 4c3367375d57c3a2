//! Applies what a hook wants to change to an object, and refuses what the plugin did not declare.
//!
//! Never changes half of what it was told without saying so: the first change that cannot be made is an error.

use crate::pointer::{self, BadPointer, Pointer};
use crate::projection::Fields;
use serde_json::{Map, Value};

/// Sets a field or removes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    field: Pointer,
    /// `None` removes the field.
    value: Option<Value>,
}

/// Why a list of changes is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadChange {
    /// The field is no pointer.
    #[error(transparent)]
    Pointer(#[from] BadPointer),
    /// `*` names no single field.
    #[error("`{0}` must name one field, without `*`")]
    Star(String),
    /// The value is not JSON.
    #[error("the value for `{field}` is not JSON: {why}")]
    NotJson {
        /// The field.
        field: String,
        /// What the parser says.
        why: String,
    },
    /// The field is not below a declared write.
    #[error("`{0}` is not below a declared write")]
    Undeclared(String),
    /// A list has no such item.
    #[error("`{field}`: the list has {len} items")]
    NoSuchItem {
        /// The field.
        field: String,
        /// Items of the list.
        len: usize,
    },
    /// A field on the way is neither a map nor a list: the object's fault, not the plugin's.
    #[error("{field} is {found}, not an object")]
    NotAnObject {
        /// The field on the way, dotted.
        field: String,
        /// What is there.
        found: &'static str,
    },
}

impl Change {
    /// Reads a change as the guest gave it; `value` is JSON text, `None` removes.
    pub fn read(field: &str, value: Option<&str>, writes: &Fields) -> Result<Self, BadChange> {
        let pointer = Pointer::parse(field)?;
        if pointer.segments().any(|segment| segment == "*") {
            return Err(BadChange::Star(field.to_owned()));
        }
        if !writes.cover(&pointer) {
            return Err(BadChange::Undeclared(field.to_owned()));
        }
        let value = value
            .map(serde_json::from_str)
            .transpose()
            .map_err(|why| BadChange::NotJson { field: field.to_owned(), why: why.to_string() })?;
        Ok(Self { field: pointer, value })
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        let field: usize = self.field.segments().map(|segment| 16 + segment.len()).sum();
        field + self.value.as_ref().map_or(0, crate::answers::weight)
    }

    /// Makes the change. Parents that are missing are made: lists for `-`, objects for all other segments.
    pub fn apply(&self, object: &mut Value) -> Result<(), BadChange> {
        let mut segments = self.field.segments();
        let Some(last) = segments.next_back() else {
            *object = self.value.clone().unwrap_or_default();
            return Ok(());
        };
        match &self.value {
            Some(value) => {
                let parent = self.make_way(object)?;
                self.set(parent, last, value.clone())
            }
            None => {
                if let Some(parent) = segments.try_fold(object, |value, segment| step(value, segment)) {
                    remove(parent, last);
                }
                Ok(())
            }
        }
    }

    /// The parent of the field, with all that was missing on the way.
    fn make_way<'a>(&self, object: &'a mut Value) -> Result<&'a mut Value, BadChange> {
        let mut value = object;
        let mut segments = self.field.segments().enumerate().peekable();
        while let Some((depth, segment)) = segments.next() {
            if value.is_null() {
                *value = if segment == "-" { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
            }
            if segments.peek().is_none() {
                break;
            }
            value = match value {
                Value::Object(map) => map.entry(segment).or_insert(Value::Null),
                Value::Array(items) => self.item(items, segment)?,
                other => return Err(self.not_an_object(depth, other)),
            };
        }
        Ok(value)
    }

    fn set(&self, parent: &mut Value, last: &str, value: Value) -> Result<(), BadChange> {
        match parent {
            Value::Object(map) => {
                match map.get_mut(last) {
                    Some(old) => *old = value,
                    None => drop(map.insert(last.to_owned(), value)),
                }
                Ok(())
            }
            Value::Array(items) => self.item(items, last).map(|item| *item = value),
            other => Err(self.not_an_object(self.field.segments().len() - 1, other)),
        }
    }

    /// The item that a segment names; `-` is a new one at the end.
    fn item<'a>(&self, items: &'a mut Vec<Value>, segment: &str) -> Result<&'a mut Value, BadChange> {
        if segment == "-" {
            items.push(Value::Null);
        }
        let len = items.len();
        let segment = if segment == "-" { &(len - 1).to_string() } else { segment };
        pointer::index(segment)
            .and_then(|index| items.get_mut(index))
            .ok_or_else(|| BadChange::NoSuchItem { field: self.field.to_string(), len })
    }

    fn not_an_object(&self, depth: usize, found: &Value) -> BadChange {
        BadChange::NotAnObject { field: self.field.parent(depth).dotted(), found: type_of(found) }
    }
}

fn step<'a>(value: &'a mut Value, segment: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => map.get_mut(segment),
        Value::Array(items) => items.get_mut(pointer::index(segment)?),
        _ => None,
    }
}

fn remove(parent: &mut Value, last: &str) {
    match parent {
        Value::Object(map) => drop(map.remove(last)),
        Value::Array(items) => {
            if let Some(index) = pointer::index(last).filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// A JSON type for people.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply(field: &str, value: Option<&str>, object: Value) -> Result<Value, BadChange> {
        let change = Change::read(field, value, &Fields::everything())?;
        let mut object = object;
        change.apply(&mut object)?;
        Ok(object)
    }

    #[track_caller]
    fn check(field: &str, value: Option<&str>, before: Value, after: Value) {
        assert_eq!(apply(field, value, before), Ok(after));
    }

    #[test]
    fn a_field_is_set() {
        check("/spec/replicas", Some("3"), json!({"spec": {"replicas": 1, "x": 2}}), json!({"spec": {"replicas": 3, "x": 2}}));
        check("", Some(r#"{"a": 1}"#), json!({"b": 2}), json!({"a": 1}));
    }

    #[test]
    fn missing_parents_are_made() {
        check("/a/b/c", Some("1"), json!({}), json!({"a": {"b": {"c": 1}}}));
        check("/a/b", Some("1"), json!({"a": null}), json!({"a": {"b": 1}}));
        check("/list/-", Some("1"), json!({}), json!({"list": [1]}));
        check("/list/-/name", Some("1"), json!({"list": []}), json!({"list": [{"name": 1}]}));
    }

    #[test]
    fn lists_are_changed_by_position() {
        check("/l/1", Some("9"), json!({"l": [1, 2, 3]}), json!({"l": [1, 9, 3]}));
        check("/l/-", Some("9"), json!({"l": [1]}), json!({"l": [1, 9]}));
        check("/l/0/x", Some("9"), json!({"l": [{}]}), json!({"l": [{"x": 9}]}));
        let beyond = BadChange::NoSuchItem { field: "/l/1".to_owned(), len: 1 };
        assert_eq!(apply("/l/1", Some("9"), json!({"l": [1]})), Err(beyond));
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        check("/a/b", None, json!({"a": {"b": 1, "c": 2}}), json!({"a": {"c": 2}}));
        check("/l/0", None, json!({"l": [1, 2]}), json!({"l": [2]}));
        for absent in ["/x", "/x/y/z", "/a/b/c", "/l/5", "/l/x"] {
            check(absent, None, json!({"a": "text", "l": [1]}), json!({"a": "text", "l": [1]}));
        }
    }

    #[test]
    fn a_field_below_text_is_the_objects_fault() {
        let fault = |field: &str| BadChange::NotAnObject { field: field.to_owned(), found: "a string" };
        assert_eq!(apply("/spec/replicas", Some("1"), json!({"spec": "text"})), Err(fault("spec")));
        assert_eq!(apply("/spec/a/b", Some("1"), json!({"spec": {"a": "text"}})), Err(fault("spec.a")));
    }

    #[test]
    fn bad_changes_are_refused() {
        assert_eq!(apply("/l/*", Some("1"), json!({"l": []})), Err(BadChange::Star("/l/*".to_owned())));
        assert!(matches!(apply("/a", Some("{"), json!({})), Err(BadChange::NotJson { .. })));
        assert!(matches!(apply("a", Some("1"), json!({})), Err(BadChange::Pointer(_))));
        let writes = Fields::compile(&[Pointer::parse("/spec/replicas").expect("a pointer")]);
        assert_eq!(Change::read("/spec/paused", None, &writes), Err(BadChange::Undeclared("/spec/paused".to_owned())));
    }
}
