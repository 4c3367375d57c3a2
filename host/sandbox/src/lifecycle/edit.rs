//! Small changes that the server's own controllers make to stored metadata. They pass neither admission nor validation: nothing a user
//! wrote changes.

use crate::metadata;
use crate::server::ApiServer;
use crate::storage::{Key, TypeId, WriteError};
use serde_json::Value;

/// Changes a stored object, which goes if that was the last thing it waited for. Does nothing to one that is not there.
pub fn edit(server: &ApiServer, of: &TypeId, key: &Key, change: impl Fn(&mut Value)) {
    while let Some(old) = server.store().get(of, key) {
        let before = old.value();
        let mut new = before.clone();
        change(&mut new);
        let stored = if metadata::is_ready_to_go(&new) {
            server.store().delete(of, key, old.revision, Some(&new))
        } else if new == before {
            return;
        } else {
            server.store().update(of, key.clone(), old.revision, &new)
        };
        if !matches!(stored, Err(WriteError::Moved)) {
            return;
        }
    }
}

/// Takes items out of a list in metadata, and the list where none is left.
pub fn take_out(object: &mut Value, list: &str, goes: impl Fn(&Value) -> bool) {
    let metadata = metadata::of(object);
    let Some(items) = metadata.get_mut(list).and_then(Value::as_array_mut) else { return };
    items.retain(|item| !goes(item));
    if items.is_empty() {
        metadata.remove(list);
        disown(metadata, list);
    }
}

/// Nobody owns what is not there.
fn disown(metadata: &mut serde_json::Map<String, Value>, list: &str) {
    let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) else { return };
    for entry in entries.iter_mut() {
        let Some(fields) = entry["fieldsV1"].as_object_mut() else { continue };
        if let Some(of_metadata) = fields.get_mut("f:metadata").and_then(Value::as_object_mut) {
            of_metadata.remove(&format!("f:{list}"));
            if of_metadata.is_empty() {
                fields.remove("f:metadata");
            }
        }
    }
    entries.retain(|entry| entry["fieldsV1"].as_object().is_none_or(|fields| !fields.is_empty()));
    if entries.is_empty() {
        metadata.remove("managedFields");
    }
}
