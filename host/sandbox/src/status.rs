//! What the API server says when it refuses: `Status` objects, in the real server's words.

use serde_json::{Value, json};

/// A refusal, as `meta/v1 Status` with an HTTP code.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status: `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, …
    pub reason: &'static str,
    /// The sentence that kubectl prints.
    pub message: String,
    /// `details` of the Status (`name`, `group`, `kind`, `causes`, …), where there are any.
    pub details: Option<Value>,
}

impl ApiError {
    /// The Status object that goes over the wire.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }

    /// 422 for an object with wrong fields: `Kind.group "name" is invalid: …`.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let texts: Vec<String> = errors.iter().map(FieldError::to_string).collect();
        let listed = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
        let causes: Vec<Value> = errors
            .iter()
            .map(|error| json!({"reason": error.reason.as_str(), "message": error.body(), "field": error.field}))
            .collect();
        let mut details = json!({"name": name, "group": group, "kind": kind, "causes": causes});
        if group.is_empty() {
            details.as_object_mut().expect("made above").remove("group");
        }
        Self { code: 422, reason: "Invalid", message: format!("{qualified} \"{name}\" is invalid: {listed}"), details: Some(details) }
    }
}

/// Why one field is wrong; the words are those of `k8s.io/apimachinery/pkg/util/validation/field`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldReason {
    /// `Required value`
    Required,
    /// `Invalid value`
    Invalid,
    /// `Unsupported value`
    NotSupported,
    /// `Duplicate value`
    Duplicate,
    /// `Forbidden`
    Forbidden,
    /// `Not found`
    NotFound,
    /// `Too long`
    TooLong,
    /// `Too many`
    TooMany,
    /// `Invalid value` of the wrong type
    TypeInvalid,
}

impl FieldReason {
    /// The `reason` of the cause.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// Why.
    pub reason: FieldReason,
    /// Path as the server prints it: `spec.template.spec.containers[0].image`.
    pub field: String,
    /// The value as the server prints it (Go syntax: strings quoted, objects as JSON); empty for none.
    pub value: String,
    /// What follows the value.
    pub detail: String,
}

impl FieldError {
    /// Everything after the field's path: `Invalid value: -1: must be greater than or equal to 0`.
    pub fn body(&self) -> String {
        let mut body = self.reason.words().to_owned();
        if !self.value.is_empty() {
            body.push_str(": ");
            body.push_str(&self.value);
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}
