//! PersistentVolumes and claims of them.

use crate::kinds::Behaviour;
use crate::kinds::internal;
use crate::kinds::reach::{fill, fill_zero, given, inner, list, present, remove, set, text};
use crate::kinds::refusal::{forbidden, invalid, invalid_text, not_supported, not_supported_printed, one_of, required};
use crate::status::FieldError;
use flotilla_api::quantity::Amount;
use serde_json::Value;

/// PersistentVolumeClaims.
pub(in crate::kinds) struct PersistentVolumeClaims;

impl Behaviour for PersistentVolumeClaims {
    fn default(&self, object: &mut Value) {
        claim_spec(inner(object, "spec"));
        fill_zero(inner(object, "status"), "phase", "Pending");
    }

    fn prepare_create(&self, object: &mut Value) {
        protect(object, CLAIM_PROTECTION);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        if list(spec, "/accessModes").is_empty() {
            errors.push(required("spec.accessModes", "at least 1 access mode is required"));
        }
        errors.extend(access_modes(spec));
        match present(spec, "/resources/requests/storage") {
            None => errors.push(required("spec.resources[storage]", "")),
            Some(size) if Amount::from_json(size).is_ok_and(|size| size <= Amount::ZERO) => {
                errors.push(invalid("spec.resources[storage]", size, "must be greater than zero"));
            }
            Some(_) => {}
        }
        errors.extend(volume_mode(spec));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        if fixed(new, old) != fixed(old, old) {
            let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
            let difference = internal::claim_difference(&old["spec"], &new["spec"]);
            return vec![forbidden("spec", format!("{detail}{difference}"))];
        }
        shrinks(new, old).into_iter().collect()
    }
}

/// Keeps a claim until no pod uses it.
pub(crate) const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
/// Keeps a volume until no claim has it.
pub(crate) const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

fn protect(object: &mut Value, finalizer: &str) {
    let metadata = inner(object, "metadata");
    fill(metadata, "finalizers", Value::Array(Vec::new()));
    if let Some(finalizers) = metadata["finalizers"].as_array_mut().filter(|all| !all.iter().any(|one| one == finalizer)) {
        finalizers.push(finalizer.into());
    }
}

/// Ways of mounting a volume.
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

fn access_modes(spec: &Value) -> Vec<FieldError> {
    let unknown = list(spec, "/accessModes").iter().filter(|mode| !ACCESS_MODES.iter().any(|known| mode == known));
    unknown.map(|mode| not_supported("spec.accessModes", mode, &ACCESS_MODES)).collect()
}

fn volume_mode(spec: &Value) -> Option<FieldError> {
    one_of(spec, "spec", "volumeMode", &["Block", "Filesystem"])
}

/// The spec without what may still change: the volume and class once they are chosen; of a bound claim, its size.
fn fixed(claim: &Value, old: &Value) -> Value {
    let mut spec = claim["spec"].clone();
    remove(&mut spec, "volumeAttributesClassName");
    for field in ["volumeName", "storageClassName"] {
        if text(&old["spec"], &format!("/{field}")).is_empty() {
            remove(&mut spec, field);
        }
    }
    if text(old, "/status/phase") == "Bound" {
        remove(inner(&mut spec, "resources"), "requests");
    }
    spec
}

