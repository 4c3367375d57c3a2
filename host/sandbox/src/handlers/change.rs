//! `create`, `update` and `patch`.

use super::{body, found, key, shown};
use crate::fields::apply::{self, Writer};
use crate::fields::patch as patches;
use crate::represent;
use crate::request::Call;
use crate::server::ApiServer;
use crate::status::{ApiError, FieldError, FieldReason};
use crate::storage::Entry;
use crate::writes::{self, Ownership, Updated, Write};
use axum::response::Response;
use serde_json::Value;
use std::sync::Arc;

/// Attempts of a writer that does not name a revision, before it is told of the conflict.
const ATTEMPTS: usize = 50;

/// Types whose `update` makes an object that is missing.
const CREATED_BY_UPDATE: [&str; 9] = [
    "endpoints",
    "events",
    "leases.coordination.k8s.io",
    "limitranges",
    "roles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "priorityclasses.scheduling.k8s.io",
];

fn write<'a>(call: &'a Call, ownership: Ownership) -> Write<'a> {
    Write {
        of: call.of.kept(),
        namespace: call.target.namespace.as_deref(),
        subresource: call.subresource(),
        manager: call.manager(),
        dry_run: call.params.dry_run(),
        user: &call.user,
        ownership,
    }
}

/// What a client wrote, as it is kept.
fn kept(call: &Call, object: Value) -> Value {
    match &call.of.view {
        Some(view) => (view.to_kept)(object),
        None => object,
    }
}

/// Makes an object.
pub fn create(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let object = body::object(call)?;
    check_namespace(call, &object)?;
    created(server, call, object, Ownership::Track)
}

