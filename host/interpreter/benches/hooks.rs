//! How long a hook call takes: every built-in plugin, an object of 5 KB and one of 13 KB, fresh instance, deadline and memory limit on,
//! nothing remembered. Beside it what native Rust takes on the same parsed tree.
//!
//! `cargo bench --workspace --bench hooks` prints all of it, `cargo bench --workspace --bench hooks -- health` a part; each figure is the
//! best of many rounds. Needs `make plugins`.

#[path = "../../../tests/benches/figures/mod.rs"]
mod figures;
#[path = "../tests/support/mod.rs"]
mod support;

use figures::{Bar, Figures, is_wanted};
use flotilla_api::interpretation::{Interpreter, Operation};
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::quantity::{Amount, Format};
use flotilla_api::work::AggregatedStatusItem;
use flotilla_interpreter::Chain;
use flotilla_interpreter::memo::Memo;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Time spent on each figure.
const SPEND: Duration = Duration::from_millis(400);
/// Calls of one round; the best round counts. Short, so that on a busy machine some are not interrupted.
const ROUND: u32 = 20;
const SIZES: [usize; 2] = [5_000, 13_000];
const CLUSTERS: usize = 10;

fn main() {
    let figures = Figures::of("hooks");
    let chain = Chain::new(support::runtime(), support::built_in()).with_memo(Memo::with_budget(0));
    for plugin in chain.plugins() {
        let kind = &plugin.targets()[0];
        for operation in plugin.operations() {
            let name = format!("{} {}", plugin.name(), operation.hook());
            if !is_wanted(&name) {
                continue;
            }
            let samples = SIZES.map(|size| Sample::new(kind, size));
            let [small, large] = samples.each_ref().map(|sample| time(&mut || sample.ask(&chain, operation)));
            figures.held(&name, micros(small), &bar(operation));
            figures.held(format!("{name}, 13 KB by 5 KB"), micros(large) / micros(small), &Bar("13 KB, by 5 KB"));
            figures.seen(format!("{name}, native"), micros(time(&mut || samples[0].native(operation))), "µs");
        }
    }
    if is_wanted("for comparison") {
        time_empty_calls(&figures);
        compare(&figures);
    }
}

/// What a call is held to.
fn bar(operation: Operation) -> Bar {
    match operation {
        Operation::ReviseReplica | Operation::Retain | Operation::InterpretHealth | Operation::InterpretStatus => {
            Bar("a hook that changes or judges")
        }
        _ => Bar("a hook"),
    }
}

/// A hook that does nothing: what a call costs in itself, without and with imports.
fn time_empty_calls(figures: &Figures) {
    let thing = support::object("{apiVersion: tests/v1, kind: Thing, metadata: {name: one}, status: {phase: Up}}");
    for (file, imports) in [("healthy", "no"), ("picky", "two")] {
        let chain = support::chain(vec![support::plugin(file)]).with_memo(Memo::with_budget(0));
        let took = time(&mut || drop(black_box(chain.health(&thing).expect("an answer"))));
        figures.seen(format!("for comparison, an empty hook with {imports} imports"), micros(took), "µs");
    }
}

