//! Claims and volumes that are being deleted: a claim goes when no pod uses it, a volume when no claim has it.

use super::edit::{edit, take_out};
use crate::kinds::{CLAIM_PROTECTION, VOLUME_PROTECTION};
use crate::server::ApiServer;
use crate::storage::{Change, Event, Key};
use serde_json::Value;

/// Lets go of what was marked, and of what a pod or claim that went was the last to use.
pub fn react(server: &ApiServer, event: &Event) {
    match (&*event.of, event.change) {
        ("persistentvolumeclaims", Change::Deleted) => release_volumes(server),
        ("persistentvolumeclaims", _) if event.object.facts.is_going => release_claim(server, &event.key),
        ("persistentvolumes", change) if change != Change::Deleted && event.object.facts.is_going => release_volume(server, &event.key),
        ("pods", _) => release_claims(server, &event.key.namespace),
        _ => {}
    }
}

/// The same for everything, when events were missed.
pub fn examine_all(server: &ApiServer) {
    for entry in server.store().list(&"namespaces".into(), None).entries {
        release_claims(server, &entry.facts.key.name);
    }
    release_volumes(server);
}

fn release_claims(server: &ApiServer, namespace: &str) {
    let claims = server.store().list(&"persistentvolumeclaims".into(), Some(namespace)).entries;
    claims.iter().filter(|claim| claim.facts.is_going).for_each(|claim| release_claim(server, &claim.facts.key));
}

fn release_claim(server: &ApiServer, key: &Key) {
    let pods = server.store().list(&"pods".into(), Some(&key.namespace)).entries;
    if !pods.iter().any(|pod| uses(&pod.value(), &key.name)) {
        edit(server, &"persistentvolumeclaims".into(), key, |claim| take_out(claim, "finalizers", |one| one == CLAIM_PROTECTION));
    }
}

/// Whether a pod that is not over mounts a claim.
fn uses(pod: &Value, claim: &str) -> bool {
    let is_over = ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase);
    let volumes = pod["spec"]["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    !is_over && volumes.iter().any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim)
}

fn release_volumes(server: &ApiServer) {
    let volumes = server.store().list(&"persistentvolumes".into(), None).entries;
    volumes.iter().filter(|volume| volume.facts.is_going).for_each(|volume| release_volume(server, &volume.facts.key));
}

fn release_volume(server: &ApiServer, key: &Key) {
    let claims = server.store().list(&"persistentvolumeclaims".into(), None).entries;
    if !claims.iter().any(|claim| claim.value()["spec"]["volumeName"] == *key.name) {
        edit(server, &"persistentvolumes".into(), key, |volume| take_out(volume, "finalizers", |one| one == VOLUME_PROTECTION));
    }
}
