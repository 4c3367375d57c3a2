//! What decoding into the Go types of a built-in kind does to an object, and what it says of one that does not fit.

use super::node::{Field, Map, Scalar, Shape, View, Written};
use super::quantity;
use crate::fields::golang;
use crate::fields::patch::json_type;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Brings an object into the form in which its server writes it, and returns the paths of the fields that it did not know.
pub(super) fn normalize(view: View, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    normalize_at(view, object, &mut String::new(), &mut unknown);
    unknown
}

fn normalize_at(view: View, value: &mut Value, path: &mut String, unknown: &mut Vec<String>) {
    match (&view.node.shape, value) {
        (Shape::Map(map), Value::Object(object)) => normalize_map(view, map, object, path, unknown),
        (Shape::List { items, .. }, Value::Array(list)) => {
            for (index, item) in list.iter_mut().enumerate() {
                let length = path.len();
                path.push_str(&format!("[{index}]"));
                normalize_item(view.at(*items), item, path, unknown);
                path.truncate(length);
            }
        }
        (Shape::Scalar(scalar), value) => normalize_scalar(*scalar, value),
        _ => {}
    }
}

fn normalize_map(view: View, map: &Map, object: &mut serde_json::Map<String, Value>, path: &mut String, unknown: &mut Vec<String>) {
    let length = path.len();
    object.retain(|key, value| {
        path.push_str(if length == 0 { "" } else { "." });
        path.push_str(key);
        let keep = match (map.fields.get(key.as_str()), map.values) {
            (Some(field), _) if value.is_null() => field.written == Written::OrNull,
            (Some(field), _) => {
                normalize_at(view.at(field.node), value, path, unknown);
                field.written != Written::NotEmpty || !is_empty(value)
            }
            (None, Some(values)) => {
                normalize_item(view.at(values), value, path, unknown);
                true
            }
            (None, None) => {
                unknown.push(path.clone());
                false
            }
        };
        path.truncate(length);
        keep
    });
    for (name, field) in &map.fields {
        if !object.contains_key(&**name)
            && let Some(value) = absent(view, field)
        {
            object.insert(name.to_string(), value);
        }
    }
}

/// Items of lists and values of maps have no pointer to be null.
fn normalize_item(view: View, value: &mut Value, path: &mut String, unknown: &mut Vec<String>) {
    if value.is_null() && !matches!(view.node.shape, Shape::Any) {
        *value = zero(view);
    }
    normalize_at(view, value, path, unknown);
}

/// What is written for a field that is absent.
fn absent(view: View, field: &Field) -> Option<Value> {
    match field.written {
        Written::AsSent | Written::NotEmpty => None,
        Written::OrNull => Some(Value::Null),
        Written::Always => {
            let mut value = zero(view.at(field.node));
            normalize(view.at(field.node), &mut value);
            Some(value)
        }
    }
}

fn zero(view: View) -> Value {
    match &view.node.shape {
        Shape::Map(_) => json!({}),
        Shape::Any | Shape::List { .. } => Value::Null,
        Shape::Scalar(Scalar::Text | Scalar::Bytes) => json!(""),
        Shape::Scalar(Scalar::Boolean) => json!(false),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Number | Scalar::IntOrString) => {
            json!(0)
        }
        Shape::Scalar(Scalar::Quantity) => json!("0"),
        Shape::Scalar(Scalar::Time | Scalar::MicroTime) => Value::Null,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn normalize_scalar(scalar: Scalar, value: &mut Value) {
    let canonical = match (scalar, &*value) {
        (Scalar::Quantity, Value::String(text)) => quantity::canonical(text.trim()),
        (Scalar::Quantity, Value::Number(number)) => quantity::canonical(&number.to_string()),
        (Scalar::Time, Value::String(text)) => to_utc(text),
        _ => None,
    };
    if let Some(canonical) = canonical {
        *value = Value::String(canonical);
    }
}

/// A time in whole seconds, UTC; `None` for one that is no RFC 3339 time.
fn to_utc(text: &str) -> Option<String> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

/// The first value that does not decode into its field, in the words of Go's decoder. `null` decodes into everything.
pub(super) fn error(view: View, object: &Value) -> Option<String> {
    Decoder { structs: Vec::new(), fields: Vec::new() }.error(view, object)
}

/// Where the decoder is: the types of the structs around, and the names of the fields from the root.
struct Decoder<'a> {
    structs: Vec<&'a str>,
    fields: Vec<&'a str>,
}

