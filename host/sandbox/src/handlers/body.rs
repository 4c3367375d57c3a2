//! Reads what a client sent: JSON, YAML or the protobuf of kubectl's typed commands; and complains about fields that nobody knows.

use crate::fields::go_json;
use crate::fields::go_yaml;
use crate::fields::golang::quoted;
use crate::fields::patch::json_type;
use crate::fields::schema::{TypeSchema, cannot_be_handled, duplicate_fields, strict_error, strict_problems};
use crate::protobuf;
use crate::registry::ResourceType;
use crate::request::Call;
use crate::status::{ApiError, FieldError, FieldReason};
use serde_json::Value;

/// Where the real server's decoder keeps its types; it says so when it misses one.
pub const SCHEME: &str = "pkg/runtime/scheme.go:111";

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
    /// From `fieldValidation`, which was checked with the options; `Warn` is the default.
    pub fn of(call: &Call) -> Self {
        match call.params.get("fieldValidation") {
            Some("Strict") => Self::Strict,
            Some("Ignore") => Self::Ignore,
            _ => Self::Warn,
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
    serde_json::from_slice(body).map_err(|error| {
        let problem = go_json::fault(body).unwrap_or_else(|| error.to_string());
        ApiError::bad_request(format!("couldn't get version/kind; json parse error: {problem}"))
    })
}

/// Reads YAML, and so JSON.
pub fn yaml(body: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("yaml: control characters are not allowed"))?;
    go_yaml::parsed(text).map_err(ApiError::bad_request)
}

/// What a strict decoder says of keys that a body has twice, which a lenient one passes over.
fn repeated(call: &Call) -> Vec<String> {
    match std::str::from_utf8(&call.body) {
        Ok(text) if call.content_type.contains("yaml") => go_yaml::repeated_key(text).into_iter().collect(),
        _ => duplicate_fields(&call.body).iter().map(|path| format!("duplicate field {}", quoted(path))).collect(),
    }
}

