//! Server-side apply and the bookkeeping of `metadata.managedFields`.

use super::schema::TypeSchema;
use crate::status::ApiError;
use serde_json::Value;

/// Who writes, through what, and when.
#[derive(Debug, Clone)]
pub struct Writer<'a> {
    /// `fieldManager`, or what stands for it (the first part of the User-Agent).
    pub manager: &'a str,
    /// `status`, `scale`, or empty for the object itself.
    pub subresource: &'a str,
    /// apiVersion of the request.
    pub api_version: &'a str,
    /// RFC 3339 seconds, UTC.
    pub now: &'a str,
}

/// The object after `kubectl apply --server-side`: what `applied` sets, without what this manager set before and no longer names.
/// Fields of other managers with another value are conflicts (409 with a cause each) unless forced.
pub fn apply(_live: Option<&Value>, _applied: &Value, _writer: &Writer, _force: bool, _schema: &TypeSchema) -> Result<Value, ApiError> {
    todo!()
}

/// Records in `new.metadata.managedFields` who changed what, for create, update and the patches.
pub fn track(_old: Option<&Value>, _new: &mut Value, _writer: &Writer, _schema: &TypeSchema) {
    todo!()
}
