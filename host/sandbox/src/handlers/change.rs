//! `create`, `update` and `patch`.

use super::{body, found, key, shown};
use crate::fields::apply::{self, Writer};
use crate::fields::golang::quoted;
use crate::fields::patch as patches;
use crate::options;
use crate::represent;
use crate::request::{Call, Verb};
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

/// Built-in types whose `update` must say which revision it is of.
const NAMES_REVISION: [&str; 8] = [
    "leases.coordination.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "apiservices.apiregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "csinodes.storage.k8s.io",
    "volumeattachments.storage.k8s.io",
    "runtimeclasses.node.k8s.io",
];

fn write<'a>(call: &'a Call, ownership: Ownership) -> Write<'a> {
    Write {
        of: call.of.kept(),
        served: call.of.view.is_some().then_some(&*call.of),
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
    options::of_write(call)?;
    let object = body::object(call)?;
    body::is_in_namespace(call, &object)?;
    created(server, call, object, Ownership::Track)
}

fn created(server: &ApiServer, call: &mut Call, object: Value, ownership: Ownership) -> Result<Response, ApiError> {
    if object["metadata"].get("resourceVersion").is_some_and(|revision| !revision.is_null() && revision != "") {
        return Err(ApiError::unexplained("resourceVersion should not be set on objects to be created"));
    }
    let object = kept(call, object);
    let mut warnings = Vec::new();
    let entry = writes::create(server, &write(call, ownership), object, &mut warnings);
    call.warnings.append(&mut warnings);
    shown(server, call, 201, &*entry?)
}

