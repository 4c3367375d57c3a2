//! PropagationPolicy and ClusterPropagationPolicy.

use super::{FailoverBehavior, Placement};
use crate::kind::{kind, words};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kind!(
    /// Propagates objects of its own namespace to member clusters.
    PropagationPolicy, "propagationpolicies", "policy.karmada.io", "v1alpha1", NamespaceResourceScope, PropagationSpec
);

kind!(
    /// Propagates cluster-scoped objects, and objects of any namespace that no PropagationPolicy claims, to member clusters.
    ClusterPropagationPolicy, "clusterpropagationpolicies", "policy.karmada.io", "v1alpha1", ClusterResourceScope,
    PropagationSpec
);

words!(
    /// Whether a policy takes objects over from a policy of lower priority.
    PolicyPreemption {
        /// It takes over.
        Always = "Always",
        /// It waits until the other one lets go.
        Never = "Never",
    }
);

words!(
    /// What happens when the object is already in the member cluster and is not ours.
    ConflictResolution {
        /// It is left alone, and the conflict is reported.
        Abort = "Abort",
        /// It is taken over and overwritten.
        Overwrite = "Overwrite",
    }
);

words!(
    /// When a changed policy takes effect on objects that it claimed before.
    ActivationPreference {
        /// With the next change of the object itself.
        Lazy = "Lazy",
    }
);

words!(
    /// Where the priority of scheduling comes from.
    PriorityClassSource {
        /// A PriorityClass of `scheduling.k8s.io` in the control plane.
        KubePriorityClass = "KubePriorityClass",
    }
);

/// Which objects, where to, and how.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PropagationSpec {
    /// The objects that the policy applies to: those that any of the selectors matches.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub resource_selectors: Vec<ResourceSelector>,
    /// Without effect; superseded by `propagateDeps`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub association: bool,
    /// Whether the objects that a template needs (ConfigMaps, Secrets and the like) follow it to its clusters.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub propagate_deps: bool,
    /// Which clusters, and how replicas are shared among them. Absent: every cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// Among policies that match an object the one of the highest priority claims it; ties go to the more specific selector, then
    /// to the name that sorts first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 0))]
    pub priority: Option<i32>,
    /// Whether objects that a policy of lower priority has claimed are taken over from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Never"))]
    pub preemption: Option<PolicyPreemption>,
    /// Names of override policies (of the policy's namespace, or cluster-wide ones for a cluster-wide policy) that must exist before
    /// the policy is applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependent_overrides: Vec<String>,
    /// The scheduler that places the objects; cannot be changed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "default-scheduler"))]
    pub scheduler_name: Option<String>,
    /// What moves an object to another cluster when something fails. Absent: nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<FailoverBehavior>,
    /// What happens to objects of the same name that a member cluster already has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Abort"))]
    pub conflict_resolution: Option<ConflictResolution>,
    /// When a change of this policy takes effect. Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_preference: Option<ActivationPreference>,
    /// Holds back what would be sent to clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
    /// Whether the objects stay in the member clusters when the template is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_resources_on_deletion: Option<bool>,
    /// How urgent it is to schedule the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_priority: Option<SchedulePriority>,
}

/// Matches objects by type, then by name or labels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSelector {
    /// apiVersion of the objects, for instance `apps/v1`.
    #[serde(default)]
    pub api_version: String,
    /// Kind of the objects, for instance `Deployment`.
    #[serde(default)]
    pub kind: String,
    /// Namespace of the objects. Absent: the policy's own for a namespaced policy, any for a cluster-wide one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the object; where it is given, `labelSelector` does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels of the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selector")]
    pub label_selector: Option<LabelSelector>,
}

/// Holds back what would be sent to clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// Nothing is sent to any cluster; must not be combined with `dispatchingOnClusters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatching: Option<bool>,
    /// Nothing is sent to these clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatching_on_clusters: Option<SuspendClusters>,
}

/// Clusters by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuspendClusters {
    /// Names of the clusters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_names: Vec<String>,
}

/// Where the priority of scheduling is looked up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulePriority {
    /// What kind of class is meant.
    #[serde(default)]
    pub priority_class_source: PriorityClassSource,
    /// Name of the class.
    #[serde(default)]
    pub priority_class_name: String,
}
