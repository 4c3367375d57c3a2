//! PodDisruptionBudgets, PriorityClasses, StorageClasses and Leases: small kinds that say how others are treated.

use super::Behaviour;
use super::reach::{fill, fill_zero, inner};
use super::tidy::tidy;
use serde_json::Value;

/// PodDisruptionBudgets.
pub(super) struct PodDisruptionBudgets;

impl Behaviour for PodDisruptionBudgets {
    fn default(&self, object: &mut Value) {
        tidy(object);
        inner(object, "spec");
        let status = inner(object, "status");
        for count in [
            "currentHealthy",
            "desiredHealthy",
            "disruptionsAllowed",
            "expectedPods",
        ] {
            fill(status, count, 0);
        }
    }
}

/// PriorityClasses.
pub(super) struct PriorityClasses;

impl Behaviour for PriorityClasses {
    fn default(&self, object: &mut Value) {
        tidy(object);
        fill(object, "value", 0);
        fill(object, "preemptionPolicy", "PreemptLowerPriority");
    }
}

/// StorageClasses.
pub(super) struct StorageClasses;

impl Behaviour for StorageClasses {
    fn default(&self, object: &mut Value) {
        tidy(object);
        fill_zero(object, "reclaimPolicy", "Delete");
        fill_zero(object, "volumeBindingMode", "Immediate");
    }
}
