//! Services and Endpoints: their defaults, and the addresses and ports they are given.

use super::service_errors;
use crate::kinds::Behaviour;
use crate::kinds::metadata::NameRule;
use crate::kinds::reach::{each, fill, fill_zero, flag, inner, list, present, remove, set, text};
use crate::kinds::refusal::forbidden;
use crate::status::FieldError;
use serde_json::{Value, json};

/// Services.
pub(in crate::kinds) struct Services;

/// First node port, and how many there are.
const NODE_PORTS: (u64, u64) = (30_000, 2768);

impl Behaviour for Services {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill_zero(spec, "type", "ClusterIP");
        session_affinity(spec);
        each(spec, "/ports").for_each(port);
        let kind = text(spec, "/type").to_owned();
        let is_external =
            matches!(kind.as_str(), "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && present(spec, "/externalIPs").is_some());
        if is_external {
            fill_zero(spec, "externalTrafficPolicy", "Cluster");
        }
        if kind != "ExternalName" {
            fill(spec, "internalTrafficPolicy", "Cluster");
        }
        if kind == "LoadBalancer" {
            fill(spec, "allocateLoadBalancerNodePorts", true);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        allocate(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        if new["spec"]["clusterIP"] != old["spec"]["clusterIP"]
            && new["spec"].get("clusterIPs") == old["spec"].get("clusterIPs")
            && let Some(address) = present(new, "/spec/clusterIP").cloned()
        {
            // Who changes the address means both of its names.
            set(inner(new, "spec"), "clusterIPs", json!([address]));
        }
        if needs_cluster_ip(new) && needs_cluster_ip(old) {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                carry_over(new, old, field);
            }
        } else if !needs_cluster_ip(new) {
            release(new, old);
        }
        if needs_node_ports(new) && needs_node_ports(old) {
            carry_over_node_ports(new, old);
        } else if needs_node_ports(old) {
            forget_node_ports(new, old);
        }
        allocate(new);
    }

    fn name_rule(&self) -> NameRule {
        NameRule::OldLabel
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        errors.extend(service_errors::of(&object["spec"]));
        let has_balancer = text(object, "/spec/type") == "LoadBalancer";
        if !has_balancer && !list(object, "/status/loadBalancer/ingress").is_empty() {
            errors.push(forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        service_errors::of_change(new, old)
    }

    fn looks_at_change_first(&self) -> bool {
        true
    }

    fn select_field(&self, object: &Value, field: &str) -> Option<String> {
        match field {
            "spec.clusterIP" => Some(text(object, "/spec/clusterIP").to_owned()),
            "spec.type" => Some(text(object, "/spec/type").to_owned()),
            _ => None,
        }
    }
}

fn session_affinity(spec: &mut Value) {
    fill_zero(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "None" {
        remove(spec, "sessionAffinityConfig");
    } else if spec["sessionAffinity"] == "ClientIP" {
        fill(inner(inner(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds", 10_800);
    }
}

fn port(port: &mut Value) {
    fill_zero(port, "protocol", "TCP");
    if let Some(number) = port.get("port").cloned() {
        fill_zero(port, "targetPort", number);
    }
}

/// Gives the Service what it lacks: addresses and node ports. Derived from its uid, so that equal inputs give equal outputs.
fn allocate(service: &mut Value) {
    if needs_cluster_ip(service) {
        let seed = seed(text(service, "/metadata/uid"));
        let is_headless = text(service, "/spec/clusterIP") == "None";
        let is_selectorless = present(service, "/spec/selector").is_none();
        let spec = inner(service, "spec");
        fill_zero(spec, "clusterIP", cluster_ip(seed));
        let address = spec["clusterIP"].clone();
        fill(spec, "clusterIPs", json!([address]));
        let takes_both_families = is_headless && is_selectorless;
        let families = if takes_both_families { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
        fill(spec, "ipFamilies", families);
        fill(spec, "ipFamilyPolicy", if takes_both_families { "RequireDualStack" } else { "SingleStack" });
    }
    if needs_node_ports(service) {
        allocate_node_ports(service);
    }
}

fn allocate_node_ports(service: &mut Value) {
    let seed = seed(text(service, "/metadata/uid"));
    let taken: Vec<u64> = list(service, "/spec/ports").iter().filter_map(|port| port.get("nodePort")?.as_u64()).collect();
    let (first, count) = NODE_PORTS;
    let mut free = (0..count).map(|step| first + (seed + step) % count).filter(|port| !taken.contains(port));
    for port in each(service, "/spec/ports") {
        if port.get("nodePort").and_then(Value::as_u64).unwrap_or_default() == 0
            && let Some(number) = free.next()
        {
            set(port, "nodePort", number);
        }
    }
}

/// FNV-1a.
fn seed(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// An address in 10.96.0.0/12, as kubeadm's clusters have them; neither the network's own nor the API server's.
fn cluster_ip(seed: u64) -> String {
    let host = 16 + (seed ^ (seed >> 32)) % ((1 << 20) - 32);
    format!("10.{}.{}.{}", 96 + (host >> 16), (host >> 8) & 0xff, host & 0xff)
}

fn needs_cluster_ip(service: &Value) -> bool {
    text(service, "/spec/type") != "ExternalName"
}

fn needs_node_ports(service: &Value) -> bool {
    match text(service, "/spec/type") {
        "NodePort" => true,
        "LoadBalancer" => flag(service, "/spec/allocateLoadBalancerNodePorts"),
        _ => false,
    }
}

fn carry_over(new: &mut Value, old: &Value, field: &str) {
    let pointer = format!("/spec/{field}");
    if let Some(kept) = present(old, &pointer) {
        fill_zero(inner(new, "spec"), field, kept.clone());
    }
}

/// An ExternalName has no addresses: drops those that the Service had before, unless the client changed them.
fn release(new: &mut Value, old: &Value) {
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy", "externalTrafficPolicy"] {
        let pointer = format!("/spec/{field}");
        if new.pointer(&pointer) == old.pointer(&pointer) {
            remove(inner(new, "spec"), field);
        }
    }
}

/// Ports keep their node ports, found by protocol and number.
fn carry_over_node_ports(new: &mut Value, old: &Value) {
    for port in each(new, "/spec/ports") {
        if let Some(number) = same_port(port, old).and_then(|kept| kept.get("nodePort")) {
            fill_zero(port, "nodePort", number.clone());
        }
    }
}

/// A Service that no longer has node ports loses those it had.
fn forget_node_ports(new: &mut Value, old: &Value) {
    for port in each(new, "/spec/ports") {
        let is_kept = same_port(port, old).is_some_and(|kept| kept.get("nodePort") == port.get("nodePort"));
        if is_kept && port.get("nodePort").is_some() {
            remove(port, "nodePort");
        }
    }
    let is_plain = text(new, "/spec/type") == "ClusterIP" && present(new, "/spec/externalIPs").is_none();
    if is_plain {
        remove(inner(new, "spec"), "externalTrafficPolicy");
    }
    if text(new, "/spec/type") != "LoadBalancer" {
        remove(inner(new, "spec"), "allocateLoadBalancerNodePorts");
    }
}

fn same_port<'a>(port: &Value, old: &'a Value) -> Option<&'a Value> {
    list(old, "/spec/ports").iter().find(|other| other["port"] == port["port"] && other["protocol"] == port["protocol"])
}

/// Endpoints.
pub(in crate::kinds) struct Endpoints;

impl Behaviour for Endpoints {
    fn default(&self, object: &mut Value) {
        for subset in each(object, "/subsets") {
            for port in each(subset, "/ports") {
                fill_zero(port, "protocol", "TCP");
            }
        }
    }

    fn deprecation(&self) -> Option<&'static str> {
        Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let subsets = list(object, "/subsets").iter().enumerate();
        subsets.flat_map(|(index, subset)| service_errors::of_subset(subset, &format!("subsets[{index}]"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(spec: Value) -> Value {
        let mut service = json!({"metadata": {"name": "s", "uid": "0b1e"}, "spec": spec});
        Services.default(&mut service);
        Services.prepare_create(&mut service);
        service
    }

    #[test]
    fn a_service_gets_an_address() {
        let service = created(json!({"selector": {"app": "a"}, "ports": [{"port": 80}]}));
        let address = text(&service, "/spec/clusterIP");
        assert!(address.starts_with("10."), "{address}");
        assert_eq!(service["spec"]["clusterIPs"], json!([address]));
        assert_eq!(service["spec"]["ports"], json!([{"port": 80, "targetPort": 80, "protocol": "TCP"}]));
        assert_eq!(service["spec"]["ipFamilyPolicy"], "SingleStack");
    }

    #[test]
    fn a_headless_service_has_none() {
        let service = created(json!({"clusterIP": "None", "selector": {"app": "a"}}));
        assert_eq!(service["spec"]["clusterIPs"], json!(["None"]));
    }

    #[test]
    fn an_external_name_has_no_addresses() {
        let service = created(json!({"type": "ExternalName", "externalName": "example.org"}));
        assert!(service["spec"].get("clusterIP").is_none());
        assert!(service["spec"].get("internalTrafficPolicy").is_none());
    }

    #[test]
    fn an_update_that_leaves_out_what_was_allocated_keeps_it() {
        let old = created(json!({"type": "NodePort", "ports": [{"port": 80}, {"port": 81}]}));
        let mut new = json!({"metadata": {"uid": "0b1e"}, "spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 82}]}});
        Services.default(&mut new);
        Services.prepare_update(&mut new, &old);
        assert_eq!(new["spec"]["clusterIP"], old["spec"]["clusterIP"]);
        assert_eq!(new["spec"]["ports"][0]["nodePort"], old["spec"]["ports"][0]["nodePort"]);
        assert!(new["spec"]["ports"][1]["nodePort"].as_u64().is_some_and(|port| (30_000..32_768).contains(&port)));
    }

    #[test]
    fn a_service_that_becomes_internal_loses_its_node_ports() {
        let old = created(json!({"type": "NodePort", "ports": [{"port": 80}]}));
        let mut new = old.clone();
        new["spec"]["type"] = json!("ClusterIP");
        Services.default(&mut new);
        Services.prepare_update(&mut new, &old);
        assert!(new["spec"]["ports"][0].get("nodePort").is_none());
        assert!(new["spec"].get("externalTrafficPolicy").is_none());
        assert_eq!(new["spec"]["clusterIP"], old["spec"]["clusterIP"]);
    }
}
