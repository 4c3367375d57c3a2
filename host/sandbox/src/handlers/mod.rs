//! What a request to a resource does. One function for each verb and subresource; each reads the call, asks the store, and answers.

pub mod body;
pub mod change;
pub mod delete;
mod evictions;
pub mod pods;
pub mod read;
pub mod reviews;
pub mod scale;
mod scale_apply;
pub mod watch;

use crate::negotiation;
use crate::represent;
use crate::request::{Call, Verb};
use crate::response;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::storage::{Entry, Key};
use axum::response::Response;
use std::sync::Arc;

/// Answers one call.
pub fn dispatch(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let of = call.of.clone();
    if call.verb != Verb::List && call.verb != Verb::Watch && of.namespaced != call.target.namespace.is_some() {
        // Without a name the path is that of the collection, which can be read.
        let is_known = call.target.name.is_none() && of.namespaced;
        return Err(if is_known { ApiError::no_method() } else { ApiError::no_resource() });
    }
    if !of.namespaced && call.target.namespace.is_some() {
        return Err(ApiError::no_resource());
    }
    let subresource = call.subresource().to_owned();
    if ["", "status", "scale", "finalize"].contains(&subresource.as_str()) {
        negotiation::is_acceptable(call)?;
    }
    match (subresource.as_str(), call.verb) {
        ("", Verb::Get) => read::get(server, call),
        ("", Verb::List) => read::list(server, call),
        ("", Verb::Watch) => watch::watch(server, call),
        ("", Verb::Create) if call.target.name.is_none() => change::create(server, call),
        ("", Verb::Update) => change::update(server, call),
        ("", Verb::Patch) => change::patch(server, call),
        ("", Verb::Delete) => delete::one(server, call),
        ("", Verb::DeleteCollection) if of.qualified() != "namespaces" => delete::collection(server, call),
        ("status", Verb::Get) if of.has_status => read::get(server, call),
        ("status", Verb::Update) if of.has_status => change::update(server, call),
        ("status", Verb::Patch) if of.has_status => change::patch(server, call),
        ("finalize", Verb::Update) if of.qualified() == "namespaces" => change::update(server, call),
        ("scale", _) if of.scale.is_some() => scale::dispatch(server, call),
        ("", _) => Err(ApiError::no_method()),
        ("status", _) if of.has_status => Err(ApiError::no_method()),
        (sub, verb) if of.group.is_empty() => pods::dispatch(server, call, sub, verb),
        _ if of.custom.is_some() => Err(ApiError::not_found(&of.group, &of.plural, call.name())),
        _ => Err(ApiError::no_resource()),
    }
}

fn key(call: &Call) -> Key {
    Key::new(call.target.namespace.as_deref().unwrap_or(""), call.name())
}

fn found(server: &ApiServer, call: &Call) -> Result<Arc<Entry>, ApiError> {
    let of = &call.of;
    server.store().get(&of.stored_as, &key(call)).ok_or_else(|| ApiError::not_found(&of.group, &of.plural, call.name()))
}

/// The answer that shows one object.
fn shown(server: &ApiServer, call: &Call, code: u16, entry: &Entry) -> Result<Response, ApiError> {
    let form = negotiation::form(call)?;
    Ok(response::json(code, represent::object(&call.of, entry, form, server.unix_now())))
}
