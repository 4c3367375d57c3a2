//! Which clusters, how spread, and how replicas are shared among them.

use crate::kind::words;
use k8s_openapi::api::core::v1::{NodeSelectorRequirement, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which clusters an object goes to, and how its replicas are shared among them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// The clusters that may be chosen. Excludes `clusterAffinities`; without either, every cluster may be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_affinity: Option<ClusterAffinity>,
    /// Groups of clusters in order of preference: the first group that can hold the object is used. An empty list is not the same
    /// as none: it leaves no cluster to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_affinities: Option<Vec<ClusterAffinityTerm>>,
    /// Taints of clusters that are tolerated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::tolerations")]
    pub cluster_tolerations: Vec<Toleration>,
    /// How widely the object is spread over clusters, regions, zones or providers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spread_constraints: Vec<SpreadConstraint>,
    /// How replicas are shared among the chosen clusters. Absent: each cluster runs all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_scheduling: Option<ReplicaSchedulingStrategy>,
    /// Which other workloads it must share clusters with, or keep away from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_affinity: Option<WorkloadAffinity>,
}

/// A set of clusters: those that meet every condition that is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAffinity {
    /// Labels of the clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
    /// Provider, region and zones of the clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_selector: Option<FieldSelector>,
    /// Names of the clusters; none: any name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_names: Vec<String>,
    /// Names of clusters that are left out in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Conditions on the fields of a cluster; all must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldSelector {
    /// The conditions. Keys are `provider`, `region` and `zone`; operators are `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::node_selector_requirements")]
    pub match_expressions: Vec<NodeSelectorRequirement>,
}

/// One of several groups of clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAffinityTerm {
    /// Name of the group, unique in the list.
    #[serde(default)]
    #[schemars(length(min = 1, max = 32))]
    pub affinity_name: String,
    /// The clusters of the group.
    #[serde(flatten)]
    pub affinity: ClusterAffinity,
    /// Groups that take, in order, what the group itself has no room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overflow_affinities: Vec<OverflowClusterAffinity>,
}

/// A group of clusters that takes what the preferred group has no room for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverflowClusterAffinity {
    /// Name of the group, unique in the term.
    #[serde(default)]
    #[schemars(length(min = 1, max = 32))]
    pub affinity_name: String,
    /// The clusters of the group.
    #[serde(flatten)]
    pub affinity: ClusterAffinity,
}

words!(
    /// The field of a cluster that spreading goes by.
    SpreadField {
        /// The cluster itself.
        Cluster = "cluster",
        /// `spec.region`.
        Region = "region",
        /// `spec.zones`.
        Zone = "zone",
        /// `spec.provider`.
        Provider = "provider",
    }
);

/// Between how many and how many groups of clusters an object is spread.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpreadConstraint {
    /// The field of clusters that makes the groups. Excludes `spreadByLabel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_by_field: Option<SpreadField>,
    /// The label of clusters that makes the groups. Excludes `spreadByField`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread_by_label: Option<String>,
    /// At most so many groups are chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::integer")]
    pub max_groups: Option<i64>,
    /// At least so many groups must be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::integer")]
    pub min_groups: Option<i64>,
}

words!(
    /// Whether each cluster runs all replicas or a share of them.
    ReplicaSchedulingType {
        /// Each cluster runs all replicas.
        Duplicated = "Duplicated",
        /// The replicas are shared out.
        Divided = "Divided",
    }
);

words!(
    /// How replicas are shared out.
    ReplicaDivisionPreference {
        /// Over as few clusters as have room for them.
        Aggregated = "Aggregated",
        /// By weight.
        Weighted = "Weighted",
    }
);

words!(
    /// What the weight of a cluster is computed from.
    DynamicWeightFactor {
        /// How many more replicas it has room for.
        AvailableReplicas = "AvailableReplicas",
    }
);

/// How replicas are shared among the chosen clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaSchedulingStrategy {
    /// Whether each cluster runs all replicas or a share of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Divided"))]
    pub replica_scheduling_type: Option<ReplicaSchedulingType>,
    /// How replicas are shared out where the type is `Divided`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_division_preference: Option<ReplicaDivisionPreference>,
    /// The weights where the preference is `Weighted`. Absent: all clusters weigh the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_preference: Option<ClusterPreferences>,
}

/// The weights of clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPreferences {
    /// Fixed weights. An empty list is not the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_weight_list: Option<Vec<StaticClusterWeight>>,
    /// Computed weights; where given, `staticWeightList` does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_weight: Option<DynamicWeightFactor>,
}

/// The fixed weight of some clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StaticClusterWeight {
    /// The clusters that have the weight.
    #[serde(default)]
    pub target_cluster: ClusterAffinity,
    /// Their weight.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub weight: i64,
}

/// Which other workloads an object must share clusters with, or keep away from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadAffinity {
    /// Goes where the workloads of its group are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<WorkloadGroup>,
    /// Keeps away from where the workloads of its group are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anti_affinity: Option<WorkloadGroup>,
}

/// A group of workloads: those with the same value of a label.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadGroup {
    /// Key of the label.
    #[serde(default)]
    pub group_by_label_key: String,
}
