//! Reviews: questions that are posted, answered and not stored. Everyone may do everything, and everyone is the administrator.

use crate::kinds;
use crate::registry::ResourceType;
use crate::request::User;
use crate::server::ApiServer;
use crate::status::{ApiError, FieldError, FieldReason};
use serde_json::{Value, json};
use std::sync::Arc;

/// The reviews of a group: plural, singular, kind, and whether they live in a namespace.
pub fn of_group(group: &str) -> &'static [(&'static str, &'static str, &'static str, bool)] {
    match group {
        "authentication.k8s.io" => &[
            ("selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", false),
            ("tokenreviews", "tokenreview", "TokenReview", false),
        ],
        "authorization.k8s.io" => &[
            ("localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview", true),
            ("selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", false),
            ("selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", false),
            ("subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", false),
        ],
        _ => &[],
    }
}

/// A type that is asked and not stored; `None` for one that is no review.
pub fn type_of(group: &str, version: &str, plural: &str) -> Option<Arc<ResourceType>> {
    const GROUPS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];
    let group = GROUPS.into_iter().find(|known| *known == group && version == "v1")?;
    let (plural, singular, kind, namespaced) = of_group(group).iter().find(|(known, ..)| *known == plural)?;
    Some(ResourceType::unstored(&kinds::unstored(group, "v1", kind, plural, singular, *namespaced)))
}

/// What puts a pod on a node.
pub fn binding() -> Arc<ResourceType> {
    ResourceType::unstored(&kinds::unstored("", "v1", "Binding", "bindings", "binding", true))
}

/// A request for a token, which is asked of an account.
pub fn token_request() -> Arc<ResourceType> {
    ResourceType::unstored(&kinds::unstored("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests", "tokenrequest", true))
}

/// What a review must ask.
fn errors_of(plural: &str, review: &Value) -> Vec<FieldError> {
    let spec = &review["spec"];
    let mut errors = Vec::new();
    let mut refuse = |field: &str, value: String, detail: &str| {
        errors.push(FieldError { reason: FieldReason::Invalid, field: field.into(), value, detail: detail.into() });
    };
    let (of_resource, of_path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let text = |value: &Value, field: &str| json!(value[field].as_str().unwrap_or("")).to_string();
    let path = format!("{{\"Path\":{},\"Verb\":{}}}", text(of_path, "path"), text(of_path, "verb"));
    if of_resource.is_object() && of_path.is_object() {
        refuse("spec.nonResourceAttributes", path.clone(), "cannot be specified in combination with resourceAttributes");
    }
    if !of_resource.is_object() && !of_path.is_object() {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        refuse("spec.resourceAttributes", "null".to_owned(), detail);
    }
    let nobody = spec["user"].as_str().unwrap_or("").is_empty() && spec["groups"].as_array().is_none_or(Vec::is_empty);
    if nobody && plural != "selfsubjectaccessreviews" {
        refuse("spec.user", "\"\"".to_owned(), "at least one of user or group must be specified");
    }
    if plural == "localsubjectaccessreviews" {
        if of_resource.is_object() && text(of_resource, "namespace") != text(&review["metadata"], "namespace") {
            refuse("spec.resourceAttributes.namespace", text(of_resource, "namespace"), "must match metadata.namespace");
        }
        if of_path.is_object() {
            refuse("spec.nonResourceAttributes", path, "disallowed on this kind of request");
        }
    }
    errors
}

/// Refuses a review that asks nothing that can be answered.
fn check(group: &str, plural: &str, review: &Value) -> Result<(), ApiError> {
    let said = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    match plural {
        "tokenreviews" if !said("/spec/token") => Err(ApiError::bad_request("token is required for TokenReview in authentication")),
        "selfsubjectrulesreviews" if !said("/spec/namespace") => Err(ApiError::bad_request("no namespace on request")),
        _ if plural.ends_with("accessreviews") => {
            let errors = errors_of(plural, review);
            if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(group, "", "", &errors)) }
        }
        _ => Ok(()),
    }
}

/// Answers a posted review of the right type.
///
/// # Errors
/// What the review asks wrongly.
pub fn answer(server: &ApiServer, of: &ResourceType, mut review: Value, user: &User) -> Result<Value, ApiError> {
    let me = json!({"username": user.name, "groups": user.groups});
    check(&of.group, &of.plural, &review)?;
    review["status"] = match of.plural.as_str() {
        "selfsubjectreviews" => {
            review["metadata"]["creationTimestamp"] = server.now().into();
            json!({"userInfo": me})
        }
        "tokenreviews" if server.options().token.as_deref() == review["spec"]["token"].as_str() => {
            json!({"authenticated": true, "user": me, "audiences": review["spec"]["audiences"]})
        }
        "tokenreviews" => json!({"user": {}, "error": "invalid bearer token"}),
        "selfsubjectrulesreviews" => {
            let resources = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
            json!({"resourceRules": resources, "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}], "incomplete": false})
        }
        _ => json!({"allowed": true}),
    };
    Ok(review)
}
