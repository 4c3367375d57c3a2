//! PodDisruptionBudgets, PriorityClasses, StorageClasses and Leases: small kinds that say how others are treated.

use super::Behaviour;
use super::apps::count_or_percentage;
use super::labels;
use super::reach::{fill, fill_zero, int, present, text};
use super::refusal::{each_invalid, forbidden, immutable, invalid, invalid_printed, not_supported, required};
use super::syntax;
use crate::status::FieldError;
use serde_json::Value;

/// PodDisruptionBudgets.
pub(super) struct PodDisruptionBudgets;

impl Behaviour for PodDisruptionBudgets {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        let limits = ["minAvailable", "maxUnavailable"];
        if limits.iter().all(|field| spec.get(field).is_some()) {
            errors.push(invalid_printed("spec", go_budget(spec), "minAvailable and maxUnavailable cannot be both set"));
        }
        for field in limits {
            errors.extend(count_or_percentage(spec, "spec", field));
            let percentage = text(spec, &format!("/{field}")).strip_suffix('%').and_then(|digits| digits.parse::<u64>().ok());
            if percentage.is_some_and(|percentage| percentage > 100) {
                errors.push(invalid(format!("spec.{field}"), &spec[field], "must not be greater than 100%"));
            }
        }
        if let Some(selector) = present(spec, "/selector") {
            errors.extend(labels::validate_selector(selector, "spec.selector"));
        }
        let policies = ["AlwaysAllow", "IfHealthyBudget"];
        if let Some(policy) = present(spec, "/unhealthyPodEvictionPolicy").filter(|policy| !policies.iter().any(|known| policy == known)) {
            errors.push(not_supported("spec.unhealthyPodEvictionPolicy", policy, &policies));
        }
        errors
    }
}

/// A budget as the server's internal type prints.
fn go_budget(spec: &Value) -> String {
    let [least, selector, most, policy] =
        ["minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy"].map(|field| spec.get(field).unwrap_or(&Value::Null));
    format!(r#"{{"MinAvailable":{least},"Selector":{selector},"MaxUnavailable":{most},"UnhealthyPodEvictionPolicy":{policy}}}"#)
}

/// PriorityClasses.
pub(super) struct PriorityClasses;

impl Behaviour for PriorityClasses {
    fn default(&self, object: &mut Value) {
        fill(object, "value", 0);
        fill(object, "preemptionPolicy", "PreemptLowerPriority");
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let name = text(object, "/metadata/name");
        let is_of_the_system = name.starts_with("system-");
        if is_of_the_system && !["system-cluster-critical", "system-node-critical"].contains(&name) {
            let detail = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            errors.push(forbidden("metadata.name", format!("{detail}{name} is not a known system priority class")));
        }
        if !is_of_the_system && int(object, "/value").is_some_and(|value| value > HIGHEST_PRIORITY) {
            errors.push(forbidden("value", format!("maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}")));
        }
        let policies = ["PreemptLowerPriority", "Never"];
        if !policies.iter().any(|known| object["preemptionPolicy"] == *known) {
            errors.push(not_supported("preemptionPolicy", &object["preemptionPolicy"], &policies));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if new["value"] != old["value"] {
            errors.push(forbidden("value", "may not be changed in an update."));
        }
        errors.extend(immutable(new, old, "/preemptionPolicy"));
        errors
    }
}

/// The highest priority that is not kept for the system.
const HIGHEST_PRIORITY: i64 = 1_000_000_000;

/// StorageClasses.
pub(super) struct StorageClasses;

impl Behaviour for StorageClasses {
    fn default(&self, object: &mut Value) {
        fill_zero(object, "reclaimPolicy", "Delete");
        fill_zero(object, "volumeBindingMode", "Immediate");
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        match text(object, "/provisioner").to_lowercase().as_str() {
            "" => errors.push(required("provisioner", "")),
            name => errors.extend(each_invalid("provisioner", name, syntax::qualified_name(name))),
        }
        for (field, known) in [("reclaimPolicy", ["Delete", "Retain"]), ("volumeBindingMode", ["Immediate", "WaitForFirstConsumer"])] {
            if !known.iter().any(|word| object[field] == *word) {
                errors.push(not_supported(field, &object[field], &known));
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let fields = ["parameters", "provisioner", "reclaimPolicy"];
        let changed = fields.iter().filter(|field| new.get(**field) != old.get(**field));
        let mut errors: Vec<FieldError> = changed.map(|field| forbidden(*field, format!("updates to {field} are forbidden."))).collect();
        errors.extend(immutable(new, old, "/volumeBindingMode"));
        errors
    }
}

/// Leases.
pub(super) struct Leases;

impl Behaviour for Leases {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (field, least) in [("leaseDurationSeconds", 1), ("leaseTransitions", 0)] {
            let words = if least == 1 { "must be greater than 0" } else { "must be greater than or equal to 0" };
            let value = object.pointer(&format!("/spec/{field}")).filter(|value| value.as_i64().is_some_and(|count| count < least));
            errors.extend(value.map(|value| invalid(format!("spec.{field}"), value, words)));
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn a_budget_has_one_limit() {
        let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": -1, "maxUnavailable": 1}});
        assert_eq!(
            said(PodDisruptionBudgets.validate(&budget)),
            [
                "spec: Invalid value: {\"MinAvailable\":-1,\"Selector\":null,\"MaxUnavailable\":1,\"UnhealthyPodEvictionPolicy\":null}: minAvailable and maxUnavailable cannot be both set",
                "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0",
            ]
        );
    }

    #[test]
    fn classes_stay_as_they_are() {
        let class = |value: i64| json!({"metadata": {"name": "high"}, "value": value, "preemptionPolicy": "Never"});
        assert_eq!(PriorityClasses.validate(&class(1000)), []);
        assert_eq!(
            said(PriorityClasses.validate(&class(2_000_000_000))),
            ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"]
        );
        assert_eq!(said(PriorityClasses.validate_update(&class(1), &class(2))), ["value: Forbidden: may not be changed in an update."]);
        let mut storage = json!({"metadata": {"name": "fast"}, "provisioner": "example.org/disks"});
        StorageClasses.default(&mut storage);
        assert_eq!(StorageClasses.validate(&storage), []);
        let mut other = storage.clone();
        other["reclaimPolicy"] = json!("Retain");
        assert_eq!(
            said(StorageClasses.validate_update(&other, &storage)),
            ["reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden."]
        );
    }

    #[test]
    fn a_lease_lasts() {
        let lease = json!({"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": 0}});
        assert_eq!(said(Leases.validate(&lease)), ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]);
    }
}
