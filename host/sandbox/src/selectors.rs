//! Label and field selectors: parsed once, then asked of each object. Knows no storage.

use crate::entry::Entry;
use crate::fields::golang::quoted;
use crate::kinds::Behaviour;
use crate::registry::ResourceType;
use crate::represent;
use crate::status::ApiError;
use serde_json::{Value, json};
use std::cell::LazyCell;

/// A LabelSelector object as text, as `/scale` shows it: `app=web,tier in (a,b)`.
pub fn selector_text(selector: &Value) -> String {
    // That of a ReplicationController is the labels themselves.
    let is_map = selector.as_object().is_some_and(|fields| fields.values().all(Value::is_string));
    let labels = if is_map { selector } else { &selector["matchLabels"] };
    let labels = labels.as_object().into_iter().flatten();
    let mut parts: Vec<String> = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or("");
        let mut values: Vec<_> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        parts.push(match expression["operator"].as_str().unwrap_or("") {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.sort();
    parts.join(",")
}

#[derive(Debug, Clone, PartialEq)]
struct FieldTerm {
    field: String,
    value: String,
    equal: bool,
}

/// A `fieldSelector` parameter of one resource.
#[derive(Clone, Default)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
    behaviour: Option<&'static dyn Behaviour>,
}

impl FieldSelector {
    /// Reads `metadata.name=web,status.phase!=Running`; a field that the resource cannot select by is refused.
    pub fn parse(text: &str, of: &ResourceType) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let term =
                field_term(part).ok_or_else(|| ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")))?;
            if !is_selectable(&term.field, of) {
                return Err(not_selectable(&term.field, of));
            }
            if let Some(letter) = unescaped(&term.value) {
                return Err(ApiError::bad_request(format!("invalid field selector: unescaped character in value: {}", u32::from(letter))));
            }
            terms.push(term);
        }
        Ok(Self { terms, behaviour: of.behaviour })
    }

    /// Adds `metadata.name=…`, for watches of one object.
    pub fn and_name(mut self, name: &str) -> Self {
        self.terms.push(FieldTerm { field: "metadata.name".into(), value: name.into(), equal: true });
        self
    }

    /// Whether an object fits. Its text is read only for fields other than its name and namespace.
    pub fn matches(&self, of: &ResourceType, entry: &Entry) -> bool {
        let object = LazyCell::new(|| represent::served(of, entry));
        self.terms.iter().all(|term| {
            let is_equal = match term.field.as_str() {
                "metadata.name" => *entry.facts.key.name == *term.value,
                "metadata.namespace" => *entry.facts.key.namespace == *term.value,
                field => self.value(&object, field) == term.value,
            };
            is_equal == term.equal
        })
    }

    fn value(&self, object: &Value, field: &str) -> String {
        match self.behaviour {
            Some(behaviour) => behaviour.select_field(object, field).unwrap_or_default(),
            None => plain(object.pointer(&format!("/{}", field.replace('.', "/")))),
        }
    }
}

fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn field_term(part: &str) -> Option<FieldTerm> {
    let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
        (field, value, false)
    } else if let Some((field, value)) = part.split_once("==") {
        (field, value, true)
    } else {
        let (field, value) = part.split_once('=')?;
        (field, value, true)
    };
    Some(FieldTerm { field: field.trim().to_owned(), value: value.to_owned(), equal })
}

/// A comma or an equals sign that no backslash precedes.
fn unescaped(value: &str) -> Option<char> {
    let mut escaped = false;
    value.chars().find(|letter| {
        let plain = !escaped;
        escaped = plain && *letter == '\\';
        plain && *letter == '='
    })
}

/// Types with fields of their own say less than the others.
fn not_selectable(field: &str, of: &ResourceType) -> ApiError {
    const FIELDS: [&str; 8] =
        ["spec.nodeName", "spec.unschedulable", "spec.clusterIP", "status.phase", "status.replicas", "status.successful", "type", "reason"];
    let own = of.behaviour.is_some_and(|behaviour| FIELDS.iter().any(|field| behaviour.select_field(&json!({}), field).is_some()));
    if of.custom.is_some() || own {
        return ApiError::bad_request(format!("field label not supported: {field}"));
    }
    ApiError::bad_request(format!("{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", quoted(field)))
}

fn is_selectable(field: &str, of: &ResourceType) -> bool {
    match (&of.custom, of.behaviour) {
        _ if field == "metadata.name" || field == "metadata.namespace" => of.namespaced || field == "metadata.name",
        (Some(custom), _) => custom.selectable_fields.iter().any(|path| path.trim_start_matches('.') == field),
        (None, Some(behaviour)) => behaviour.select_field(&json!({}), field).is_some(),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_selector_object_reads_as_text() {
        let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "t", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector_text(&selector), "app=web,t in (a,b)");
    }
}
