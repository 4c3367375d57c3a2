//! `kubectl get` of Services, Endpoints and what routes to them.

use super::{AGE, NAME, Printer, age, column, count, first_few, labels, name, selector, text_or, wide};
use crate::kinds::reach::{list, present, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) static SERVICES: Printer = Printer {
    columns: &[
        NAME,
        column("Type", "string", "How the Service is exposed."),
        column("Cluster-IP", "string", "Address within the cluster."),
        column("External-IP", "string", "Addresses outside of the cluster."),
        column("Port(s)", "string", "Ports, their node ports and protocols."),
        AGE,
        wide("Selector", "string", "Labels of the pods behind it."),
    ],
    cells: |object, now| {
        vec![
            name(object),
            json!(text(object, "/spec/type")),
            text_or(text(object, "/spec/clusterIP"), "<none>"),
            json!(external_ip(object)),
            text_or(&ports(object), "<none>"),
            age::of(object, now),
            labels(object, "/spec/selector"),
        ]
    },
};

fn external_ip(service: &Value) -> String {
    let mut addresses: Vec<&str> = list(service, "/spec/externalIPs").iter().filter_map(Value::as_str).collect();
    match text(service, "/spec/type") {
        "ExternalName" => text(service, "/spec/externalName").to_owned(),
        "LoadBalancer" => {
            addresses.splice(0..0, load_balancer(service));
            if addresses.is_empty() { "<pending>".to_owned() } else { addresses.join(",") }
        }
        "ClusterIP" | "NodePort" if addresses.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => addresses.join(","),
        _ => "<unknown>".to_owned(),
    }
}

/// Addresses of the load balancer, sorted.
fn load_balancer(object: &Value) -> BTreeSet<&str> {
    let points = list(object, "/status/loadBalancer/ingress").iter();
    points
        .map(|point| match text(point, "/ip") {
            "" => text(point, "/hostname"),
            ip => ip,
        })
        .filter(|address| !address.is_empty())
        .collect()
}

fn ports(service: &Value) -> String {
    let ports = list(service, "/spec/ports").iter().map(|port| {
        let (number, node_port, protocol) = (count(port, "/port"), count(port, "/nodePort"), text(port, "/protocol"));
        if node_port > 0 { format!("{number}:{node_port}/{protocol}") } else { format!("{number}/{protocol}") }
    });
    ports.collect::<Vec<_>>().join(",")
}

pub(super) static ENDPOINTS: Printer = Printer {
    columns: &[NAME, column("Endpoints", "string", "Addresses and ports behind the Service."), AGE],
    cells: |object, now| vec![name(object), json!(endpoints(object)), age::of(object, now)],
};

fn endpoints(object: &Value) -> String {
    let subsets = list(object, "/subsets");
    if subsets.is_empty() {
        return "<none>".to_owned();
    }
    let mut addresses = Vec::new();
    for subset in subsets {
        for port in list(subset, "/ports") {
            for address in list(subset, "/addresses") {
                addresses.push(host_and_port(text(address, "/ip"), count(port, "/port")));
            }
        }
    }
    first_few(&addresses, 3, ",")
}

fn host_and_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) static ENDPOINT_SLICES: Printer = Printer {
    columns: &[
        NAME,
        column("AddressType", "string", "Kind of the addresses."),
        column("Ports", "string", "Ports of every endpoint."),
        column("Endpoints", "string", "Addresses of the endpoints."),
        AGE,
    ],
    cells: |object, now| {
        let ports: Vec<String> = list(object, "/ports")
            .iter()
            .map(|port| port.get("port").and_then(Value::as_i64).map_or_else(|| "*".to_owned(), |number| number.to_string()))
            .collect();
        let addresses: Vec<String> = list(object, "/endpoints")
            .iter()
            .flat_map(|endpoint| list(endpoint, "/addresses"))
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect();
        vec![
            name(object),
            json!(text(object, "/addressType")),
            text_or(&first_few(&ports, 3, ","), "<unset>"),
            text_or(&first_few(&addresses, 3, ","), "<unset>"),
            age::of(object, now),
        ]
    },
};

