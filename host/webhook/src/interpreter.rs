//! The Resource Interpreter Webhook protocol: `config.karmada.io/v1alpha1 ResourceInterpreterContext`.
//!
//! A hook that gives no answer is an answer too: HTTP 200 with `successful: false`. Only a review that cannot be read is HTTP 400.
//! Source: interpreter.md §6.

use crate::Services;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use flotilla_api::interpretation::{Asked, ErrorClass, Health, HookError, Interpreter, Operation};
use flotilla_api::object::Object;
use flotilla_api::work::AggregatedStatusItem;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Longest time that one review may take, whatever the caller grants.
pub const LONGEST_CALL: Duration = Duration::from_secs(30);

const API_VERSION: &str = "config.karmada.io/v1alpha1";
const KIND: &str = "ResourceInterpreterContext";

/// What a review asks.
#[derive(Debug, Clone, PartialEq)]
struct Review {
    uid: String,
    operation: Operation,
    object: Object,
    observed: Option<Object>,
    replicas: i64,
    items: Vec<AggregatedStatusItem>,
}

/// The query of the call.
#[derive(Debug, Deserialize)]
pub(crate) struct CallQuery {
    timeout: Option<String>,
}

/// Answers one review.
pub(crate) async fn handle(State(services): State<Services>, Query(query): Query<CallQuery>, body: Bytes) -> Response {
    let review = match parse(&body) {
        Ok(review) => review,
        Err(message) => return malformed(&body, &message),
    };
    let uid = review.uid.clone();
    let limit = query.timeout.as_deref().and_then(seconds).map_or(LONGEST_CALL, |granted| granted.min(LONGEST_CALL));
    let asked = tokio::task::spawn_blocking(move || answer(&*services.interpreter, &review));
    let outcome = match tokio::time::timeout(limit, asked).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err((500, "the interpreter failed".to_owned())),
        Err(_) => Err((504, format!("no answer within {limit:?}"))),
    };
    let response = match outcome {
        Ok(mut fields) => {
            fields.insert("uid".into(), uid.into());
            fields.insert("successful".into(), true.into());
            fields.insert("status".into(), json!({"code": 200}));
            Value::Object(fields)
        }
        Err((code, message)) => json!({"uid": uid, "successful": false, "status": {"code": code, "message": message}}),
    };
    Json(context(response)).into_response()
}

fn context(response: Value) -> Value {
    json!({"apiVersion": API_VERSION, "kind": KIND, "response": response})
}

fn malformed(body: &[u8], message: &str) -> Response {
    let uid = serde_json::from_slice(body).ok().and_then(|review: Value| review.pointer("/request/uid")?.as_str().map(str::to_owned));
    let response = json!({"uid": uid.unwrap_or_default(), "successful": false, "status": {"code": 400, "message": message}});
    (StatusCode::BAD_REQUEST, Json(context(response))).into_response()
}

fn parse(body: &[u8]) -> Result<Review, String> {
    let review: Value = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if review.get(field).is_some_and(|given| given != expected) {
            return Err(format!("{field}: expected {expected}, found {}", review[field]));
        }
    }
    let request = review.get("request").filter(|request| request.is_object()).ok_or("request: is missing")?;
    let text = |field: &str| request.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let operation = text("operation").ok_or("request.operation: is missing")?;
    let operation: Operation = operation.parse().map_err(|error| format!("request.operation: {error}"))?;
    let object = object_at(request, "object")?.ok_or("request.object: is missing")?;
    let observed = object_at(request, "observedObject")?;
    if operation == Operation::Retain && observed.is_none() {
        return Err("request.observedObject: is missing, Retain compares two objects".into());
    }
    let replicas = match request.get("replicas") {
        None | Some(Value::Null) => 0,
        Some(replicas) => replicas.as_i64().ok_or_else(|| format!("request.replicas: expected an integer, found {replicas}"))?,
    };
    let items = match request.get("aggregatedStatus") {
        None | Some(Value::Null) => Vec::new(),
        Some(items) => Vec::deserialize(items).map_err(|error| format!("request.aggregatedStatus: {error}"))?,
    };
    Ok(Review { uid: text("uid").ok_or("request.uid: is missing")?.to_owned(), operation, object, observed, replicas, items })
}

