//! Why a hook gives no answer.

use crate::bindings::types::HookError;
use std::fmt;

/// What hooks return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a hook gives no answer. The object is held still until there is one: an error is never taken for an empty answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The object cannot be understood; its owner has to mend it. The text names the field and what is wrong with it.
    InvalidObject(String),
    /// The plugin failed although the object may be right.
    Failed(String),
}

impl Error {
    /// The object cannot be understood: `Error::invalid("spec.zone: no such zone")`.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::InvalidObject(text.into())
    }

    /// The plugin failed although the object may be right.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::InvalidObject(text) | Self::Failed(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

impl From<Error> for HookError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidObject(text) => Self::InvalidObject(text),
            Error::Failed(text) => Self::Failed(text),
        }
    }
}
