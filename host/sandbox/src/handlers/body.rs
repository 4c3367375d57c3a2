//! Reads what a client sent: JSON, YAML or the protobuf of kubectl's typed commands; and complains about fields that nobody knows.

use crate::fields::patch::json_type;
use crate::fields::schema::{cannot_be_handled, duplicate_fields, strict_error, strict_problems};
use crate::protobuf;
use crate::registry::ResourceType;
use crate::request::Call;
use crate::status::ApiError;
use serde_json::Value;

/// What happens to unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are an error.
    Strict,
    /// They are dropped with a warning.
    Warn,
    /// They are dropped.
    Ignore,
}

impl FieldValidation {
    /// From `fieldValidation`; `Warn` is the default.
    pub fn of(call: &Call) -> Result<Self, ApiError> {
        match call.params.get("fieldValidation") {
            None | Some("Warn") => Ok(Self::Warn),
            Some("Strict") => Ok(Self::Strict),
            Some("Ignore") => Ok(Self::Ignore),
            Some(other) => Err(ApiError::bad_request(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// Reads a body of any of the three media types as JSON.
pub fn value(call: &Call) -> Result<Value, ApiError> {
    match call.content_type.as_str() {
        "" | "application/json" => json(&call.body),
        "application/yaml" | "text/yaml" | "application/x-yaml" => yaml(&call.body),
        "application/vnd.kubernetes.protobuf" => protobuf::decode(&call.body).map_err(ApiError::bad_request),
        _ => Err(ApiError::unsupported_media_type("application/json, application/yaml, application/vnd.kubernetes.protobuf")),
    }
}

/// Reads JSON.
pub fn json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("couldn't get version/kind; json parse error: {error}")))
}

/// Reads YAML, and so JSON.
pub fn yaml(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("yaml: control characters are not allowed"))?;
    let mut options = serde_saphyr::Options::default();
    options.legacy_octal_numbers = true;
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| ApiError::bad_request(format!("error converting YAML to JSON: {error}")))
}

/// Reads the object of a create or update, in the version of the request.
pub fn object(call: &mut Call) -> Result<Value, ApiError> {
    let of = call.of.clone();
    let refuse = |problem: &str| cannot_be_handled(&of.api_version(), &of.kind, problem);
    let mut object = shaped(value(call)?).map_err(|problem| refuse(&problem))?;
    check_kind(&of, &mut object)?;
    let unknown = decoded(&of, &mut object, refuse)?;
    complain(call, &unknown, refuse)?;
    Ok(object)
}

/// What every object must be before anything is written into it: an object, with metadata that is one or absent.
pub fn shaped(mut value: Value) -> Result<Value, String> {
    let refuse = |what: &str, found: &Value| format!("json: cannot unmarshal {} into {what}", json_type(found));
    let Some(fields) = value.as_object_mut() else { return Err(refuse("Go value of type an object", &value)) };
    match fields.get("metadata") {
        None | Some(Value::Object(_)) => {}
        Some(Value::Null) => drop(fields.remove("metadata")),
        Some(found) => return Err(refuse("Go struct field .metadata of type v1.ObjectMeta", found)),
    }
    Ok(value)
}

/// The object must be of the type that the path names; where it does not say, it is.
fn check_kind(of: &ResourceType, object: &mut Value) -> Result<(), ApiError> {
    let text = |field: &str| object[field].as_str().unwrap_or("").to_owned();
    let (api_version, kind, expected) = (text("apiVersion"), text("kind"), of.api_version());
    if !kind.is_empty() && kind != of.kind {
        return Err(ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {}: no kind {kind:?} is registered for this resource",
            api_version.rsplit('/').next().unwrap_or(""),
            of.kind
        )));
    }
    if !api_version.is_empty() && api_version != expected {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected})"
        )));
    }
    object["apiVersion"] = expected.into();
    object["kind"] = of.kind.as_str().into();
    Ok(())
}

/// Drops unknown fields and answers their paths; refuses values that do not fit their field.
pub fn decoded(of: &ResourceType, object: &mut Value, refuse: impl Fn(&str) -> ApiError) -> Result<Vec<String>, ApiError> {
    let Some(schema) = &of.schema else { return Ok(Vec::new()) };
    match schema.decode_error(object) {
        Some(problem) => Err(refuse(&problem)),
        None => Ok(schema.prune(object)),
    }
}

/// Errs, warns or stays silent about unknown fields, and those that the body names twice.
pub fn complain(call: &mut Call, unknown: &[String], refuse: impl Fn(&str) -> ApiError) -> Result<(), ApiError> {
    let validation = FieldValidation::of(call)?;
    if validation == FieldValidation::Ignore {
        return Ok(());
    }
    let problems = strict_problems(&duplicate_fields(&call.body), unknown);
    if validation == FieldValidation::Strict && !problems.is_empty() {
        return Err(refuse(&strict_error(&problems)));
    }
    call.warnings.extend(problems);
    Ok(())
}
