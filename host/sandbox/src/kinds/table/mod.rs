//! `as=Table`: the columns and cells that kubectl prints. Decides what is shown, never how wide.

pub use pods::row_condition;

pub mod age;
mod cluster;
mod config;
mod custom;
mod network;
mod pods;
mod storage;
mod workloads;

use super::built_ins;
use super::reach::{entries, list, text};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Columns and, in the order of the objects, their cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// `columnDefinitions`.
    pub columns: Vec<Value>,
    /// `rows[].cells`.
    pub rows: Vec<Vec<Value>>,
}

/// How long ago the object with this metadata was made, as a cell.
pub fn age_of(metadata: &Value, now: i64) -> Value {
    age::since(text(metadata, "/creationTimestamp"), now).into()
}

/// The `meta.k8s.io/v1 Table` of some objects of a built-in resource, without `metadata` (the server adds resourceVersion) and with each
/// row's `object` left to the caller. Objects may be in any version that is served. `now` is Unix seconds, for ages.
pub fn built_in(group: &str, plural: &str, objects: &[&Value], now: i64) -> Table {
    let printer = printer(group, plural);
    Table {
        columns: printer.columns.iter().map(Column::definition).collect(),
        rows: objects.iter().map(|object| (printer.cells)(&kept(plural, object), now)).collect(),
    }
}

/// The object in the form in which it is kept.
fn kept<'a>(plural: &str, object: &'a Value) -> Cow<'a, Value> {
    let api_version = text(object, "/apiVersion");
    let view =
        built_ins().iter().find(|of| of.kept_as.is_some() && of.plural == plural && format!("{}/{}", of.group, of.version) == api_version);
    match view.and_then(|of| of.kept_as.as_ref()) {
        Some(conversion) => Cow::Owned((conversion.to_kept)(object.clone())),
        None => Cow::Borrowed(object),
    }
}

/// The same for a custom resource: NAME, then `additionalPrinterColumns` of the CRD's version (JSONPath by the `jsonpath-rust` crate), AGE by default.
pub fn custom(printer_columns: &[Value], objects: &[&Value], now: i64) -> Table {
    custom::table(printer_columns, objects, now)
}

/// How the objects of one resource are printed.
struct Printer {
    columns: &'static [Column],
    cells: fn(&Value, i64) -> Vec<Value>,
}

/// One column; wide ones are shown by `-o wide` alone.
struct Column {
    name: &'static str,
    kind: &'static str,
    is_wide: bool,
    description: &'static str,
}

const fn column(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    Column { name, kind, is_wide: false, description }
}

const fn wide(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    Column { name, kind, is_wide: true, description }
}

const NAME: Column = column("Name", "string", "Name of the object, unique within its namespace and kind.");
const AGE: Column = column("Age", "string", "How long ago the object was created.");
const CREATED_AT: Column = column("Created At", "date", "When the object was created.");
const CONTAINERS: Column = wide("Containers", "string", "Names of the template's containers.");
const IMAGES: Column = wide("Images", "string", "Images of the template's containers.");
const SELECTOR: Column = wide("Selector", "string", "Selector of the labels of the pods.");

impl Column {
    fn definition(&self) -> Value {
        let format = if self.name == "Name" { "name" } else { "" };
        let priority = i32::from(self.is_wide);
        json!({"name": self.name, "type": self.kind, "format": format, "description": self.description, "priority": priority})
    }
}

fn printer(group: &str, plural: &str) -> &'static Printer {
    match (group, plural) {
        ("", "pods") => &pods::PODS,
        ("", "podtemplates") => &workloads::POD_TEMPLATES,
        ("", "replicationcontrollers") => &workloads::REPLICATION_CONTROLLERS,
        ("apps", "controllerrevisions") => &workloads::CONTROLLER_REVISIONS,
        ("apps", "daemonsets") => &workloads::DAEMON_SETS,
        ("apps", "deployments") => &workloads::DEPLOYMENTS,
        ("apps", "replicasets") => &workloads::REPLICA_SETS,
        ("apps", "statefulsets") => &workloads::STATEFUL_SETS,
        ("batch", "cronjobs") => &workloads::CRON_JOBS,
        ("batch", "jobs") => &workloads::JOBS,
        ("", "endpoints") => &network::ENDPOINTS,
        ("", "services") => &network::SERVICES,
        ("discovery.k8s.io", "endpointslices") => &network::ENDPOINT_SLICES,
        ("networking.k8s.io", "ingressclasses") => &network::INGRESS_CLASSES,
        ("networking.k8s.io", "ingresses") => &network::INGRESSES,
        ("networking.k8s.io", "networkpolicies") => &network::NETWORK_POLICIES,
        ("", "namespaces") => &cluster::NAMESPACES,
        ("", "nodes") => &cluster::NODES,
        ("" | "events.k8s.io", "events") => &cluster::EVENTS,
        ("", "resourcequotas") => &cluster::RESOURCE_QUOTAS,
        ("autoscaling", "horizontalpodautoscalers") => &cluster::HORIZONTAL_POD_AUTOSCALERS,
        ("coordination.k8s.io", "leases") => &cluster::LEASES,
        ("policy", "poddisruptionbudgets") => &cluster::POD_DISRUPTION_BUDGETS,
        ("scheduling.k8s.io", "priorityclasses") => &cluster::PRIORITY_CLASSES,
        ("", "persistentvolumeclaims") => &storage::PERSISTENT_VOLUME_CLAIMS,
        ("", "persistentvolumes") => &storage::PERSISTENT_VOLUMES,
        ("storage.k8s.io", "storageclasses") => &storage::STORAGE_CLASSES,
        ("", "configmaps") => &config::CONFIG_MAPS,
        ("", "secrets") => &config::SECRETS,
        ("", "serviceaccounts") => &config::SERVICE_ACCOUNTS,
        ("rbac.authorization.k8s.io", "clusterrolebindings" | "rolebindings") => &config::ROLE_BINDINGS,
        ("admissionregistration.k8s.io", _) => &config::WEBHOOK_CONFIGURATIONS,
        ("apiregistration.k8s.io", "apiservices") => &config::API_SERVICES,
        ("rbac.authorization.k8s.io", _) | ("apiextensions.k8s.io", _) | ("", "limitranges") => &NAME_AND_TIME,
        _ => &NAME_AND_AGE,
    }
}

