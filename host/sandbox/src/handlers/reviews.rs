//! Reviews: questions that are posted, answered and not stored. Everyone may do everything, and everyone is the administrator.

use super::body;
use crate::request::User;
use crate::server::ApiServer;
use crate::status::{ApiError, FieldError, FieldReason};
use serde_json::{Value, json};

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

/// What a review must ask.
fn check(group: &str, plural: &str, review: &Value) -> Result<(), ApiError> {
    let refuse = |field: &str, value: &str, detail: &str| {
        let error = FieldError { reason: FieldReason::Invalid, field: field.into(), value: value.into(), detail: detail.into() };
        Err(ApiError::invalid(group, "", "", &[error]))
    };
    let spec = &review["spec"];
    if plural == "tokenreviews" && spec["token"].as_str().unwrap_or("").is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    if !plural.ends_with("accessreviews") {
        return Ok(());
    }
    if spec["resourceAttributes"].is_object() == spec["nonResourceAttributes"].is_object() {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        return refuse("spec.resourceAttributes", "null", detail);
    }
    let nobody = spec["user"].as_str().unwrap_or("").is_empty() && spec["groups"].as_array().is_none_or(Vec::is_empty);
    if nobody && plural != "selfsubjectaccessreviews" {
        return refuse("spec.user", "\"\"", "at least one of user or group must be specified");
    }
    Ok(())
}

/// Answers a posted review; `None` for a path that is not one.
pub fn answer(server: &ApiServer, group: &str, plural: &str, review: Value, user: &User) -> Option<Result<Value, ApiError>> {
    let (_, _, kind, _) = of_group(group).iter().find(|(name, ..)| *name == plural)?;
    let mut review = match body::shaped(review, kind) {
        Ok(review) => review,
        Err(problem) => return Some(Err(ApiError::bad_request(problem))),
    };
    review["kind"] = (*kind).into();
    review["apiVersion"] = format!("{group}/v1").into();
    let me = json!({"username": user.name, "groups": user.groups});
    if let Err(problem) = check(group, plural, &review) {
        return Some(Err(problem));
    }
    review["status"] = match plural {
        "selfsubjectreviews" => {
            review["metadata"]["creationTimestamp"] = server.now().into();
            json!({"userInfo": me})
        }
        "tokenreviews" => json!({"authenticated": true, "user": me, "audiences": review["spec"]["audiences"]}),
        "selfsubjectrulesreviews" => {
            let resources = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
            json!({"resourceRules": resources, "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}], "incomplete": false})
        }
        _ => json!({"allowed": true}),
    };
    Some(Ok(review))
}
