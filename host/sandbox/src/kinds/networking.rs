//! The `networking.k8s.io` and `discovery.k8s.io` groups.

use super::Behaviour;
use super::reach::{each, fill, fill_zero, int, list, present, text};
use super::refusal::{each_invalid, immutable, invalid, invalid_json, invalid_text, not_supported, required};
use super::syntax;
use crate::status::FieldError;
use serde_json::Value;

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
        None => return vec![required(format!("{at}.pathType"), "pathType must be specified")],
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
        (None, None) => vec![invalid_text(path, "", "resource or service backend is required")],
        (Some(_), Some(_)) => vec![invalid_text(path, "", "cannot set both resource and service backends")],
        (None, Some(_)) => Vec::new(),
        (Some(service), None) => {
            let mut errors = Vec::new();
            match text(service, "/name") {
                "" => errors.push(required(format!("{path}.service.name"), "")),
                name => errors.extend(each_invalid(&format!("{path}.service.name"), name, syntax::dns_1035_label(name))),
            }
            match (text(service, "/port/name"), int(service, "/port/number").unwrap_or_default()) {
                ("", 0) => errors.push(required(path, "port name or number is required")),
                ("", number) => {
                    let wrong = syntax::port_number(number).into_iter();
                    errors.extend(wrong.map(|words| invalid(format!("{path}.service.port.number"), &service["port"]["number"], words)));
                }
                (name, 0) => errors.extend(each_invalid(&format!("{path}.service.port.name"), name, syntax::port_name(name))),
                _ => errors.push(invalid_text(path, "", "cannot set both port name & port number")),
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

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let controller = text(object, "/spec/controller");
        if controller.is_empty() {
            return vec![required("spec.controller", "")];
        }
        let is_prefixed =
            controller.split_once('/').is_some_and(|(domain, path)| syntax::dns_subdomain(domain).is_empty() && !path.is_empty());
        let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        (!is_prefixed).then(|| invalid_text("spec.controller", controller, detail)).into_iter().collect()
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        immutable(new, old, "/spec/controller").into_iter().collect()
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
    use serde_json::json;

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
            ]
        );
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
