//! Work: what one cluster gets, and what became of it there.

use super::ResourceHealth;
use crate::kind::kind;
use crate::object::Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind!(
    /// What one cluster gets. Lies in the execution space of the cluster (namespace `karmada-es-<cluster>`).
    Work, "works", "work.karmada.io", "v1alpha1", NamespaceResourceScope, WorkSpec, WorkStatus
);

/// The objects that the cluster gets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkSpec {
    /// The objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadTemplate>,
    /// Nothing is applied while this is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_dispatching: Option<bool>,
    /// Whether the objects stay in the cluster when the Work is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_resources_on_deletion: Option<bool>,
}

impl WorkSpec {
    /// The objects that the cluster gets.
    pub fn manifests(&self) -> &[Object] {
        self.workload.as_ref().map(|workload| workload.manifests.as_slice()).unwrap_or_default()
    }
}

/// Objects as they are to be in the cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadTemplate {
    /// The objects; the control plane writes one into each Work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::any_objects")]
    pub manifests: Vec<Object>,
}

/// What became of the objects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkStatus {
    /// Conditions: `Applied`, `Dispatching`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// What is known of each object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifest_statuses: Vec<ManifestStatus>,
}

/// What is known of one object in the cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestStatus {
    /// Which object.
    #[serde(default)]
    pub identifier: ResourceIdentifier,
    /// The reflected status, any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub status: Option<serde_json::Value>,
    /// Whether it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<ResourceHealth>,
}

/// Names one of the objects of a Work.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceIdentifier {
    /// Place in the list of manifests, from 0; tells objects apart that could not be named.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::integer")]
    pub ordinal: i64,
    /// API group; absent for the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Version in the group.
    #[serde(default)]
    pub version: String,
    /// Kind.
    #[serde(default)]
    pub kind: String,
    /// Plural name of the resource.
    #[serde(default)]
    pub resource: String,
    /// Namespace; absent for a cluster-scoped object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    #[serde(default)]
    pub name: String,
}
