//! What the API server says when it refuses: `Status` objects, in the real server's words.

use crate::registry::qualified;
use serde_json::{Value, json};

/// A refusal, as `meta/v1 Status` with an HTTP code.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status: `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, …
    pub reason: &'static str,
    /// The sentence that kubectl prints.
    pub message: String,
    /// `details` of the Status (`name`, `group`, `kind`, `causes`, …), where there are any.
    pub details: Option<Value>,
}

impl ApiError {
    /// The Status object that goes over the wire.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if self.reason.is_empty() {
            status.as_object_mut().expect("made above").remove("reason");
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }

    fn plain(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    fn about(code: u16, reason: &'static str, message: String, group: &str, plural: &str, name: &str) -> Self {
        let mut details = serde_json::Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", plural)] {
            if !value.is_empty() {
                details.insert(key.into(), value.into());
            }
        }
        Self { code, reason, message, details: Some(Value::Object(details)) }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(400, "BadRequest", message)
    }

    /// 401: no token, or a wrong one.
    pub fn unauthorized() -> Self {
        Self::plain(401, "Unauthorized", "Unauthorized")
    }

    /// 403 for one object: `pods "a" is forbidden: why`.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(plural, group));
        Self::about(403, "Forbidden", message, group, plural, name)
    }

    /// 404 for one object: `deployments.apps "web" not found`.
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        Self::about(404, "NotFound", format!("{} \"{name}\" not found", qualified(plural, group)), group, plural, name)
    }

    /// 404 for a type or subresource that is not served.
    pub fn no_resource() -> Self {
        Self { details: Some(json!({})), ..Self::plain(404, "NotFound", "the server could not find the requested resource") }
    }

    /// 405: the resource has no such verb.
    pub fn no_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self { details: Some(json!({})), ..Self::plain(405, "MethodNotAllowed", message) }
    }

    /// 406: none of the accepted media types can be made.
    pub fn not_acceptable() -> Self {
        let message =
            "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        Self::plain(406, "NotAcceptable", message)
    }

    /// 406 for a form that this answer does not have.
    pub fn other_form(message: &str) -> Self {
        Self::plain(406, "NotAcceptable", message)
    }

    /// 406 for a built-in object, before anybody looks for it.
    pub fn no_representation(available: &[&str], streams: bool) -> Self {
        let mut all: Vec<String> = available.iter().map(|media| (*media).to_owned()).collect();
        if streams {
            all.extend(["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"].map(str::to_owned));
        }
        let message = format!("406: Not Acceptable\n\nAvailable representations: {}", all.join(", "));
        Self { details: Some(json!({})), ..Self::plain(406, "NotAcceptable", message) }
    }

    /// 409: there is such an object already.
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        Self::about(409, "AlreadyExists", format!("{} \"{name}\" already exists", qualified(plural, group)), group, plural, name)
    }

    /// 409: the object is not what the writer thinks.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(plural, group));
        Self::about(409, "Conflict", message, group, plural, name)
    }

    /// 409: the object was written since the writer read it.
    pub fn modified(group: &str, plural: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, plural, name, why)
    }

    /// 410: the history asked for is gone.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::plain(410, "Expired", message)
    }

    /// 504: the revision asked for is not written yet.
    pub fn too_new(wanted: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        Self { details: Some(json!({"causes": [cause], "retryAfterSeconds": 1})), ..Self::plain(504, "Timeout", message) }
    }

    /// 429: the client is to come back in some seconds.
    pub fn too_many_requests(seconds: u64) -> Self {
        let message = "the server has received too many requests and has asked us to try again later";
        Self { details: Some(json!({"retryAfterSeconds": seconds})), ..Self::plain(429, "TooManyRequests", message) }
    }

    /// 413: the body is larger than the server reads.
    pub fn too_large() -> Self {
        Self::plain(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    /// 415: the body is of a media type that cannot be read; `accepted` lists those that can.
    pub fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::plain(415, "UnsupportedMediaType", message)
    }

    /// 500 for an error that the real server has no reason for.
    pub fn unexplained(message: impl Into<String>) -> Self {
        Self::plain(500, "", message)
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::plain(500, "InternalError", format!("Internal error occurred: {}", message.into()))
    }

    /// 406 for a watch in a form that cannot be streamed.
    pub fn no_stream() -> Self {
        let medias = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        Self::plain(406, "NotAcceptable", format!("only the following media types are accepted: {medias}"))
    }

    /// 429 for an eviction that a budget does not allow now.
    pub fn disruption(why: &str, retry: Option<u64>) -> Self {
        let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
        if let Some(seconds) = retry {
            details["retryAfterSeconds"] = seconds.into();
        }
        let message = "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
        Self { code: 429, reason: "TooManyRequests", message, details: Some(details) }
    }

    /// 503: the server does not answer now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::plain(503, "ServiceUnavailable", message)
    }

    /// 422 for an object with wrong fields: `Kind.group "name" is invalid: …`.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut texts: Vec<String> = Vec::new();
        for text in errors.iter().map(FieldError::to_string) {
            // Said once, however often it was found.
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let listed = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
        let causes: Vec<Value> =
            errors.iter().map(|error| json!({"reason": error.reason.as_str(), "message": error.body(), "field": error.field})).collect();
        let mut details = json!({"name": name, "group": group, "kind": kind, "causes": causes});
        details.as_object_mut().expect("made above").retain(|_, value| value != "");
        Self { code: 422, reason: "Invalid", message: format!("{qualified} \"{name}\" is invalid: {listed}"), details: Some(details) }
    }
}

/// Why one field is wrong; the words are those of `k8s.io/apimachinery/pkg/util/validation/field`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldReason {
    /// `Required value`
    Required,
    /// `Invalid value`
    Invalid,
    /// `Unsupported value`
    NotSupported,
    /// `Duplicate value`
    Duplicate,
    /// `Forbidden`
    Forbidden,
    /// `Not found`
    NotFound,
    /// `Too long`
    TooLong,
    /// `Too many`
    TooMany,
    /// `Invalid value` of the wrong type
    TypeInvalid,
}

impl FieldReason {
    /// The `reason` of the cause.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// Why.
    pub reason: FieldReason,
    /// Path as the server prints it: `spec.template.spec.containers[0].image`.
    pub field: String,
    /// The value as the server prints it (Go syntax: strings quoted, objects as JSON); empty for none.
    pub value: String,
    /// What follows the value.
    pub detail: String,
}

impl FieldError {
    /// Everything after the field's path: `Invalid value: -1: must be greater than or equal to 0`.
    pub fn body(&self) -> String {
        let mut body = self.reason.words().to_owned();
        if !self.value.is_empty() {
            body.push_str(": ");
            body.push_str(&self.value);
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}