impl<'a> Decoder<'a> {
    fn error(&mut self, view: View<'a>, value: &Value) -> Option<String> {
        match (&view.node.shape, value) {
            (Shape::Any, _) | (_, Value::Null) => None,
            (Shape::Map(map), Value::Object(object)) => {
                self.structs.push(&view.node.go_type);
                let error = object.iter().find_map(|(key, value)| match map.fields.get_key_value(key.as_str()) {
                    Some((name, field)) => self.field_error(name, view.at(field.node), value),
                    None => map.values.and_then(|values| self.below(map, view.at(values), value)),
                });
                self.structs.pop();
                error
            }
            (Shape::List { items, .. }, Value::Array(list)) => list.iter().find_map(|item| self.error(view.at(*items), item)),
            (Shape::Scalar(scalar), value) => self.scalar_error(*scalar, value),
            (_, value) => Some(self.mismatch(json_type(value), &go_type(view))),
        }
    }

    fn field_error(&mut self, name: &'a str, view: View<'a>, value: &Value) -> Option<String> {
        self.fields.push(name);
        let error = self.error(view, value);
        self.fields.pop();
        error
    }

    /// The value of a map is in no struct of its own.
    fn below(&mut self, map: &Map, view: View<'a>, value: &Value) -> Option<String> {
        let own = if map.fields.is_empty() { self.structs.pop() } else { None };
        let error = self.error(view, value);
        self.structs.extend(own);
        error
    }

    fn scalar_error(&self, scalar: Scalar, value: &Value) -> Option<String> {
        let go = match scalar {
            Scalar::Text => "string",
            Scalar::Bytes => "[]uint8",
            Scalar::Boolean => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Number => "float64",
            Scalar::Time | Scalar::MicroTime => "string",
            Scalar::IntOrString => "int32",
            Scalar::Quantity => return quantity_error(value),
        };
        match (scalar, value) {
            (Scalar::Text, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) | (Scalar::Number, Value::Number(_)) => None,
            (Scalar::IntOrString, Value::String(_)) => None,
            (Scalar::Bytes, Value::String(text)) => base64_error(text),
            (Scalar::Time, Value::String(text)) => time_error(text, "2006-01-02T15:04:05Z07:00"),
            (Scalar::MicroTime, Value::String(text)) => time_error(text, "2006-01-02T15:04:05.000000Z07:00"),
            (Scalar::Int32 | Scalar::IntOrString, Value::Number(n)) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => None,
            (Scalar::Int64, Value::Number(n)) if n.is_i64() => None,
            (Scalar::Int32 | Scalar::Int64 | Scalar::IntOrString, Value::Number(n)) => Some(self.mismatch(&format!("number {n}"), go)),
            _ => Some(self.mismatch(json_type(value), go)),
        }
    }

    fn mismatch(&self, found: &str, expected: &str) -> String {
        let owner = self.structs.iter().rev().find(|name| !name.is_empty());
        match owner {
            Some(owner) if !self.fields.is_empty() => {
                let owner = owner.rsplit('.').next().unwrap_or(owner);
                format!("json: cannot unmarshal {found} into Go struct field {owner}.{} of type {expected}", self.fields.join("."))
            }
            _ => format!("json: cannot unmarshal {found} into Go value of type {expected}"),
        }
    }
}

