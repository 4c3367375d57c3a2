//! Checks of OverridePolicies and ClusterOverridePolicies.

use super::clusters::{check_affinity, check_label_key};
use super::errors::Errors;
use flotilla_api::policy::{DocumentPatchOperation, FieldOverrider, LabelAnnotationOverrider, OverrideSpec, OverriderOperator, Overriders};
use flotilla_api::selector;

/// All annotations of an object together may have so many bytes.
const ANNOTATIONS_MAX: usize = 256 * 1024;

/// What must hold.
pub fn check(spec: &OverrideSpec, errors: &mut Errors) {
    if !spec.override_rules.is_empty() {
        check_no_older_fields(spec, errors);
    }
    for (n, rule) in spec.override_rules.iter().enumerate() {
        let path = format!("spec.overrideRules[{n}]");
        if let Some(target) = &rule.target_cluster {
            check_affinity(&format!("{path}.targetCluster"), target, errors);
        }
        let path = format!("{path}.overriders");
        check_paths(&path, &rule.overriders, errors);
        for (n, overrider) in rule.overriders.labels_overrider.iter().enumerate() {
            check_labels(&format!("{path}.labelsOverrider[{n}].value"), overrider, errors);
        }
        for (n, overrider) in rule.overriders.annotations_overrider.iter().enumerate() {
            check_annotations(&format!("{path}.annotationsOverrider[{n}].value"), overrider, errors);
        }
    }
    if let Some(target) = &spec.target_cluster {
        check_affinity("spec.targetCluster", target, errors);
    }
    if let Some(overriders) = &spec.overriders {
        check_paths("spec.overriders", overriders, errors);
    }
}

/// Rules and the older pair of fields do not go together; that pair had no field overriders, which are let pass.
fn check_no_older_fields(spec: &OverrideSpec, errors: &mut Errors) {
    let detail = "must not be given together with `overrideRules`";
    if spec.target_cluster.is_some() {
        errors.forbidden("spec.targetCluster", detail);
    }
    let without_fields = |overriders: &Overriders| Overriders { field_overrider: Vec::new(), ..overriders.clone() };
    if spec.overriders.as_ref().is_some_and(|overriders| without_fields(overriders) != Overriders::default()) {
        errors.forbidden("spec.overriders", detail);
    }
}

fn check_paths(path: &str, overriders: &Overriders, errors: &mut Errors) {
    for (n, overrider) in overriders.image_overrider.iter().enumerate() {
        if let Some(predicate) = &overrider.predicate {
            check_pointer(format!("{path}.imageOverrider[{n}].predicate.path"), &predicate.path, errors);
        }
    }
    for (n, overrider) in overriders.field_overrider.iter().enumerate() {
        check_field(&format!("{path}.fieldOverrider[{n}]"), overrider, errors);
    }
}

fn check_field(path: &str, overrider: &FieldOverrider, errors: &mut Errors) {
    check_pointer(format!("{path}.fieldPath"), &overrider.field_path, errors);
    match (overrider.json.is_empty(), overrider.yaml.is_empty()) {
        (false, false) => errors.forbidden(format!("{path}.yaml"), "must not be given together with `json`"),
        (true, true) => errors.required(path, "one of `json` and `yaml` must be given"),
        _ => {}
    }
    for (format, operations) in [("json", &overrider.json), ("yaml", &overrider.yaml)] {
        for (n, operation) in operations.iter().enumerate() {
            check_operation(&format!("{path}.{format}[{n}]"), operation, errors);
        }
    }
}

fn check_operation(path: &str, operation: &DocumentPatchOperation, errors: &mut Errors) {
    check_pointer(format!("{path}.subPath"), &operation.sub_path, errors);
    let path = format!("{path}.value");
    match (&operation.operator, &operation.value) {
        (OverriderOperator::Add | OverriderOperator::Replace, None) => {
            errors.required(path, "`add` and `replace` need it");
        }
        (OverriderOperator::Remove, Some(_)) => errors.forbidden(path, "`remove` has none"),
        _ => {}
    }
}

fn check_pointer(path: String, pointer: &str, errors: &mut Errors) {
    if !pointer.is_empty() && !pointer.starts_with('/') {
        errors.invalid(path, pointer, "must be a JSON pointer: empty, or beginning with `/`");
    }
}

fn check_labels(path: &str, overrider: &LabelAnnotationOverrider, errors: &mut Errors) {
    for (key, value) in overrider.value.iter().flatten() {
        check_label_key(path.to_owned(), key, errors);
        if let Err(why) = selector::check_value(value) {
            errors.invalid(path, value.as_str(), why.to_string());
        }
    }
}

fn check_annotations(path: &str, overrider: &LabelAnnotationOverrider, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in overrider.value.iter().flatten() {
        // Annotations are told apart without regard to case.
        check_label_key(path.to_owned(), &key.to_lowercase(), errors);
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_MAX {
        errors.invalid(path, size, format!("must have no more than {ANNOTATIONS_MAX} bytes"));
    }
}
