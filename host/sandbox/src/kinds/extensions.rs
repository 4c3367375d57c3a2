//! What extends the API: CustomResourceDefinitions, webhooks, APIServices. Their schemas and rules are left as they are written.

use super::Behaviour;
use super::reach::{each, fill, fill_zero, flag, given, inner, list, present, text};
use super::refusal::{immutable, invalid, invalid_text, not_supported, required};
use crate::status::FieldError;
use serde_json::{Value, json};

/// CustomResourceDefinitions.
pub(super) struct CustomResourceDefinitions;

impl Behaviour for CustomResourceDefinitions {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        let names = inner(spec, "names");
        let kind = text(names, "/kind").to_owned();
        if !kind.is_empty() {
            fill_zero(names, "singular", kind.to_lowercase());
            fill_zero(names, "listKind", format!("{kind}List"));
        }
        let conversion = inner(spec, "conversion");
        fill_zero(conversion, "strategy", "None");
        if let Some(service) = conversion.pointer_mut("/webhook/clientConfig/service") {
            fill(service, "port", 443);
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        let name = text(object, "/metadata/name");
        if name != format!("{}.{}", text(spec, "/names/plural"), text(spec, "/group")) {
            errors.push(invalid_text("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
        }
        if text(spec, "/group").is_empty() {
            errors.push(required("spec.group", ""));
        }
        match text(spec, "/scope") {
            "" => errors.push(required("spec.scope", "")),
            "Cluster" | "Namespaced" => {}
            _ => errors.push(not_supported("spec.scope", &spec["scope"], &["Cluster", "Namespaced"])),
        }
        errors.extend(versions(spec));
        for field in ["plural", "singular", "kind", "listKind"] {
            if text(spec, &format!("/names/{field}")).is_empty() {
                errors.push(required(format!("spec.names.{field}"), ""));
            }
        }
        let names = &spec["names"];
        if !names["kind"].is_null() && names["kind"] == names["listKind"] {
            errors.push(invalid("spec.names.listKind", &names["listKind"], "kind and listKind may not be the same"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"]
            .iter()
            .filter_map(|pointer| immutable(new, old, pointer))
            .collect()
    }
}

fn versions(spec: &Value) -> Vec<FieldError> {
    let versions = list(spec, "/versions");
    let mut errors = Vec::new();
    if versions.is_empty() {
        errors.push(required("spec.versions", "must have at least one version"));
    }
    for (index, version) in versions.iter().enumerate() {
        if present(version, "/schema/openAPIV3Schema").is_none() {
            errors.push(required(format!("spec.versions[{index}].schema.openAPIV3Schema"), "schemas are required"));
        }
    }
    let stored = versions.iter().filter(|version| flag(version, "/storage")).count();
    if !versions.is_empty() && stored != 1 {
        errors.push(invalid("spec.versions", &spec["versions"], "must have exactly one version marked as storage version"));
    }
    errors
}

/// MutatingWebhookConfigurations and ValidatingWebhookConfigurations.
pub(super) struct WebhookConfigurations {
    /// Whether they mutate.
    pub mutating: bool,
}

impl Behaviour for WebhookConfigurations {
    fn default(&self, object: &mut Value) {
        for webhook in each(object, "/webhooks") {
            fill(webhook, "failurePolicy", "Fail");
            fill(webhook, "matchPolicy", "Equivalent");
            fill(webhook, "namespaceSelector", json!({}));
            fill(webhook, "objectSelector", json!({}));
            fill(webhook, "timeoutSeconds", 10);
            if self.mutating {
                fill(webhook, "reinvocationPolicy", "Never");
            }
            if let Some(service) = webhook.pointer_mut("/clientConfig/service") {
                fill(service, "port", 443);
            }
            for rule in each(webhook, "/rules") {
                fill(rule, "scope", "*");
            }
        }
    }
}

/// APIServices.
pub(super) struct ApiServices;

impl Behaviour for ApiServices {
    fn default(&self, object: &mut Value) {
        inner(object, "status");
        if let Some(service) = given(inner(object, "spec"), "service") {
            fill(service, "port", 443);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_named_after_what_it_defines() {
        let mut crd = json!({"metadata": {"name": "widgets.example.org"}, "spec": {"group": "example.org", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "default": []}}}]}});
        CustomResourceDefinitions.default(&mut crd);
        assert_eq!(CustomResourceDefinitions.validate(&crd), []);
        assert_eq!(crd["spec"]["names"]["listKind"], "WidgetList");
        assert_eq!(crd["spec"]["conversion"]["strategy"], "None");
        assert_eq!(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["default"], json!([]));
        let mut other = crd.clone();
        other["metadata"]["name"] = json!("gadgets.example.org");
        other["spec"]["scope"] = json!("Cluster");
        let said: Vec<String> = CustomResourceDefinitions.validate(&other).iter().map(FieldError::to_string).collect();
        assert_eq!(said, ["metadata.name: Invalid value: \"gadgets.example.org\": must be spec.names.plural+\".\"+spec.group"]);
        let said: Vec<String> = CustomResourceDefinitions.validate_update(&other, &crd).iter().map(FieldError::to_string).collect();
        assert_eq!(said, ["spec.scope: Invalid value: \"Cluster\": field is immutable"]);
    }
}