static NAME_AND_AGE: Printer = Printer { columns: &[NAME, AGE], cells: |object, now| vec![name(object), age::of(object, now)] };

static NAME_AND_TIME: Printer =
    Printer { columns: &[NAME, CREATED_AT], cells: |object, _| vec![name(object), json!(text(object, "/metadata/creationTimestamp"))] };

fn name(object: &Value) -> Value {
    json!(text(object, "/metadata/name"))
}

/// The integer at a pointer, 0 where there is none.
fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The text, or what stands for an empty one.
fn text_or(text: &str, otherwise: &str) -> Value {
    json!(if text.is_empty() { otherwise } else { text })
}

/// A field of each item, joined by commas.
fn joined(items: &[Value], field: &str) -> Value {
    let values: Vec<&str> = items.iter().map(|item| text(item, field)).collect();
    json!(values.join(","))
}

/// Names and images of the containers of a PodSpec.
fn containers(object: &Value, pod_spec: &str) -> [Value; 2] {
    let containers = list(object, &format!("{pod_spec}/containers"));
    [joined(containers, "/name"), joined(containers, "/image")]
}

/// A map of labels as `a=b,c=d`; `<none>` when it is empty.
fn labels(object: &Value, pointer: &str) -> Value {
    let pairs: Vec<String> = entries(object, pointer).map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    text_or(&pairs.join(","), "<none>")
}

/// A LabelSelector in the syntax of `kubectl -l`, sorted by key.
fn selector_text(selector: &Value) -> String {
    let mut requirements: Vec<(&str, String)> =
        entries(selector, "/matchLabels").map(|(key, value)| (key, format!("{key}={}", value.as_str().unwrap_or_default()))).collect();
    for expression in list(selector, "/matchExpressions") {
        let key = text(expression, "/key");
        let mut values: Vec<&str> = list(expression, "/values").iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        requirements.push((
            key,
            match text(expression, "/operator") {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            },
        ));
    }
    requirements.sort_by_key(|(key, _)| *key);
    requirements.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// A LabelSelector at a pointer; `<none>` when it selects everything.
fn selector(object: &Value, pointer: &str) -> Value {
    text_or(&object.pointer(pointer).map(selector_text).unwrap_or_default(), "<none>")
}

/// The first few items, then how many more there are.
fn first_few(items: &[String], most: usize, separator: &str) -> String {
    let shown = items[..items.len().min(most)].join(separator);
    if items.len() > most { format!("{shown} + {} more...", items.len() - most) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_print_as_kubectl_reads_them() {
        let selector = json!({"matchLabels": {"b": "1"}, "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["y", "x"]}, {"key": "c", "operator": "DoesNotExist"}, {"key": "d", "operator": "Exists"}]});
        assert_eq!(selector_text(&selector), "a in (x,y),b=1,!c,d");
    }

    #[test]
    fn every_version_prints_the_same() {
        let hpa = json!({"apiVersion": "autoscaling/v1", "spec": {"targetCPUUtilizationPercentage": 50}});
        assert_eq!(built_in("autoscaling", "horizontalpodautoscalers", &[&hpa], 0).rows[0][2], "cpu: <unknown>/50%");
        let event = json!({"apiVersion": "events.k8s.io/v1", "note": "m", "regarding": {"kind": "Pod", "name": "p"}});
        assert_eq!(built_in("events.k8s.io", "events", &[&event], 0).rows[0][3], "pod/p");
    }

    #[test]
    fn kinds_without_a_printer_show_name_and_age() {
        let object = json!({"metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}});
        let now = age::seconds("2026-01-01T00:01:05Z").expect("a time");
        let table = built_in("example.io", "things", &[&object], now);
        assert_eq!(table.rows, [[json!("x"), json!("65s")]]);
        assert_eq!(table.columns[0]["format"], "name");
        let roles = built_in("rbac.authorization.k8s.io", "roles", &[&object], now);
        assert_eq!(roles.rows, [[json!("x"), json!("2026-01-01T00:00:00Z")]]);
        assert_eq!(roles.columns[1]["name"], "Created At");
    }
}