fn created(server: &ApiServer, call: &mut Call, object: Value, ownership: Ownership) -> Result<Response, ApiError> {
    if object["metadata"].get("resourceVersion").is_some_and(|revision| !revision.is_null() && revision != "") {
        return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let object = kept(call, object);
    let mut warnings = Vec::new();
    let entry = writes::create(server, &write(call, ownership), object, &mut warnings);
    call.warnings.append(&mut warnings);
    shown(server, call, 201, &*entry?)
}

fn check_namespace(call: &Call, object: &Value) -> Result<(), ApiError> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
    if !namespace.is_empty() && call.target.namespace.as_deref().is_some_and(|wanted| wanted != namespace) {
        return Err(ApiError::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    Ok(())
}

fn check_name(call: &Call, object: &mut Value) -> Result<(), ApiError> {
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    if name.is_empty() {
        object["metadata"]["name"] = call.name().into();
    } else if name != call.name() {
        let words = format!("the name of the object ({name}) does not match the name on the URL ({})", call.name());
        return Err(ApiError::bad_request(words));
    }
    if let Some(namespace) = &call.target.namespace
        && object["metadata"]["namespace"].is_null()
    {
        object["metadata"]["namespace"] = namespace.as_str().into();
    }
    Ok(())
}

/// Replaces an object.
pub fn update(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let mut object = body::object(call)?;
    check_namespace(call, &object)?;
    check_name(call, &mut object)?;
    let of = call.of.clone();
    if server.store().get(&of.stored_as, &key(call)).is_none() && CREATED_BY_UPDATE.contains(&&*of.stored_as) {
        return created(server, call, object, Ownership::Track);
    }
    let revision = object["metadata"]["resourceVersion"].as_str().unwrap_or("");
    if revision.is_empty() && of.custom.is_some() {
        found(server, call)?;
        let error = FieldError {
            reason: FieldReason::Invalid,
            field: "metadata.resourceVersion".into(),
            value: "0x0".into(),
            detail: "must be specified for an update".into(),
        };
        return Err(ApiError::invalid(&of.group, &of.kind, call.name(), &[error]));
    }
    changed(server, call, Ownership::Track, |_, _| Ok(object.clone()))
}

/// Reads, changes and writes, again where someone else wrote in between.
fn changed(
    server: &ApiServer,
    call: &mut Call,
    ownership: Ownership,
    change: impl Fn(&mut Call, &Value) -> Result<Value, ApiError>,
) -> Result<Response, ApiError> {
    let of = call.of.clone();
    let warned = call.warnings.len();
    for _ in 0..ATTEMPTS {
        // What an attempt that came to nothing warned of is said again by the next.
        call.warnings.truncate(warned);
        let old = found(server, call)?;
        let new = change(call, &represent::served(&of, &old))?;
        let new = kept(call, new);
        let mut warnings = Vec::new();
        let updated = writes::update(server, &write(call, ownership), &old, new, &mut warnings);
        call.warnings.append(&mut warnings);
        match updated? {
            Updated::Moved => {}
            Updated::Written(entry) | Updated::Removed(entry) => return shown(server, call, 200, &entry),
        }
    }
    Err(ApiError::modified(&of.group, &of.plural, call.name()))
}

/// Changes an object by one of the four kinds of patch.
pub fn patch(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let of = call.of.clone();
    match call.content_type.as_str() {
        "application/apply-patch+yaml" => applied(server, call),
        "application/json-patch+json" => {
            let patch = body::json(&call.body)?;
            changed(server, call, Ownership::Track, |call, old| {
                let mut new = old.clone();
                patches::json(&mut new, &patch)?;
                finished(call, new, None)
            })
        }
        "application/merge-patch+json" => {
            let patch = body::json(&call.body)?;
            changed(server, call, Ownership::Track, |call, old| {
                let mut new = old.clone();
                patches::merge(&mut new, &patch);
                finished(call, new, None)
            })
        }
        "application/strategic-merge-patch+json" => {
            let patch = body::json(&call.body)?;
            let schema = of.schema.as_ref().ok_or_else(patches::unsupported_media_type)?;
            changed(server, call, Ownership::Track, |call, old| {
                let mut new = old.clone();
                patches::strategic(&mut new, &patch, schema)?;
                finished(call, new, Some(&patch))
            })
        }
        _ => Err(patches::unsupported_media_type()),
    }
}

/// The patched object must still be of its type, and know its fields. `shown` is what a refusal quotes instead of the result.
fn finished(call: &mut Call, mut new: Value, shown: Option<&Value>) -> Result<Value, ApiError> {
    let of = call.of.clone();
    let result = new.clone();
    let refuse = |problem: &str| {
        let shown = shown.map_or_else(|| patches::shown_result(&result), patches::shown_patch);
        patches::undecodable(&shown, problem)
    };
    new = body::shaped(new).map_err(|problem| refuse(&problem))?;
    new["apiVersion"] = of.api_version().into();
    new["kind"] = of.kind.as_str().into();
    check_name(call, &mut new)?;
    let unknown = body::decoded(&of, &mut new, refuse)?;
    body::complain(call, &unknown, refuse)?;
    Ok(new)
}

/// Server-side apply: makes the object where it is missing.
fn applied(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let of = call.of.clone();
    let Some(schema) = of.schema.clone() else { return Err(ApiError::no_method()) };
    if call.params.get("fieldManager").is_none() {
        let detail = "is required for apply patch".to_owned();
        let error = FieldError { reason: FieldReason::Required, field: "fieldManager".into(), value: String::new(), detail };
        return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let mut wanted = body::shaped(body::yaml(&call.body)?).map_err(ApiError::bad_request)?;
    check_name(call, &mut wanted)?;
    check_namespace(call, &wanted)?;
    let (now, api_version) = (server.now(), of.api_version());
    let force = call.params.flag("force");
    let merge = |call: &Call, live: Option<&Value>| {
        let writer = Writer {
            manager: call.manager(),
            subresource: call.subresource(),
            api_version: &api_version,
            now: &now,
            has_status: of.has_status,
        };
        apply::apply(live, &wanted, &writer, force, &schema)
    };
    if server.store().get(&of.stored_as, &key(call)).is_none() {
        if !call.subresource().is_empty() {
            return Err(ApiError::not_found(&of.group, &of.plural, call.name()));
        }
        let object = merge(call, None)?;
        return created(server, call, object, Ownership::Decided);
    }
    changed(server, call, Ownership::Decided, |call, live| merge(call, Some(live)))
}

/// Writes one object for a subresource that changes its parent (scale, binding): the change sees the stored object.
pub fn through(server: &ApiServer, call: &mut Call, change: impl Fn(&mut Value) -> Result<(), ApiError>) -> Result<Arc<Entry>, ApiError> {
    let of = call.of.clone();
    for _ in 0..ATTEMPTS {
        let old = found(server, call)?;
        let mut new = represent::served(&of, &old);
        change(&mut new)?;
        let mut warnings = Vec::new();
        match writes::update(server, &write(call, Ownership::Track), &old, kept(call, new), &mut warnings)? {
            Updated::Moved => {}
            Updated::Written(entry) | Updated::Removed(entry) => {
                call.warnings.extend(warnings);
                return Ok(entry);
            }
        }
    }
    Err(ApiError::modified(&of.group, &of.plural, call.name()))
}