fn is_named(call: &Call, object: &Value) -> Result<(), ApiError> {
    if object["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let words = format!("the name of the object ({} based on URL) was undeterminable: name must be provided", call.name());
    Err(ApiError::bad_request(words))
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
    options::of_write(call)?;
    let sent = body::value(call).unwrap_or_default();
    let mut object = body::object(call)?;
    if sent["metadata"]["managedFields"].as_array().is_some_and(Vec::is_empty) {
        // An empty list says something here: nobody owns anything any more.
        object["metadata"]["managedFields"] = Value::Array(Vec::new());
    }
    body::is_in_namespace(call, &object)?;
    is_named(call, &object)?;
    check_name(call, &mut object)?;
    let of = call.of.clone();
    if server.store().get(&of.stored_as, &key(call)).is_none() && CREATED_BY_UPDATE.contains(&&*of.stored_as) {
        return created(server, call, object, Ownership::Track);
    }
    let revision = object["metadata"]["resourceVersion"].as_str().unwrap_or("");
    if !revision.is_empty() && revision.parse::<u64>().is_err() {
        found(server, call)?;
        return Err(ApiError::unexplained(format!("strconv.ParseUint: parsing {revision:?}: invalid syntax")));
    }
    if (revision.is_empty() || revision == "0") && (of.custom.is_some() || NAMES_REVISION.contains(&&*of.stored_as)) {
        found(server, call)?;
        let error = FieldError {
            reason: FieldReason::Invalid,
            field: "metadata.resourceVersion".into(),
            value: "0".into(),
            detail: "must be specified for an update".into(),
        };
        // It names the resource where all others name the kind.
        return Err(ApiError::invalid(&of.group, &of.plural, call.name(), &[error]));
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
        if call.verb == Verb::Patch {
            has_same_uid(call, &new, &old)?;
        }
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

/// A patch may not change the uid; the real server finds that twice.
fn has_same_uid(call: &Call, new: &Value, old: &Entry) -> Result<(), ApiError> {
    let uid = new["metadata"]["uid"].as_str().unwrap_or("");
    if uid.is_empty() || *uid == *old.facts.uid {
        return Ok(());
    }
    let error =
        FieldError { reason: FieldReason::Invalid, field: "metadata.uid".into(), value: quoted(uid), detail: "field is immutable".into() };
    Err(ApiError::invalid(&call.of.group, &call.of.kind, call.name(), &[error.clone(), error]))
}

/// Changes an object by one of the four kinds of patch.
pub fn patch(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let of = call.of.clone();
    let kinds = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    let is_strategic = call.content_type == "application/strategic-merge-patch+json";
    let is_read = kinds.contains(&call.content_type.as_str()) || (is_strategic && of.custom.is_none());
    if !is_read {
        return Err(if of.custom.is_some() { patches::unsupported_media_type() } else { patches::unknown_media_type() });
    }
    options::of_write(call)?;
    if call.content_type != kinds[0] {
        found(server, call)?;
    }
    match call.content_type.as_str() {
        "application/apply-patch+yaml" => applied(server, call),
        "application/json-patch+json" => {
            let patch = patches::read(&call.body)?;
            changed(server, call, Ownership::Track, |call, old| {
                let mut new = old.clone();
                patches::json(&mut new, &patch)?;
                finished(call, new, None)
            })
        }
        "application/merge-patch+json" => {
            let patch = patches::read(&call.body)?;
            changed(server, call, Ownership::Track, |call, old| {
                let mut new = old.clone();
                patches::merge(&mut new, &patch)?;
                finished(call, new, None)
            })
        }
        "application/strategic-merge-patch+json" => {
            let patch = patches::read_strategic(&call.body)?;
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
    let is_typed = ["apiVersion", "kind"].iter().any(|field| new[*field].as_str().is_some_and(|text| !text.is_empty()));
    let refuse = |problem: &str| {
        let shown = shown.map_or_else(|| patches::shown_result(&result), patches::shown_patch);
        patches::undecodable(&shown, problem)
    };
    new = body::shaped(new, &of.kind).map_err(|problem| refuse(&problem))?;
    body::check_kind(&of, &mut new).map_err(|error| match error.message.split_once(": ") {
        Some((_, problem)) if of.custom.is_none() => refuse(problem),
        _ => error,
    })?;
    let forgets = new["metadata"]["managedFields"].as_array().is_some_and(Vec::is_empty);
    new["apiVersion"] = of.api_version().into();
    new["kind"] = of.kind.as_str().into();
    if of.custom.is_none() && !is_typed {
        // Nothing is read of what does not say what it is.
        body::complain(call, &["metadata".to_owned()], refuse)?;
        is_named(call, &Value::Null)?;
    }
    is_named(call, &new)?;
    check_name(call, &mut new)?;
    body::is_in_namespace(call, &new)?;
    if shown.is_some()
        && let Some(problem) = of.schema.as_ref().and_then(|schema| schema.restore_error(&new))
    {
        return Err(refuse(&problem));
    }
    let unknown = body::decoded(&of, &mut new, refuse)?;
    body::complain(call, &unknown, refuse)?;
    if forgets {
        // An empty list says something here: nobody owns anything any more.
        new["metadata"]["managedFields"] = Value::Array(Vec::new());
    }
    Ok(new)
}

/// Server-side apply: makes the object where it is missing.
fn applied(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let of = call.of.clone();
    let Some(schema) = of.schema.clone() else { return Err(ApiError::no_method()) };
    let wanted = configuration(call, &of.api_version(), &of.kind)?;
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
        let mut object = merge(call, None)?;
        body::complain_of_repeated(call)?;
        is_named(call, &object)?;
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(ApiError::conflict(&of.group, &of.plural, call.name(), &why));
        }
        body::is_in_namespace(call, &object)?;
        check_name(call, &mut object)?;
        object["metadata"].as_object_mut().expect("it is named").remove("resourceVersion");
        return created(server, call, object, Ownership::Decided);
    }
    changed(server, call, Ownership::Decided, |call, live| {
        let mut new = merge(call, Some(live))?;
        body::complain_of_repeated(call)?;
        check_name(call, &mut new)?;
        body::is_in_namespace(call, &new)?;
        Ok(new)
    })
}

/// What is applied, known to be of the right type.
pub fn configuration(call: &Call, expected: &str, expected_kind: &str) -> Result<Value, ApiError> {
    let wanted = body::yaml(&call.body)
        .map_err(|error| ApiError::bad_request(format!("error decoding YAML: error converting YAML to JSON: {}", error.message)))?;
    let wanted = match wanted {
        Value::Null => Value::Object(serde_json::Map::new()),
        Value::Object(_) => wanted,
        found => {
            let found = patches::json_type(&found);
            let problem = format!("json: cannot unmarshal {found} into Go value of type map[string]interface {{}}");
            return Err(ApiError::bad_request(format!("error decoding YAML: error unmarshaling JSON: while decoding JSON: {problem}")));
        }
    };
    let text = |field: &str| wanted[field].as_str().unwrap_or("");
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version != expected || kind != expected_kind {
        let slash = if api_version.contains('/') { "" } else { "/" };
        return Err(ApiError::bad_request(format!("invalid object type: {slash}{api_version}, Kind={kind}")));
    }
    Ok(wanted)
}

/// Writes one object for a subresource that changes its parent (scale, binding): the change sees the stored object.
pub fn through(
    server: &ApiServer,
    call: &mut Call,
    ownership: Ownership,
    change: impl Fn(&mut Value) -> Result<(), ApiError>,
) -> Result<Arc<Entry>, ApiError> {
    let of = call.of.clone();
    for _ in 0..ATTEMPTS {
        let old = found(server, call)?;
        let mut new = represent::served(&of, &old);
        change(&mut new)?;
        let mut warnings = Vec::new();
        match writes::update(server, &write(call, ownership), &old, kept(call, new), &mut warnings)? {
            Updated::Moved => {}
            Updated::Written(entry) | Updated::Removed(entry) => {
                call.warnings.extend(warnings);
                return Ok(entry);
            }
        }
    }
    Err(ApiError::modified(&of.group, &of.plural, call.name()))
}
