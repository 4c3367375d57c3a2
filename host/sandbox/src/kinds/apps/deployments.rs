//! Deployments.

use crate::kinds::Behaviour;
use crate::kinds::pod_spec::defaults;
use crate::kinds::reach::{fill, fill_zero, inner};
use crate::kinds::tidy::tidy;
use serde_json::Value;

/// Deployments.
pub(in crate::kinds) struct Deployments;

impl Behaviour for Deployments {
    fn default(&self, object: &mut Value) {
        tidy(object);
        inner(object, "status");
        let spec = inner(object, "spec");
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "progressDeadlineSeconds", 600);
        let strategy = inner(spec, "strategy");
        fill_zero(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            let rolling = inner(strategy, "rollingUpdate");
            fill(rolling, "maxUnavailable", "25%");
            fill(rolling, "maxSurge", "25%");
        }
        defaults::template(inner(spec, "template"));
    }
}