/// What other things take on this machine at this moment.
fn compare(figures: &Figures) {
    for (size, sample) in SIZES.iter().zip(SIZES.map(|size| Sample::new(&GroupVersionKind::new("apps/v1", "Deployment"), size))) {
        let text = sample.object.0.to_string();
        let parse = time(&mut || drop(black_box(serde_json::from_str::<Value>(&text))));
        let clone = time(&mut || drop(black_box(sample.object.clone())));
        figures.seen(format!("for comparison, parse {size} bytes"), micros(parse), "µs");
        figures.seen(format!("for comparison, copy {size} bytes"), micros(clone), "µs");
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1_000.0
}

/// The best round, divided by its calls.
fn time(call: &mut dyn FnMut()) -> Duration {
    let begin = Instant::now();
    let mut best = Duration::MAX;
    while begin.elapsed() < SPEND {
        let round = Instant::now();
        (0..ROUND).for_each(|_| call());
        best = best.min(round.elapsed() / ROUND);
    }
    best
}

/// A workload with all that hooks are given beside it.
struct Sample {
    object: Object,
    observed: Object,
    items: Vec<AggregatedStatusItem>,
}

impl Sample {
    fn new(kind: &GroupVersionKind, size: usize) -> Self {
        let object = workload(kind, size);
        let mut observed = object.clone();
        observed.0["spec"]["replicas"] = json!(9);
        let item = |number| AggregatedStatusItem {
            cluster_name: format!("member{number:02}"),
            status: Some(native::reflected(&object.0)),
            applied: true,
            health: Some("Healthy".to_owned()),
            ..AggregatedStatusItem::default()
        };
        Self { items: (0..CLUSTERS).map(item).collect(), object, observed }
    }

    /// Asks the plugin; changes are made by the owner of the object, in place, as native code would.
    fn ask(&self, chain: &Chain, operation: Operation) {
        let (object, observed) = (&self.object, &self.observed);
        match operation {
            Operation::InterpretReplica => drop(black_box(chain.replicas(object).expect("an answer"))),
            Operation::InterpretComponent => drop(black_box(chain.components(object).expect("an answer"))),
            Operation::ReviseReplica => drop(black_box(chain.revise_changes(object, 7).expect("an answer"))),
            Operation::Retain => drop(black_box(chain.retain_changes(object, observed).expect("an answer"))),
            Operation::InterpretStatus => drop(black_box(chain.reflect(object).expect("an answer"))),
            Operation::AggregateStatus => drop(black_box(chain.aggregate_changes(object, Some(&self.items)).expect("an answer"))),
            Operation::InterpretHealth => drop(black_box(chain.health(object).expect("an answer"))),
            Operation::InterpretDependency => drop(black_box(chain.dependencies(object).expect("an answer"))),
        }
    }

    /// What the same answer takes in native code that has the parsed tree in hand.
    fn native(&self, operation: Operation) {
        let object = &self.object.0;
        match operation {
            Operation::InterpretReplica | Operation::InterpretComponent => drop(black_box(native::demand(object))),
            Operation::ReviseReplica => drop(black_box(json!(7))),
            Operation::Retain => drop(black_box(native::retained(object, &self.observed.0))),
            Operation::InterpretStatus => drop(black_box(native::reflected(object))),
            Operation::AggregateStatus => drop(black_box(native::aggregated(object, &self.items))),
            Operation::InterpretHealth => drop(black_box(native::is_healthy(object))),
            Operation::InterpretDependency => drop(black_box(native::dependencies(object))),
        }
    }
}

/// A workload of about `size` bytes: two containers with environment, volumes, annotations and managed fields, as stored.
fn workload(kind: &GroupVersionKind, size: usize) -> Object {
    let container = |name: &str| {
        json!({
            "name": name, "image": "registry.example.net/shop/web:1.4.2",
            "env": [{"name": "MODE", "value": "production"}, {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}}],
            "envFrom": [{"configMapRef": {"name": "web-config"}}],
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10},
        })
    };
    let mut object = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": {
            "name": "web", "namespace": "shop", "generation": 4, "uid": "5b1e0c1e-07aa-4c1f-9f53-3d1b1e6f0a11", "resourceVersion": "120394",
            "labels": {"app": "web", "resourcetemplate.karmada.io/retain-replicas": "true"},
            "annotations": {"resourcetemplate.karmada.io/generation": "4"}, "managedFields": [],
        },
        "spec": {
            "replicas": 3, "revisionHistoryLimit": 10, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [container("web"), container("sidecar")], "serviceAccountName": "web",
                    "volumes": [{"name": "config", "configMap": {"name": "web-files"}}, {"name": "tls", "secret": {"secretName": "web-tls"}}],
                },
            },
        },
        "status": {
            "observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, "currentReplicas": 3,
            "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastUpdateTime": "2026-11-20T10:00:00Z"}],
        },
    });
    let mut number = 0;
    while object.to_string().len() < size {
        number += 1;
        let fields = json!({"manager": format!("manager-{number}"), "operation": "Update", "fieldsV1": {"f:spec": {format!("f:field{number}"): {}}}});
        object["metadata"]["managedFields"].as_array_mut().expect("a list").push(fields);
        let variable = json!({"name": format!("SETTING_{number}"), "value": format!("value of setting {number}")});
        object["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("a list").push(variable);
    }
    Object(object)
}

