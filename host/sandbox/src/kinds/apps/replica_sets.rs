//! ReplicaSets and ReplicationControllers.

use super::{counts, running_template, selector};
use crate::kinds::Behaviour;
use crate::kinds::pod_spec::{self, defaults, validation};
use crate::kinds::reach::{fill, inner, present};
use crate::kinds::refusal::{immutable, required};
use crate::status::FieldError;
use serde_json::{Value, json};

/// ReplicaSets.
pub(in crate::kinds) struct ReplicaSets;

impl Behaviour for ReplicaSets {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill(spec, "replicas", 1);
        defaults::template(inner(spec, "template"));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        errors.extend(counts(spec, &["replicas", "minReadySeconds"]));
        // The server says `deployment` here too.
        errors.extend(selector(spec, "deployment"));
        errors.extend(running_template(spec, "ReplicaSet"));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        immutable(new, old, "/spec/selector").into_iter().collect()
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod_spec::warnings(object, "/spec/template/spec")
    }
}

/// ReplicationControllers: selector and labels default to the template's labels.
pub(in crate::kinds) struct ReplicationControllers;

impl Behaviour for ReplicationControllers {
    fn default(&self, object: &mut Value) {
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

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        errors.extend(counts(spec, &["minReadySeconds"]));
        let selector = present(spec, "/selector").map(|labels| json!({"matchLabels": labels}));
        if selector.is_none() {
            errors.push(required("spec.selector", ""));
        }
        errors.extend(counts(spec, &["replicas"]));
        match present(spec, "/template") {
            None => errors.push(required("spec.template", "")),
            Some(template) => {
                errors.extend(validation::selector_mismatch(selector.as_ref(), template, "spec.template"));
                errors.extend(validation::template(template, "spec.template"));
                errors.extend(validation::keeps_running(template, "spec.template", "ReplicationController"));
            }
        }
        errors
    }
}
