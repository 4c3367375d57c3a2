//! The `networking.k8s.io` and `discovery.k8s.io` groups.

use super::Behaviour;
use super::labels;
use super::reach::{each, fill, fill_zero, inner, list, present, set, text};
use super::refusal::{each_invalid, immutable, invalid_json, invalid_text, not_supported, required};
use super::syntax;
use crate::status::FieldError;
use serde_json::{Value, json};

/// Ingresses.
pub(super) struct Ingresses;

impl Behaviour for Ingresses {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        let backend = present(spec, "/defaultBackend");
        if list(spec, "/rules").is_empty() && backend.is_none() {
            errors.push(invalid_json("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified"));
        }
        errors.extend(backend.into_iter().flat_map(|backend| self::backend(backend, "spec.defaultBackend")));
        for (index, rule) in list(spec, "/rules").iter().enumerate() {
            errors.extend(self::rule(rule, &format!("spec.rules[{index}]")));
        }
        let class = text(spec, "/ingressClassName");
        if !class.is_empty() {
            errors.extend(each_invalid("spec.ingressClassName", class, syntax::dns_subdomain(class)));
        }
        errors
    }
}

fn rule(rule: &Value, path: &str) -> Vec<FieldError> {
    let host = text(rule, "/host");
    let plain = host.strip_prefix("*.").unwrap_or(host);
    let mut errors = if host.is_empty() { Vec::new() } else { each_invalid(&format!("{path}.host"), host, syntax::dns_subdomain(plain)) };
    let Some(http) = present(rule, "/http") else { return errors };
    if list(http, "/paths").is_empty() {
        errors.push(required(format!("{path}.http.paths"), ""));
    }
    for (index, entry) in list(http, "/paths").iter().enumerate() {
        errors.extend(http_path(entry, &format!("{path}.http.paths[{index}]")));
    }
    errors
}

fn http_path(entry: &Value, at: &str) -> Vec<FieldError> {
    let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
    let mut errors = Vec::new();
    let path = text(entry, "/path");
    match present(entry, "/pathType") {
        None => errors.push(required(format!("{at}.pathType"), "pathType must be specified")),
        Some(kind) if !kinds.iter().any(|known| kind == known) => errors.push(not_supported(format!("{at}.pathType"), kind, &kinds)),
        Some(kind) => {
            let may_be_empty = kind == "ImplementationSpecific" && path.is_empty();
            if !path.starts_with('/') && !may_be_empty {
                errors.push(invalid_text(format!("{at}.path"), path, "must be an absolute path"));
            }
        }
    }
    errors.extend(backend(&entry["backend"], &format!("{at}.backend")));
    errors
}

fn backend(backend: &Value, path: &str) -> Vec<FieldError> {
    match (present(backend, "/service"), present(backend, "/resource")) {
        (None, None) => vec![required(path, "port name or number is required")],
        (Some(_), Some(_)) => vec![invalid_text(path, "", "cannot set both resource and service backends")],
        (None, Some(_)) => Vec::new(),
        (Some(service), None) => {
            let mut errors = Vec::new();
            match text(service, "/name") {
                "" => errors.push(required(format!("{path}.service.name"), "")),
                name => errors.extend(each_invalid(&format!("{path}.service.name"), name, syntax::dns_1035_label(name))),
            }
            if present(service, "/port/name").is_none() && present(service, "/port/number").is_none() {
                errors.push(required(path, "port name or number is required"));
            }
            errors
        }
    }
}

/// IngressClasses.
pub(super) struct IngressClasses;

impl Behaviour for IngressClasses {
    fn default(&self, object: &mut Value) {
        if let Some(parameters) = object.pointer_mut("/spec/parameters") {
            fill_zero(parameters, "scope", "Cluster");
        }
    }
}

/// NetworkPolicies.
pub(super) struct NetworkPolicies;

impl Behaviour for NetworkPolicies {
    fn default(&self, object: &mut Value) {
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
            let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
            set(spec, "policyTypes", if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) });
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        errors.extend(labels::validate_selector(&spec["podSelector"], "spec.podSelector"));
        let kinds = ["Egress", "Ingress"];
        for (index, kind) in list(spec, "/policyTypes").iter().enumerate() {
            if !kinds.iter().any(|known| kind == known) {
                errors.push(not_supported(format!("spec.policyTypes[{index}]"), kind, &kinds));
            }
        }
        errors
    }
}

/// EndpointSlices.
pub(super) struct EndpointSlices;

impl Behaviour for EndpointSlices {
    fn default(&self, object: &mut Value) {
        for port in each(object, "/ports") {
            fill(port, "name", "");
            fill_zero(port, "protocol", "TCP");
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let kinds = ["FQDN", "IPv4", "IPv6"];
        let mut errors = Vec::new();
        match object.get("addressType").unwrap_or(&Value::Null) {
            kind if kind == "" || kind.is_null() => errors.push(required("addressType", "")),
            kind if kinds.iter().any(|known| kind == known) => {}
            kind => errors.push(not_supported("addressType", kind, &kinds)),
        }
        for (index, endpoint) in list(object, "/endpoints").iter().enumerate() {
            if list(endpoint, "/addresses").is_empty() {
                errors.push(required(format!("endpoints[{index}].addresses"), "must contain at least 1 address"));
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        immutable(new, old, "/addressType").into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn an_ingress_leads_somewhere() {
        let ingress = |spec: Value| json!({"metadata": {"name": "i"}, "spec": spec});
        assert_eq!(
            said(Ingresses.validate(&ingress(json!({})))),
            ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]
        );
        let service = json!({"service": {"name": "web", "port": {"number": 80}}});
        assert_eq!(Ingresses.validate(&ingress(json!({"defaultBackend": service}))), []);
        let paths = json!([{"path": "a", "pathType": "Exact", "backend": service}, {"backend": {"service": {}}}]);
        assert_eq!(
            said(Ingresses.validate(&ingress(json!({"rules": [{"host": "*.example.org", "http": {"paths": paths}}]})))),
            [
                "spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path",
                "spec.rules[0].http.paths[1].pathType: Required value: pathType must be specified",
                "spec.rules[0].http.paths[1].backend.service.name: Required value",
                "spec.rules[0].http.paths[1].backend: Required value: port name or number is required",
            ]
        );
    }

    #[test]
    fn policies_without_types_are_for_what_they_have_rules_for() {
        let mut policy = json!({"metadata": {"name": "p"}, "spec": {"egress": [{"ports": [{"port": 53}]}]}});
        NetworkPolicies.default(&mut policy);
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(policy["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!(NetworkPolicies.validate(&policy), []);
    }

    #[test]
    fn slices_keep_their_kind_of_address() {
        let slice = |kind: &str| json!({"metadata": {"name": "s"}, "addressType": kind});
        assert_eq!(EndpointSlices.validate(&slice("IPv4")), []);
        assert_eq!(
            said(EndpointSlices.validate_update(&slice("IPv6"), &slice("IPv4"))),
            ["addressType: Invalid value: \"IPv6\": field is immutable"]
        );
    }
}
