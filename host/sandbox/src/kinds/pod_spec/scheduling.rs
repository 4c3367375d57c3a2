//! Errors of what a PodSpec says of other pods, nodes and hosts.

use crate::kinds::labels::{self, PREFERRED_NODES, REQUIRED_NODES};
use crate::kinds::reach::{int, list, present, text};
use crate::kinds::refusal::{each_invalid, invalid, invalid_json, required};
use crate::kinds::syntax;
use crate::status::FieldError;
use serde_json::{Value, json};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Errors of an Affinity.
pub(super) fn affinity(affinity: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(node) = present(affinity, "/nodeAffinity") {
        errors.extend(node_affinity(node, &format!("{path}.nodeAffinity")));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = present(affinity, &format!("/{kind}")) else { continue };
        for (index, term) in list(pods, &format!("/{REQUIRED}")).iter().enumerate() {
            errors.extend(pod_term(term, &format!("{path}.{kind}.{REQUIRED}[{index}]")));
        }
        for (index, weighted) in list(pods, &format!("/{PREFERRED}")).iter().enumerate() {
            let path = format!("{path}.{kind}.{PREFERRED}[{index}]");
            errors.extend(weight(weighted, &path));
            errors.extend(pod_term(&weighted["podAffinityTerm"], &format!("{path}.podAffinityTerm")));
        }
    }
    errors
}

fn weight(weighted: &Value, path: &str) -> Option<FieldError> {
    let weight = int(weighted, "/weight").unwrap_or_default();
    (!(1..=100).contains(&weight)).then(|| invalid(format!("{path}.weight"), &json!(weight), "must be in the range 1-100"))
}

fn node_affinity(node: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(needed) = present(node, &format!("/{REQUIRED}")) {
        let path = format!("{path}.{REQUIRED}.nodeSelectorTerms");
        let terms = list(needed, "/nodeSelectorTerms");
        if terms.is_empty() {
            errors.push(required(&path, "must have at least one node selector term"));
        }
        errors.extend(
            terms
                .iter()
                .enumerate()
                .flat_map(|(index, term)| labels::validate_expressions(term, &format!("{path}[{index}]"), REQUIRED_NODES)),
        );
    }
    for (index, weighted) in list(node, &format!("/{PREFERRED}")).iter().enumerate() {
        let path = format!("{path}.{PREFERRED}[{index}]");
        errors.extend(weight(weighted, &path));
        errors.extend(labels::validate_expressions(&weighted["preference"], &format!("{path}.preference"), PREFERRED_NODES));
    }
    errors
}

fn pod_term(term: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["labelSelector", "namespaceSelector"] {
        let selector = present(term, &format!("/{field}")).into_iter();
        errors.extend(selector.flat_map(|selector| labels::validate_selector(selector, &format!("{path}.{field}"))));
    }
    let key = text(term, "/topologyKey");
    let place = format!("{path}.topologyKey");
    if key.is_empty() {
        errors.push(required(&place, "can not be empty"));
    }
    errors.extend(each_invalid(&place, key, syntax::qualified_name(key)));
    errors
}

/// Errors of the name servers and host aliases of a PodSpec.
pub(super) fn addresses(spec: &Value, path: &str) -> Vec<FieldError> {
    const SERVERS: usize = 3;
    let mut errors = Vec::new();
    let servers = list(spec, "/dnsConfig/nameservers");
    let place = format!("{path}.dnsConfig.nameservers");
    if servers.len() > SERVERS {
        errors.push(invalid_json(&place, Some(&json!(servers)), format!("must not have more than {SERVERS} nameservers")));
    }
    if text(spec, "/dnsPolicy") == "None" && servers.is_empty() {
        errors.push(required(&place, "must provide at least one DNS nameserver when `dnsPolicy` is None"));
    }
    for (index, server) in servers.iter().filter_map(Value::as_str).enumerate() {
        errors.extend(each_invalid(&format!("{place}[{index}]"), server, syntax::ip(server)));
    }
    for (index, alias) in list(spec, "/hostAliases").iter().enumerate() {
        let path = format!("{path}.hostAliases[{index}]");
        errors.extend(each_invalid(&format!("{path}.ip"), text(alias, "/ip"), syntax::ip(text(alias, "/ip"))));
        for (index, name) in list(alias, "/hostnames").iter().filter_map(Value::as_str).enumerate() {
            errors.extend(each_invalid(&format!("{path}.hostnames[{index}]"), name, syntax::dns_subdomain(name)));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_name_what_they_mean() {
        let said = |affinity: Value| super::affinity(&affinity, "a").iter().map(FieldError::to_string).collect::<Vec<_>>();
        assert_eq!(
            said(json!({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}, PREFERRED: [{"weight": 0, "preference": {}}]}})),
            [
                format!("a.nodeAffinity.{REQUIRED}.nodeSelectorTerms: Required value: must have at least one node selector term"),
                format!("a.nodeAffinity.{PREFERRED}[0].weight: Invalid value: 0: must be in the range 1-100"),
            ]
        );
        assert!(said(json!({"podAffinity": {REQUIRED: [{"topologyKey": "zone", "labelSelector": {}}]}})).is_empty());
    }
    #[test]
    fn nodes_are_compared_and_required_ones_have_labels_that_there_can_be() {
        let said = |affinity: Value| super::affinity(&affinity, "a").iter().map(|error| error.to_string()).collect::<Vec<_>>();
        let term = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "size", "operator": operator, "values": values}]});
        let required = |term: Value| said(json!({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}));
        let preferred = |term: Value| said(json!({"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": term}]}}));
        let place = format!("a.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].values");
        assert_eq!(required(term("Gt", &["4"])), [""; 0]);
        assert_eq!(
            required(term("Lt", &["4", "5"])),
            [format!("{place}: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'")]
        );
        assert!(required(term("In", &["large", "a b"]))[0].starts_with(&format!("{place}[1]: Invalid value: \"a b\": a valid label")));
        assert_eq!(preferred(term("In", &["a b"])), [""; 0]);
    }
}
