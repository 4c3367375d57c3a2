//! Counts API writes of one Deployment's life, and times a fleet from the start of the process to the first Deployment that is ready.
//!
//! Counts do not depend on the machine; times do, and are printed warm (compiled plugins in the cache) and cold beside each other.

mod figures;

use figures::{Bar, Figures};
use flotilla_tests::fleet::{At, TestFleet, new_writes};
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const MEMBERS: usize = 2;
/// Deployments that are created at once.
const MANY: u64 = 100;

fn main() {
    // `cargo test` builds benchmarks too and runs them with this flag: they then have nothing to do.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let figures = Figures::of("fleet");
        writes(&figures).await;
        start(&figures).await;
    });
}

fn web(name: &str, replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image}]}},
        },
    })
}

fn policy(members: usize) -> Value {
    let clusters: Vec<String> = (1..=members).map(|number| format!("member{number}")).collect();
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "all", "namespace": "default"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment"}],
            "placement": {"clusterAffinity": {"clusterNames": clusters}, "replicaScheduling": {"replicaSchedulingType": "Duplicated"}},
        },
    })
}

/// The controllers' writes until all is settled, for each step of a Deployment's life, and for many that are created at once.
async fn writes(figures: &Figures) {
    let fleet = TestFleet::start(MEMBERS).await;
    fleet.apply(&policy(MEMBERS).into()).await;
    let mut before = fleet.settled().await;
    for (step, object) in [
        ("create", Some(web("web", 2, "nginx:1.26"))),
        ("new image", Some(web("web", 2, "nginx:1.27"))),
        ("scale", Some(web("web", 4, "nginx:1.27"))),
        ("delete", None),
    ] {
        match object {
            Some(object) => fleet.apply(&object.into()).await,
            None => fleet.delete(&fleet.control, At("apps/v1", "Deployment", Some("default"), "web")).await,
        }
        let after = fleet.settled().await;
        count(figures, &format!("{step} one Deployment"), new_writes(&before, &after), 1);
        before = after;
    }
    for number in 0..MANY {
        fleet.apply(&web(&format!("web-{number}"), 1, "nginx:1.27").into()).await;
    }
    count(figures, &format!("create {MANY} Deployments"), new_writes(&before, &fleet.settled().await), MANY);
}

/// For each object; by kind and verb as well. What room members have is written whatever happens.
fn count(figures: &Figures, step: &str, writes: BTreeMap<String, u64>, objects: u64) {
    let (mut kinds, mut on_control, mut on_members) = (BTreeMap::<String, u64>::new(), 0, 0);
    for (key, count) in writes {
        let (cluster, kind) = key.split_once(' ').expect("`cluster verb resource`");
        if kind.contains("clusters.cluster.karmada.io") {
            continue;
        }
        let is_member = cluster.starts_with("member");
        *(if is_member { &mut on_members } else { &mut on_control }) += count;
        *kinds.entry(format!("{} {kind}", if is_member { "members:" } else { "control plane:" })).or_default() += count;
    }
    let each = |count: u64| count as f64 / objects as f64;
    figures.held(format!("{step}: control plane"), each(on_control), &Bar("writes to the control plane for a Deployment"));
    figures.held(format!("{step}: members"), each(on_members), &Bar("writes to the members for a Deployment"));
    for (kind, count) in kinds {
        figures.seen(format!("  {kind}"), each(count), "");
    }
}

/// How long a new process takes until a Deployment is ready on three members, without and with compiled plugins in the cache.
async fn start(figures: &Figures) {
    let Some(binary) = binary() else {
        println!("start: the release binary is missing; run `make build` first");
        return;
    };
    let folder = std::env::temp_dir().join(format!("flotilla-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    for (name, runs) in [("cold", 1), ("warm", 5)] {
        for _ in 0..runs {
            let (serving, ready) = start_once(&binary, &folder).await;
            figures.seen(format!("start, {name}: everything answers"), millis(serving), "ms");
            let what = format!("start, {name}: the first Deployment is ready in 3 members");
            match name {
                "warm" => figures.held(what, millis(ready), &Bar("start until a Deployment is ready")),
                _ => figures.seen(what, millis(ready), "ms"),
            }
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

fn binary() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.ancestors().nth(2)?.join("flotilla");
    std::env::var_os("FLOTILLA").map(PathBuf::from).or(Some(beside)).filter(|path| path.exists())
}

async fn start_once(binary: &Path, folder: &Path) -> (Duration, Duration) {
    let kubeconfig = folder.join("kubeconfig");
    let started = Instant::now();
    let mut process = Command::new(binary)
        .args(["--log", "error", "sandbox", "--members", "3", "--kubeconfig"])
        .arg(&kubeconfig)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    while !kubeconfig.exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "the sandbox does not start");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let serving = started.elapsed();
    let config = Kubeconfig::read_from(&kubeconfig).expect("the kubeconfig is right");
    let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("the kubeconfig is right");
    let client = Client::try_from(config).expect("a client");
    create(&client, "policy.karmada.io/v1alpha1", "PropagationPolicy", policy(3)).await;
    create(&client, "apps/v1", "Deployment", web("web", 2, "nginx:1.27")).await;
    let api = api(&client, "apps/v1", "Deployment");
    loop {
        let object = api.get("web").await.expect("the template is there");
        if object.data["status"]["readyReplicas"] == 6 {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the Deployment does not become ready: {}", object.data["status"]);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let ready = started.elapsed();
    process.kill().expect("it runs");
    process.wait().expect("it runs");
    let _ = std::fs::remove_file(&kubeconfig);
    (serving, ready)
}

fn api(client: &Client, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').expect("a group");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), "default", &resource)
}

async fn create(client: &Client, api_version: &str, kind: &str, object: Value) {
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    api(client, api_version, kind).create(&PostParams::default(), &object).await.expect("the object is right");
}
