//! What the host knows of Kubernetes, so that no plugin has to: what a pod template needs, what it refers to, and quantities.
//!
//! Pure functions of JSON. The only kind named here is the pod template, which Kubernetes itself shares between kinds.

use crate::changes::type_of;
use flotilla_api::quantity::{Amount, Format};
use flotilla_api::work::{DependentObjectReference, NodeClaim, ReplicaRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Why a pod template cannot be read: the field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", if .field.is_empty() { String::new() } else { format!("{}: ", .field) })]
pub(crate) struct BadTemplate {
    field: String,
    why: String,
}

type Read<T> = Result<T, BadTemplate>;

/// What one pod of this template needs; `None` when nothing in particular. Karmada's algorithm: requests, and limits where there is
/// no request; the sum of the containers, but no less than any init container; plus the overhead.
pub(crate) fn pod_requirements(template: &Value) -> Read<Option<ReplicaRequirements>> {
    let Some(spec) = pod_spec(template)? else { return Ok(None) };
    let node_claim = node_claim(spec)?;
    let resource_request = resource_request(spec)?;
    if node_claim.is_none() && resource_request.is_none() {
        return Ok(None);
    }
    Ok(Some(ReplicaRequirements { node_claim, resource_request, ..ReplicaRequirements::default() }))
}

/// What the template asks of nodes. An empty selector that is there makes an empty claim, as in Karmada.
fn node_claim(spec: At<'_>) -> Read<Option<NodeClaim>> {
    let selector: Option<BTreeMap<String, String>> = spec.typed("nodeSelector")?;
    let tolerations: Option<Vec<_>> = spec.typed("tolerations")?;
    let affinity = match spec.map("affinity")? {
        Some(affinity) => affinity.map("nodeAffinity")?,
        None => None,
    };
    let hard_node_affinity = match affinity {
        Some(node) => node.typed("requiredDuringSchedulingIgnoredDuringExecution")?,
        None => None,
    };
    let tolerations = tolerations.filter(|list| !list.is_empty());
    if selector.is_none() && tolerations.is_none() && hard_node_affinity.is_none() {
        return Ok(None);
    }
    Ok(Some(NodeClaim { hard_node_affinity, node_selector: selector.filter(|selector| !selector.is_empty()), tolerations }))
}

/// Amounts by resource, in thousandths of a CPU and whole units of all else.
type Amounts = BTreeMap<String, i64>;

fn resource_request(spec: At<'_>) -> Read<Option<BTreeMap<String, Quantity>>> {
    let mut total = Amounts::new();
    for container in spec.maps("containers")? {
        for (name, amount) in effective_requests(container?)? {
            let sum = total.entry(name).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    for container in spec.maps("initContainers")? {
        for (name, amount) in effective_requests(container?)? {
            let most = total.entry(name).or_default();
            *most = amount.max(*most);
        }
    }
    for (name, amount) in amounts(&spec, "overhead")? {
        let sum = total.entry(name).or_default();
        *sum = sum.saturating_add(amount);
    }
    let request: BTreeMap<String, Quantity> = total
        .into_iter()
        .filter(|(_, amount)| *amount > 0)
        .map(|(name, amount)| {
            let quantity = quantity(&name, amount);
            (name, quantity)
        })
        .collect();
    Ok(Some(request).filter(|request| !request.is_empty()))
}

/// The requests of a container, with limits for what it does not request.
fn effective_requests(container: At<'_>) -> Read<Amounts> {
    let Some(resources) = container.map("resources")? else { return Ok(Amounts::new()) };
    let mut requests = amounts(&resources, "requests")?;
    let requested = resources.map("requests")?;
    for (name, limit) in amounts(&resources, "limits")? {
        if !requested.as_ref().is_some_and(|requested| requested.map.contains_key(&name)) {
            requests.insert(name, limit);
        }
    }
    Ok(requests)
}

/// A map of quantities; resources that do not count are checked and left out.
fn amounts(of: &At<'_>, key: &'static str) -> Read<Amounts> {
    let Some(resources) = of.map(key)? else { return Ok(Amounts::new()) };
    let mut amounts = Amounts::new();
    for (name, value) in resources.map {
        if value.is_null() {
            continue;
        }
        let amount = Amount::from_json(value).map_err(|why| resources.wrong(name, why))?;
        match name.as_str() {
            "cpu" => drop(amounts.insert(name.clone(), amount.milli_value())),
            name if counts(name) => drop(amounts.insert(name.to_owned(), amount.value())),
            _ => {}
        }
    }
    Ok(amounts)
}

/// Whether a resource counts for scheduling.
fn counts(name: &str) -> bool {
    matches!(name, "memory" | "ephemeral-storage" | "pods")
        || name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
        || name.contains("kubernetes.io/")
        || (name.contains('/') && !name.starts_with("requests."))
}

fn quantity(name: &str, amount: i64) -> Quantity {
    let binary = matches!(name, "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
    match name {
        "cpu" => Amount::thousandths(amount, Format::DecimalSi),
        _ => Amount::units(amount, if binary { Format::BinarySi } else { Format::DecimalSi }),
    }
    .into()
}

/// Where a volume's Secret is named, by source: the first source that is there counts.
const VOLUME_SECRETS: [(&str, &[&str]); 10] = [
    ("azureFile", &["secretName"]),
    ("cephfs", &["secretRef", "name"]),
    ("cinder", &["secretRef", "name"]),
    ("flexVolume", &["secretRef", "name"]),
    ("rbd", &["secretRef", "name"]),
    ("secret", &["secretName"]),
    ("scaleIO", &["secretRef", "name"]),
    ("iscsi", &["secretRef", "name"]),
    ("storageos", &["secretRef", "name"]),
    ("csi", &["nodePublishSecretRef", "name"]),
];

/// The objects in the namespace that a pod template refers to, sorted by kind and name, each once.
pub(crate) fn pod_dependencies(template: &Value, namespace: Option<&str>) -> Read<Vec<DependentObjectReference>> {
    let Some(spec) = pod_spec(template)? else { return Ok(Vec::new()) };
    let mut found = BTreeSet::new();
    for secret in spec.maps("imagePullSecrets")? {
        found.extend(secret?.name(&["name"])?.map(|name| ("Secret", name)));
    }
    for containers in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.maps(containers)? {
            environment(container?, &mut found)?;
        }
    }
    for volume in spec.maps("volumes")? {
        volume_sources(volume?, &mut found)?;
    }
    let account = spec.name(&["serviceAccountName"])?.filter(|name| *name != "default");
    found.extend(account.map(|name| ("ServiceAccount", name)));
    Ok(found.into_iter().map(|(kind, name)| reference(kind, name, namespace)).collect())
}

type Found<'a> = BTreeSet<(&'static str, &'a str)>;

fn environment<'a>(container: At<'a>, found: &mut Found<'a>) -> Read<()> {
    for from in container.maps("envFrom")? {
        let from = from?;
        found.extend(from.name(&["configMapRef", "name"])?.map(|name| ("ConfigMap", name)));
        found.extend(from.name(&["secretRef", "name"])?.map(|name| ("Secret", name)));
    }
    for variable in container.maps("env")? {
        if let Some(from) = variable?.map("valueFrom")? {
            found.extend(from.name(&["configMapKeyRef", "name"])?.map(|name| ("ConfigMap", name)));
            found.extend(from.name(&["secretKeyRef", "name"])?.map(|name| ("Secret", name)));
        }
    }
    Ok(())
}

fn volume_sources<'a>(volume: At<'a>, found: &mut Found<'a>) -> Read<()> {
    found.extend(volume.name(&["configMap", "name"])?.map(|name| ("ConfigMap", name)));
    found.extend(volume.name(&["persistentVolumeClaim", "claimName"])?.map(|name| ("PersistentVolumeClaim", name)));
    if let Some(projected) = volume.map("projected")? {
        for source in projected.maps("sources")? {
            let source = source?;
            found.extend(source.name(&["configMap", "name"])?.map(|name| ("ConfigMap", name)));
            found.extend(source.name(&["secret", "name"])?.map(|name| ("Secret", name)));
        }
    }
    for (source, path) in VOLUME_SECRETS {
        if let Some(source) = volume.map(source)? {
            found.extend(source.name(path)?.map(|name| ("Secret", name)));
            break;
        }
    }
    Ok(())
}

fn reference(kind: &str, name: &str, namespace: Option<&str>) -> DependentObjectReference {
    DependentObjectReference {
        api_version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: namespace.filter(|namespace| !namespace.is_empty()).map(str::to_owned),
        name: Some(name.to_owned()),
        label_selector: None,
    }
}

/// The sum of quantities, in the format of the first that is not zero; `0` for none.
pub(crate) fn quantity_sum(quantities: &[String]) -> Result<String, String> {
    let mut sum = Amount::ZERO;
    for quantity in quantities {
        let amount = parse(quantity)?;
        if sum.is_zero() {
            sum = sum.with_format(amount.format());
        }
        sum += amount;
    }
    Ok(sum.to_string())
}

/// -1, 0 or 1, as the first is less than, equal to or greater than the second.
pub(crate) fn quantity_compare(a: &str, b: &str) -> Result<i32, String> {
    Ok(parse(a)?.cmp(&parse(b)?) as i32)
}

/// The nearest double.
pub(crate) fn quantity_value(quantity: &str) -> Result<f64, String> {
    parse(quantity).map(Amount::as_f64)
}

fn parse(quantity: &str) -> Result<Amount, String> {
    quantity.parse().map_err(|why: flotilla_api::quantity::QuantityError| why.to_string())
}

/// A map of the pod template with the way to it, for messages.
#[derive(Clone, Copy)]
struct At<'a> {
    map: &'a Map<String, Value>,
    path: Path<'a>,
}

