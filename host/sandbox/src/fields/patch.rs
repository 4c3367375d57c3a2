//! The four kinds of patch, as the API server applies them.

use super::schema::TypeSchema;
use crate::status::ApiError;
use serde_json::Value;

/// RFC 6902, with the server's refusals.
pub fn json(_object: &mut Value, _patch: &Value) -> Result<(), ApiError> {
    todo!()
}

/// RFC 7386.
pub fn merge(_object: &mut Value, _patch: &Value) {
    todo!()
}

/// Strategic merge: lists merge by key where the schema says so; `$patch`, `$retainKeys`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…`.
pub fn strategic(_object: &mut Value, _patch: &Value, _schema: &TypeSchema) -> Result<(), ApiError> {
    todo!()
}
