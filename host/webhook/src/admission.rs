//! The admission webhook: `admission.k8s.io/v1 AdmissionReview` of our kinds and of plugin ConfigMaps.
//!
//! Speaks the protocol, decides nothing: [`Admission`] does.

use crate::Services;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use flotilla_api::object::Object;
use serde_json::{Value, json};

/// Reviews objects before they are stored. May take long (a plugin is compiled): called from threads that may block.
pub trait Admission: Send + Sync {
    /// What becomes of a created or updated object (`old` is `None` on create), completed and then checked; a kind that is not
    /// reviewed is admitted as it is.
    fn review(&self, old: Option<&Object>, new: &Object) -> Result<Admitted, Denied>;

    /// Whether a created or updated object may be stored just as it is.
    fn check(&self, old: Option<&Object>, new: &Object) -> Result<(), Denied>;

    /// Whether an object may be deleted.
    fn check_deletion(&self, object: &Object) -> Result<(), Denied>;
}

/// An object that may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The object with what admission filled in.
    pub object: Object,
    /// What the user should know; printed by kubectl.
    pub warnings: Vec<String>,
}

/// Why an object may not be stored or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {reasons}")]
pub struct Denied {
    /// Kind and name.
    pub object: String,
    /// Field paths and what is wrong with each.
    pub reasons: flotilla_core::admission::Denied,
}

/// Fills in.
pub(crate) async fn mutate(State(services): State<Services>, body: Bytes) -> Response {
    review(services, body, true).await
}

/// Only says yes or no.
pub(crate) async fn validate(State(services): State<Services>, body: Bytes) -> Response {
    review(services, body, false).await
}

async fn review(services: Services, body: Bytes, is_mutating: bool) -> Response {
    let request = match parse(&body) {
        Ok(request) => request,
        Err(message) => return (StatusCode::BAD_REQUEST, message).into_response(),
    };
    let uid = request.uid.clone();
    let reviewed = tokio::task::spawn_blocking(move || decide(&*services.admission, &request, is_mutating));
    Json(match reviewed.await {
        Err(_) => denied(&uid, 500, "the review failed"),
        Ok(Err(denial)) => denied(&uid, 403, &denial.to_string()),
        Ok(Ok(None)) => allowed(&uid),
        Ok(Ok(Some((new, admitted)))) => completed(&uid, &new, &admitted),
    })
    .into_response()
}

/// The object as it came and as it is to be stored; `None` where nothing can change.
fn decide(admission: &dyn Admission, request: &Request, is_mutating: bool) -> Result<Option<(Object, Admitted)>, Denied> {
    let old = request.old.as_ref();
    match (&request.object, old) {
        (Some(new), _) if is_mutating => admission.review(old, new).map(|admitted| Some((new.clone(), admitted))),
        (Some(new), _) => admission.check(old, new).map(|()| None),
        (None, Some(old)) if request.is_deletion && !is_mutating => admission.check_deletion(old).map(|()| None),
        (None, _) => Ok(None),
    }
}

fn completed(uid: &str, new: &Object, admitted: &Admitted) -> Value {
    let mut response = allowed(uid);
    let patch = json_patch::diff(new, &admitted.object);
    if !patch.0.is_empty() {
        let text = serde_json::to_vec(&patch).expect("a patch always prints");
        response["response"]["patchType"] = "JSONPatch".into();
        response["response"]["patch"] = base64::engine::general_purpose::STANDARD.encode(text).into();
    }
    if !admitted.warnings.is_empty() {
        response["response"]["warnings"] = json!(admitted.warnings);
    }
    response
}

struct Request {
    uid: String,
    object: Option<Object>,
    old: Option<Object>,
    is_deletion: bool,
}

fn parse(body: &[u8]) -> Result<Request, String> {
    let review: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    if review.get("kind").and_then(Value::as_str) != Some("AdmissionReview") {
        return Err("kind: expected AdmissionReview".into());
    }
    if review.get("apiVersion").and_then(Value::as_str) != Some("admission.k8s.io/v1") {
        return Err("apiVersion: expected admission.k8s.io/v1".into());
    }
    let request = review.get("request").filter(|request| request.is_object()).ok_or("request: is missing")?;
    let uid = request.get("uid").and_then(Value::as_str).filter(|uid| !uid.is_empty()).ok_or("request.uid: is missing")?;
    let object = |field: &str| match request.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(object) if object.is_object() => Ok(Some(Object(object.clone()))),
        Some(_) => Err(format!("request.{field}: expected an object")),
    };
    let is_deletion = request.get("operation").is_some_and(|operation| operation == "DELETE");
    Ok(Request { uid: uid.to_owned(), object: object("object")?, old: object("oldObject")?, is_deletion })
}

fn allowed(uid: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": uid, "allowed": true}})
}

fn denied(uid: &str, code: u16, message: &str) -> Value {
    let status = json!({"code": code, "message": message, "reason": if code == 403 { "Forbidden" } else { "InternalError" }});
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": uid, "allowed": false, "status": status}})
}
