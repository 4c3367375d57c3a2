//! Garbage collection by owner references: background, foreground and orphaning, as the real collector decides it.
//!
//! Keeps who depends on whom; everything else is read from the store when it is needed.

use crate::handlers::delete::{self, DeleteOptions, FOREGROUND, ORPHAN, Propagation};
use crate::registry::ResourceType;
use crate::request::User;
use crate::server::ApiServer;
use crate::storage::{Change, Entry, Event, Key, TypeId, WriteError};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

type Place = (TypeId, Key);

/// Who depends on whom.
#[derive(Debug, Default)]
pub struct Collector {
    /// By the owner's uid.
    dependents: HashMap<String, HashSet<Place>>,
}

fn owners(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("")
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|all| all.iter().any(|one| one == finalizer))
}

fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

impl Collector {
    /// Remembers the owners of an object.
    pub fn learn(&mut self, of: &TypeId, key: &Key, object: &Value) {
        for owner in owners(object) {
            self.dependents.entry(text(owner, "uid").to_owned()).or_default().insert((of.clone(), key.clone()));
        }
    }

    fn forget(&mut self, of: &TypeId, key: &Key, object: &Value) {
        for owner in owners(object) {
            if let Some(places) = self.dependents.get_mut(text(owner, "uid")) {
                places.remove(&(of.clone(), key.clone()));
                if places.is_empty() {
                    self.dependents.remove(text(owner, "uid"));
                }
            }
        }
    }

    fn dependents(&self, uid: &str) -> Vec<Place> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Goes on with whatever one write made ready.
    pub fn react(&mut self, server: &ApiServer, event: &Event) {
        let object = &event.object.value;
        let before = event.previous.as_ref().map(|previous| &previous.value);
        if let Some(before) = before
            && (event.change == Change::Deleted || owners(before) != owners(object))
        {
            self.forget(&event.of, &event.key, before);
        }
        if event.change != Change::Deleted {
            self.learn(&event.of, &event.key, object);
            self.examine(server, &event.of, &event.key, before.is_none_or(|before| owners(before) != owners(object)));
            return;
        }
        // Whoever waited for this object, or was owned by it.
        for (of, key) in self.dependents(text(&object["metadata"], "uid")) {
            self.examine(server, &of, &key, true);
        }
        for owner in owners(object) {
            if let Some((of, key)) = find_owner(server, &event.key.namespace, owner).and_then(Owner::place) {
                self.examine(server, &of, &key, false);
            }
        }
    }

    /// Looks at everything, when events were missed.
    pub fn examine_all(&mut self, server: &ApiServer) {
        for (of, key, _) in server.store().everything().0 {
            self.examine(server, &of, &key, true);
        }
    }

    /// Decides what becomes of one object: it goes with its owners, or waits for its dependents, or lets them go.
    fn examine(&self, server: &ApiServer, of: &TypeId, key: &Key, owners_changed: bool) {
        let Some(entry) = server.store().get(of, key) else { return };
        let object = &entry.value;
        if is_going(object) {
            if has_finalizer(object, ORPHAN) {
                self.orphan(server, &entry, of, key);
            } else if has_finalizer(object, FOREGROUND) {
                self.wait_for_dependents(server, &entry, of, key);
            }
            return;
        }
        if owners_changed && !owners(object).is_empty() {
            collect(server, of, key, object);
        }
    }

    /// Frees the dependents of an object, then the object.
    fn orphan(&self, server: &ApiServer, entry: &Entry, of: &TypeId, key: &Key) {
        let uid = text(&entry.value["metadata"], "uid");
        for (of, key) in self.dependents(uid) {
            change(server, &of, &key, |dependent| {
                if let Some(owners) = dependent["metadata"].get_mut("ownerReferences").and_then(Value::as_array_mut) {
                    owners.retain(|owner| text(owner, "uid") != uid);
                }
            });
        }
        drop_finalizer(server, of, key, ORPHAN);
    }

    /// Deletes the dependents of an object in the foreground; when none is left that blocks it, the object is free to go.
    fn wait_for_dependents(&self, server: &ApiServer, entry: &Entry, of: &TypeId, key: &Key) {
        let uid = text(&entry.value["metadata"], "uid");
        let mut blocked = false;
        for (of, key) in self.dependents(uid) {
            let Some(dependent) = server.store().get(&of, &key) else { continue };
            let blocks = |owner: &&Value| text(owner, "uid") == uid && owner["blockOwnerDeletion"] == true;
            blocked |= owners(&dependent.value).iter().any(|owner| blocks(&owner));
            if !is_going(&dependent.value) {
                remove(server, &of, &key, &dependent.value, Propagation::Foreground);
            }
        }
        let gone = |(of, key): &Place| server.store().get(of, key).is_none();
        if !blocked || self.dependents(uid).iter().all(gone) {
            drop_finalizer(server, of, key, FOREGROUND);
        }
    }
}

