//! Group `cluster.karmada.io/v1alpha1`: Cluster, a member and what is known of it.

use crate::kind::{kind, words};
use crate::object::GroupVersionKind;
use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

kind!(
    /// A member cluster.
    Cluster, "clusters", "cluster.karmada.io", "v1alpha1", ClusterResourceScope, ClusterSpec, ClusterStatus
);

impl Cluster {
    /// Its name, or `""`.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or("")
    }

    /// Whether it is being removed.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether it was reached lately and said that it is well. Not known is not ready.
    pub fn is_ready(&self) -> bool {
        self.condition(READY).is_some_and(|condition| condition.status == "True")
    }

    /// Whether `status.apiEnablements` is known to be all that the cluster serves.
    pub fn has_complete_apis(&self) -> bool {
        self.condition(COMPLETE_API_ENABLEMENTS).is_some_and(|condition| condition.status == "True")
    }

    /// Whether the cluster is known to serve the kind, in this very version.
    pub fn serves(&self, gvk: &GroupVersionKind) -> bool {
        let group_version = gvk.api_version();
        let enablements = self.status.iter().flat_map(|status| &status.api_enablements);
        enablements
            .filter(|enablement| enablement.group_version == group_version)
            .any(|enablement| enablement.resources.iter().any(|resource| resource.kind == gvk.kind))
    }

    /// A condition of its status.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
    }
}

/// Type of the condition that says whether the cluster can be reached and is well.
pub const READY: &str = "Ready";
/// Type of the condition that says whether the list of APIs of the cluster is complete.
pub const COMPLETE_API_ENABLEMENTS: &str = "CompleteAPIEnablements";

words!(
    /// Who applies objects in a cluster.
    ClusterSyncMode {
        /// The control plane, over the cluster's API server.
        Push = "Push",
        /// An agent inside of the cluster.
        Pull = "Pull",
    }
);

/// How a cluster is reached, and where it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// UID of the cluster's namespace `kube-system`: tells whether two names mean one cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Who applies objects there.
    #[serde(default)]
    pub sync_mode: ClusterSyncMode,
    /// URL of its API server.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "apiEndpoint")]
    pub api_endpoint: Option<String>,
    /// Secret with the keys `token` and `caBundle` that opens its API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalSecretReference>,
    /// Secret with the key `token` of an account that may act as somebody else there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonator_secret_ref: Option<LocalSecretReference>,
    /// Whether the certificate of its API server is taken unseen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not", rename = "insecureSkipTLSVerification")]
    pub insecure_skip_tls_verification: bool,
    /// URL of the proxy that leads to its API server: http, https or socks5.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "proxyURL")]
    pub proxy_url: Option<String>,
    /// Headers that the proxy wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_header: Option<BTreeMap<String, String>>,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The region it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The zone it is in. Superseded by `zones`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The zones it is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<String>,
    /// Keeps objects away that do not tolerate it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::taints")]
    pub taints: Vec<Taint>,
    /// Sizes of nodes, from small to large, that free room is counted in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_models: Vec<ResourceModel>,
}

impl ClusterSpec {
    /// The zones it is in; the one that the older field names, where there are no others.
    pub fn all_zones(&self) -> impl Iterator<Item = &str> {
        let older = self.zone.iter().filter(|zone| self.zones.is_empty() && !zone.is_empty());
        self.zones.iter().chain(older).map(String::as_str)
    }
}

/// Names a Secret.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecretReference {
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// A size of nodes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceModel {
    /// Rank of the size, from small to large.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::natural")]
    pub grade: i64,
    /// What a node of this size has free.
    #[serde(default)]
    pub ranges: Vec<ResourceModelRange>,
}

/// How much of one resource: from `min` to below `max`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceModelRange {
    /// Name of the resource, for instance `cpu`.
    #[serde(default)]
    pub name: String,
    /// At least so much.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::quantity")]
    pub min: Quantity,
    /// Less than so much.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::quantity")]
    pub max: Quantity,
}

/// What is known of a cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Version of its API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// The APIs that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_enablements: Vec<ApiEnablement>,
    /// Conditions: `Ready`, `CompleteAPIEnablements`, and others that users write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// How many nodes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_summary: Option<NodeSummary>,
    /// How much its nodes have, and how much of it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_summary: Option<ResourceSummary>,
    /// What a remedy wants done with the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedy_actions: Vec<String>,
}

/// One version of an API group, and what it has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiEnablement {
    /// Group and version, for instance `apps/v1`.
    #[serde(default)]
    pub group_version: String,
    /// The resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ApiResource>,
}

/// A resource of an API.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiResource {
    /// Plural name, for instance `deployments`.
    #[serde(default)]
    pub name: String,
    /// Kind, for instance `Deployment`.
    #[serde(default)]
    pub kind: String,
}

/// How many nodes a cluster has.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeSummary {
    /// All nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_num: Option<i32>,
    /// Those that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_num: Option<i32>,
}

/// How much the nodes of a cluster have, and how much of it is taken.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSummary {
    /// What pods may use in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::resource_list")]
    pub allocatable: Option<BTreeMap<String, Quantity>>,
    /// What pods wait for that have no node yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::resource_list")]
    pub allocating: Option<BTreeMap<String, Quantity>>,
    /// What pods have that have a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::resource_list")]
    pub allocated: Option<BTreeMap<String, Quantity>>,
    /// How many nodes of each size there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocatable_modelings: Vec<AllocatableModeling>,
}

/// How many nodes of one size there are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllocatableModeling {
    /// Rank of the size in `spec.resourceModels`.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::natural")]
    pub grade: i64,
    /// How many nodes.
    #[serde(default)]
    #[schemars(schema_with = "crate::schema::integer")]
    pub count: i64,
}
