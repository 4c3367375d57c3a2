//! What a hook changes: a list of sets and removals.

use crate::bindings::types::Change;
use crate::json::{ToJson, text};

/// What a hook changes, in order. Fields are JSON pointers (`/spec/replicas`), and each must be one of the hook's `WRITES` or
/// lie below one: the host refuses the answer otherwise.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes(Vec<Change>);

impl Changes {
    /// No change.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field; objects that are missing on the way are made.
    pub fn set(mut self, field: impl Into<String>, value: impl ToJson) -> Self {
        self.0.push(Change::Set((field.into(), text(&value))));
        self
    }

    /// Removes a field; a field that is not there is no error.
    pub fn remove(mut self, field: impl Into<String>) -> Self {
        self.0.push(Change::Remove(field.into()));
        self
    }

    /// Sets every field of a struct below `at` and leaves its neighbours alone; fields that the struct omits are removed.
    pub fn set_fields(mut self, at: &str, fields: &impl ToJson) -> Self {
        fields.change(at, &mut self);
        self
    }

    /// Adds one change: [`ToJson::change`] is written with this.
    pub(crate) fn put(&mut self, field: &str, value: Option<String>) {
        self.0.push(match value {
            Some(value) => Change::Set((field.to_owned(), value)),
            None => Change::Remove(field.to_owned()),
        });
    }

    pub(crate) fn into_list(self) -> Vec<Change> {
        self.0
    }
}
