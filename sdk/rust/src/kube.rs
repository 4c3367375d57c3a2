//! Kubernetes arithmetic that the host does, so that no plugin needs to write it again. Panics in a native test.

use crate::bindings::kube;
use crate::fields::join;
use crate::host::needs_host;
use crate::{Error, Fields, Json, Path, Reference, Result, Value};
use std::cmp::Ordering;

/// What one pod of this template needs, as ReplicaRequirements; none when it needs nothing in particular.
pub fn pod_requirements(pod_template: &Json) -> Result<Option<Json>> {
    needs_host("pod_requirements");
    let needs = kube::pod_requirements(pod_template.as_text()).map_err(Error::InvalidObject)?;
    Ok(needs.map(Json::from_text))
}

/// What a pod template refers to: those of its fields that name other objects. Nothing else of it is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodReferences(Json);

/// Where containers stand in a pod's `spec`.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// Where a container names other objects.
const OF_CONTAINER: [&str; 4] = [
    "/envFrom/*/configMapRef/name",
    "/envFrom/*/secretRef/name",
    "/env/*/valueFrom/configMapKeyRef/name",
    "/env/*/valueFrom/secretKeyRef/name",
];
/// Where the rest of a pod's `spec` does.
const OF_POD: [&str; 16] = [
    "/imagePullSecrets/*/name",
    "/serviceAccountName",
    "/volumes/*/azureFile/secretName",
    "/volumes/*/cephfs/secretRef/name",
    "/volumes/*/cinder/secretRef/name",
    "/volumes/*/configMap/name",
    "/volumes/*/csi/nodePublishSecretRef/name",
    "/volumes/*/flexVolume/secretRef/name",
    "/volumes/*/iscsi/secretRef/name",
    "/volumes/*/persistentVolumeClaim/claimName",
    "/volumes/*/projected/sources/*/configMap/name",
    "/volumes/*/projected/sources/*/secret/name",
    "/volumes/*/rbd/secretRef/name",
    "/volumes/*/scaleIO/secretRef/name",
    "/volumes/*/secret/secretName",
    "/volumes/*/storageos/secretRef/name",
];

impl Fields for PodReferences {
    fn fields(at: &str, into: &mut Vec<String>) {
        let spec = join(at, "/spec");
        let of_containers = CONTAINERS.iter().flat_map(|list| OF_CONTAINER.iter().map(move |field| format!("/{list}/*{field}")));
        into.extend(of_containers.chain(OF_POD.iter().map(|&field| field.to_owned())).map(|field| join(&spec, &field)));
    }
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        if value.members().is_some() { Ok(Self(value.to_json())) } else { Err(at.expected("an object", value)) }
    }
}

/// The objects in `namespace` that this pod template refers to, sorted by kind and name.
pub fn pod_dependencies(pods: &PodReferences, namespace: Option<&str>) -> Result<Vec<Reference>> {
    needs_host("pod_dependencies");
    kube::pod_dependencies(pods.0.as_text(), namespace).map_err(Error::InvalidObject)
}

/// The sum of quantities (`100m`, `1Gi`), in the format of the first that is not zero; `0` for an empty list.
pub fn quantity_sum(quantities: &[String]) -> Result<String> {
    needs_host("quantity_sum");
    kube::quantity_sum(quantities).map_err(Error::InvalidObject)
}

/// Compares two quantities by value.
pub fn quantity_compare(a: &str, b: &str) -> Result<Ordering> {
    needs_host("quantity_compare");
    Ok(kube::quantity_compare(a, b).map_err(Error::InvalidObject)?.cmp(&0))
}

/// A quantity as a number, to the nearest double.
pub fn quantity_value(quantity: &str) -> Result<f64> {
    needs_host("quantity_value");
    kube::quantity_value(quantity).map_err(Error::InvalidObject)
}