fn object_at(request: &Value, field: &str) -> Result<Option<Object>, String> {
    match request.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) if value.is_object() => {
            let object = Object(value.clone());
            if object.kind().is_empty() || object.api_version().is_empty() {
                return Err(format!("request.{field}: `apiVersion` and `kind` are missing"));
            }
            Ok(Some(object))
        }
        Some(_) => Err(format!("request.{field}: expected an object")),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    text.strip_suffix('s').and_then(|seconds| seconds.parse::<u64>().ok()).filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// The fields of the response, or code and message of a refusal.
fn answer(interpreter: &dyn Interpreter, review: &Review) -> Result<Map<String, Value>, (u16, String)> {
    let Review { operation, object, items, .. } = review;
    let mut fields = Map::new();
    match operation {
        Operation::InterpretReplica => {
            let demand = answered(*operation, object, interpreter.replicas(object))?;
            fields.insert("replicas".into(), demand.replicas.into());
            fields.insert("replicaRequirements".into(), json!(demand.requirements));
        }
        Operation::InterpretComponent => {
            drop(fields.insert("components".into(), json!(answered(*operation, object, interpreter.components(object))?)))
        }
        Operation::InterpretDependency => {
            drop(fields.insert("dependencies".into(), json!(answered(*operation, object, interpreter.dependencies(object))?)))
        }
        Operation::InterpretStatus => {
            let status = answered(*operation, object, interpreter.reflect(object))?;
            fields.insert("rawStatus".into(), status.unwrap_or_else(|| json!({})));
        }
        Operation::InterpretHealth => match answered(*operation, object, interpreter.health(object))? {
            Health::Healthy => drop(fields.insert("healthy".into(), true.into())),
            Health::Unhealthy(_) => drop(fields.insert("healthy".into(), false.into())),
            Health::Unknown(why) => return Err((500, format!("{}: health is unknown: {why}", object.display()))),
        },
        Operation::ReviseReplica => patch(&mut fields, object, answered(*operation, object, interpreter.revise(object, review.replicas))?),
        Operation::Retain => {
            let observed = review.observed.as_ref().expect("parse refuses Retain without it");
            patch(&mut fields, object, answered(*operation, object, interpreter.retain(object, observed))?);
        }
        // The caller leaves an empty list out, so a missing list is an empty one.
        Operation::AggregateStatus => patch(&mut fields, object, answered(*operation, object, interpreter.aggregate(object, Some(items)))?),
    }
    Ok(fields)
}

fn answered<T>(operation: Operation, object: &Object, asked: Asked<T>) -> Result<T, (u16, String)> {
    match asked {
        Ok(Some(answer)) => Ok(answer.value),
        Ok(None) => Err((code(ErrorClass::NoInterpreter), format!("no plugin answers {operation} for {}", object.gvk()))),
        Err(error) => Err((code(error.class), error_text(&error))),
    }
}

fn error_text(error: &HookError) -> String {
    format!("{}: {error}", error.class)
}

fn code(class: ErrorClass) -> u16 {
    match class {
        ErrorClass::InvalidObject => 422,
        ErrorClass::NoInterpreter => 404,
        ErrorClass::Deadline => 504,
        _ => 500,
    }
}

/// The difference as an RFC 6902 patch; nothing at all when there is none.
fn patch(fields: &mut Map<String, Value>, original: &Object, changed: Object) {
    let patch = json_patch::diff(original, &changed);
    if patch.0.is_empty() {
        return;
    }
    let text = serde_json::to_vec(&patch).expect("a patch always prints");
    fields.insert("patch".into(), base64::engine::general_purpose::STANDARD.encode(text).into());
    fields.insert("patchType".into(), "JSONPatch".into());
}
