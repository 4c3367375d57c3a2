//! Checks of what policies say about clusters.

use super::errors::Errors;
use flotilla_api::policy::ClusterAffinity;
use flotilla_api::selector;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

const FIELDS: [&str; 3] = ["provider", "region", "zone"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];

/// Checks the selectors of an affinity.
pub fn check_affinity(path: &str, affinity: &ClusterAffinity, errors: &mut Errors) {
    check_labels(&format!("{path}.labelSelector"), affinity.label_selector.as_ref(), errors);
    let requirements = affinity.field_selector.iter().flat_map(|selector| &selector.match_expressions);
    for (n, requirement) in requirements.enumerate() {
        let path = format!("{path}.fieldSelector.matchExpressions[{n}]");
        if !FIELDS.contains(&requirement.key.as_str()) {
            errors.unsupported(format!("{path}.key"), &requirement.key, &FIELDS);
        }
        if !OPERATORS.contains(&requirement.operator.as_str()) {
            errors.unsupported(format!("{path}.operator"), &requirement.operator, &OPERATORS);
        }
    }
}

/// Checks a label selector: one that is not valid would select nothing, without a word.
pub fn check_labels(path: &str, selector: Option<&LabelSelector>, errors: &mut Errors) {
    if let Some(Err(why)) = selector.map(selector::check) {
        errors.invalid(path, serde_json::to_value(selector).unwrap_or_default(), why.to_string());
    }
}

/// Checks a text that is to be the key of a label.
pub fn check_label_key(path: String, key: &str, errors: &mut Errors) {
    if let Err(why) = selector::check_key(key) {
        errors.invalid(path, key, why.to_string());
    }
}
