//! Reading and filling in JSON objects of a known shape. Never panics on another shape: what is not there reads as empty.

use serde_json::{Map, Value};

/// The string at a JSON pointer, empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The integer at a JSON pointer.
pub(super) fn int(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// Whether there is a `true` at a JSON pointer.
pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The items of the list at a JSON pointer.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The entries of the map at a JSON pointer, by key.
pub(super) fn entries<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    object.pointer(pointer).and_then(Value::as_object).into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// The value at a JSON pointer, `None` for null too.
pub(super) fn present<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    object.pointer(pointer).filter(|value| !value.is_null())
}

/// The items of the list at a JSON pointer, to be filled in.
pub(super) fn each<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Sets a field that is absent or null.
pub(super) fn fill(object: &mut Value, field: &str, default: impl Into<Value>) {
    if let Value::Object(fields) = object
        && fields.get(field).is_none_or(Value::is_null)
    {
        fields.insert(field.to_owned(), default.into());
    }
}

/// Sets a field that is absent or null or holds Go's zero value (`""`, `0`).
pub(super) fn fill_zero(object: &mut Value, field: &str, default: impl Into<Value>) {
    if let Value::Object(fields) = object
        && fields.get(field).is_none_or(is_zero)
    {
        fields.insert(field.to_owned(), default.into());
    }
}

fn is_zero(value: &Value) -> bool {
    value.is_null() || value == "" || value == 0
}

/// The object in a field, made where there is none. An object that is of another shape is returned itself, so that filling it in does nothing.
pub(super) fn inner<'a>(object: &'a mut Value, field: &str) -> &'a mut Value {
    if !object.is_object() {
        return object;
    }
    fill(object, field, Map::new());
    &mut object[field]
}

/// The object in a field where there is one.
pub(super) fn given<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    object.get_mut(field).filter(|value| value.is_object())
}

/// Sets a field, whatever it held.
pub(super) fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = object {
        fields.insert(field.to_owned(), value.into());
    }
}

/// Takes a field out.
pub(super) fn remove(object: &mut Value, field: &str) -> Option<Value> {
    object.as_object_mut()?.remove(field)
}
