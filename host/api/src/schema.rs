//! Schemas of fields whose shape is not ours.

use schemars::{Schema, SchemaGenerator, json_schema};

/// An object of any shape, kept as it is.
pub fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
