//! Field errors in the words and the value syntax of the real server. Decides nothing.

use crate::status::{FieldError, FieldReason};
use serde_json::Value;

/// `field is immutable`.
pub(super) const IMMUTABLE: &str = "field is immutable";
/// For counts.
pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";

pub(super) fn error(reason: FieldReason, field: impl Into<String>, value: String, detail: impl Into<String>) -> FieldError {
    FieldError { reason, field: field.into(), value, detail: detail.into() }
}

/// `Required value`, with a sentence or none.
pub(super) fn required(field: impl Into<String>, detail: &str) -> FieldError {
    error(FieldReason::Required, field, String::new(), detail)
}

/// `Invalid value: …: detail`.
pub(super) fn invalid(field: impl Into<String>, value: &Value, detail: impl Into<String>) -> FieldError {
    error(FieldReason::Invalid, field, printed(value), detail)
}

/// `Invalid value` of a text.
pub(super) fn invalid_text(field: impl Into<String>, value: &str, detail: impl Into<String>) -> FieldError {
    error(FieldReason::Invalid, field, quoted(value), detail)
}

/// `Invalid value` of a list or map; an absent one prints as JSON's null.
pub(super) fn invalid_json(field: impl Into<String>, value: Option<&Value>, detail: impl Into<String>) -> FieldError {
    error(FieldReason::Invalid, field, value.unwrap_or(&Value::Null).to_string(), detail)
}

/// `Invalid value` of something that prints in its own way.
pub(super) fn invalid_printed(field: impl Into<String>, value: String, detail: impl Into<String>) -> FieldError {
    error(FieldReason::Invalid, field, value, detail)
}

/// `Unsupported value: …: supported values: …`.
pub(super) fn not_supported(field: impl Into<String>, value: &Value, supported: &[&str]) -> FieldError {
    let supported: Vec<String> = supported.iter().map(|value| quoted(value)).collect();
    error(FieldReason::NotSupported, field, printed(value), format!("supported values: {}", supported.join(", ")))
}

/// `Unsupported value` of something that prints in its own way.
pub(super) fn not_supported_printed(field: impl Into<String>, value: String, supported: &[&str]) -> FieldError {
    let supported: Vec<String> = supported.iter().map(|value| quoted(value)).collect();
    error(FieldReason::NotSupported, field, value, format!("supported values: {}", supported.join(", ")))
}

/// `Duplicate value: …`.
pub(super) fn duplicate(field: impl Into<String>, value: &Value) -> FieldError {
    error(FieldReason::Duplicate, field, printed(value), "")
}

/// `Duplicate value: …` of something that prints in its own way.
pub(super) fn duplicate_printed(field: impl Into<String>, value: String) -> FieldError {
    error(FieldReason::Duplicate, field, value, "")
}

/// `Not found: …`.
pub(super) fn not_found(field: impl Into<String>, value: &str) -> FieldError {
    error(FieldReason::NotFound, field, quoted(value), "")
}

/// `Forbidden: …`.
pub(super) fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> FieldError {
    error(FieldReason::Forbidden, field, String::new(), detail)
}

/// `Too long: may not be more than … bytes`.
pub(super) fn too_long(field: impl Into<String>, most: usize) -> FieldError {
    error(FieldReason::TooLong, field, String::new(), format!("may not be more than {most} bytes"))
}

/// Go's `%q` of a text.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A value as the server prints it in a message: as JSON.
fn printed(value: &Value) -> String {
    value.to_string()
}

/// One `Invalid value` for each message about a text.
pub(super) fn each_invalid(field: &str, value: &str, messages: Vec<String>) -> Vec<FieldError> {
    messages.into_iter().map(|message| invalid_text(field, value, message)).collect()
}

/// The count in a field may not be negative.
pub(super) fn negative(object: &Value, path: &str, field: &str) -> Option<FieldError> {
    let value = object.get(field).filter(|value| value.as_i64().is_some_and(|count| count < 0))?;
    Some(invalid(format!("{path}.{field}"), value, NEGATIVE))
}

/// A field must be one of some words.
pub(super) fn one_of(object: &Value, path: &str, field: &str, supported: &[&str]) -> Option<FieldError> {
    let given = object.get(field).unwrap_or(&Value::Null);
    let path = format!("{path}.{field}");
    match given.as_str().unwrap_or_default() {
        "" => Some(required(path, "")),
        word if supported.contains(&word) => None,
        _ => Some(not_supported(path, given, supported)),
    }
}

/// A field that must not change.
pub(super) fn immutable(new: &Value, old: &Value, pointer: &str) -> Option<FieldError> {
    let (new, old) = (new.pointer(pointer).unwrap_or(&Value::Null), old.pointer(pointer).unwrap_or(&Value::Null));
    (new != old).then(|| invalid(pointer[1..].replace('/', "."), new, IMMUTABLE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_print_as_the_server_prints_them() {
        assert_eq!(
            invalid("spec.replicas", &json!(-1), NEGATIVE).to_string(),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
        );
        assert_eq!(invalid_text("a", "x\"y", "no").to_string(), r#"a: Invalid value: "x\"y": no"#);
        assert_eq!(invalid("a", &json!({"k": "v"}), "no").to_string(), r#"a: Invalid value: {"k":"v"}: no"#);
        assert_eq!(invalid("a", &Value::Null, "no").to_string(), "a: Invalid value: null: no");
        assert_eq!(required("a", "").to_string(), "a: Required value");
        assert_eq!(not_supported("a", &json!("X"), &["A", "B"]).to_string(), r#"a: Unsupported value: "X": supported values: "A", "B""#);
        assert_eq!(too_long("a", 63).to_string(), "a: Too long: may not be more than 63 bytes");
    }
}