/// Complains about keys that what is applied has twice.
pub fn complain_of_repeated(call: &mut Call) -> Result<(), ApiError> {
    let repeated = repeated(call);
    match FieldValidation::of(call) {
        FieldValidation::Strict if !repeated.is_empty() => {
            let words =
                format!("error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  {}", repeated.join("\n  "));
            Err(ApiError::bad_request(words))
        }
        FieldValidation::Warn => {
            call.warnings.extend(repeated);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An object that names a namespace must name that of the path.
pub fn is_in_namespace(call: &Call, object: &Value) -> Result<(), ApiError> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
    if !namespace.is_empty() && call.target.namespace.as_deref().is_some_and(|wanted| wanted != namespace) {
        return Err(ApiError::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    Ok(())
}

/// Reads the object of a create or update, in the version of the request.
pub fn object(call: &mut Call) -> Result<Value, ApiError> {
    let of = call.of.clone();
    let (api_version, kind) = (of.api_version(), of.kind.clone());
    let refuse = |problem: &str| cannot_be_handled(&api_version, &kind, problem);
    let mut object = typed(call, &kind)?;
    object = shaped(object, &kind).map_err(|problem| refuse(&problem))?;
    check_kind(&of, &mut object)?;
    let unknown = decoded(&of, &mut object, refuse)?;
    complain(call, &unknown, refuse)?;
    Ok(object)
}

/// Reads a body that must say what it is, or leave it to the path: built-in types may leave it out.
pub fn typed(call: &Call, kind: &str) -> Result<Value, ApiError> {
    const READ: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let unrecognized = |problem: &str| {
        let words = format!("the object provided is unrecognized (must be of type {kind}): {problem} ({})", summary(&call.body));
        ApiError::bad_request(words)
    };
    let object = match value(call) {
        Err(error) if error.code == 400 => return Err(unrecognized(&error.message)),
        found => found?,
    };
    match &object {
        Value::Null => return Ok(Value::Object(serde_json::Map::new())),
        Value::Object(fields) => {
            if call.of.custom.is_some() && call.subresource() != "scale" && fields.get("kind").is_none_or(|kind| kind == "") {
                let text = String::from_utf8_lossy(&call.body);
                return Err(unrecognized(&format!("Object 'Kind' is missing in '{text}'")));
            }
        }
        found => {
            let found = json_type(found);
            return Err(unrecognized(&format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type {READ}"
            )));
        }
    }
    Ok(object)
}

/// The beginning of a body: as it is where it looks like JSON, else its bytes.
fn summary(body: &[u8]) -> String {
    const SHOWN: usize = 30;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let start = &body[..body.len().min(SHOWN)];
    let shown = if body.first() == Some(&b'{') { String::from_utf8_lossy(start).into_owned() } else { hex(start) };
    match body.len() {
        0 => "<empty>".to_owned(),
        length if length > SHOWN => format!("{shown} ..."),
        _ => shown,
    }
}

/// What every object must be before anything is written into it: an object, with metadata that is one or absent.
pub fn shaped(mut value: Value, kind: &str) -> Result<Value, String> {
    let refuse = |what: &str, found: &Value| format!("json: cannot unmarshal {} into {what}", json_type(found));
    let Some(fields) = value.as_object_mut() else { return Err(refuse("Go value of type an object", &value)) };
    match fields.get("metadata") {
        None | Some(Value::Object(_)) => {}
        Some(Value::Null) => drop(fields.remove("metadata")),
        Some(found) => return Err(refuse(&format!("Go struct field {kind}.metadata of type v1.ObjectMeta"), found)),
    }
    Ok(value)
}

/// The object must be of the type that the path names; where it does not say, it is.
pub fn check_kind(of: &ResourceType, object: &mut Value) -> Result<(), ApiError> {
    let text = |field: &str| object[field].as_str().unwrap_or("").to_owned();
    let (api_version, kind, expected) = (text("apiVersion"), text("kind"), of.api_version());
    let is_other = !kind.is_empty() && kind != of.kind;
    if of.custom.is_some() {
        if api_version != expected {
            let words = format!("the API version in the data ({api_version}) does not match the expected API version ({expected})");
            return Err(ApiError::bad_request(words));
        }
        if is_other {
            let name = object["metadata"]["name"].as_str().unwrap_or("");
            let detail = format!("must be {}", of.kind);
            let error = FieldError { reason: FieldReason::Invalid, field: "kind".into(), value: quoted(&kind), detail };
            return Err(ApiError::invalid(&of.group, &kind, name, &[error]));
        }
    } else if of.group == "apiextensions.k8s.io" && !api_version.is_empty() && api_version != expected && !is_other {
        let words = format!("the API version in the data ({api_version}) does not match the expected API version ({expected})");
        return Err(ApiError::bad_request(words));
    } else if !api_version.is_empty() && (is_other || api_version != expected) {
        check_built_in(of, &api_version, if kind.is_empty() { &of.kind } else { &kind })?;
    }
    object["apiVersion"] = expected.into();
    object["kind"] = of.kind.as_str().into();
    Ok(())
}

/// Says why an object of another built-in type, or of none, is not what is wanted.
fn check_built_in(of: &ResourceType, api_version: &str, kind: &str) -> Result<(), ApiError> {
    let version = api_version.rsplit('/').next().unwrap_or("");
    let problem = if TypeSchema::built_in(api_version, kind).is_some() {
        let internal = if of.group.is_empty() { "core" } else { of.group.split('.').next().unwrap_or("") };
        format!("converting ({version}.{kind}) to ({internal}.{}): unknown conversion", of.kind)
    } else {
        format!("no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}")
    };
    Err(ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a {}: {problem}", of.kind)))
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
    let validation = FieldValidation::of(call);
    if validation == FieldValidation::Ignore {
        return Ok(());
    }
    let repeated = repeated(call);
    if validation == FieldValidation::Strict && call.content_type.contains("yaml") && !repeated.is_empty() {
        let all = format!("yaml: unmarshal errors:\n  {}", repeated.join("\n  "));
        return Err(refuse(&strict_error(&[vec![all], strict_problems(unknown)].concat())));
    }
    let problems = [repeated, strict_problems(unknown)].concat();
    if validation == FieldValidation::Strict && !problems.is_empty() {
        return Err(refuse(&strict_error(&problems)));
    }
    call.warnings.extend(problems);
    Ok(())
}
