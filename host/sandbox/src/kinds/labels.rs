//! Labels and selectors of labels: whether they are well-formed, and whether they match.

use super::reach::{entries, list, text};
use super::refusal::{each_invalid, forbidden, invalid, required};
use super::syntax;
use crate::status::FieldError;
use serde_json::Value;

/// Errors of a map of labels. The server names the map, not the key.
pub(super) fn validate(labels: Option<&Value>, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels.into_iter().flat_map(|labels| entries(labels, "")) {
        let value = value.as_str().unwrap_or_default();
        let problems = syntax::qualified_name(key).into_iter().map(|said| said.replacen("a qualified name", "a valid label key", 1));
        errors.extend(each_invalid(path, key, problems.collect()));
        errors.extend(each_invalid(path, value, syntax::label_value(value)));
    }
    errors
}

/// What is wrong with a label's key.
pub(crate) fn key_problems(key: &str) -> Vec<String> {
    syntax::qualified_name(key)
}

/// What is wrong with a label's value.
pub(crate) fn value_problems(value: &str) -> Vec<String> {
    syntax::label_value(value)
}

/// Errors of a LabelSelector.
pub(super) fn validate_selector(selector: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = validate(selector.get("matchLabels"), &format!("{path}.matchLabels"));
    errors.extend(validate_expressions(selector, path, LABELS));
    errors
}

/// What the expressions of a selector may say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expressions {
    /// Whether there are `Gt` and `Lt`.
    compare: bool,
    /// Whether values may be what no label has.
    take_any_value: bool,
}

/// Those of a LabelSelector.
const LABELS: Expressions = Expressions { compare: false, take_any_value: false };
/// Those of nodes that are required.
pub(super) const REQUIRED_NODES: Expressions = Expressions { compare: true, take_any_value: false };
/// Those of nodes that are preferred: one that none is like does no harm.
pub(super) const PREFERRED_NODES: Expressions = Expressions { compare: true, take_any_value: true };

/// Errors of `matchExpressions`.
pub(super) fn validate_expressions(selector: &Value, path: &str, may: Expressions) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, expression) in list(selector, "/matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let (values, place) = (list(expression, "/values"), format!("{path}.values"));
        match text(expression, "/operator") {
            "In" | "NotIn" if values.is_empty() => {
                errors.push(required(&place, "must be specified when `operator` is 'In' or 'NotIn'"));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.push(forbidden(&place, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
            }
            "Gt" | "Lt" if may.compare && values.len() != 1 => {
                errors.push(required(&place, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            "Gt" | "Lt" if may.compare => {}
            _ => {
                let operator = expression.get("operator").unwrap_or(&Value::Null);
                errors.push(invalid(format!("{path}.operator"), operator, "not a valid selector operator"));
            }
        }
        let key = text(expression, "/key");
        errors.extend(each_invalid(&format!("{path}.key"), key, syntax::qualified_name(key)));
        let checked = values.iter().enumerate().filter(|_| !may.take_any_value);
        errors.extend(checked.flat_map(|(index, value)| {
            let value = value.as_str().unwrap_or_default();
            each_invalid(&format!("{place}[{index}]"), value, syntax::label_value(value))
        }));
    }
    errors
}

/// Whether all expressions of a LabelSelector have operators that there are.
pub(super) fn is_readable(selector: &Value) -> bool {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist"];
    list(selector, "/matchExpressions").iter().all(|expression| operators.contains(&text(expression, "/operator")))
}

/// Whether a LabelSelector asks for nothing.
pub(super) fn is_empty(selector: &Value) -> bool {
    entries(selector, "/matchLabels").next().is_none() && list(selector, "/matchExpressions").is_empty()
}

/// Whether a map of labels satisfies a LabelSelector.
pub(crate) fn matches(selector: &Value, labels: Option<&Value>) -> bool {
    let value_of = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let has_labels = entries(selector, "/matchLabels").all(|(key, value)| value_of(key) == value.as_str());
    has_labels
        && list(selector, "/matchExpressions").iter().all(|expression| {
            let found = value_of(text(expression, "/key"));
            let is_listed = list(expression, "/values").iter().any(|value| found.is_some() && value.as_str() == found);
            match text(expression, "/operator") {
                "In" => is_listed,
                "NotIn" => !is_listed,
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_labels() {
        let labels = json!({"app": "web", "tier": "a"});
        let matches = |selector: Value| matches(&selector, Some(&labels));
        assert!(matches(json!({"matchLabels": {"app": "web"}})));
        assert!(!matches(json!({"matchLabels": {"app": "db"}})));
        assert!(matches(json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]})));
        assert!(matches(json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["a"]}]})));
        assert!(!matches(json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]})));
    }

    #[test]
    fn selectors_that_cannot_be_meant_are_refused() {
        let selector =
            json!({"matchLabels": {"a b": "x y"}, "matchExpressions": [{"key": "k", "operator": "In"}, {"key": "k", "operator": "Is"}]});
        let errors: Vec<String> = validate_selector(&selector, "spec.selector").iter().map(FieldError::to_string).collect();
        assert!(errors[0].starts_with("spec.selector.matchLabels: Invalid value: \"a b\": name part must consist"), "{errors:?}");
        assert!(errors[1].starts_with("spec.selector.matchLabels: Invalid value: \"x y\": a valid label"), "{errors:?}");
        assert_eq!(
            errors[2],
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        );
        assert_eq!(errors[3], "spec.selector.matchExpressions[1].operator: Invalid value: \"Is\": not a valid selector operator");
    }
}
