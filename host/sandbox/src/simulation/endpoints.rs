//! Services: the EndpointSlices that name the pods behind them. Decides only.

use super::action::{Action, Target, merge_patch, to_json};
use super::kind::{ENDPOINT_SLICE, Meta, POD, SERVICE};
use super::{pods, template};
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// As many endpoints are in one slice.
const SLICE: usize = 100;
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const HEADLESS: &str = "service.kubernetes.io/headless";

/// What is behind a Service: the labels of its pods; `None` for one whose endpoints are somebody else's.
pub fn selector(service: &Service) -> Option<&BTreeMap<String, String>> {
    let spec = service.spec.as_ref()?;
    let selector = spec.selector.as_ref().filter(|selector| !selector.is_empty())?;
    (spec.type_.as_deref() != Some("ExternalName")).then_some(selector)
}

/// Whether a Service selects a pod.
pub fn selects(service: &Service, pod: &ObjectMeta) -> bool {
    let all = |selector: &BTreeMap<String, String>| selector.iter().all(|(key, value)| pod.label(key) == Some(value));
    service.metadata.namespace == pod.namespace && selector(service).is_some_and(all)
}

/// What to do for a Service now; `behind` are the pods that it selects, `slices` those that it owns.
pub fn reconcile(service: &Service, behind: &[Arc<Pod>], slices: &[Arc<EndpointSlice>], names: &mut template::Names) -> Vec<Action> {
    let spec = service.spec.clone().unwrap_or_default();
    if service.metadata.is_deleting() || selector(service).is_none() {
        return Vec::new();
    }
    let mut pods: Vec<&Arc<Pod>> = behind.iter().filter(|pod| address(pod).is_some() && !pods::is_finished(pod)).collect();
    pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let ports = ports(&spec, pods.first().map(|pod| &***pod));
    let publish_all = spec.publish_not_ready_addresses == Some(true);
    let endpoints: Vec<Value> = pods.iter().map(|pod| endpoint(pod, publish_all)).collect();
    let mut chunks: Vec<&[Value]> = endpoints.chunks(SLICE).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let mut actions = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let wanted = json!({"metadata": {"labels": labels(service)}, "endpoints": chunk, "ports": ports});
        match slices.get(at) {
            Some(known) => actions.extend(update(known, &wanted)),
            None => actions.push(create(service, wanted, names)),
        }
    }
    let unused = slices.iter().skip(chunks.len()).filter(|slice| !slice.metadata.is_deleting());
    actions.extend(unused.map(|slice| Action::delete(Target::new(&ENDPOINT_SLICE, &slice.metadata))));
    actions
}

fn address(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.to_owned(), CONTROLLER.to_owned());
    labels.insert(SERVICE_NAME.to_owned(), service.metadata.name().to_owned());
    if service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None") {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels
}

fn endpoint(pod: &Pod, publish_all: bool) -> Value {
    let meta = &pod.metadata;
    let (serving, terminating) = (pods::is_ready(pod), meta.is_deleting());
    json!({
        "addresses": [address(pod)],
        "conditions": {"ready": publish_all || (serving && !terminating), "serving": serving, "terminating": terminating},
        "nodeName": pods::node_name(pod),
        "targetRef": {"kind": POD.kind, "name": meta.name(), "namespace": meta.namespace(), "uid": meta.uid()},
    })
}

/// The ports of a Service as its pods have them; a named port is looked up in a pod.
fn ports(spec: &ServiceSpec, pod: Option<&Pod>) -> Vec<Value> {
    let number = |port: &ServicePort| match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let containers = pod.map(|pod| pods::spec(pod).containers.as_slice()).unwrap_or_default();
            let mut ports = containers.iter().flat_map(|container| container.ports.iter().flatten());
            ports.find(|port| port.name.as_ref() == Some(name)).map(|port| port.container_port)
        }
    };
    let port = |port: &ServicePort| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let mut made = json!({"name": port.name.as_deref().unwrap_or(""), "port": number(port)?, "protocol": protocol});
        if let Some(app) = &port.app_protocol {
            made["appProtocol"] = json!(app);
        }
        Some(made)
    };
    spec.ports.iter().flatten().filter_map(port).collect()
}

fn create(service: &Service, mut slice: Value, names: &mut template::Names) -> Action {
    let name = service.metadata.name();
    slice["apiVersion"] = json!(ENDPOINT_SLICE.api_version());
    slice["kind"] = json!(ENDPOINT_SLICE.kind);
    slice["addressType"] = json!("IPv4");
    slice["metadata"]["name"] = json!(names.under(name));
    slice["metadata"]["generateName"] = json!(format!("{name}-"));
    slice["metadata"]["namespace"] = json!(service.metadata.namespace());
    slice["metadata"]["ownerReferences"] = json!([SERVICE.controller_reference(&service.metadata)]);
    Action::create(&ENDPOINT_SLICE, &slice)
}

fn update(known: &EndpointSlice, wanted: &Value) -> Option<Action> {
    let known_json = to_json(known);
    let field = |name: &str| known_json.get(name).cloned().unwrap_or_else(|| json!([]));
    let now = json!({"metadata": {"labels": known.metadata.labels}, "endpoints": field("endpoints"), "ports": field("ports")});
    let patch = merge_patch(&now, wanted).filter(|patch| *patch != Value::Object(Map::new()))?;
    Some(Action::patch(Target::new(&ENDPOINT_SLICE, &known.metadata), patch))
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::yaml;
    use super::*;

    const SVC: &str = "
metadata: {name: svc, namespace: shop, uid: svc, labels: {team: a}}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}, {name: metrics, port: 9090}]}
";
    const WEB: &str = "
metadata: {name: web-1, namespace: shop, uid: web-1, labels: {app: web}}
spec: {nodeName: node1, containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Running, podIP: 10.0.0.1, conditions: [{type: Ready, status: 'True'}]}
";

    fn slice(actions: Vec<Action>) -> Value {
        match actions.into_iter().next().map(|action| action.request) {
            Some(Request::Create { object, .. }) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_slice_names_the_pods_behind_a_service() {
        let service: Service = yaml(SVC);
        let pods = [Arc::new(yaml::<Pod>(WEB))];
        assert!(selects(&service, &pods[0].metadata));
        let mut names = template::Names::new(1);
        let made = slice(reconcile(&service, &pods, &[], &mut names));
        assert_eq!(
            made["ports"],
            json!([{"name": "", "port": 8080, "protocol": "TCP"}, {"name": "metrics", "port": 9090, "protocol": "TCP"}])
        );
        assert_eq!(
            made["endpoints"],
            json!([{
                "addresses": ["10.0.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false}, "nodeName": "node1",
                "targetRef": {"kind": "Pod", "name": "web-1", "namespace": "shop", "uid": "web-1"},
            }])
        );
        assert_eq!(made["metadata"]["labels"], json!({"team": "a", MANAGED_BY: CONTROLLER, SERVICE_NAME: "svc"}));
        let known = [Arc::new(serde_json::from_value(made).unwrap())];
        assert!(reconcile(&service, &pods, &known, &mut names).is_empty(), "nothing changed");
        let Some(Request::Patch { patch, .. }) = reconcile(&service, &[], &known, &mut names).pop().map(|action| action.request) else {
            panic!("the pod is gone")
        };
        assert_eq!(patch["endpoints"], json!([]));
    }

    #[test]
    fn a_service_without_selector_is_left_alone() {
        assert!(reconcile(&yaml("{metadata: {name: a}, spec: {}}"), &[], &[], &mut template::Names::new(1)).is_empty());
    }
}
