//! `kubectl get` of volumes, claims and classes.

use super::{AGE, Column, NAME, Printer, age, column, name, text_or, wide};
use crate::kinds::reach::{flag, list, present, text};
use serde_json::{Value, json};

const ACCESS_MODES: Column = column("Access Modes", "string", "How the volume may be mounted.");
const STORAGE_CLASS: Column = column("StorageClass", "string", "Class of the volume.");
const ATTRIBUTES_CLASS: Column = column("VolumeAttributesClass", "string", "Class of the volume's changeable attributes.");
const VOLUME_MODE: Column = wide("VolumeMode", "string", "Whether it holds files or is a block device.");

pub(super) static PERSISTENT_VOLUMES: Printer = Printer {
    columns: &[
        NAME,
        column("Capacity", "string", "Size of the volume."),
        ACCESS_MODES,
        column("Reclaim Policy", "string", "What happens to it once its claim is gone."),
        column("Status", "string", "Whether it is bound."),
        column("Claim", "string", "Claim it is bound to."),
        STORAGE_CLASS,
        ATTRIBUTES_CLASS,
        column("Reason", "string", "Why it is in this state."),
        AGE,
        VOLUME_MODE,
    ],
    cells: |object, now| {
        let claim = present(object, "/spec/claimRef");
        let claim = claim.map(|claim| format!("{}/{}", text(claim, "/namespace"), text(claim, "/name")));
        vec![
            name(object),
            text_or(text(object, "/spec/capacity/storage"), "0"),
            access_modes(object, "/spec/accessModes"),
            json!(text(object, "/spec/persistentVolumeReclaimPolicy")),
            phase(object),
            json!(claim.unwrap_or_default()),
            class(object),
            text_or(text(object, "/spec/volumeAttributesClassName"), "<unset>"),
            json!(text(object, "/status/reason")),
            age::of(object, now),
            text_or(text(object, "/spec/volumeMode"), "<unset>"),
        ]
    },
};

pub(super) static PERSISTENT_VOLUME_CLAIMS: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "string", "Whether it is bound."),
        column("Volume", "string", "Volume it is bound to."),
        column("Capacity", "string", "Size of the volume."),
        ACCESS_MODES,
        STORAGE_CLASS,
        ATTRIBUTES_CLASS,
        AGE,
        VOLUME_MODE,
    ],
    cells: |object, now| {
        let volume = text(object, "/spec/volumeName");
        let is_bound = !volume.is_empty();
        vec![
            name(object),
            phase(object),
            json!(volume),
            if is_bound { text_or(text(object, "/status/capacity/storage"), "0") } else { json!("") },
            if is_bound { access_modes(object, "/status/accessModes") } else { json!("") },
            class(object),
            text_or(text(object, "/spec/volumeAttributesClassName"), "<unset>"),
            age::of(object, now),
            text_or(text(object, "/spec/volumeMode"), "<unset>"),
        ]
    },
};

fn phase(object: &Value) -> Value {
    let is_going = present(object, "/metadata/deletionTimestamp").is_some();
    json!(if is_going { "Terminating" } else { text(object, "/status/phase") })
}

/// The class, by the annotation that came before the field or by the field.
fn class(object: &Value) -> Value {
    match text(object, "/metadata/annotations/volume.beta.kubernetes.io~1storage-class") {
        "" => json!(text(object, "/spec/storageClassName")),
        class => json!(class),
    }
}

fn access_modes(object: &Value, pointer: &str) -> Value {
    let modes = list(object, pointer);
    let short: Vec<&str> = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")]
        .into_iter()
        .filter(|(mode, _)| modes.iter().any(|given| given == mode))
        .map(|(_, short)| short)
        .collect();
    json!(short.join(","))
}

pub(super) static STORAGE_CLASSES: Printer = Printer {
    columns: &[
        NAME,
        column("Provisioner", "string", "Who makes the volumes."),
        column("ReclaimPolicy", "string", "What happens to volumes once their claims are gone."),
        column("VolumeBindingMode", "string", "When volumes are made."),
        column("AllowVolumeExpansion", "string", "Whether volumes may grow."),
        AGE,
    ],
    cells: |object, now| {
        let is_default = ["storageclass.kubernetes.io~1is-default-class", "storageclass.beta.kubernetes.io~1is-default-class"]
            .iter()
            .any(|annotation| text(object, &format!("/metadata/annotations/{annotation}")) == "true");
        let mark = if is_default { " (default)" } else { "" };
        vec![
            json!(format!("{}{mark}", text(object, "/metadata/name"))),
            json!(text(object, "/provisioner")),
            text_or(text(object, "/reclaimPolicy"), "Delete"),
            text_or(text(object, "/volumeBindingMode"), "Immediate"),
            json!(flag(object, "/allowVolumeExpansion")),
            age::of(object, now),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_shows_its_volume_once_it_is_bound() {
        let mut claim = json!({"spec": {"storageClassName": "fast", "volumeMode": "Filesystem"}, "status": {"phase": "Pending"}});
        let cells = (PERSISTENT_VOLUME_CLAIMS.cells)(&claim, 0);
        assert_eq!(cells[1..7], [json!("Pending"), json!(""), json!(""), json!(""), json!("fast"), json!("<unset>")]);
        claim["spec"]["volumeName"] = json!("v");
        claim["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]});
        let cells = (PERSISTENT_VOLUME_CLAIMS.cells)(&claim, 0);
        assert_eq!(cells[1..5], [json!("Bound"), json!("v"), json!("1Gi"), json!("RWO,RWX")]);
    }

    #[test]
    fn the_default_class_is_marked() {
        let class = json!({"metadata": {"name": "std", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}});
        assert_eq!((STORAGE_CLASSES.cells)(&class, 0)[0], "std (default)");
    }
}
