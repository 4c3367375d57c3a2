//! The `networking.k8s.io` and `discovery.k8s.io` groups.

use super::Behaviour;
use super::reach::{each, fill, fill_zero, inner, present, set};
use super::tidy::tidy;
use serde_json::{Value, json};

/// Ingresses.
pub(super) struct Ingresses;

impl Behaviour for Ingresses {
    fn default(&self, object: &mut Value) {
        tidy(object);
        inner(object, "spec");
        inner(inner(object, "status"), "loadBalancer");
    }
}

/// IngressClasses.
pub(super) struct IngressClasses;

impl Behaviour for IngressClasses {
    fn default(&self, object: &mut Value) {
        tidy(object);
        if let Some(parameters) = object.pointer_mut("/spec/parameters") {
            fill_zero(parameters, "scope", "Cluster");
        }
    }
}

/// NetworkPolicies.
pub(super) struct NetworkPolicies;

impl Behaviour for NetworkPolicies {
    fn default(&self, object: &mut Value) {
        tidy(object);
        let spec = inner(object, "spec");
        inner(spec, "podSelector");
        for direction in ["/ingress", "/egress"] {
            for rule in each(spec, direction) {
                for port in each(rule, "/ports") {
                    fill_zero(port, "protocol", "TCP");
                }
            }
        }
        if present(spec, "/policyTypes").is_none() {
            let has_egress = spec
                .get("egress")
                .and_then(Value::as_array)
                .is_some_and(|rules| !rules.is_empty());
            set(
                spec,
                "policyTypes",
                if has_egress {
                    json!(["Ingress", "Egress"])
                } else {
                    json!(["Ingress"])
                },
            );
        }
    }
}

/// EndpointSlices.
pub(super) struct EndpointSlices;

impl Behaviour for EndpointSlices {
    fn default(&self, object: &mut Value) {
        tidy(object);
        for port in each(object, "/ports") {
            fill(port, "name", "");
            fill_zero(port, "protocol", "TCP");
        }
    }
}