/// The first value that does not fit its field, in the words of the converter through which strategic merge patches go.
pub(super) fn restore_error(view: View, value: &Value) -> Option<String> {
    match (&view.node.shape, value) {
        (Shape::Any, _) | (_, Value::Null) => None,
        (Shape::Map(map), Value::Object(object)) => object.iter().find_map(|(key, value)| {
            let below = map.fields.get(key.as_str()).map(|field| field.node).or(map.values)?;
            restore_error(view.at(below), value)
        }),
        (Shape::List { items, .. }, Value::Array(list)) => list.iter().find_map(|item| restore_error(view.at(*items), item)),
        (Shape::Scalar(scalar), value) => {
            let problem = Decoder { structs: Vec::new(), fields: Vec::new() }.scalar_error(*scalar, value)?;
            let is_plain = matches!(scalar, Scalar::Text | Scalar::Boolean | Scalar::Int32 | Scalar::Int64 | Scalar::Number);
            Some(if is_plain { format!("unrecognized type: {}", go_type(view)) } else { problem })
        }
        (Shape::Map(map), value) if map.fields.is_empty() => Some(format!("cannot restore map from {}", go_kind(value))),
        (Shape::Map(_), value) => Some(format!("cannot restore struct from: {}", go_kind(value))),
        (Shape::List { .. }, value) => Some(format!("cannot restore slice from {}", go_kind(value))),
    }
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::Array(_) => "slice",
        Value::Object(_) | Value::Null => "map",
    }
}

fn go_type(view: View) -> String {
    match &view.node.shape {
        Shape::Map(map) => match map.values {
            Some(values) if map.fields.is_empty() && is_quantity(view.at(values)) => "v1.ResourceList".to_owned(),
            Some(values) if map.fields.is_empty() => {
                format!("map[string]{}", go_type(view.at(values)))
            }
            _ => view.node.go_type.to_string(),
        },
        Shape::List { items, .. } => format!("[]{}", go_type(view.at(*items))),
        Shape::Scalar(Scalar::Boolean) => "bool".to_owned(),
        Shape::Scalar(Scalar::Bytes) => "[]uint8".to_owned(),
        Shape::Scalar(Scalar::Int32) => "int32".to_owned(),
        Shape::Scalar(Scalar::Int64) => "int64".to_owned(),
        Shape::Scalar(Scalar::Number) => "float64".to_owned(),
        Shape::Scalar(Scalar::Text) => "string".to_owned(),
        _ => view.node.go_type.to_string(),
    }
}

fn is_quantity(view: View) -> bool {
    matches!(view.node.shape, Shape::Scalar(Scalar::Quantity))
}

fn base64_error(text: &str) -> Option<String> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    match STANDARD.decode(&text) {
        Ok(_) => None,
        Err(base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _)) => {
            Some(format!("illegal base64 data at input byte {at}"))
        }
        Err(_) => Some(format!("illegal base64 data at input byte {}", text.len() / 4 * 4)),
    }
}

fn quantity_error(value: &Value) -> Option<String> {
    let well_formed = match value {
        Value::String(text) => quantity::canonical(text.trim()).is_some(),
        Value::Number(_) => true,
        _ => false,
    };
    (!well_formed).then(|| quantity::MALFORMED.to_owned())
}

fn time_error(text: &str, layout: &str) -> Option<String> {
    let malformed = OffsetDateTime::parse(text, &Rfc3339).is_err();
    if !malformed && layout.contains(".000000") && !text.contains('.') {
        let (text, rest) = (golang::quoted(text), golang::quoted(&text[19..]));
        return Some(format!("parsing time {text} as {}: cannot parse {rest} as \".000000\"", golang::quoted(layout)));
    }
    let text = golang::quoted(text);
    malformed.then(|| format!("parsing time {text} as {}: cannot parse {text} as \"2006\"", golang::quoted(layout)))
}
