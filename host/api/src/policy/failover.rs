//! What moves an object to another cluster.

use crate::kind::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

words!(
    /// What becomes of the object in the cluster that it leaves.
    PurgeMode {
        /// It is removed first, and created elsewhere when it is gone.
        Directly = "Directly",
        /// It is removed when it is healthy elsewhere, or after the grace period.
        Gracefully = "Gracefully",
        /// It stays until somebody removes it.
        Never = "Never",
    }
);

/// What moves an object to another cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailoverBehavior {
    /// It moves when it is unhealthy itself. Needs `propagateDeps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationFailoverBehavior>,
    /// It moves when its cluster fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterFailoverBehavior>,
}

/// When and how an unhealthy object moves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationFailoverBehavior {
    /// When it moves.
    #[serde(default)]
    pub decision_conditions: DecisionConditions,
    /// What becomes of it in the cluster that it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Gracefully"))]
    pub purge_mode: Option<PurgeMode>,
    /// Seconds after which it is removed from the cluster that it leaves, healthy elsewhere or not. Only with `Gracefully`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<i32>,
    /// What of its status is handed on as labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_preservation: Option<StatePreservation>,
}

/// When an unhealthy object moves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionConditions {
    /// Seconds that it may be unhealthy before it moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 300))]
    pub toleration_seconds: Option<i32>,
}

/// How an object leaves a failed cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFailoverBehavior {
    /// What becomes of it in the cluster that it leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Gracefully", "enum" = ["Directly", "Gracefully"]))]
    pub purge_mode: Option<PurgeMode>,
    /// What of its status is handed on as labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_preservation: Option<StatePreservation>,
}

/// What of an object's status is handed on to the next cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatePreservation {
    /// One label each.
    #[serde(default)]
    pub rules: Vec<StatePreservationRule>,
}

/// One value of the status, and the label that it becomes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatePreservationRule {
    /// Name of the label.
    #[serde(default)]
    pub alias_label_name: String,
    /// Where the value is, as a JSONPath template in the status.
    #[serde(default)]
    pub json_path: String,
}
