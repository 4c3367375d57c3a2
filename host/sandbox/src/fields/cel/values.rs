//! JSON as an expression sees it: with numbers, times and names as the schema says.

use crate::fields::golang::nanoseconds;
use ::cel::Value as CelValue;
use ::cel::objects::{Key, Map};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What becomes of the values of one place.
#[derive(Debug)]
pub(super) enum Form {
    /// Nothing.
    AsIs,
    /// A number that is no integer, even where it is whole.
    Double,
    /// Nanoseconds since 1970.
    Time,
    /// Nanoseconds.
    Duration,
    /// Only these fields, under names that are identifiers.
    Object(BTreeMap<String, (String, Form)>),
    /// The values of a map.
    Map(Box<Form>),
    /// The items of a list.
    List(Box<Form>),
}

impl Form {
    /// Of a schema; `is_resource` where the fields that every resource has are seen too.
    pub(super) fn of(schema: &Value, is_resource: bool) -> Self {
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("number"), _) => Self::Double,
            (Some("string"), Some("date-time" | "date" | "datetime")) => Self::Time,
            (Some("string"), Some("duration")) => Self::Duration,
            (Some("array"), _) => Self::List(Box::new(Self::of(&schema["items"], false))),
            (Some("object"), _) if schema["additionalProperties"].is_object() => {
                Self::Map(Box::new(Self::of(&schema["additionalProperties"], false)))
            }
            (Some("object"), _) if is_resource || schema["properties"].is_object() => Self::object(schema, is_resource),
            _ => Self::AsIs,
        }
    }

    fn object(schema: &Value, is_resource: bool) -> Self {
        let named = |(name, property): (&String, &Value)| {
            let is_embedded = property["x-kubernetes-embedded-resource"] == Value::Bool(true);
            (name.clone(), (escaped(name), Self::of(property, is_embedded)))
        };
        let mut fields: BTreeMap<String, (String, Self)> = schema["properties"].as_object().into_iter().flatten().map(named).collect();
        if is_resource {
            let text = |name: &str| (name.to_owned(), (name.to_owned(), Self::AsIs));
            fields.extend([text("apiVersion"), text("kind")]);
            let metadata = Self::Object(BTreeMap::from([text("name"), text("generateName")]));
            fields.insert("metadata".to_owned(), ("metadata".to_owned(), metadata));
        }
        Self::Object(fields)
    }
}

/// A field's name as an identifier.
pub(super) fn escaped(name: &str) -> String {
    const RESERVED: [&str; 18] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
    ];
    if RESERVED.contains(&name) || ["var", "void", "while"].contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

/// A value as an expression sees it.
pub(super) fn seen(form: &Form, value: &Value) -> CelValue {
    match (form, value) {
        (Form::Double, Value::Number(number)) => CelValue::Float(number.as_f64().unwrap_or_default()),
        (Form::Time, Value::String(text)) => nanoseconds_of_time(text).map_or_else(|| text.as_str().into(), CelValue::Int),
        (Form::Duration, Value::String(text)) => nanoseconds(text).map_or_else(|| text.as_str().into(), CelValue::Int),
        (Form::Object(fields), Value::Object(object)) => {
            let known = object.iter().filter(|(_, value)| !value.is_null());
            map(known.filter_map(|(name, value)| fields.get(name).map(|(name, form)| (name.clone(), seen(form, value)))))
        }
        (Form::Map(form), Value::Object(object)) => map(object.iter().map(|(name, value)| (name.clone(), seen(form, value)))),
        (Form::List(form), Value::Array(items)) => CelValue::List(Arc::new(items.iter().map(|item| seen(form, item)).collect())),
        (_, value) => as_is(value),
    }
}

fn as_is(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(*flag),
        Value::Number(number) => number.as_i64().map_or_else(|| CelValue::Float(number.as_f64().unwrap_or_default()), CelValue::Int),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(as_is).collect())),
        Value::Object(object) => map(object.iter().map(|(name, value)| (name.clone(), as_is(value)))),
    }
}

fn map(entries: impl Iterator<Item = (String, CelValue)>) -> CelValue {
    let entries: HashMap<Key, CelValue> = entries.map(|(name, value)| (Key::from(name), value)).collect();
    CelValue::Map(Map { map: Arc::new(entries) })
}

/// Nanoseconds since 1970 of an RFC 3339 time or a date.
pub(super) fn nanoseconds_of_time(text: &str) -> Option<i64> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    i64::try_from(OffsetDateTime::parse(&whole, &Rfc3339).ok()?.unix_timestamp_nanos()).ok()
}
