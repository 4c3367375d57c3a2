//! What the server refuses in a Service.

use crate::kinds::labels;
use crate::kinds::reach::{list, present, text};
use crate::kinds::refusal::{
    duplicate, duplicate_printed, each_invalid, forbidden, invalid, invalid_json, invalid_text, not_supported, one_of, required,
};
use crate::kinds::syntax;
use crate::status::FieldError;
use serde_json::{Value, json};

const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Errors of a Service's spec.
pub(super) fn of(spec: &Value) -> Vec<FieldError> {
    let kind = text(spec, "/type");
    let is_headless = text(spec, "/clusterIP") == "None";
    let is_external_name = kind == "ExternalName";
    let ports = list(spec, "/ports");
    let mut errors = Vec::new();
    if ports.is_empty() && !is_headless && !is_external_name {
        errors.push(required("spec.ports", ""));
    }
    if is_headless && matches!(kind, "NodePort" | "LoadBalancer") {
        errors.push(invalid_text("spec.clusterIPs[0]", "None", format!("may not be set to 'None' for {kind} services")));
    }
    if is_external_name {
        errors.extend(external_name(spec));
    }
    errors.extend(self::ports(ports, is_headless));
    errors.extend(labels::validate(spec.get("selector"), "spec.selector"));
    errors.extend(one_of(spec, "spec", "sessionAffinity", &["ClientIP", "None"]));
    for (index, address) in list(spec, "/clusterIPs").iter().filter_map(Value::as_str).enumerate() {
        if address != "None" {
            errors.extend(each_invalid(&format!("spec.clusterIPs[{index}]"), address, syntax::ip(address)));
        }
    }
    errors.extend(mirrored_address(spec));
    for (index, address) in list(spec, "/externalIPs").iter().filter_map(Value::as_str).enumerate() {
        errors.extend(each_invalid(&format!("spec.externalIPs[{index}]"), address, syntax::ip(address)));
    }
    errors.extend(one_of(spec, "spec", "type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]));
    errors.extend(traffic_policies(spec, kind));
    errors
}

fn external_name(spec: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if present(spec, "/clusterIP").is_some() {
        errors.push(forbidden("spec.clusterIP", "may not be set when `type` is 'ExternalName'"));
    }
    match text(spec, "/externalName").trim_end_matches('.') {
        "" => errors.push(required("spec.externalName", "")),
        name => errors.extend(each_invalid("spec.externalName", name, syntax::dns_subdomain(name))),
    }
    errors
}

/// `clusterIP` is the first of `clusterIPs`.
fn mirrored_address(spec: &Value) -> Option<FieldError> {
    let first = list(spec, "/clusterIPs").first();
    let is_mirror = first.is_none_or(|first| first == &spec["clusterIP"]);
    (!is_mirror).then(|| invalid_json("spec.clusterIPs", spec.get("clusterIPs"), "first value must match `clusterIP`"))
}

fn ports(ports: &[Value], is_headless: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut names = Vec::new();
    let mut numbers = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = text(port, "/name");
        if name.is_empty() {
            if ports.len() > 1 {
                errors.push(required(format!("{path}.name"), ""));
            }
        } else {
            errors.extend(each_invalid(&format!("{path}.name"), name, syntax::dns_label(name)));
            if names.contains(&name) {
                errors.push(duplicate(format!("{path}.name"), &port["name"]));
            }
            names.push(name);
        }
        errors.extend(number(port, "port", &path));
        errors.extend(protocol(port, &path));
        if !is_headless || port.get("targetPort").is_some() {
            errors.extend(number(port, "targetPort", &path));
        }
        errors.extend(node_port(port, &path));
        let key = (&port["port"], &port["protocol"]);
        if numbers.contains(&key) {
            errors.push(duplicate_printed(path, go_port(port)));
        }
        numbers.push(key);
    }
    errors
}

/// A port by number, or, where it is on the pods, by name.
fn number(port: &Value, field: &str, path: &str) -> Vec<FieldError> {
    let value = port.get(field).unwrap_or(&Value::Null);
    let wrong = match value {
        Value::String(name) => syntax::port_name(name),
        number => syntax::port_number(number.as_i64().unwrap_or_default()),
    };
    let shown = if value.is_null() { &json!(0) } else { value };
    wrong.into_iter().map(|message| invalid(format!("{path}.{field}"), shown, message)).collect()
}

fn protocol(port: &Value, path: &str) -> Option<FieldError> {
    let protocol = port.get("protocol").unwrap_or(&Value::Null);
    let is_known = PROTOCOLS.iter().any(|known| protocol == known);
    (!is_known).then(|| not_supported(format!("{path}.protocol"), protocol, &PROTOCOLS))
}

fn node_port(port: &Value, path: &str) -> Option<FieldError> {
    let number = port.get("nodePort").filter(|number| number.as_i64().is_some_and(|number| number != 0))?;
    let is_right = number.as_i64().is_some_and(|number| NODE_PORTS.contains(&number));
    let detail = "provided port is not in the valid range. The range of valid ports is 30000-32767";
    (!is_right).then(|| invalid(format!("{path}.nodePort"), number, detail))
}

/// A port as the server's internal type prints.
fn go_port(port: &Value) -> String {
    let (protocol, number) = (&port["protocol"], &port["port"]);
    format!(r#"{{"Name":"","Protocol":{protocol},"AppProtocol":null,"Port":{number},"TargetPort":0,"NodePort":0}}"#)
}

/// Errors of a subset of Endpoints.
pub(super) fn of_subset(subset: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let lists = ["addresses", "notReadyAddresses"];
    if lists.iter().all(|field| list(subset, &format!("/{field}")).is_empty()) {
        return vec![required(path, "must specify `addresses` or `notReadyAddresses`")];
    }
    for field in lists {
        for (index, address) in list(subset, &format!("/{field}")).iter().enumerate() {
            let (place, ip) = (format!("{path}.{field}[{index}].ip"), text(address, "/ip"));
            for words in syntax::ip(ip) {
                errors.push(invalid_text(&place, ip, words));
                errors.push(invalid_text(&place, ip, "must be a valid IP address"));
            }
        }
    }
    for (index, port) in list(subset, "/ports").iter().enumerate() {
        errors.extend(number(port, "port", &format!("{path}.ports[{index}]")));
    }
    errors
}

fn traffic_policies(spec: &Value, kind: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let policies = ["Cluster", "Local"];
    for field in ["externalTrafficPolicy", "internalTrafficPolicy"] {
        let Some(policy) = present(spec, &format!("/{field}")) else { continue };
        let is_external = matches!(kind, "NodePort" | "LoadBalancer") || present(spec, "/externalIPs").is_some();
        if field == "externalTrafficPolicy" && !is_external {
            errors.push(invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services"));
        } else if !policies.iter().any(|known| policy == known) {
            errors.push(not_supported(format!("spec.{field}"), policy, &policies));
        }
    }
    errors
}

/// Errors of a change: addresses stay for as long as there are any.
pub(super) fn of_change(new: &Value, old: &Value) -> Vec<FieldError> {
    let has_addresses = |service: &Value| text(service, "/spec/type") != "ExternalName";
    if !has_addresses(new) || !has_addresses(old) {
        return Vec::new();
    }
    let (addresses, before) = (list(new, "/spec/clusterIPs"), list(old, "/spec/clusterIPs"));
    if !before.is_empty() && addresses.first() != before.first() {
        return vec![invalid_json("spec.clusterIPs[0]", new["spec"].get("clusterIPs"), "may not change once set")];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::Services;
    use super::*;
    use crate::kinds::Behaviour;

    fn created(yaml: &str) -> Value {
        let mut service = json!({"metadata": {"name": "s", "uid": "0b1e"}});
        service["spec"] = serde_saphyr::from_str(yaml).expect("yaml");
        Services.default(&mut service);
        Services.prepare_create(&mut service);
        service
    }

    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let errors: Vec<String> = Services.validate(&created(yaml)).iter().map(FieldError::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn services_that_are_right() {
        check("ports: [{port: 80}]", &[]);
        check("{clusterIP: None, selector: {a: b}}", &[]);
        check("{type: ExternalName, externalName: db.example.org}", &[]);
        check("{type: LoadBalancer, ports: [{name: a, port: 80}, {name: b, port: 80, protocol: UDP, targetPort: dns}]}", &[]);
    }

    #[test]
    fn ports_are_needed_and_differ() {
        check("selector: {a: b}", &["spec.ports: Required value"]);
        check(
            "ports: [{name: a, port: 80}, {name: a, port: 80}, {port: 0, protocol: X}]",
            &[
                "spec.ports[1].name: Duplicate value: \"a\"",
                "spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPort\":0,\"NodePort\":0}",
                "spec.ports[2].name: Required value",
                "spec.ports[2].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.ports[2].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
                "spec.ports[2].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive",
            ],
        );
    }

    #[test]
    fn addresses_are_addresses_and_stay() {
        check(
            "{clusterIP: x, ports: [{port: 80}]}",
            &["spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"],
        );
        let old = created("ports: [{port: 80}]");
        let mut new = old.clone();
        new["spec"]["clusterIP"] = json!("10.96.0.77");
        new["spec"]["clusterIPs"] = json!(["10.96.0.77"]);
        assert_eq!(of_change(&new, &old)[0].to_string(), "spec.clusterIPs[0]: Invalid value: [\"10.96.0.77\"]: may not change once set");
        assert_eq!(of_change(&old, &old), []);
    }

    #[test]
    fn node_ports_have_a_range() {
        check(
            "{type: NodePort, ports: [{port: 80, nodePort: 80}]}",
            &[
                "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
            ],
        );
    }

    #[test]
    fn types_are_words() {
        check(
            "{type: Internet, externalTrafficPolicy: Local, ports: [{port: 80}]}",
            &[
                "spec.type: Unsupported value: \"Internet\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
                "spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services",
            ],
        );
    }
}
