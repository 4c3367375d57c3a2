//! Why a policy is turned away, in the words that Kubernetes uses about fields.

use serde_json::Value;
use std::fmt;

/// Why a policy is turned away: all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied(pub Vec<FieldError>);

impl Denied {
    pub(super) fn unreadable(field: &str, message: &str) -> Self {
        Self(vec![FieldError { field: field.to_owned(), problem: Problem::Unreadable, detail: message.to_owned() }])
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [error] => write!(f, "{error}"),
            errors => write!(f, "[{}]", errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl std::error::Error for Denied {}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, for instance `spec.resourceSelectors[0].name`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
    /// More about it; may be empty.
    pub detail: String,
}

/// Kinds of mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The value is not one that makes sense.
    Invalid(Value),
    /// There must be a value.
    Required,
    /// There must be no value.
    Forbidden,
    /// The value is there twice.
    Duplicate(Value),
    /// The value is none of those that there are.
    Unsupported(Value),
    /// The value is not of the type that the field has.
    Unreadable,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        match &self.problem {
            Problem::Invalid(value) => write!(f, "Invalid value: {value}")?,
            Problem::Required => f.write_str("Required value")?,
            Problem::Forbidden => f.write_str("Forbidden")?,
            Problem::Duplicate(value) => write!(f, "Duplicate value: {value}")?,
            Problem::Unsupported(value) => write!(f, "Unsupported value: {value}")?,
            Problem::Unreadable => f.write_str("Invalid value")?,
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// Collects what is wrong.
#[derive(Default)]
pub(super) struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, field: impl Into<String>, problem: Problem, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), problem, detail: detail.into() });
    }

    pub fn invalid(&mut self, field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) {
        self.add(field, Problem::Invalid(value.into()), detail);
    }

    pub fn required(&mut self, field: impl Into<String>, detail: &str) {
        self.add(field, Problem::Required, detail);
    }

    pub fn forbidden(&mut self, field: impl Into<String>, detail: &str) {
        self.add(field, Problem::Forbidden, detail);
    }

    pub fn duplicate(&mut self, field: impl Into<String>, value: &str) {
        self.add(field, Problem::Duplicate(value.into()), "");
    }

    pub fn unsupported(&mut self, field: impl Into<String>, value: &str, supported: &[&str]) {
        let supported = supported.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        self.add(field, Problem::Unsupported(value.into()), format!("supported values: {supported}"));
    }

    pub fn into_result(self) -> Result<(), Denied> {
        if self.0.is_empty() { Ok(()) } else { Err(Denied(self.0)) }
    }
}
