//! Reviews: questions that are posted, answered and not stored. Everyone may do everything, and everyone is the administrator.

use super::body;
use crate::request::User;
use crate::server::ApiServer;
use crate::status::ApiError;
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
    review["metadata"]["creationTimestamp"] = Value::Null;
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
