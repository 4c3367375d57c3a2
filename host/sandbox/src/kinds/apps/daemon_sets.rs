//! DaemonSets.

use super::{count_or_percentage, counts, is_zero, running_template, selector};
use crate::kinds::Behaviour;
use crate::kinds::pod_spec::{self, defaults};
use crate::kinds::reach::{fill, fill_zero, inner, present, set, text};
use crate::kinds::refusal::{immutable, invalid, negative, not_supported_printed, quoted, required};
use crate::status::FieldError;
use serde_json::Value;

/// DaemonSets.
pub(in crate::kinds) struct DaemonSets;

/// Where clients of `apps/v1` see `templateGeneration`, a field of older versions.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Behaviour for DaemonSets {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill(spec, "revisionHistoryLimit", 10);
        let strategy = inner(spec, "updateStrategy");
        fill_zero(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            let rolling = inner(strategy, "rollingUpdate");
            fill(rolling, "maxUnavailable", 1);
            fill(rolling, "maxSurge", 0);
        }
        defaults::template(inner(spec, "template"));
        fill(inner(inner(object, "metadata"), "annotations"), TEMPLATE_GENERATION, "0");
    }

    fn prepare_create(&self, object: &mut Value) {
        set_template_generation(object, 1);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        let before = template_generation(old);
        let is_changed = new.pointer("/spec/template") != old.pointer("/spec/template");
        set_template_generation(new, before + i64::from(is_changed));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        errors.extend(present(spec, "/selector").into_iter().flat_map(|_| selector(spec, "daemonset")));
        errors.extend(running_template(spec, "DaemonSet"));
        errors.extend(counts(spec, &["minReadySeconds"]));
        errors.extend(update_strategy(&spec["updateStrategy"]));
        errors.extend(counts(spec, &["revisionHistoryLimit"]));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let counted = [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
        ];
        let is_written = new["status"] != old["status"];
        let negative = counted.into_iter().filter(|_| is_written).filter_map(|field| negative(&new["status"], "status", field));
        immutable(new, old, "/spec/selector").into_iter().chain(negative).collect()
    }

    fn looks_at_change_first(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod_spec::warnings(object, "/spec/template/spec")
    }
}

fn update_strategy(strategy: &Value) -> Vec<FieldError> {
    let path = "spec.updateStrategy.rollingUpdate";
    let rolling = &strategy["rollingUpdate"];
    match strategy["type"].as_str().unwrap_or_default() {
        "OnDelete" => Vec::new(),
        "RollingUpdate" => {
            let mut errors: Vec<FieldError> =
                ["maxUnavailable", "maxSurge"].iter().filter_map(|field| count_or_percentage(rolling, path, field)).collect();
            match (is_zero(rolling, "maxUnavailable"), is_zero(rolling, "maxSurge")) {
                (true, true) => errors.push(required(format!("{path}.maxUnavailable"), "cannot be 0 when maxSurge is 0")),
                (false, false) => {
                    errors.push(invalid(format!("{path}.maxSurge"), &rolling["maxSurge"], "may not be set when maxUnavailable is non-zero"))
                }
                _ => {}
            }
            errors
        }
        kind => {
            let printed = format!(r#"{{"Type":{},"RollingUpdate":null}}"#, quoted(kind));
            vec![not_supported_printed("spec.updateStrategy", printed, &["RollingUpdate", "OnDelete"])]
        }
    }
}

fn template_generation(object: &Value) -> i64 {
    let pointer = format!("/metadata/annotations/{TEMPLATE_GENERATION}");
    text(object, &pointer).parse().unwrap_or_default()
}

fn set_template_generation(object: &mut Value, generation: i64) {
    let annotations = inner(inner(object, "metadata"), "annotations");
    set(annotations, TEMPLATE_GENERATION, generation.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_generation_of_the_template_is_counted() {
        let mut set = json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}}});
        DaemonSets.default(&mut set);
        DaemonSets.prepare_create(&mut set);
        assert_eq!(DaemonSets.validate(&set), []);
        assert_eq!(set["metadata"]["annotations"][TEMPLATE_GENERATION], "1");
        let mut new = set.clone();
        new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("w");
        DaemonSets.prepare_update(&mut new, &set);
        assert_eq!(new["metadata"]["annotations"][TEMPLATE_GENERATION], "2");
    }
}
