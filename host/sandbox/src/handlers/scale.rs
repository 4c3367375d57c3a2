//! `/scale`: the replicas of anything that has them, as `autoscaling/v1 Scale`.

use super::{body, change, found, scale_apply};
use crate::fields::patch;
use crate::fields::schema::{TypeSchema, cannot_be_handled};
use crate::kinds::table;
use crate::negotiation::{self, Form};
use crate::options;
use crate::registry::ScalePaths;
use crate::represent;
use crate::request::{Call, Verb};
use crate::response;
use crate::selectors;
use crate::server::ApiServer;
use crate::status::{ApiError, FieldError, FieldReason};
use crate::writes::Ownership;
use axum::response::Response;
use serde_json::{Map, Value, json};

/// Answers one call.
pub fn dispatch(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let of = call.of.clone();
    let paths = of.scale.clone().ok_or_else(ApiError::no_resource)?;
    match call.verb {
        Verb::Get => {
            let scale = scale_of(call, &paths, &found(server, call)?.value());
            Ok(response::value(&match negotiation::form(call)? {
                Form::Table(..) => table_of(&scale, server.unix_now()),
                Form::Partial(meta) => {
                    json!({"kind": "PartialObjectMetadata", "apiVersion": meta, "metadata": scale["metadata"]})
                }
                _ => scale,
            }))
        }
        Verb::Update => {
            options::of_write(call)?;
            let scale = body::typed(call, "Scale")?;
            let kind = scale["kind"].as_str().unwrap_or("Scale");
            if kind != "Scale" {
                let version = scale["apiVersion"].as_str().and_then(|version| version.rsplit('/').next()).unwrap_or("");
                let words = format!("converting ({version}.{kind}) to (autoscaling.Scale): unknown conversion");
                return Err(ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a Scale: {words}")));
            }
            let name = scale["metadata"]["name"].as_str().unwrap_or("");
            if name.is_empty() {
                let words = format!("the name of the object ({} based on URL) was undeterminable: name must be provided", call.name());
                return Err(ApiError::bad_request(words));
            }
            if name != call.name() {
                let words = format!("the name of the object ({name}) does not match the name on the URL ({})", call.name());
                return Err(ApiError::bad_request(words));
            }
            set(server, call, &paths, |_| Ok(scale.clone()))
        }
        Verb::Patch => {
            if !call.content_type.contains("-patch+") {
                let is_custom = of.custom.is_some();
                return Err(if is_custom { patch::unsupported_media_type() } else { patch::unknown_media_type() });
            }
            options::of_write(call)?;
            found(server, call)?;
            if of.custom.is_some() && call.content_type.contains("strategic") {
                return Err(patch::unsupported_media_type());
            }
            if call.content_type == "application/apply-patch+yaml" {
                let object = scale_apply::apply(server, call, &paths, |call, object| scale_of(call, &paths, object))?;
                return Ok(response::value(&scale_of(call, &paths, &object)));
            }
            let wanted = body::yaml(&call.body)?;
            let kind = call.content_type.clone();
            set(server, call, &paths, |mut scale| {
                match kind.as_str() {
                    "application/json-patch+json" => patch::json(&mut scale, &wanted)?,
                    _ => patch::merge(&mut scale, &wanted)?,
                }
                Ok(scale)
            })
        }
        _ => Err(ApiError::no_method()),
    }
}

fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').filter(|key| !key.is_empty()).fold(object, |value, key| &value[key])
}

/// Writes a value at a path of names with dots between them, making the objects on the way.
pub fn put(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[key];
    }
    *place = value;
}

fn scale_of(call: &Call, paths: &ScalePaths, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut kept = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = metadata.get(field) {
            kept.insert(field.into(), value.clone());
        }
    }
    let mut spec = Map::new();
    if let Some(replicas) = at(object, &paths.spec_replicas).as_i64().filter(|replicas| *replicas != 0) {
        spec.insert("replicas".into(), replicas.into());
    }
    let mut status = json!({"replicas": at(object, &paths.status_replicas).as_i64().unwrap_or(0)});
    let selector = paths.selector.as_deref().map(|path| at(object, path));
    let text = match selector {
        Some(Value::String(text)) => text.clone(),
        Some(selector) if call.of.custom.is_none() && selector.is_object() => selectors::selector_text(selector),
        _ => String::new(),
    };
    if !text.is_empty() {
        status["selector"] = text.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept, "spec": spec, "status": status})
}

/// A Scale as a row.
fn table_of(scale: &Value, now: i64) -> Value {
    let column = |name: &str, kind: &str| json!({"name": name, "type": kind, "format": "", "description": "", "priority": 0});
    let columns = [column("Name", "string"), column("Desired", "integer"), column("Available", "integer"), column("Age", "string")];
    let metadata = &scale["metadata"];
    let count = |part: &str| scale[part]["replicas"].as_i64().unwrap_or(0);
    let row = json!({"cells": [metadata["name"], count("spec"), count("status"), table::age_of(metadata, now)],
        "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}});
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": metadata["resourceVersion"]},
        "columnDefinitions": columns, "rows": [row]})
}

fn set(
    server: &ApiServer,
    call: &mut Call,
    paths: &ScalePaths,
    wanted: impl Fn(Value) -> Result<Value, ApiError>,
) -> Result<Response, ApiError> {
    let of = call.of.clone();
    let before = scale_of(call, paths, &represent::served(&of, &*found(server, call)?));
    let mut scale = wanted(before)?;
    if let Some(schema) = TypeSchema::built_in("autoscaling/v1", "Scale") {
        let shown = scale.to_string();
        let updates = call.verb == Verb::Update;
        let refuse = |problem: &str| {
            if updates {
                return cannot_be_handled("autoscaling/v1", "Scale", problem);
            }
            patch::undecodable(&patch::shown_result(&scale), problem)
        };
        if let Some(problem) = schema.decode_error(&scale) {
            return Err(refuse(&problem));
        }
        let unknown = schema.unknown_fields(&scale);
        body::complain(call, &unknown, |problem| patch::undecodable(&shown, problem))?;
        schema.prune(&mut scale);
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 && of.custom.is_none() {
        let detail = "must be greater than or equal to 0".to_owned();
        let error = FieldError { reason: FieldReason::Invalid, field: "spec.replicas".into(), value: replicas.to_string(), detail };
        return Err(ApiError::invalid("autoscaling", "Scale", call.name(), &[error]));
    }
    let revision = scale["metadata"]["resourceVersion"].clone();
    let name_revision = call.verb == Verb::Update && revision.is_string();
    let entry = change::through(server, call, Ownership::Track, |object| {
        if name_revision {
            object["metadata"]["resourceVersion"] = revision.clone();
        }
        put(object, &paths.spec_replicas, replicas.into());
        Ok(())
    })?;
    Ok(response::value(&scale_of(call, paths, &represent::served(&of, &entry))))
}
