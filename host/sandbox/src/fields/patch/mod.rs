//! The kinds of patch, as the API server applies them, and its words where it does not. Never decides what a patched object must
//! look like: that is validation.

mod operations;
mod strategic;

use super::schema::TypeSchema;
use super::{go_json, golang};
use crate::status::{ApiError, FieldError, FieldReason};
use serde_json::{Value, json};

/// The server refuses JSON patches with more operations.
const MAX_OPERATIONS: usize = 10_000;

/// RFC 6902. The object is left as it was when the patch is refused: 400 for what is no patch, 422 for one that does not apply.
pub fn json(object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let Value::Array(operations) = patch else {
        let found = json_type(patch);
        return Err(undecoded(&format!("json: cannot unmarshal {found} into Go value of type []handlers.jsonPatchOp")));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(ApiError {
            code: 413,
            reason: "RequestEntityTooLarge",
            message: format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", operations.len()),
            details: None,
        });
    }
    if let Some(wrong) = operations.iter().find(|operation| !operation.is_object()) {
        let found = json_type(wrong);
        return Err(undecoded(&format!("json: cannot unmarshal {found} into Go value of type handlers.jsonPatchOp")));
    }
    let mut patched = object.clone();
    for operation in operations {
        operations::apply(&mut patched, operation).ok_or_else(does_not_apply)?;
    }
    *object = patched;
    Ok(())
}

/// RFC 7386; refused with 400 where the patch is no object.
pub fn merge(object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    match patch {
        Value::Object(_) => json_patch::merge(object, patch),
        Value::Null => return Err(bad_request("Invalid JSON Patch".to_owned())),
        found => {
            let found = json_type(found);
            return Err(undecoded(&format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")));
        }
    }
    Ok(())
}

/// Reads the JSON of a patch.
pub fn read(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| undecoded(&go_json::fault(body).unwrap_or_else(|| error.to_string())))
}

fn undecoded(problem: &str) -> ApiError {
    bad_request(format!("error decoding patch: {problem}"))
}

/// 415 for a patch of a media type that built-in types do not take.
pub fn unknown_media_type() -> ApiError {
    ApiError { message: "415: Unsupported Media Type".to_owned(), details: Some(json!({})), ..unsupported_media_type() }
}

/// Strategic merge: lists merge by key where the schema says so; `$patch`, `$retainKeys`, `$setElementOrder/…`,
/// `$deleteFromPrimitiveList/…`. Custom resources refuse it with 415.
pub fn strategic(object: &mut Value, patch: &Value, schema: &TypeSchema) -> Result<(), ApiError> {
    if schema.is_custom() {
        return Err(unsupported_media_type());
    }
    strategic::apply(object, patch, schema.view())
}

/// 415 for a patch of a kind that custom resources do not take.
pub fn unsupported_media_type() -> ApiError {
    ApiError {
        code: 415,
        reason: "UnsupportedMediaType",
        message: "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
                  application/merge-patch+json, application/apply-patch+yaml"
            .to_owned(),
        details: None,
    }
}

/// 422 for a patch whose result does not decode or, with strict validation, has unknown or duplicate fields. `shown` is what the
/// server quotes: see [`shown_patch`] and [`shown_result`].
pub fn undecodable(shown: &str, problem: &str) -> ApiError {
    let error =
        FieldError { reason: FieldReason::Invalid, field: "patch".to_owned(), value: golang::quoted(shown), detail: problem.to_owned() };
    let mut refusal = ApiError::invalid("", "", "", &[error]);
    if let Some(details) = refusal.details.as_mut().and_then(Value::as_object_mut) {
        details.retain(|key, _| key == "causes");
    }
    refusal
}

/// What [`undecodable`] quotes of a strategic merge patch: the patch.
pub fn shown_patch(patch: &Value) -> String {
    golang::plain(patch)
}

/// What [`undecodable`] quotes of a JSON or merge patch: the patched object.
pub fn shown_result(patched: &Value) -> String {
    patched.to_string()
}

fn bad_request(message: String) -> ApiError {
    ApiError { code: 400, reason: "BadRequest", message, details: None }
}

fn does_not_apply() -> ApiError {
    ApiError {
        code: 422,
        reason: "Invalid",
        message: "the server rejected our request due to an error in our request".to_owned(),
        details: Some(json!({})),
    }
}

/// How Go's JSON decoder names what it found.
pub(crate) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;
