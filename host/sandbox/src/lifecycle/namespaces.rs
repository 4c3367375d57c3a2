//! Namespaces: those that are there from the start, what each gets, and how one goes with all that is in it.

use crate::handlers::delete::{self, DeleteOptions};
use crate::request::User;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::storage::{Change, Entry, Event, Key, TypeId, WriteError};
use crate::writes::{self, Write};
use serde_json::{Value, json};
use std::sync::Arc;

const INITIAL: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
const ROOT_CA: &str = "kube-root-ca.crt";

fn namespaces() -> TypeId {
    "namespaces".into()
}

/// Creates the namespaces that every cluster has.
pub fn create_initial(server: &ApiServer) {
    for name in INITIAL {
        create(server, "namespaces", None, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
}

fn create(server: &ApiServer, plural: &str, namespace: Option<&str>, object: Value) {
    let types = server.registry().types();
    let Some(of) = types.find("", "v1", plural) else { return };
    let user = User::default();
    // It may be there already, or its namespace may be going: then there is nothing to do.
    let _ = writes::create(
        server,
        &Write { manager: "kube-controller-manager", ..Write::internal(of, namespace, &user) },
        object,
        &mut Vec::new(),
    );
}

/// Gives a new namespace what each has, replaces what was taken, and goes on with those that are being deleted.
pub fn react(server: &ApiServer, event: &Event) {
    if &*event.of == "namespaces" {
        match event.change {
            Change::Deleted => {}
            _ if event.object.facts.is_going => empty(server, &event.key.name),
            Change::Added => furnish(server, &event.key.name),
            Change::Modified => {}
        }
        return;
    }
    if event.change != Change::Deleted || event.key.namespace.is_empty() {
        return;
    }
    let namespace = &event.key.namespace;
    match server.store().get(&namespaces(), &Key::new("", namespace)) {
        Some(found) if found.facts.is_going => finish(server, namespace),
        Some(_) if is_furniture(event) => furnish(server, namespace),
        _ => {}
    }
}

/// The same for all namespaces, when events were missed.
pub fn examine_all(server: &ApiServer) {
    for entry in server.store().list(&namespaces(), None).entries {
        let name = &entry.facts.key.name;
        if entry.facts.is_going { empty(server, name) } else { furnish(server, name) }
    }
}

fn is_furniture(event: &Event) -> bool {
    matches!((&*event.of, &*event.key.name), ("serviceaccounts", "default") | ("configmaps", ROOT_CA))
}

/// The account `default` and, where the cluster has one, its certificate authority.
fn furnish(server: &ApiServer, namespace: &str) {
    let metadata = |name: &str| json!({"name": name, "namespace": namespace});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("default")});
    create(server, "serviceaccounts", Some(namespace), account);
    if let Some(authority) = &server.options().root_ca {
        let mut config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(ROOT_CA), "data": {"ca.crt": authority}});
        config["metadata"]["annotations"] = json!({"kubernetes.io/description":
            "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service \
             IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."});
        create(server, "configmaps", Some(namespace), config);
    }
}

/// Deletes what is in a namespace that is going.
fn empty(server: &ApiServer, namespace: &str) {
    let types = server.registry().types();
    let (user, options) = (User::default(), DeleteOptions::default());
    for of in types.stored().filter(|of| of.namespaced) {
        for entry in server.store().list(&of.stored_as, Some(namespace)).entries {
            let key = &entry.facts.key;
            if let Err(error) = delete::delete(server, of, key, &options, &user, &mut Vec::new())
                && error.code != 404
            {
                tracing::warn!(namespace, resource = of.qualified(), name = &*key.name, error = error.message, "namespace content stays");
            }
        }
    }
    finish(server, namespace);
}

/// Takes the namespace's own finalizer away once nothing is in it.
fn finish(server: &ApiServer, namespace: &str) {
    let types = server.registry().types();
    if !types.stored().filter(|of| of.namespaced).any(|of| server.store().has_any(&of.stored_as, namespace)) {
        // It may be gone already.
        let _ = finalize(server, namespace, json!([]));
    }
}

/// Sets `spec.finalizers` of a namespace; one that is going goes with its last finalizer.
pub fn finalize(server: &ApiServer, name: &str, finalizers: Value) -> Result<Arc<Entry>, ApiError> {
    let (of, key) = (namespaces(), Key::new("", name));
    loop {
        let missing = || ApiError::not_found("", "namespaces", name);
        let old = server.store().get(&of, &key).ok_or_else(missing)?;
        let mut new = old.value();
        new["spec"]["finalizers"] = finalizers.clone();
        let stored = if crate::metadata::is_ready_to_go(&new) {
            server.store().delete(&of, &key, old.revision, Some(&new))
        } else {
            server.store().update(&of, key.clone(), old.revision, &new)
        };
        match stored {
            Ok(entry) => return Ok(entry),
            Err(WriteError::Moved) => {}
            Err(_) => return Err(missing()),
        }
    }
}
