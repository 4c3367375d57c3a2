//! NetworkPolicies.

use super::Behaviour;
use super::labels;
use super::reach::{each, fill_zero, inner, int, list, present, set, text};
use super::refusal::{forbidden, invalid, invalid_text, not_supported, required};
use super::syntax;
use crate::status::FieldError;
use serde_json::{Value, json};

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
        let mut errors = labels::validate_selector(&spec["podSelector"], "spec.podSelector");
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in list(spec, &format!("/{direction}")).iter().enumerate() {
                errors.extend(self::rule(rule, peers, &format!("spec.{direction}[{index}]")));
            }
        }
        let kinds = ["Ingress", "Egress"];
        for (index, kind) in list(spec, "/policyTypes").iter().enumerate() {
            if !kinds.iter().any(|known| kind == known) {
                errors.push(not_supported(format!("spec.policyTypes[{index}]"), kind, &kinds));
            }
        }
        errors
    }
}

fn rule(rule: &Value, peers: &str, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, port) in list(rule, "/ports").iter().enumerate() {
        errors.extend(self::port(port, &format!("{path}.ports[{index}]")));
    }
    for (index, peer) in list(rule, &format!("/{peers}")).iter().enumerate() {
        errors.extend(self::peer(peer, &format!("{path}.{peers}[{index}]")));
    }
    errors
}

fn port(port: &Value, path: &str) -> Vec<FieldError> {
    let protocols = ["TCP", "UDP", "SCTP"];
    let mut errors = Vec::new();
    if let Some(protocol) = present(port, "/protocol").filter(|protocol| !protocols.iter().any(|known| protocol == known)) {
        errors.push(not_supported(format!("{path}.protocol"), protocol, &protocols));
    }
    let place = format!("{path}.port");
    match present(port, "/port") {
        Some(Value::String(name)) => errors.extend(syntax::port_name(name).into_iter().map(|words| invalid_text(&place, name, words))),
        Some(number) => {
            let wrong = syntax::port_number(number.as_i64().unwrap_or_default());
            errors.extend(wrong.into_iter().map(|words| invalid(&place, number, words)));
            let end = int(port, "/endPort");
            if end.is_some_and(|end| number.as_i64().is_some_and(|number| end < number)) {
                errors.push(invalid(format!("{path}.endPort"), number, "must be greater than or equal to `port`"));
            }
        }
        None if present(port, "/endPort").is_some() => {
            errors.push(invalid(format!("{path}.endPort"), &port["endPort"], "may not be specified when `port` is not specified"));
        }
        None => {}
    }
    errors
}

fn peer(peer: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut sources = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if let Some(selector) = present(peer, &format!("/{field}")) {
            sources += 1;
            errors.extend(labels::validate_selector(selector, &format!("{path}.{field}")));
        }
    }
    if let Some(block) = present(peer, "/ipBlock") {
        errors.extend(ip_block(block, &format!("{path}.ipBlock")));
        if sources > 0 {
            errors.push(forbidden(path, "may not specify both ipBlock and another peer"));
        }
        sources += 1;
    }
    if sources == 0 {
        errors.push(required(path, "must specify a peer"));
    }
    errors
}

fn ip_block(block: &Value, path: &str) -> Vec<FieldError> {
    let cidr = text(block, "/cidr");
    if cidr.is_empty() {
        return vec![required(format!("{path}.cidr"), "")];
    }
    let wrong = syntax::cidr(cidr);
    if !wrong.is_empty() {
        return wrong.into_iter().map(|words| invalid_text(format!("{path}.cidr"), cidr, words)).collect();
    }
    let mut errors = Vec::new();
    for (index, except) in list(block, "/except").iter().filter_map(Value::as_str).enumerate() {
        let place = format!("{path}.except[{index}]");
        let wrong = syntax::cidr(except);
        if wrong.is_empty() && !syntax::is_strict_part(except, cidr) {
            errors.push(invalid_text(place, except, "must be a strict subset of `cidr`"));
        } else {
            errors.extend(wrong.into_iter().map(|words| invalid_text(&place, except, words)));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: Value, expected: &[&str]) {
        let mut policy = json!({"metadata": {"name": "p"}, "spec": spec});
        NetworkPolicies.default(&mut policy);
        let said: Vec<String> = NetworkPolicies.validate(&policy).iter().map(FieldError::to_string).collect();
        assert_eq!(said, expected);
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
    fn a_peer_is_one_thing() {
        check(json!({"ingress": [{"from": [{}]}]}), &["spec.ingress[0].from[0]: Required value: must specify a peer"]);
        check(
            json!({"ingress": [{"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]}]}),
            &["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"],
        );
        check(
            json!({"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/8"]}}]}]}),
            &["spec.egress[0].to[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/8\": must be a strict subset of `cidr`"],
        );
    }
}
