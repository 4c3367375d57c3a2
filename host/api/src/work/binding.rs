//! ResourceBinding and ClusterResourceBinding: the record of which template goes to which clusters.

use super::{AggregatedStatusItem, Component, ReplicaRequirements};
use crate::kind::{kind, words};
use crate::policy::{ConflictResolution, FailoverBehavior, Placement, PurgeMode, Suspension};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

kind!(
    /// Says which clusters a namespaced template goes to. Made and kept by the control plane.
    ResourceBinding, "resourcebindings", "work.karmada.io", "v1alpha2", NamespaceResourceScope, ResourceBindingSpec,
    ResourceBindingStatus
);

kind!(
    /// Says which clusters a cluster-scoped template goes to. Made and kept by the control plane.
    ClusterResourceBinding, "clusterresourcebindings", "work.karmada.io", "v1alpha2", ClusterResourceScope,
    ResourceBindingSpec, ResourceBindingStatus
);

/// The template, the wishes of its policy, and the clusters that were chosen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceBindingSpec {
    /// The template.
    #[serde(default)]
    pub resource: ObjectReference,
    /// Whether the objects that the template needs follow it to its clusters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub propagate_deps: bool,
    /// What one replica needs. Absent for templates without replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_requirements: Option<ReplicaRequirements>,
    /// How many replicas the template asks for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replicas: i32,
    /// The sets of pods of a template that has more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// The clusters that were chosen, each with its replicas. Absent: not scheduled yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<TargetCluster>>,
    /// Copy of the policy's placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// Clusters that the object is leaving.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub graceful_eviction_tasks: Vec<GracefulEvictionTask>,
    /// Bindings of templates that need this one, with the clusters where they need it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_by: Vec<BindingSnapshot>,
    /// The scheduler that places the template. Absent: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,
    /// Copy of the policy's failover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<FailoverBehavior>,
    /// What happens to objects of the same name that a member cluster already has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Abort"))]
    pub conflict_resolution: Option<ConflictResolution>,
    /// When somebody asked to schedule afresh. Later than `status.lastScheduledTime`: it is still to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::time")]
    pub reschedule_triggered_at: Option<Time>,
    /// Holds back scheduling, or what would be sent to clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<BindingSuspension>,
    /// Whether the objects stay in the member clusters when the template is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_resources_on_deletion: Option<bool>,
    /// How urgent it is to schedule the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_priority: Option<BindingPriority>,
    /// The groups of workloads that the template belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_affinity_groups: Option<WorkloadAffinityGroups>,
}

impl ResourceBindingSpec {
    /// Whether the template has replicas to share out: it has some, or says what one needs, or has components.
    pub fn is_workload(&self) -> bool {
        self.replicas > 0 || self.replica_requirements.is_some() || !self.components.is_empty()
    }

    /// The chosen clusters; none while it is not scheduled.
    pub fn targets(&self) -> &[TargetCluster] {
        self.clusters.as_deref().unwrap_or_default()
    }
}

/// The template of a binding.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// apiVersion of the template.
    #[serde(default)]
    pub api_version: String,
    /// Kind of the template.
    #[serde(default)]
    pub kind: String,
    /// Namespace of the template; absent for a cluster-scoped one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the template.
    #[serde(default)]
    pub name: String,
    /// UID of the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// resourceVersion of the template when the binding was last written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// A chosen cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetCluster {
    /// Name of the cluster.
    #[serde(default)]
    pub name: String,
    /// Its replicas.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replicas: i32,
    /// Its replicas by component.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<TargetComponent>,
}

/// A component in a chosen cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetComponent {
    /// Name of the component.
    #[serde(default)]
    pub name: String,
    /// Its replicas in the cluster.
    #[serde(default)]
    pub replicas: i32,
}

/// A cluster that an object is leaving.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GracefulEvictionTask {
    /// Name of the cluster.
    #[serde(default)]
    pub from_cluster: String,
    /// What becomes of the object there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_mode: Option<PurgeMode>,
    /// Replicas that it had there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Why it leaves, in one word.
    #[serde(default)]
    #[schemars(length(min = 1, max = 32), extend("pattern" = crate::schema::REASON))]
    pub reason: String,
    /// Why it leaves, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Who decided so.
    #[serde(default)]
    pub producer: String,
    /// Seconds after which it is removed, healthy elsewhere or not. Absent: the default of the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<i32>,
    /// Whether it stays until somebody sets this to `false` or removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_deletion: Option<bool>,
    /// Labels that hand its state on to the next cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserved_label_state: Option<BTreeMap<String, String>>,
    /// When it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::time")]
    pub creation_timestamp: Option<Time>,
    /// The clusters that had the object before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters_before_failover: Vec<String>,
}

/// A binding as it was seen last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingSnapshot {
    /// Namespace of the binding; absent for a ClusterResourceBinding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the binding.
    #[serde(default)]
    pub name: String,
    /// Its chosen clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<TargetCluster>,
}

/// Holds back scheduling, or what would be sent to clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingSuspension {
    /// The part that comes from the policy.
    #[serde(flatten)]
    pub policy: Suspension,
    /// The template is not scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<bool>,
}

/// How urgent it is to schedule a binding.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BindingPriority {
    /// Higher is sooner.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(extend("default" = 0))]
    pub priority: i32,
}

/// The groups of workloads that a template belongs to, each written `key=value` after the label that makes it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadAffinityGroups {
    /// The group that it goes together with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity_group: Option<String>,
    /// The group that it keeps away from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anti_affinity_group: Option<String>,
}

/// What became of the template.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceBindingStatus {
    /// The generation of the binding that was scheduled last.
    #[serde(default, skip_serializing_if = "is_zero_i64")]
    pub scheduler_observed_generation: i64,
    /// Name of the group of clusters (of `placement.clusterAffinities`) that the clusters were chosen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler_observing_affinity_name: Option<String>,
    /// When it was scheduled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::time")]
    pub last_scheduled_time: Option<Time>,
    /// Conditions: `Scheduled`, `FullyApplied`, `Interpreted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
    /// What each cluster reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregated_status: Option<Vec<AggregatedStatusItem>>,
}

words!(
    /// Whether an object works in its cluster.
    ResourceHealth {
        /// It works.
        Healthy = "Healthy",
        /// It does not.
        Unhealthy = "Unhealthy",
        /// It cannot be told.
        Unknown = "Unknown",
    }
);

fn is_zero(number: &i32) -> bool {
    *number == 0
}

fn is_zero_i64(number: &i64) -> bool {
    *number == 0
}
