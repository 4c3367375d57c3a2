//! PersistentVolumes and claims of them.

use crate::kinds::Behaviour;
use crate::kinds::quantity::canonicalize_all;
use crate::kinds::reach::{fill, fill_zero, given, inner, present, set};
use crate::kinds::tidy::tidy;
use serde_json::{Value, json};

/// PersistentVolumeClaims.
pub(in crate::kinds) struct PersistentVolumeClaims;

impl Behaviour for PersistentVolumeClaims {
    fn default(&self, object: &mut Value) {
        tidy(object);
        claim_spec(inner(object, "spec"));
        fill_zero(inner(object, "status"), "phase", "Pending");
    }
}

/// Defaults of a claim's spec, in claims and in their templates.
pub(in crate::kinds) fn claim_spec(spec: &mut Value) {
    fill(spec, "volumeMode", "Filesystem");
    let resources = inner(spec, "resources");
    canonicalize_all(resources.get_mut("requests"));
    canonicalize_all(resources.get_mut("limits"));
    mirror_data_source(spec);
}

/// `dataSource` and `dataSourceRef` are two names of one field.
fn mirror_data_source(spec: &mut Value) {
    match (
        present(spec, "/dataSource").cloned(),
        present(spec, "/dataSourceRef").cloned(),
    ) {
        (Some(source), None) => set(spec, "dataSourceRef", source),
        (None, Some(reference)) if present(&reference, "/namespace").is_none() => {
            set(spec, "dataSource", reference)
        }
        _ => {}
    }
}

/// PersistentVolumes.
pub(in crate::kinds) struct PersistentVolumes;

impl Behaviour for PersistentVolumes {
    fn default(&self, object: &mut Value) {
        tidy(object);
        let spec = inner(object, "spec");
        fill_zero(spec, "persistentVolumeReclaimPolicy", "Retain");
        fill(spec, "volumeMode", "Filesystem");
        canonicalize_all(spec.get_mut("capacity"));
        if let Some(host_path) = given(spec, "hostPath") {
            fill(host_path, "type", "");
        }
        fill_zero(inner(object, "status"), "phase", json!("Pending"));
    }
}