fn shrinks(new: &Value, old: &Value) -> Option<FieldError> {
    let size = |claim: &Value, pointer: &str| claim.pointer(pointer).and_then(|size| Amount::from_json(size).ok());
    let (wanted, before) = (size(new, "/spec/resources/requests/storage")?, size(old, "/spec/resources/requests/storage")?);
    let is_too_small = wanted < before && size(old, "/status/capacity/storage").is_none_or(|capacity| wanted < capacity);
    is_too_small.then(|| forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
}

/// Defaults of a claim's spec, in claims and in their templates.
pub(in crate::kinds) fn claim_spec(spec: &mut Value) {
    fill(spec, "volumeMode", "Filesystem");
    inner(spec, "resources");
    mirror_data_source(spec);
}

/// `dataSource` and `dataSourceRef` are two names of one field.
fn mirror_data_source(spec: &mut Value) {
    match (present(spec, "/dataSource").cloned(), present(spec, "/dataSourceRef").cloned()) {
        (Some(source), None) => set(spec, "dataSourceRef", source),
        (None, Some(reference)) if present(&reference, "/namespace").is_none() => set(spec, "dataSource", reference),
        _ => {}
    }
}

/// PersistentVolumes.
pub(in crate::kinds) struct PersistentVolumes;

impl Behaviour for PersistentVolumes {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill_zero(spec, "persistentVolumeReclaimPolicy", "Retain");
        fill(spec, "volumeMode", "Filesystem");
        if let Some(host_path) = given(spec, "hostPath") {
            fill(host_path, "type", "");
        }
        fill_zero(inner(object, "status"), "phase", "Pending");
    }

    fn prepare_create(&self, object: &mut Value) {
        protect(object, VOLUME_PROTECTION);
        let now = object["metadata"]["creationTimestamp"].clone();
        set(inner(object, "status"), "lastPhaseTransitionTime", now);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        if list(spec, "/accessModes").is_empty() {
            errors.push(required("spec.accessModes", ""));
        }
        errors.extend(access_modes(spec));
        let capacity = present(spec, "/capacity");
        if capacity.is_none() {
            errors.push(required("spec.capacity", ""));
        }
        if capacity.is_none_or(|capacity| capacity.get("storage").is_none() || capacity.as_object().is_some_and(|all| all.len() > 1)) {
            let printed = capacity.map_or_else(|| "null".to_owned(), Value::to_string);
            errors.push(not_supported_printed("spec.capacity", printed, &["storage"]));
        }
        let mut sources = SOURCES.iter().filter(|source| spec.get(**source).is_some());
        errors.extend(one_of(spec, "spec", "persistentVolumeReclaimPolicy", &["Delete", "Recycle", "Retain"]));
        match sources.next() {
            None => errors.push(required("spec", "must specify a volume type")),
            Some(_) => errors.extend(path_errors(spec)),
        }
        errors.extend(sources.map(|source| forbidden(format!("spec.{source}"), "may not specify more than 1 volume type")));
        errors.extend(volume_mode(spec));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let is_kept = SOURCES.iter().all(|source| new["spec"].get(source) == old["spec"].get(source));
        let detail = "spec.persistentvolumesource is immutable after creation";
        if is_kept { Vec::new() } else { vec![forbidden("spec.persistentvolumesource", detail)] }
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let recycles = text(object, "/spec/persistentVolumeReclaimPolicy") == "Recycle";
        let warning = "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is \
            to use dynamic provisioning.";
        if recycles { vec![warning.to_owned()] } else { Vec::new() }
    }
}

fn path_errors(spec: &Value) -> Vec<FieldError> {
    let Some(path) = spec.get("hostPath").map(|source| text(source, "/path")) else { return Vec::new() };
    if path.is_empty() {
        return vec![required("spec.hostPath.path", "")];
    }
    let climbs = path.split('/').any(|part| part == "..");
    climbs.then(|| invalid_text("spec.hostPath.path", path, "must not contain '..'")).into_iter().collect()
}

/// Where a volume may come from.
const SOURCES: [&str; 22] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claim() -> Value {
        let mut claim =
            json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        PersistentVolumeClaims.default(&mut claim);
        claim
    }

    fn said(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_claim_says_how_much_and_how() {
        assert_eq!(PersistentVolumeClaims.validate(&claim()), []);
        let mut empty = json!({"metadata": {"name": "c"}, "spec": {}});
        PersistentVolumeClaims.default(&mut empty);
        assert_eq!(
            said(PersistentVolumeClaims.validate(&empty)),
            ["spec.accessModes: Required value: at least 1 access mode is required", "spec.resources[storage]: Required value"]
        );
    }

    #[test]
    fn a_bound_claim_may_grow() {
        let mut old = claim();
        let mut new = claim();
        new["spec"]["resources"]["requests"]["storage"] = json!("2Gi");
        assert_eq!(
            said(PersistentVolumeClaims.validate_update(&new, &old))[0].lines().next(),
            Some(
                "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
            )
        );
        old["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}});
        assert_eq!(PersistentVolumeClaims.validate_update(&new, &old), []);
        new["spec"]["resources"]["requests"]["storage"] = json!("1Mi");
        assert_eq!(
            said(PersistentVolumeClaims.validate_update(&new, &old)),
            ["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"]
        );
    }

    #[test]
    fn controllers_may_bind_a_claim() {
        let old = claim();
        let mut new = claim();
        new["spec"]["volumeName"] = json!("v");
        new["spec"]["storageClassName"] = json!("standard");
        assert_eq!(PersistentVolumeClaims.validate_update(&new, &old), []);
        assert_eq!(PersistentVolumeClaims.validate_update(&old, &new).len(), 1);
    }

    #[test]
    fn a_volume_has_a_source_and_a_size() {
        let mut volume = json!({"metadata": {"name": "v"}, "spec": {"accessModes": ["Always"]}});
        PersistentVolumes.default(&mut volume);
        assert_eq!(
            said(PersistentVolumes.validate(&volume)),
            [
                "spec.accessModes: Unsupported value: \"Always\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
                "spec.capacity: Required value",
                "spec.capacity: Unsupported value: null: supported values: \"storage\"",
                "spec: Required value: must specify a volume type",
            ]
        );
    }
}
