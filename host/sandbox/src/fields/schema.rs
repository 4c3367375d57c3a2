//! One type's schema, from a CRD or of a built-in type: pruning, defaults, validation, and how lists and maps merge.

use crate::status::FieldError;
use serde_json::Value;
use std::sync::Arc;

/// The schema of one version of a type.
#[derive(Debug)]
pub struct TypeSchema {}

impl TypeSchema {
    /// From `spec.versions[].schema.openAPIV3Schema` of a CRD.
    pub fn from_crd(_open_api_v3: &Value) -> Result<Self, Vec<FieldError>> {
        todo!()
    }

    /// Of a built-in type; `None` for one that is not served.
    pub fn built_in(_api_version: &str, _kind: &str) -> Option<Arc<Self>> {
        todo!()
    }

    /// Strict decoding: removes unknown fields (where the schema does not keep them) and reports their paths
    /// (`spec.replica`), for `fieldValidation=Strict|Warn` and for pruning.
    pub fn prune(&self, _object: &mut Value) -> Vec<String> {
        todo!()
    }

    /// Fills in the defaults of the schema (CRDs; built-in kinds have theirs in [`crate::kinds`]).
    pub fn default(&self, _object: &mut Value) {
        todo!()
    }

    /// Type and value errors, in the real server's words and order.
    pub fn validate(&self, _object: &Value) -> Vec<FieldError> {
        todo!()
    }

    /// For built-in types: the first value that does not decode into its field, in the words of the real server's 400 answer.
    pub fn decode_error(&self, _object: &Value) -> Option<String> {
        todo!()
    }
}
