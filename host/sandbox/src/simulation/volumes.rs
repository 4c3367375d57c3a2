//! Volumes: every claim gets one of its own, as a dynamic provisioner would make it, and it goes with the claim. Decides only.

use super::action::{Action, Target};
use super::kind::{CLAIM, Key, Meta, VOLUME};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::{Value, json};

const PROVISIONER: &str = "sandbox.flotilla.io/memory";

fn name_of_volume(uid: &str) -> String {
    format!("pvc-{uid}")
}

/// The key of the work that removes the volume of a claim that is gone.
pub fn key_of_volume(uid: &str) -> Key {
    Key::new("", &name_of_volume(uid))
}

/// Removes a volume, when the key is one of [`key_of_volume`].
pub fn without_claim(key: &Key) -> Option<Action> {
    key.namespace.is_empty().then(|| Action::delete(Target { kind: &VOLUME, key: key.clone(), uid: String::new() }))
}

/// Gives a claim its volume, unless it has one or waits for one of its own choice.
pub fn provide(claim: &PersistentVolumeClaim) -> Vec<Action> {
    let spec = claim.spec.clone().unwrap_or_default();
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let own = name_of_volume(claim.metadata.uid());
    let chosen = spec.volume_name.as_ref().is_some_and(|name| !name.is_empty() && *name != own);
    if phase == Some("Bound") || chosen || claim.metadata.is_deleting() {
        return Vec::new();
    }
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let storage = requests.and_then(|requests| requests.get("storage")).map_or_else(|| "1Gi".to_owned(), |storage| storage.0.clone());
    let modes = json!(spec.access_modes.clone().unwrap_or_else(|| vec!["ReadWriteOnce".to_owned()]));
    let target = Target::new(&CLAIM, &claim.metadata);
    let of_volume = Target { kind: &VOLUME, key: key_of_volume(claim.metadata.uid()), uid: String::new() };
    let annotations = json!({
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
        "volume.kubernetes.io/storage-provisioner": PROVISIONER,
    });
    let mut actions = Vec::new();
    if spec.volume_name.is_none() {
        actions.push(Action::create(&VOLUME, &volume(claim, &own, &storage, &modes, spec.storage_class_name.as_deref())));
        actions.push(Action::patch_status(of_volume, json!({"status": {"phase": "Bound"}})));
        actions.push(Action::patch(target.clone(), json!({"metadata": {"annotations": annotations}, "spec": {"volumeName": own}})));
    }
    let status = json!({"phase": "Bound", "accessModes": modes, "capacity": {"storage": storage}});
    actions.push(Action::patch_status(target, json!({"status": status})));
    actions
}

fn volume(claim: &PersistentVolumeClaim, name: &str, storage: &str, modes: &Value, class: Option<&str>) -> Value {
    let meta = &claim.metadata;
    let mut volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": storage},
            "accessModes": modes,
            "persistentVolumeReclaimPolicy": "Delete",
            "volumeMode": "Filesystem",
            "hostPath": {"path": format!("/sandbox/{name}"), "type": ""},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": meta.name(), "namespace": meta.namespace(), "uid": meta.uid(),
            },
        },
    });
    if let Some(class) = class {
        volume["spec"]["storageClassName"] = json!(class);
    }
    volume
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::yaml;
    use super::*;

    #[test]
    fn a_claim_is_bound_to_a_volume_of_its_size() {
        let mut claim: Value = yaml(
            "{metadata: {name: data-db-0, namespace: shop, uid: u}, \
             spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}, status: {phase: Pending}}",
        );
        for action in provide(&serde_json::from_value(claim.clone()).unwrap()) {
            match action.request {
                Request::Create { object, .. } => assert_eq!(object["spec"]["capacity"]["storage"], "5Gi"),
                Request::Patch { target, patch, .. } if target.kind == &CLAIM => json_patch::merge(&mut claim, &patch),
                _ => {}
            }
        }
        assert_eq!((&claim["spec"]["volumeName"], &claim["status"]["phase"]), (&json!("pvc-u"), &json!("Bound")));
        assert!(provide(&serde_json::from_value(claim).unwrap()).is_empty());
    }

    #[test]
    fn a_claim_that_names_another_volume_is_left_alone() {
        assert!(provide(&yaml("{metadata: {name: a, uid: u}, spec: {volumeName: mine}}")).is_empty());
    }
}
