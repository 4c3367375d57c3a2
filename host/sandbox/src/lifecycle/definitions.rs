//! CustomResourceDefinitions that are being deleted: their objects go first.

use super::edit::{edit, take_out};
use crate::definitions::{CLEANUP, STORED_AS};
use crate::handlers::delete::{self, DeleteOptions};
use crate::request::User;
use crate::server::ApiServer;
use crate::storage::{Change, Event, Key, TypeId};

fn definitions() -> TypeId {
    STORED_AS.into()
}

/// Goes on with a definition that is going when it was marked and when one of its objects went.
pub fn react(server: &ApiServer, event: &Event) {
    if *event.of == *definitions() {
        if event.change != Change::Deleted && event.object.facts.is_going {
            empty(server, &event.key.name);
        }
    } else if event.change == Change::Deleted
        && let Some(found) = server.store().get(&definitions(), &Key::new("", &event.of))
        && found.facts.is_going
    {
        finish(server, &event.of);
    }
}

/// The same for all definitions, when events were missed.
pub fn examine_all(server: &ApiServer) {
    for entry in server.store().list(&definitions(), None).entries.iter().filter(|entry| entry.facts.is_going) {
        empty(server, &entry.facts.key.name);
    }
}

fn empty(server: &ApiServer, name: &str) {
    let types = server.registry().types();
    if let Some(of) = types.stored_as(&name.into()) {
        let (user, options) = (User::default(), DeleteOptions::default());
        for entry in server.store().list(&of.stored_as, None).entries {
            // One that is gone already, or that admission keeps, is looked at again when it goes.
            let _ = delete::delete(server, of, &entry.facts.key, &options, &user, &mut Vec::new());
        }
    }
    finish(server, name);
}

fn finish(server: &ApiServer, name: &str) {
    if !server.store().list(&name.into(), None).entries.is_empty() {
        return;
    }
    edit(server, &definitions(), &Key::new("", name), |definition| take_out(definition, "finalizers", |one| one == CLEANUP));
    server.accept_definition(name);
}
