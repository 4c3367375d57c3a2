//! CustomResourceDefinitions that are being deleted: their objects go first.

use crate::definitions::{CLEANUP, STORED_AS};
use crate::handlers::delete::{self, DeleteOptions};
use crate::request::User;
use crate::server::ApiServer;
use crate::storage::{Change, Event, Key, TypeId, WriteError};
use serde_json::Value;

fn definitions() -> TypeId {
    STORED_AS.into()
}

/// Goes on with a definition that is going when it was marked and when one of its objects went.
pub fn react(server: &ApiServer, event: &Event) {
    if *event.of == *definitions() {
        if event.change != Change::Deleted && is_going(&event.object.value) {
            empty(server, &event.key.name);
        }
    } else if event.change == Change::Deleted
        && let Some(found) = server.store().get(&definitions(), &Key::new("", &event.of))
        && is_going(&found.value)
    {
        finish(server, &event.of);
    }
}

/// The same for all definitions, when events were missed.
pub fn examine_all(server: &ApiServer) {
    for entry in server.store().list(&definitions(), None).entries.iter().filter(|entry| is_going(&entry.value)) {
        empty(server, entry.value["metadata"]["name"].as_str().unwrap_or(""));
    }
}

fn is_going(definition: &Value) -> bool {
    !definition["metadata"]["deletionTimestamp"].is_null()
}

fn empty(server: &ApiServer, name: &str) {
    let types = server.registry().types();
    if let Some(of) = types.stored_as(&name.into()) {
        let (user, options) = (User::default(), DeleteOptions::default());
        for entry in server.store().list(&of.stored_as, None).entries {
            let text = |field: &str| entry.value["metadata"][field].as_str().unwrap_or("");
            let key = Key::new(text("namespace"), text("name"));
            // One that is gone already, or that admission keeps, is looked at again when it goes.
            let _ = delete::delete(server, of, &key, &options, &user, &mut Vec::new());
        }
    }
    finish(server, name);
}

fn finish(server: &ApiServer, name: &str) {
    if !server.store().list(&name.into(), None).entries.is_empty() {
        return;
    }
    let (of, key) = (definitions(), Key::new("", name));
    while let Some(old) = server.store().get(&of, &key) {
        let mut new = old.value.clone();
        if let Some(finalizers) = new["metadata"].get_mut("finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|finalizer| finalizer != CLEANUP);
        }
        let stored = if crate::metadata::is_ready_to_go(&new) {
            server.store().delete(&of, &key, old.revision, Some(new))
        } else if new == old.value {
            return;
        } else {
            server.store().update(&of, key.clone(), old.revision, new)
        };
        if !matches!(stored, Err(WriteError::Moved)) {
            break;
        }
    }
    server.accept_definition(name);
}
