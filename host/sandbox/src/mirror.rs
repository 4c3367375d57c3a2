//! Copies CustomResourceDefinitions of the control plane to its members, so that custom resources can be propagated at once. Those of
//! Karmada's own groups mean nothing in a member and stay.

use crate::definitions;
use crate::handlers::delete::{self, DeleteOptions};
use crate::registry::ResourceType;
use crate::request::User;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::storage::{Key, TypeId};
use crate::writes::{self, Updated, Write};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Follows the control plane's definitions until it is stopped.
pub async fn run(control: ApiServer, members: Vec<ApiServer>) {
    let of: TypeId = definitions::STORED_AS.into();
    let mut woken = control.store().subscribe(&of);
    let mut mirrored: Vec<String> = Vec::new();
    loop {
        woken.mark_unchanged();
        // All of them each time: definitions are few, and a copy that is right is not written again.
        let wanted = control.store().list(&of, None).entries;
        let wanted: Vec<Value> = wanted.iter().map(|entry| entry.value()).filter(is_mirrored).collect();
        let names: Vec<String> = wanted.iter().map(|definition| name_of(definition).to_owned()).collect();
        for member in &members {
            wanted.iter().for_each(|definition| copy(member, definition));
            mirrored.iter().filter(|name| !names.contains(name)).for_each(|name| remove(member, name));
        }
        mirrored = names;
        tokio::select! {
            changed = woken.changed() => if changed.is_err() { return },
            () = control.stopped() => return,
        }
    }
}

fn name_of(definition: &Value) -> &str {
    definition["metadata"]["name"].as_str().unwrap_or("")
}

fn is_mirrored(definition: &Value) -> bool {
    let group = definition["spec"]["group"].as_str().unwrap_or("");
    let karmada = group == "karmada.io" || group.ends_with(".karmada.io");
    !karmada && definition["metadata"]["deletionTimestamp"].is_null()
}

fn type_of(member: &ApiServer) -> Option<Arc<ResourceType>> {
    member.registry().types().stored_as(&definitions::STORED_AS.into()).cloned()
}

fn copy(member: &ApiServer, definition: &Value) {
    let Some(of) = type_of(member) else { return };
    let user = User::default();
    let write = Write { manager: "flotilla-sandbox", ..Write::internal(&of, None, &user) };
    let mut metadata = Map::new();
    for field in ["name", "labels", "annotations"] {
        if let Some(value) = definition["metadata"].get(field) {
            metadata.insert(field.into(), value.clone());
        }
    }
    let copy =
        json!({"apiVersion": definition["apiVersion"], "kind": definition["kind"], "metadata": metadata, "spec": definition["spec"]});
    if let Err(error) = put(member, &write, copy) {
        tracing::warn!(cluster = member.name(), definition = name_of(definition), error = error.message, "definition not mirrored");
    }
}

fn put(member: &ApiServer, write: &Write<'_>, copy: Value) -> Result<(), ApiError> {
    let key = Key::new("", name_of(&copy));
    loop {
        let Some(old) = member.store().get(&write.of.stored_as, &key) else {
            return writes::create(member, write, copy, &mut Vec::new()).map(drop);
        };
        match writes::update(member, write, &old, copy.clone(), &mut Vec::new())? {
            Updated::Moved => {}
            Updated::Written(_) | Updated::Removed(_) => return Ok(()),
        }
    }
}

fn remove(member: &ApiServer, name: &str) {
    let Some(of) = type_of(member) else { return };
    // It may be gone already: someone who works in the member may have removed it.
    let _ = delete::delete(member, &of, &Key::new("", name), &DeleteOptions::default(), &User::default(), &mut Vec::new());
}
