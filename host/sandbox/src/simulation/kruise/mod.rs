//! OpenKruise's workloads: CloneSet and StatefulSet, as its controllers of 1.x keep them. The kinds are custom resources: their
//! controllers run when their definitions are served.

pub mod clone_set;
mod diff;
pub mod stateful_set;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `updateStrategy`: flat in `v1alpha1` CloneSets, under `rollingUpdate` everywhere else. Both are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateStrategy {
    /// `ReCreate`, `InPlaceIfPossible`, `InPlaceOnly`; `RollingUpdate`, `OnDelete`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(flatten)]
    flat: Rolling,
    rolling_update: Option<Rolling>,
}

/// How pods are replaced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rolling {
    /// How many pods keep the old revision.
    pub partition: Option<IntOrString>,
    /// How many pods may be missing.
    pub max_unavailable: Option<IntOrString>,
    /// How many pods there may be beyond the replicas.
    pub max_surge: Option<IntOrString>,
    /// Whether nothing is replaced for now.
    pub paused: bool,
    /// The strategy's type, in `v1beta1` CloneSets and in StatefulSets.
    pub pod_update_policy: Option<String>,
    /// How long a pod has to be ready, in StatefulSets.
    pub min_ready_seconds: Option<i32>,
}

impl UpdateStrategy {
    /// What is asked for, wherever it is written.
    pub fn rolling(&self) -> &Rolling {
        self.rolling_update.as_ref().unwrap_or(&self.flat)
    }

    /// Whether pods whose images alone differ are updated where they are.
    pub fn is_in_place(&self) -> bool {
        let policy = self.rolling().pod_update_policy.as_deref().or(self.kind.as_deref());
        matches!(policy, Some("InPlaceIfPossible" | "InPlaceOnly"))
    }
}

/// `scaleStrategy`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleStrategy {
    /// Pods that go first.
    pub pods_to_delete: Vec<String>,
    /// How many pods may be missing when more are made.
    pub max_unavailable: Option<IntOrString>,
}

type Labels = Option<BTreeMap<String, String>>;

/// A selector as `labelSelector` of a status holds it.
fn selector_text(selector: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector) -> Option<String> {
    kube::core::Selector::try_from(selector.clone()).ok().map(|selector| selector.to_string())
}
