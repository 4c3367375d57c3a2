//! How long decisions take: `cargo bench --workspace --bench decisions`, with `-- static` those with this word in their names.
//!
//! Inputs are generated; each figure is the best of many runs.

#[path = "../../../tests/benches/figures/mod.rs"]
mod figures;

use figures::{Bar, Figures, is_wanted};
use flotilla_api::cluster::Cluster;
use flotilla_api::interpretation::{Answer, Asked, Demand, Health, HookError, Interpreter, Layer, Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::policy::{self, OverridePolicy, PropagationPolicy};
use flotilla_api::work::{AggregatedStatusItem, Component, DependentObjectReference, ResourceBinding};
use flotilla_core::apply::{Known, apply};
use flotilla_core::matching::{Policy, PolicyIndex};
use flotilla_core::overrides;
use flotilla_core::render::{self, render};
use flotilla_core::scheduling::{Options, schedule};
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() {
    let figures = Figures::of("decisions");
    for count in [10, 100, 1_000, 5_000] {
        decisions(&figures, count);
    }
    one_work(&figures);
    matches(&figures);
    overriders(&figures);
}

/// The clusters of a binding, decided on for the first time and again.
fn decisions(figures: &Figures, count: usize) {
    let bar = match count {
        100 => Some(Bar("a decision, 100 clusters")),
        5_000 => Some(Bar("a decision, 5,000 clusters")),
        _ => None,
    };
    let clusters: Vec<Cluster> = (0..count).map(cluster).collect();
    let names: Vec<String> = (0..count).map(cluster_name).collect();
    for (name, placement) in placements() {
        for (when, targets) in [("first time", &[][..]), ("again", &names)] {
            let binding = binding(&placement, targets);
            let decide = || drop(black_box(schedule(black_box(&binding), &clusters, Options::default())));
            time(figures, &format!("{name}, {count} clusters, {when}"), bar.as_ref(), decide);
        }
    }
}

fn one_work(figures: &Figures) {
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
    let size = template.0.to_string().len();
    let bar = Bar("a Work, hooks aside");
    time(figures, &format!("a Work from a template of {size} bytes"), Some(&bar), || drop(black_box(render(black_box(&input)))));
    time(figures, "for comparison, a copy of the template", None, || drop(black_box(template.clone())));
    let work = render(&input).remove(0).work.expect("a Work");
    let manifest = &work.spec.manifests()[0];
    let apply = || drop(black_box(apply(manifest, Some(black_box(manifest)), Known::Nothing, &Copies)));
    time(figures, "apply what is there already", None, apply);
}

/// The policy of a template, among few policies and among many.
fn matches(figures: &Figures) {
    let template = Object(deployment());
    let times = [10, 10_000].map(|count| {
        let index = PolicyIndex::new((0..count).map(policy));
        time(figures, &format!("50 matches among {count} policies"), None, || {
            (0..50).for_each(|_| assert!(black_box(index.best(black_box(&template), &|_| false)).is_some()));
        })
    });
    if let [Some(few), Some(many)] = times {
        figures.held("a match, 10,000 policies by 10", many / few, &Bar("a match among 10,000 policies, by one among 10"));
    }
}

/// A third selects each by name, by label and by kind; of those that select by name, only the first means the template.
fn policy(number: usize) -> Policy {
    let selector = [
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": if number == 0 { "web".to_owned() } else { format!("other-{number}") }}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"app": "web"}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment"}),
    ];
    let policy = json!({
        "metadata": {"name": format!("p{number}"), "namespace": "shop"},
        "spec": {"resourceSelectors": [selector[number % 3]], "placement": {}},
    });
    Policy::from(serde_json::from_value::<PropagationPolicy>(policy).expect("a policy"))
}

/// What twenty overriders change.
fn overriders(figures: &Figures) {
    let labels = (0..10).map(|n| json!({"operator": "add", "value": {format!("l{n}"): "x"}}));
    let values =
        (0..5).map(|n| json!({"path": format!("/spec/template/spec/containers/0/env/{n}/value"), "operator": "replace", "value": "x"}));
    let policy = json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": {"overriders": {
        "labelsOverrider": labels.collect::<Vec<_>>(),
        "plaintext": values.collect::<Vec<_>>(),
        "imageOverrider": [
            {"component": "Registry", "operator": "replace", "value": "m"}, {"component": "Tag", "operator": "replace", "value": "2"},
        ],
        "argsOverrider": [
            {"containerName": "web", "operator": "add", "value": ["-c"]}, {"containerName": "sidecar", "operator": "remove", "value": ["-a"]},
        ],
        "annotationsOverrider": [{"operator": "add", "value": {"a": "b"}}],
    }}});
    let policy: OverridePolicy = policy::read(&policy).expect("an override policy");
    let (template, cluster) = (deployment(), Cluster::default());
    let copy = || Object(template.clone());
    let change = |mut object: Object| {
        overrides::apply(&mut object, &cluster, &[], &[&policy], &|_| false).expect("the overriders are right");
        object
    };
    time_of(figures, "20 overriders", Some(&Bar("20 overriders")), copy, change);
}

/// Adds what a run takes, in microseconds; gives it back.
fn time(figures: &Figures, name: &str, bar: Option<&Bar>, run: impl Fn()) -> Option<f64> {
    time_of(figures, name, bar, || (), |()| run())
}

/// The best of as many runs as fit into 200 ms; what they begin with and what they leave is not in the time.
fn time_of<T, R>(figures: &Figures, name: &str, bar: Option<&Bar>, begin: impl Fn() -> T, run: impl Fn(T) -> R) -> Option<f64> {
    if !is_wanted(name) {
        return None;
    }
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed() < Duration::from_millis(200) {
        let begun = begin();
        let before = Instant::now();
        let left = black_box(run(begun));
        best = best.min(before.elapsed());
        drop(left);
    }
    let best = best.as_secs_f64() * 1e6;
    match bar {
        Some(bar) => figures.held(name, best, bar),
        None => figures.seen(name, best, "µs"),
    }
    Some(best)
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