/// An owner as it is now.
enum Owner {
    Here(TypeId, Key, Arc<Entry>),
    Gone,
}

impl Owner {
    fn place(self) -> Option<Place> {
        match self {
            Self::Here(of, key, _) => Some((of, key)),
            Self::Gone => None,
        }
    }
}

/// `None` where the type of the owner is not known: then nothing can be concluded.
fn find_owner(server: &ApiServer, namespace: &str, owner: &Value) -> Option<Owner> {
    let types = server.registry().types();
    let of: &Arc<ResourceType> = types.of_kind(text(owner, "apiVersion"), text(owner, "kind"))?;
    let key = Key::new(if of.namespaced { namespace } else { "" }, text(owner, "name"));
    let found = server.store().get(&of.stored_as, &key).filter(|entry| text(&entry.value["metadata"], "uid") == text(owner, "uid"));
    Some(found.map_or(Owner::Gone, |entry| Owner::Here(of.stored_as.clone(), key, entry)))
}

/// Deletes an object whose owners are all gone, and drops those that are from one that keeps others.
fn collect(server: &ApiServer, of: &TypeId, key: &Key, object: &Value) {
    let mut gone = Vec::new();
    let (mut solid, mut waiting) = (false, false);
    for owner in owners(object) {
        match find_owner(server, &key.namespace, owner) {
            None => return,
            Some(Owner::Gone) => gone.push(text(owner, "uid")),
            Some(Owner::Here(_, _, entry)) if is_going(&entry.value) && has_finalizer(&entry.value, FOREGROUND) => waiting = true,
            Some(Owner::Here(..)) => solid = true,
        }
    }
    let goes = !solid && (waiting || !gone.is_empty());
    if gone.is_empty() && !goes {
        return;
    }
    if goes {
        let propagation = if waiting { Propagation::Foreground } else { Propagation::Background };
        return remove(server, of, key, object, propagation);
    }
    change(server, of, key, |object| {
        if let Some(owners) = object["metadata"].get_mut("ownerReferences").and_then(Value::as_array_mut) {
            owners.retain(|owner| !gone.contains(&text(owner, "uid")));
        }
    });
}

fn remove(server: &ApiServer, of: &TypeId, key: &Key, object: &Value, propagation: Propagation) {
    let types = server.registry().types();
    let Some(kind) = types.stored_as(of) else { return };
    // The finalizers that say otherwise stay what they were.
    let propagation = match (has_finalizer(object, ORPHAN), has_finalizer(object, FOREGROUND)) {
        (true, _) => Propagation::Orphan,
        (_, true) => Propagation::Foreground,
        _ => propagation,
    };
    let uid = Some(text(&object["metadata"], "uid").to_owned());
    let options = DeleteOptions { propagation: Some(propagation), uid, ..DeleteOptions::default() };
    if let Err(error) = delete::delete(server, kind, key, &options, &User::default(), &mut Vec::new())
        && error.code != 404
    {
        tracing::debug!(resource = &**of, name = &*key.name, error = error.message, "garbage stays");
    }
}

fn drop_finalizer(server: &ApiServer, of: &TypeId, key: &Key, finalizer: &str) {
    change(server, of, key, |object| {
        if let Some(finalizers) = object["metadata"].get_mut("finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|one| one != finalizer);
        }
    });
}

/// Changes metadata of a stored object, which goes if that was the last thing it waited for.
fn change(server: &ApiServer, of: &TypeId, key: &Key, change: impl Fn(&mut Value)) {
    while let Some(old) = server.store().get(of, key) {
        let mut new = old.value.clone();
        change(&mut new);
        for list in ["finalizers", "ownerReferences"] {
            if new["metadata"][list].as_array().is_some_and(Vec::is_empty) {
                crate::metadata::of(&mut new).remove(list);
            }
        }
        let stored = if crate::metadata::is_ready_to_go(&new) {
            server.store().delete(of, key, old.revision, Some(new))
        } else if new == old.value {
            return;
        } else {
            server.store().update(of, key.clone(), old.revision, new)
        };
        if !matches!(stored, Err(WriteError::Moved)) {
            return;
        }
    }
}
