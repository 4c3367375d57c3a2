//! A namespace of the control plane is wanted in every member: which ones, and the Work that brings it there.
//!
//! Never deletes a namespace in a member: that happens when the Work goes with its owner. Source: controlplane.md §6.5.

use crate::render::manifest;
use flotilla_api::object::Object;
use flotilla_api::work::{Work, WorkSpec, WorkloadTemplate};
use flotilla_api::{labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Why a namespace is not propagated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is the system's own.
    Reserved,
    /// The operator skips namespaces of this name.
    Skipped,
    /// It carries the label that keeps it here.
    Labelled,
    /// It is going.
    Deleting,
}

/// Why `namespace` stays in the control plane; `None` when every member gets it. `is_skipped` is the operator's word on its name.
pub fn kept(namespace: &Object, is_skipped: impl Fn(&str) -> bool) -> Option<Kept> {
    let name = namespace.name();
    if names::is_reserved_namespace(name) || name == "default" || namespace.label(labels::SYSTEM) == Some(labels::SYSTEM_VALUE) {
        return Some(Kept::Reserved);
    }
    if is_skipped(name) {
        return Some(Kept::Skipped);
    }
    if namespace.label(labels::SKIP_AUTO_PROPAGATION).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Some(Kept::Labelled);
    }
    namespace.is_deleting().then_some(Kept::Deleting)
}

/// The Work that brings `namespace`, with its labels and annotations, to `cluster`. `work_id` is the permanent id of the Work which is
/// there, else a new one.
pub fn work(namespace: &Object, cluster: &str, work_id: &str) -> Work {
    let metadata = ObjectMeta {
        name: Some(names::work_name_of(namespace)),
        namespace: Some(names::execution_namespace(cluster)),
        finalizers: Some(vec![labels::EXECUTION_FINALIZER.to_owned()]),
        labels: Some(BTreeMap::from([(labels::WORK_ID.to_owned(), work_id.to_owned())])),
        owner_references: Some(vec![OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            name: namespace.name().to_owned(),
            uid: namespace.uid().to_owned(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        annotations: Some(BTreeMap::new()),
        ..ObjectMeta::default()
    };
    let mut manifest = Object(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace.name(), "labels": carried(namespace.labels()), "annotations": carried(namespace.annotations())},
    }));
    manifest.set_label(labels::MANAGED, labels::MANAGED_VALUE);
    manifest.set_annotation(labels::TEMPLATE_UID, namespace.uid());
    manifest.set_annotation(labels::WORK_NAMESPACE, metadata.namespace.as_deref().unwrap_or(""));
    manifest.set_annotation(labels::WORK_NAME, metadata.name.as_deref().unwrap_or(""));
    manifest::seal(&mut manifest, work_id);
    let spec = WorkSpec {
        workload: Some(WorkloadTemplate { manifests: vec![manifest] }),
        suspend_dispatching: Some(false),
        preserve_resources_on_deletion: Some(false),
    };
    Work { metadata, spec, status: None }
}

/// What the user wrote; the API server's own label and kubectl's record stay here.
fn carried(entries: Option<&Map<String, Value>>) -> Map<String, Value> {
    const LOCAL: [&str; 2] = ["kubernetes.io/metadata.name", "kubectl.kubernetes.io/last-applied-configuration"];
    entries
        .into_iter()
        .flatten()
        .filter(|(key, _)| !LOCAL.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str, labels: Value) -> Object {
        Object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": "u-1", "labels": labels}}))
    }

    #[test]
    fn the_system_s_own_and_labelled_namespaces_stay() {
        let skips = |name: &str| name.starts_with("kube-");
        let check = |name, labels, expected| assert_eq!(kept(&namespace(name, labels), skips), expected, "{name}");
        check("shop", json!({}), None);
        check("default", json!({}), Some(Kept::Reserved));
        check("karmada-es-member1", json!({}), Some(Kept::Reserved));
        check("kube-system", json!({}), Some(Kept::Skipped));
        check("shop", json!({"namespace.karmada.io/skip-auto-propagation": "True"}), Some(Kept::Labelled));
    }

    #[test]
    fn a_member_gets_what_the_user_wrote() {
        let work = work(&namespace("shop", json!({"team": "a", "kubernetes.io/metadata.name": "shop"})), "member1", "w-1");
        assert_eq!(work.metadata.namespace.as_deref(), Some("karmada-es-member1"));
        let manifest = &work.spec.manifests()[0];
        assert_eq!((manifest.label("team"), manifest.label("kubernetes.io/metadata.name")), (Some("a"), None));
        assert_eq!(manifest.label(labels::MANAGED), Some("true"));
    }
}
