//! ReplicaSets and ReplicationControllers.

use crate::kinds::Behaviour;
use crate::kinds::pod_spec::defaults;
use crate::kinds::reach::{fill, inner};
use crate::kinds::tidy::tidy;
use serde_json::Value;

/// ReplicaSets.
pub(in crate::kinds) struct ReplicaSets;

impl Behaviour for ReplicaSets {
    fn default(&self, object: &mut Value) {
        tidy(object);
        fill(inner(object, "status"), "replicas", 0);
        let spec = inner(object, "spec");
        fill(spec, "replicas", 1);
        defaults::template(inner(spec, "template"));
    }
}

/// ReplicationControllers: selector and labels default to the template's labels.
pub(in crate::kinds) struct ReplicationControllers;

impl Behaviour for ReplicationControllers {
    fn default(&self, object: &mut Value) {
        tidy(object);
        fill(inner(object, "status"), "replicas", 0);
        let spec = inner(object, "spec");
        fill(spec, "replicas", 1);
        if spec.get("template").is_none() {
            return;
        }
        let template = inner(spec, "template");
        defaults::template(template);
        if let Some(labels) = template.pointer("/metadata/labels").cloned() {
            fill(spec, "selector", labels.clone());
            fill(inner(object, "metadata"), "labels", labels);
        }
    }
}
