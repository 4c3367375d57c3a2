//! DaemonSets.

use crate::kinds::Behaviour;
use crate::kinds::pod_spec::defaults;
use crate::kinds::reach::{fill, fill_zero, inner, set, text};
use crate::kinds::tidy::tidy;
use serde_json::Value;

/// DaemonSets.
pub(in crate::kinds) struct DaemonSets;

/// Where clients of `apps/v1` see `templateGeneration`, a field of older versions.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

impl Behaviour for DaemonSets {
    fn default(&self, object: &mut Value) {
        tidy(object);
        let status = inner(object, "status");
        for count in [
            "currentNumberScheduled",
            "desiredNumberScheduled",
            "numberMisscheduled",
            "numberReady",
        ] {
            fill(status, count, 0);
        }
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
    }

    fn prepare_create(&self, object: &mut Value) {
        set_template_generation(object, 1);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        let before = template_generation(old);
        let is_changed = new.pointer("/spec/template") != old.pointer("/spec/template");
        set_template_generation(new, before + i64::from(is_changed));
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
