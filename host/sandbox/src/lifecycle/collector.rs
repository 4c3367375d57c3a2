//! Garbage collection by owner references: background, foreground and orphaning, as the real collector decides it.
//!
//! Keeps who depends on whom; everything else is read from the store when it is needed.

use super::edit::{edit, take_out};
use crate::entry::{Facts, Owner};
use crate::handlers::delete::{self, DeleteOptions, FOREGROUND, ORPHAN, Propagation};
use crate::request::User;
use crate::server::ApiServer;
use crate::storage::{Change, Entry, Event, Key, TypeId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

type Place = (TypeId, Key);

/// Who depends on whom.
#[derive(Debug, Default)]
pub struct Collector {
    /// By the owner's uid.
    dependents: HashMap<Box<str>, HashSet<Place>>,
}

impl Collector {
    /// Remembers the owners of an object.
    pub fn learn(&mut self, of: &TypeId, key: &Key, owners: &[Owner]) {
        for owner in owners {
            self.dependents.entry(owner.uid.clone()).or_default().insert((of.clone(), key.clone()));
        }
    }

    fn forget(&mut self, of: &TypeId, key: &Key, owners: &[Owner]) {
        for owner in owners {
            if let Some(places) = self.dependents.get_mut(&owner.uid) {
                places.remove(&(of.clone(), key.clone()));
                if places.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }

    fn dependents(&self, uid: &str) -> Vec<Place> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Goes on with whatever one write made ready.
    pub fn react(&mut self, server: &ApiServer, event: &Event) {
        let facts = &event.object.facts;
        let before = event.previous.as_ref().map(|previous| &previous.facts);
        let owners_changed = before.is_none_or(|before| before.owners != facts.owners);
        if let Some(before) = before
            && (event.change == Change::Deleted || owners_changed)
        {
            self.forget(&event.of, &event.key, &before.owners);
        }
        if event.change != Change::Deleted {
            self.learn(&event.of, &event.key, &facts.owners);
            if owners_changed || facts.is_going {
                self.examine(server, &event.of, &event.key, owners_changed);
            }
            return;
        }
        // Whoever waited for this object, or was owned by it.
        for (of, key) in self.dependents(&facts.uid) {
            self.examine(server, &of, &key, true);
        }
        for owner in &facts.owners {
            if let Some(Found::Here((of, key), _)) = find_owner(server, &event.key.namespace, owner) {
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
        let facts = &entry.facts;
        if facts.is_going && facts.has_finalizer(ORPHAN) {
            self.orphan(server, facts, of, key);
        } else if facts.is_going && facts.has_finalizer(FOREGROUND) {
            self.wait_for_dependents(server, facts, of, key);
        } else if !facts.is_going && owners_changed && !facts.owners.is_empty() {
            collect(server, of, key, facts);
        }
    }

    /// Frees the dependents of an object, then the object.
    fn orphan(&self, server: &ApiServer, facts: &Facts, of: &TypeId, key: &Key) {
        for (of, key) in self.dependents(&facts.uid) {
            edit(server, &of, &key, |dependent| take_out(dependent, "ownerReferences", |owner| owner["uid"] == *facts.uid));
        }
        edit(server, of, key, |object| take_out(object, "finalizers", |one| one == ORPHAN));
    }

    /// Deletes the dependents of an object in the foreground; when none is left that blocks it, the object is free to go.
    fn wait_for_dependents(&self, server: &ApiServer, facts: &Facts, of: &TypeId, key: &Key) {
        let blocks = |owner: &Owner| owner.uid == facts.uid && owner.blocks;
        for (of, key) in self.dependents(&facts.uid) {
            if let Some(dependent) = server.store().get(&of, &key).filter(|dependent| !dependent.facts.is_going) {
                remove(server, &of, &key, &dependent.facts, Propagation::Foreground);
            }
        }
        let still = |(of, key): &Place| server.store().get(of, key).is_some_and(|entry| entry.facts.owners.iter().any(blocks));
        if !self.dependents(&facts.uid).iter().any(still) {
            edit(server, of, key, |object| take_out(object, "finalizers", |one| one == FOREGROUND));
        }
    }
}

/// An owner as it is now.
enum Found {
    Here(Place, Arc<Entry>),
    Gone,
}

/// `None` where the type of the owner is not known: then nothing can be concluded.
fn find_owner(server: &ApiServer, namespace: &str, owner: &Owner) -> Option<Found> {
    let types = server.registry().types();
    let of = types.of_kind(&owner.api_version, &owner.kind)?;
    let key = Key::new(if of.namespaced { namespace } else { "" }, &owner.name);
    let found = server.store().get(&of.stored_as, &key).filter(|entry| entry.facts.uid == owner.uid);
    Some(found.map_or(Found::Gone, |entry| Found::Here((of.stored_as.clone(), key), entry)))
}

/// Deletes an object whose owners are all gone, and drops those that are from one that keeps others.
fn collect(server: &ApiServer, of: &TypeId, key: &Key, facts: &Facts) {
    let mut gone = Vec::new();
    let (mut solid, mut waiting) = (false, false);
    for owner in &facts.owners {
        match find_owner(server, &key.namespace, owner) {
            None => return,
            Some(Found::Gone) => gone.push(owner.uid.clone()),
            Some(Found::Here(_, entry)) if entry.facts.is_going && entry.facts.has_finalizer(FOREGROUND) => waiting = true,
            Some(Found::Here(..)) => solid = true,
        }
    }
    if !solid && (waiting || !gone.is_empty()) {
        let propagation = if waiting { Propagation::Foreground } else { Propagation::Background };
        remove(server, of, key, facts, propagation);
    } else if !gone.is_empty() {
        edit(server, of, key, |object| take_out(object, "ownerReferences", |owner| gone.iter().any(|uid| owner["uid"] == **uid)));
    }
}

fn remove(server: &ApiServer, of: &TypeId, key: &Key, facts: &Facts, propagation: Propagation) {
    let types = server.registry().types();
    let Some(kind) = types.stored_as(of) else { return };
    // The finalizers that say otherwise stay what they were.
    let propagation = match (facts.has_finalizer(ORPHAN), facts.has_finalizer(FOREGROUND)) {
        (true, _) => Propagation::Orphan,
        (_, true) => Propagation::Foreground,
        _ => propagation,
    };
    let options = DeleteOptions { propagation: Some(propagation), uid: Some(facts.uid.to_string()), ..DeleteOptions::default() };
    if let Err(error) = delete::delete(server, kind, key, &options, &User::default(), &mut Vec::new())
        && error.code != 404
    {
        tracing::debug!(resource = &**of, name = &*key.name, error = error.message, "garbage stays");
    }
}