/// The way to a field: its parts are put together only when something is wrong.
#[derive(Clone, Copy)]
struct Path<'a> {
    list: &'a str,
    index: Option<usize>,
    key: &'a str,
}

/// `spec` of a pod template (or of a Pod, which has the same shape); `None` where there is none.
fn pod_spec(template: &Value) -> Read<Option<At<'_>>> {
    match template {
        Value::Null => Ok(None),
        Value::Object(map) => At { map, path: Path { list: "", index: None, key: "" } }.map("spec"),
        other => Err(BadTemplate { field: String::new(), why: format!("is {}, not an object", type_of(other)) }),
    }
}

impl<'a> At<'a> {
    /// The value of a key; `null` reads as absent.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn map(&self, key: &'a str) -> Read<Option<At<'a>>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(At { map, path: Path { key, ..self.path } })),
            Some(other) => Err(self.wrong(key, format!("is {}, not an object", type_of(other)))),
        }
    }

    /// The maps of a list; items that are `null` are left out.
    fn maps(self, key: &'a str) -> Read<impl Iterator<Item = Read<At<'a>>>> {
        let items = match self.get(key) {
            None => &[][..],
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.wrong(key, format!("is {}, not a list", type_of(other)))),
        };
        Ok(items.iter().enumerate().filter_map(move |(index, item)| match item {
            Value::Null => None,
            Value::Object(map) => Some(Ok(At { map, path: Path { list: key, index: Some(index), key: "" } })),
            other => Some(Err(self.wrong(key, format!("item {index} is {}, not an object", type_of(other))))),
        }))
    }

    /// A name at the end of a path of maps; empty ones name nothing.
    fn name(&self, path: &[&'a str]) -> Read<Option<&'a str>> {
        let (last, maps) = path.split_last().expect("paths have a last key");
        let mut at = *self;
        for key in maps {
            match at.map(key)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        match at.get(last) {
            None => Ok(None),
            Some(Value::String(name)) => Ok(Some(name.as_str()).filter(|name| !name.is_empty())),
            Some(other) => Err(at.wrong(last, format!("is {}, not a string", type_of(other)))),
        }
    }

    /// A value of one of Kubernetes' own types.
    fn typed<T: DeserializeOwned>(&self, key: &str) -> Read<Option<T>> {
        self.get(key).map(|value| T::deserialize(value).map_err(|why| self.wrong(key, why))).transpose()
    }

    fn wrong(&self, key: &str, why: impl ToString) -> BadTemplate {
        let Path { list, index, key: parent } = self.path;
        let place = match index {
            Some(index) => format!("{list}[{index}]"),
            None => String::new(),
        };
        let parts = [place.as_str(), parent, key].into_iter().filter(|part| !part.is_empty());
        BadTemplate { field: parts.collect::<Vec<_>>().join("."), why: why.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn needs(spec: Value, expected: Value) {
        let found = pod_requirements(&json!({"spec": spec})).expect("a pod template");
        assert_eq!(serde_json::to_value(found).expect("plain JSON"), expected);
    }

    fn container(resources: Value) -> Value {
        json!({"name": "main", "resources": resources})
    }

    #[test]
    fn requests_are_summed_and_limits_stand_in() {
        needs(
            json!({"containers": [
                container(json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "example.net/fpga": "2"}})),
                container(json!({"limits": {"cpu": "0.5", "memory": "1Gi"}})),
            ]}),
            json!({"resourceRequest": {"cpu": "600m", "memory": "1152Mi", "example.net/fpga": "2"}}),
        );
    }

    #[test]
    fn init_containers_and_overhead_count() {
        needs(
            json!({
                "containers": [container(json!({"requests": {"cpu": "1"}})), container(json!({"requests": {"cpu": "1"}}))],
                "initContainers": [container(json!({"requests": {"cpu": "3", "memory": "1Gi"}}))],
                "overhead": {"cpu": "250m"},
            }),
            json!({"resourceRequest": {"cpu": "3250m", "memory": "1Gi"}}),
        );
    }

    #[test]
    fn what_does_not_count_is_left_out() {
        let resources = json!({"cpu": "-1", "memory": "0", "strange": "5", "requests.a.io/b": "1", "hugepages-2Mi": "4Mi"});
        needs(json!({"containers": [container(json!({"requests": resources}))]}), json!({"resourceRequest": {"hugepages-2Mi": "4Mi"}}));
        needs(json!({"containers": null}), Value::Null);
        assert_eq!(pod_requirements(&Value::Null), Ok(None));
    }

    #[test]
    fn node_wishes_make_a_claim() {
        needs(
            json!({"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "a", "operator": "Exists"}]}),
            json!({"nodeClaim": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "a", "operator": "Exists"}]}}),
        );
        needs(json!({"nodeSelector": {}}), json!({"nodeClaim": {}}));
        needs(json!({"nodeSelector": null, "tolerations": []}), Value::Null);
    }

    #[test]
    fn a_bad_template_is_named() {
        let wrong = |template: Value| pod_requirements(&template).expect_err("a bad template").to_string();
        assert_eq!(wrong(json!("text")), "is a string, not an object");
        assert_eq!(wrong(json!({"spec": 5})), "spec: is a number, not an object");
        assert_eq!(
            wrong(json!({"spec": {"containers": [{}, container(json!({"requests": {"cpu": "fast"}}))]}})),
            "containers[1].requests.cpu: quantity `fast` is not a number with a suffix like `m`, `k`, `Mi` or `e3`"
        );
    }

    #[test]
    fn dependencies_are_sorted_and_told_once() {
        let template = json!({"spec": {
            "serviceAccountName": "robot",
            "imagePullSecrets": [{"name": "pull"}, {"name": ""}],
            "containers": [
                {"envFrom": [{"configMapRef": {"name": "b"}}, {"secretRef": {"name": "s"}}]},
                {"env": [{"valueFrom": {"configMapKeyRef": {"name": "a"}}}, {"value": "x"}, {"valueFrom": {"secretKeyRef": {"name": "s"}}}]},
            ],
            "volumes": [
                {"configMap": {"name": "b"}},
                {"persistentVolumeClaim": {"claimName": "data"}},
                {"projected": {"sources": [{"secret": {"name": "p"}}, {"configMap": {"name": "c"}}]}},
                {"csi": {"nodePublishSecretRef": {"name": "csi"}}},
                {"emptyDir": {}},
            ],
        }});
        let found = pod_dependencies(&template, Some("shop")).expect("a pod template");
        let shown: Vec<String> = found.iter().map(|one| format!("{} {}", one.kind, one.name.as_deref().unwrap_or("-"))).collect();
        assert_eq!(
            shown,
            [
                "ConfigMap a",
                "ConfigMap b",
                "ConfigMap c",
                "PersistentVolumeClaim data",
                "Secret csi",
                "Secret p",
                "Secret pull",
                "Secret s",
                "ServiceAccount robot"
            ]
        );
        assert!(found.iter().all(|one| one.namespace.as_deref() == Some("shop")));
        assert!(pod_dependencies(&template, None).expect("a pod template").iter().all(|one| one.namespace.is_none()));
    }

    #[test]
    fn quantities_are_summed_and_compared() {
        let sum = |quantities: &[&str]| quantity_sum(&quantities.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(sum(&[]), Ok("0".to_owned()));
        assert_eq!(sum(&["0", "1Gi", "512Mi"]), Ok("1536Mi".to_owned()));
        assert!(sum(&["x"]).is_err());
        assert_eq!(quantity_compare("1", "1000m"), Ok(0));
        assert_eq!(quantity_compare("1Mi", "1M"), Ok(1));
        assert_eq!(quantity_value("1500m"), Ok(1.5));
    }
}
