//! ResourceQuotas.

use crate::kinds::Behaviour;
use crate::kinds::reach::{entries, list};
use crate::kinds::refusal::{each_invalid, invalid_json, invalid_text};
use crate::kinds::syntax;
use crate::status::FieldError;
use flotilla_api::quantity::Amount;
use serde_json::Value;

/// Objects and amounts that may be counted, beside those with a domain or a prefix.
const COUNTED: [&str; 17] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
];
const ALSO_COUNTED: [&str; 2] = ["services.nodeports", "services.loadbalancers"];
const SCOPES: [&str; 7] =
    ["Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity", "VolumeAttributesClass"];

/// ResourceQuotas.
pub(in crate::kinds) struct ResourceQuotas;

impl Behaviour for ResourceQuotas {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (name, amount) in entries(object, "/spec/hard") {
            errors.extend(hard(name, amount));
        }
        let is_unknown = |scope: &&Value| !SCOPES.iter().any(|known| **scope == *known);
        if list(object, "/spec/scopes").iter().any(|scope| is_unknown(&scope)) {
            errors.push(invalid_json("spec.scopes", object["spec"].get("scopes"), "unsupported scope"));
        }
        errors
    }
}

fn hard(name: &str, amount: &Value) -> Vec<FieldError> {
    let path = format!("spec.hard[{name}]");
    let mut errors = each_invalid(&path, name, syntax::qualified_name(name));
    let is_known = name.contains('/') || COUNTED.contains(&name) || ALSO_COUNTED.contains(&name);
    if !is_known {
        errors.push(invalid_text(&path, name, "must be a standard resource for quota"));
    }
    let amount = Amount::from_json(amount).ok();
    if let Some(amount) = amount.filter(|amount| amount.is_negative()) {
        errors.push(invalid_text(path, &amount.to_string(), "must be greater than or equal to 0"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_counted_has_a_name_and_an_amount() {
        let said = |spec: Value| ResourceQuotas.validate(&json!({"spec": spec})).iter().map(FieldError::to_string).collect::<Vec<_>>();
        assert!(said(json!({"hard": {"pods": "3", "count/jobs.batch": "1", "requests.cpu": "2"}})).is_empty());
        assert_eq!(said(json!({"hard": {"pods": "-1"}})), ["spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0"]);
        assert_eq!(
            said(json!({"hard": {"dogs": "1"}})),
            ["spec.hard[dogs]: Invalid value: \"dogs\": must be a standard resource for quota"]
        );
        assert_eq!(said(json!({"scopes": ["Odd"]})), ["spec.scopes: Invalid value: [\"Odd\"]: unsupported scope"]);
    }
}