/// The questions in native Rust, as a built-in of the host would answer them.
mod native {
    use super::*;

    fn int(value: &Value, path: [&str; 2]) -> i64 {
        value.get(path[0]).and_then(|value| value.get(path[1])).and_then(Value::as_i64).unwrap_or(0)
    }

    pub fn demand(object: &Value) -> (i64, BTreeMap<String, String>) {
        let mut sums: BTreeMap<&str, Amount> = BTreeMap::new();
        let pod = object.get("spec").and_then(|spec| spec.get("template")).and_then(|template| template.get("spec"));
        let containers = pod.and_then(|pod| pod.get("containers")).and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            let requests = container.get("resources").and_then(|resources| resources.get("requests")).and_then(Value::as_object);
            for (name, amount) in requests.into_iter().flatten() {
                *sums.entry(name).or_insert(Amount::units(0, Format::BinarySi)) += Amount::from_json(amount).expect("a quantity");
            }
        }
        (int(object, ["spec", "replicas"]), sums.into_iter().map(|(name, sum)| (name.to_owned(), sum.to_string())).collect())
    }

    pub fn retained(desired: &Value, observed: &Value) -> Option<Value> {
        let label = desired
            .get("metadata")
            .and_then(|metadata| metadata.get("labels"))
            .and_then(|labels| labels.get("resourcetemplate.karmada.io/retain-replicas"));
        label.and_then(Value::as_str).filter(|label| *label == "true")?;
        observed.get("spec").and_then(|spec| spec.get("replicas")).cloned()
    }

    pub fn reflected(object: &Value) -> Value {
        let mut status = Map::new();
        for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas", "observedGeneration"] {
            if let Some(count) = object.get("status").and_then(|status| status.get(field)) {
                status.insert(field.to_owned(), count.clone());
            }
        }
        let generation = int(object, ["metadata", "generation"]);
        status.insert("generation".to_owned(), generation.into());
        status.insert("resourceTemplateGeneration".to_owned(), generation.into());
        Value::Object(status)
    }

    pub fn aggregated(object: &Value, items: &[AggregatedStatusItem]) -> Value {
        let mut status = Map::new();
        for field in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"] {
            let sum: i64 = items.iter().filter_map(|item| item.status.as_ref()?.get(field)?.as_i64()).sum();
            status.insert(field.to_owned(), sum.into());
        }
        let generation = int(object, ["metadata", "generation"]);
        let ready = items
            .iter()
            .filter(|item| item.status.as_ref().and_then(|status| status.get("observedGeneration")?.as_i64()) == Some(generation));
        status.insert("observedGeneration".to_owned(), ready.count().into());
        Value::Object(status)
    }

    pub fn is_healthy(object: &Value) -> bool {
        int(object, ["status", "observedGeneration"]) == int(object, ["metadata", "generation"])
            && int(object, ["status", "updatedReplicas"]) >= int(object, ["spec", "replicas"])
            && int(object, ["status", "availableReplicas"]) >= int(object, ["status", "updatedReplicas"])
    }

    pub fn dependencies(object: &Value) -> Vec<(&'static str, String)> {
        let mut names = Vec::new();
        let pod = object.get("spec").and_then(|spec| spec.get("template")).and_then(|template| template.get("spec"));
        let list = |value: Option<&Value>, key: &str| {
            value.and_then(|value| value.get(key)).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let name = |value: &Value, path: &[&str]| {
            path.iter().try_fold(value, |value, key| value.get(key)).and_then(Value::as_str).map(str::to_owned)
        };
        for container in list(pod, "containers") {
            names.extend(
                list(Some(&container), "envFrom").iter().filter_map(|from| Some(("ConfigMap", name(from, &["configMapRef", "name"])?))),
            );
            names.extend(
                list(Some(&container), "env")
                    .iter()
                    .filter_map(|from| Some(("Secret", name(from, &["valueFrom", "secretKeyRef", "name"])?))),
            );
        }
        for volume in list(pod, "volumes") {
            names.extend(name(&volume, &["configMap", "name"]).map(|name| ("ConfigMap", name)));
            names.extend(name(&volume, &["secret", "secretName"]).map(|name| ("Secret", name)));
        }
        names.sort();
        names.dedup();
        names
    }
}
