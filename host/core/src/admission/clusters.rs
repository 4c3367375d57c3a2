//! Checks of what policies say about clusters.

use super::errors::Errors;
use flotilla_api::policy::ClusterAffinity;
use flotilla_api::selector;

const FIELDS: [&str; 3] = ["provider", "region", "zone"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];

/// Checks the field selector of an affinity.
pub fn check_affinity(path: &str, affinity: &ClusterAffinity, errors: &mut Errors) {
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

/// Checks a text that is to be the key of a label.
pub fn check_label_key(path: String, key: &str, errors: &mut Errors) {
    if let Err(why) = selector::check_key(key) {
        errors.invalid(path, key, why.to_string());
    }
}