pub(super) static INGRESSES: Printer = Printer {
    columns: &[
        NAME,
        column("Class", "string", "IngressClass that serves it."),
        column("Hosts", "string", "Hosts of the rules."),
        column("Address", "string", "Addresses of the load balancer."),
        column("Ports", "string", "Ports that are open."),
        AGE,
    ],
    cells: |object, now| {
        let addresses: Vec<&str> = load_balancer(object).into_iter().collect();
        let has_tls = !list(object, "/spec/tls").is_empty();
        vec![
            name(object),
            text_or(text(object, "/spec/ingressClassName"), "<none>"),
            json!(hosts(object)),
            json!(addresses.join(",")),
            json!(if has_tls { "80, 443" } else { "80" }),
            age::of(object, now),
        ]
    },
};

/// The hosts among the first three rules; `*` where none of them has one.
fn hosts(ingress: &Value) -> String {
    let rules = list(ingress, "/spec/rules");
    let mut shown = Vec::new();
    let mut has_more = false;
    for rule in rules {
        has_more |= shown.len() == 3;
        let host = text(rule, "/host");
        if !has_more && !host.is_empty() {
            shown.push(host);
        }
    }
    match shown.join(",") {
        none if none.is_empty() => "*".to_owned(),
        some if has_more => format!("{some} + {} more...", rules.len() - 3),
        all => all,
    }
}

pub(super) static INGRESS_CLASSES: Printer = Printer {
    columns: &[
        NAME,
        column("Controller", "string", "Controller that serves the class."),
        column("Parameters", "string", "Object with the controller's settings."),
        AGE,
    ],
    cells: |object, now| {
        let parameters = present(object, "/spec/parameters").map(|parameters| {
            let kind = match text(parameters, "/apiGroup") {
                "" => text(parameters, "/kind").to_owned(),
                group => format!("{}.{group}", text(parameters, "/kind")),
            };
            format!("{kind}/{}", text(parameters, "/name"))
        });
        vec![
            name(object),
            json!(text(object, "/spec/controller")),
            text_or(&parameters.unwrap_or_default(), "<none>"),
            age::of(object, now),
        ]
    },
};

pub(super) static NETWORK_POLICIES: Printer = Printer {
    columns: &[NAME, column("Pod-Selector", "string", "Labels of the pods it holds for."), AGE],
    cells: |object, now| vec![name(object), selector(object, "/spec/podSelector"), age::of(object, now)],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_show_where_they_are_reached() {
        let mut service = json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9",
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}});
        let cells = (SERVICES.cells)(&service, 0);
        assert_eq!(cells[1..5], [json!("LoadBalancer"), json!("10.96.0.9"), json!("<pending>"), json!("80:30080/TCP,53/UDP")]);
        service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "a.example"}]}});
        assert_eq!((SERVICES.cells)(&service, 0)[3], "192.0.2.2,a.example");
        let external = json!({"spec": {"type": "ExternalName", "externalName": "db.example"}});
        assert_eq!((SERVICES.cells)(&external, 0)[2..5], [json!("<none>"), json!("db.example"), json!("<none>")]);
    }

    #[test]
    fn lists_of_addresses_end_after_three() {
        let addresses: Vec<Value> = (1..=5).map(|n| json!({"ip": format!("10.0.0.{n}")})).collect();
        let object = json!({"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]});
        assert_eq!(endpoints(&object), "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...");
        assert_eq!(endpoints(&json!({})), "<none>");
        let slice = json!({"addressType": "IPv4", "ports": [{"port": 80}, {}], "endpoints": [{"addresses": ["10.0.0.1"]}]});
        assert_eq!((ENDPOINT_SLICES.cells)(&slice, 0)[1..4], [json!("IPv4"), json!("80,*"), json!("10.0.0.1")]);
    }

    #[test]
    fn ingresses_show_hosts() {
        let ingress = json!({"spec": {"ingressClassName": "nginx", "tls": [{}], "rules": [{"host": "a"}, {}, {"host": "b"}]}});
        assert_eq!((INGRESSES.cells)(&ingress, 0)[1..5], [json!("nginx"), json!("a,b"), json!(""), json!("80, 443")]);
        assert_eq!(hosts(&json!({"spec": {"rules": [{"host": "a"}, {"host": "b"}, {"host": "c"}, {"host": "d"}]}})), "a,b,c + 1 more...");
        assert_eq!(hosts(&json!({})), "*");
    }
}
