//! Label and field selectors: parsed once, then asked of each object. Knows no storage.

use crate::entry::{Entry, Facts};
use crate::kinds::Behaviour;
use crate::registry::ResourceType;
use crate::represent;
use crate::status::ApiError;
use serde_json::{Value, json};
use std::cell::LazyCell;

#[derive(Debug, Clone, PartialEq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    fn matches(&self, facts: &Facts) -> bool {
        let value = |key: &str| facts.label(key);
        let number = |key: &str| value(key).and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::In(key, values) => value(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::NotIn(key, values) => !value(key).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
            Self::Greater(key, limit) => number(key).is_some_and(|number| number > *limit),
            Self::Less(key, limit) => number(key).is_some_and(|number| number < *limit),
        }
    }
}

/// A `labelSelector` parameter; without requirements it selects everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads `app=web,tier in (a,b),!old`.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let refuse = |part: &str| ApiError::bad_request(format!("unable to parse requirement: found '{part}', expected: a label selector"));
        let parts = split_outside_parentheses(text).into_iter().map(str::trim).filter(|part| !part.is_empty());
        let requirements: Option<Vec<_>> = parts.clone().map(requirement).collect();
        requirements.map(Self).ok_or_else(|| refuse(parts.into_iter().find(|part| requirement(part).is_none()).unwrap_or(text)))
    }

    /// Whether an object's labels fit.
    pub fn matches(&self, facts: &Facts) -> bool {
        self.0.iter().all(|requirement| requirement.matches(facts))
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement::Absent(key_of(key)?));
    }
    if let Some((left, values)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) {
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = left.trim().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => Some(Requirement::In(key_of(key)?, values)),
            "notin" => Some(Requirement::NotIn(key_of(key)?, values)),
            _ => None,
        };
    }
    for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = part.split_once(operator) {
            let values = vec![value.trim().to_owned()];
            return Some(if negated { Requirement::NotIn(key_of(key)?, values) } else { Requirement::In(key_of(key)?, values) });
        }
    }
    if let Some((key, value)) = part.split_once('>') {
        return Some(Requirement::Greater(key_of(key)?, value.trim().parse().ok()?));
    }
    if let Some((key, value)) = part.split_once('<') {
        return Some(Requirement::Less(key_of(key)?, value.trim().parse().ok()?));
    }
    Some(Requirement::Exists(key_of(part)?))
}

fn key_of(text: &str) -> Option<String> {
    let key = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!key.is_empty() && key.chars().all(legal)).then(|| key.to_owned())
}

/// A LabelSelector object as text, as `/scale` shows it: `app=web,tier in (a,b)`.
pub fn selector_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut parts: Vec<String> = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or(""))).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or("");
        let values: Vec<_> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
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
                return Err(ApiError::bad_request(format!("field label not supported: {}", term.field)));
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

    fn selects(selector: &str, labels: Value) -> bool {
        LabelSelector::parse(selector).unwrap().matches(&Entry::unstored(&json!({"metadata": {"labels": labels}}), None).facts)
    }

    #[test]
    fn label_selectors_of_every_operator() {
        let labels = || json!({"app": "web", "n": "5"});
        for selector in ["app=web", "app==web", "app in (db,web),n", "app notin (db)", "x!=y", "!x", "n>4,n<6", "", "app = web"] {
            assert!(selects(selector, labels()), "{selector}");
        }
        for selector in ["app=db", "app!=web", "app notin (web)", "!app", "n>5", "x", "x in (y)"] {
            assert!(!selects(selector, labels()), "{selector}");
        }
        assert!(selects("!x", Value::Null));
        assert_eq!(LabelSelector::parse("a b").unwrap_err().code, 400);
        assert_eq!(LabelSelector::parse("a within (b)").unwrap_err().code, 400);
    }

    #[test]
    fn a_label_selector_object_reads_as_text() {
        let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "t", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector_text(&selector), "app=web,t in (a,b)");
    }
}
