//! How long decisions take, at the least: `cargo bench -p flotilla-core`.
//!
//! Inputs are generated; each line is the best of many runs, with the bar beside it where there is one.

use flotilla_api::cluster::Cluster;
use flotilla_api::interpretation::{Answer, Asked, Demand, Health, HookError, Interpreter, Layer, Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::work::{AggregatedStatusItem, Component, DependentObjectReference, ResourceBinding};
use flotilla_core::apply::{Known, apply};
use flotilla_core::render::{self, render};
use flotilla_core::scheduling::{Options, schedule};
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    for (count, bar) in [(10, None), (100, Some(20)), (1_000, None), (5_000, Some(1_500))] {
        let clusters: Vec<Cluster> = (0..count).map(cluster).collect();
        for (name, placement) in placements() {
            let fresh = binding(&placement, &[]);
            let spread: Vec<String> = (0..count).map(cluster_name).collect();
            let placed = binding(&placement, &spread);
            let decide = |binding: &ResourceBinding| drop(black_box(schedule(black_box(binding), &clusters, Options::default())));
            report(&format!("schedule {name}, {count} clusters, first time"), bar, || decide(&fresh));
            report(&format!("schedule {name}, {count} clusters, again"), bar, || decide(&placed));
        }
    }
    one_work();
}

fn one_work() {
    let (template, cluster) = (Object(deployment()), cluster(0));
    let binding = binding(&json!({}), &[cluster_name(0)]);
    let input = render::Input {
        binding: &binding,
        template: &template,
        cluster_overrides: &[],
        overrides: &[],
        serves: &|_| false,
        cluster: &|_| Some(&cluster),
        work_id: &|_| "5b3c1f0e-0000-4000-8000-000000000000".to_owned(),
        interpreter: &Copies,
    };
    println!("a template of {} bytes", template.0.to_string().len());
    report("render one Work", Some(30), || drop(black_box(render(black_box(&input)))));
    report("clone the template (for comparison)", None, || drop(black_box(template.clone())));
    let work = render(&input).remove(0).work.expect("a Work");
    let manifest = &work.spec.manifests()[0];
    report("apply what is there already", None, || drop(black_box(apply(manifest, Some(black_box(manifest)), Known::Nothing, &Copies))));
}

/// The best of as many runs as fit into 200 ms, in microseconds.
fn report(name: &str, bar: Option<u64>, run: impl Fn()) {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    if !name.contains(&only) {
        return;
    }
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed() < Duration::from_millis(200) {
        let before = Instant::now();
        run();
        best = best.min(before.elapsed());
    }
    let bar = bar.map(|bar| format!("  (bar {bar} µs)")).unwrap_or_default();
    println!("{:60} {:>10.2} µs{bar}", name, best.as_secs_f64() * 1e6);
}

fn cluster_name(index: usize) -> String {
    format!("member-{index:04}")
}

/// With the APIs of a plain cluster, the template's group in the middle.
fn cluster(index: usize) -> Cluster {
    let group =
        |group: usize| json!({"groupVersion": format!("group-{group}.example.io/v1"), "resources": [{"name": "things", "kind": "Thing"}]});
    let mut groups: Vec<Value> = (0..24).map(group).collect();
    groups.insert(12, json!({"groupVersion": "apps/v1", "resources": [{"name": "daemonsets", "kind": "DaemonSet"}, {"name": "deployments", "kind": "Deployment"}]}));
    let tier = ["gold", "silver"][index % 2];
    let cluster = json!({
        "metadata": {"name": cluster_name(index), "labels": {"tier": tier}},
        "spec": {"syncMode": "Push", "region": "east", "provider": "north", "zones": ["e1"]},
        "status": {"apiEnablements": groups},
    });
    serde_json::from_value(cluster).expect("a cluster")
}

fn placements() -> [(&'static str, Value); 3] {
    let weighted = |list: Value| json!({"replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted", "weightPreference": {"staticWeightList": list}}});
    let gold = json!({"labelSelector": {"matchLabels": {"tier": "gold"}}});
    [
        ("Duplicated", json!({"replicaScheduling": {"replicaSchedulingType": "Duplicated"}})),
        ("Duplicated by label", json!({"clusterAffinity": gold, "replicaScheduling": {"replicaSchedulingType": "Duplicated"}})),
        ("static weights", weighted(json!([{"targetCluster": gold, "weight": 3}, {"targetCluster": {}, "weight": 1}]))),
    ]
}

fn binding(placement: &Value, clusters: &[String]) -> ResourceBinding {
    let targets: Vec<Value> = clusters.iter().map(|name| json!({"name": name, "replicas": 1})).collect();
    let binding = json!({
        "metadata": {"name": "web-deployment", "namespace": "shop", "labels": {"resourcebinding.karmada.io/permanent-id": "b-1"}},
        "spec": {
            "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "u-1"},
            "replicas": 10_000, "replicaRequirements": {}, "placement": placement, "clusters": targets,
        },
    });
    serde_json::from_value(binding).expect("a binding")
}

/// About 5 KB, as such objects are.
fn deployment() -> Value {
    let env = |index: usize| json!({"name": format!("SETTING_{index}"), "value": format!("a value of some length, number {index}")});
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/shop/{name}:1.27.3"), "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
            "env": (0..12).map(env).collect::<Vec<_>>(),
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/web"}, {"name": "cache", "mountPath": "/var/cache/web"}],
        })
    };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "700", "generation": 4,
            "labels": {"app": "web", "team": "shop"}, "annotations": {"note": "x"},
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}}],
        },
        "spec": {
            "replicas": 10_000, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web", "team": "shop"}},
                "spec": {
                    "containers": [container("web"), container("sidecar"), container("metrics")],
                    "volumes": [{"name": "config", "configMap": {"name": "web"}}, {"name": "cache", "emptyDir": {}}],
                    "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                },
            },
        },
        "status": {"replicas": 10_000, "readyReplicas": 10_000, "observedGeneration": 4},
    })
}

/// Answers nothing but a copy: what is measured is the host's own work.
struct Copies;

impl Interpreter for Copies {
    fn is_supported(&self, _: &Object, _: Operation) -> Result<bool, HookError> {
        Ok(true)
    }
    fn replicas(&self, _: &Object) -> Asked<Demand> {
        Ok(None)
    }
    fn components(&self, _: &Object) -> Asked<Vec<Component>> {
        Ok(None)
    }
    fn revise(&self, template: &Object, _: i64) -> Asked<Object> {
        let by = Origin { layer: Layer::Generic, plugin: String::new(), version: String::new(), digest: String::new() };
        Ok(Some(Answer { value: template.clone(), by: Arc::new(by) }))
    }
    fn retain(&self, _: &Object, _: &Object) -> Asked<Object> {
        Ok(None)
    }
    fn reflect(&self, _: &Object) -> Asked<Option<Value>> {
        Ok(None)
    }
    fn aggregate(&self, _: &Object, _: Option<&[AggregatedStatusItem]>) -> Asked<Object> {
        Ok(None)
    }
    fn health(&self, _: &Object) -> Asked<Health> {
        Ok(None)
    }
    fn dependencies(&self, _: &Object) -> Asked<Vec<DependentObjectReference>> {
        Ok(None)
    }
}
