//! Members that are not what they say: what is wrong is told where a user looks, nothing is lost, and it ends when the cause does.

use flotilla_api::object::Object;
use flotilla_controllers::context::Options;
use flotilla_tests::cluster::Cluster;
use flotilla_tests::fleet::{At, GADGETS, PATIENCE, TestFleet, condition, new_writes, writes_to};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const WEB: At = At("apps/v1", "Deployment", None, "web");
const BINDING: At = At("work.karmada.io/v1alpha2", "ResourceBinding", None, "web-deployment");
const MEMBER1: At = At("cluster.karmada.io/v1alpha1", "Cluster", None, "member1");

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'nginx:1.27'}]}
";

fn policy(api_version: &str, kind: &str, clusters: &str) -> String {
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: all}}
spec:
  resourceSelectors: [{{apiVersion: {api_version}, kind: {kind}}}]
  placement: {{clusterAffinity: {{clusterNames: [{clusters}]}}}}
"
    )
}

fn often() -> Options {
    Options { probe_every: Duration::from_millis(200), failure_threshold: Duration::from_millis(200), ..Options::default() }
}

/// `web` runs in `member1`, and nowhere else.
async fn running(fleet: &TestFleet) {
    fleet.apply_yaml(&policy("apps/v1", "Deployment", "member1")).await;
    fleet.apply_yaml(DEPLOYMENT).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(1)).await;
    fleet.settled().await;
}

async fn set_image(fleet: &TestFleet, image: &str) {
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}});
    fleet.patch(&fleet.control, WEB, patch).await;
}

async fn has_image(fleet: &TestFleet, cluster: &Cluster, image: &str) {
    fleet.says(cluster, WEB, "/spec/template/spec/containers/0/image", json!(image)).await;
}

/// Waits for a Warning about an object; returns what it says.
async fn warned(fleet: &TestFleet, name: &str, reason: &str) -> String {
    let started = Instant::now();
    loop {
        let events = fleet.events().await;
        let about = |event: &&Object| event["involvedObject"]["name"] == name && event["reason"] == reason && event["type"] == "Warning";
        if let Some(event) = events.iter().find(about) {
            return event["message"].as_str().unwrap_or_default().to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "no Event {reason} about {name}: {events:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the change of the image waits for its member: the Work has it, and its execution is put off.
async fn held_back(fleet: &TestFleet, image: &str) {
    let started = Instant::now();
    let pointer = "/spec/workload/manifests/0/spec/template/spec/containers/0/image";
    let is_held = |works: &[Object]| {
        let depths = fleet.controllers().context().queues.depths();
        works[0].pointer(pointer) == Some(&json!(image)) && depths.iter().any(|(queue, depth)| *queue == "execution" && *depth > 0)
    };
    while !is_held(&fleet.works().await) {
        assert!(started.elapsed() < PATIENCE, "{image} does not come to the Work");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ready(fleet: &TestFleet) {
    fleet.condition(&fleet.control, MEMBER1, "Ready", "True", "ClusterReady").await;
}

/// `member1` leads to `member2`'s API server from now on, as to a cluster that was built anew.
async fn lead_elsewhere(fleet: &TestFleet) {
    let account = fleet.member(2).account();
    let data = json!({"token": account.token, "caBundle": account.authority});
    let secret = At("v1", "Secret", Some(flotilla_api::names::CLUSTER_NAMESPACE), "member1");
    fleet.patch(&fleet.control, secret, json!({"stringData": data})).await;
    fleet.patch(&fleet.control, MEMBER1, json!({"spec": {"apiEndpoint": account.url}})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_under_the_same_name_gets_nothing_until_it_is_said_to_be_the_one() {
    let fleet = TestFleet::start_over_https(2).await;
    running(&fleet).await;
    let before = fleet.settled().await;
    lead_elsewhere(&fleet).await;
    let told = fleet.condition(&fleet.control, MEMBER1, "Ready", "False", "ClusterIdentityChanged").await;
    let other = fleet.there(fleet.member(2), At("v1", "Namespace", None, "kube-system")).await;
    let message = told["message"].as_str().unwrap_or_default();
    assert!(message.ends_with(&format!("set `spec.id` to {}", other.uid())), "{message}");
    assert_eq!(warned(&fleet, "member1", "ClusterIdentityChanged").await, message);

    set_image(&fleet, "nginx:1.28").await;
    held_back(&fleet, "nginx:1.28").await;
    let written = new_writes(&before, &fleet.writes());
    assert_eq!(writes_to(&written, "member"), 0, "{written:?}");
    assert!(fleet.get(fleet.member(2), WEB).await.is_none(), "nothing is sent to a stranger");
    has_image(&fleet, fleet.member(1), "nginx:1.27").await;
    fleet.says(&fleet.control, BINDING, "/spec/clusters", json!([{"name": "member1", "replicas": 1}])).await;
    assert_eq!(fleet.works().await.len(), 1, "nothing is lost");

    fleet.patch(&fleet.control, MEMBER1, json!({"spec": {"id": other.uid()}})).await;
    ready(&fleet).await;
    has_image(&fleet, fleet.member(2), "nginx:1.28").await;
    fleet.says(fleet.member(2), WEB, "/status/readyReplicas", json!(1)).await;
}

/// A proxy that knows one name; returns its address.
async fn proxy_to(name: &'static str, target: String) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let target = target.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let is_known = head.starts_with(&format!("CONNECT {name} ")) && head.contains("roxy-");
                if !is_known {
                    return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
                }
                let mut server = TcpStream::connect(target).await?;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_behind_a_proxy_is_reached_through_it() {
    let fleet = TestFleet::start_over_https(1).await;
    let url = fleet.member(1).account().url.clone();
    // Nobody listens there: only the proxy knows better.
    fleet.patch(&fleet.control, MEMBER1, json!({"spec": {"apiEndpoint": "https://localhost:1", "proxyURL": "ftp://127.0.0.1:1"}})).await;
    let told = fleet.condition(&fleet.control, MEMBER1, "Ready", "False", "ClusterNotReachable").await;
    assert!(told["message"].as_str().is_some_and(|message| message.contains("`http`, `https` or `socks5`")), "{told}");
    let proxy = proxy_to("localhost:1", url.trim_start_matches("https://").to_owned()).await;
    fleet.patch(&fleet.control, MEMBER1, json!({"spec": {"proxyURL": format!("http://us:secret@{proxy}")}})).await;
    ready(&fleet).await;
    running(&fleet).await;
    has_image(&fleet, fleet.member(1), "nginx:1.27").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_too_old_gets_nothing_until_it_is_upgraded() {
    let fleet = TestFleet::start_with(1, often()).await;
    running(&fleet).await;
    let member = fleet.member(1);
    member.lies().tell("/version", 200, json!({"major": "1", "minor": "27", "gitVersion": "v1.27.3"}));
    let told = fleet.condition(&fleet.control, MEMBER1, "Ready", "False", "UnsupportedVersion").await;
    let message = "version v1.27.3 is older than v1.30; upgrade the cluster, nothing is sent there";
    assert_eq!(told["message"], message);
    assert_eq!(warned(&fleet, "member1", "UnsupportedVersion").await, message);
    let before = fleet.writes();
    set_image(&fleet, "nginx:1.28").await;
    held_back(&fleet, "nginx:1.28").await;
    let written = new_writes(&before, &fleet.writes());
    assert_eq!(writes_to(&written, "member"), 0, "{written:?}");
    member.lies().end();
    ready(&fleet).await;
    has_image(&fleet, member, "nginx:1.28").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_accepted_any_more_is_told_with_the_cure() {
    let fleet = TestFleet::start_with(1, often()).await;
    running(&fleet).await;
    let member = fleet.member(1);
    member.lies().refuse("/", 401, "Unauthorized", "Unauthorized");
    let told = fleet.condition(&fleet.control, MEMBER1, "Ready", "False", "ClusterNotReachable").await;
    let message = told["message"].as_str().unwrap_or_default();
    assert!(message.contains("does not accept the token (401)") && message.contains("`spec.secretRef`"), "{message}");
    set_image(&fleet, "nginx:1.28").await;
    member.lies().end();
    ready(&fleet).await;
    has_image(&fleet, member, "nginx:1.28").await;
}

/// What a cluster says of its API groups, as the controllers ask for it.
async fn groups_of(cluster: &Cluster) -> Value {
    let request = http::Request::get("/apis").header(http::header::ACCEPT, kube::core::discovery::v2::ACCEPT_AGGREGATED_DISCOVERY_V2);
    let answer = cluster.user().client().request_text(request.body(Vec::new()).expect("a request")).await;
    serde_json::from_str(&answer.expect("the server answers")).expect("JSON")
}

/// Waits until the list of APIs of `member1` is said to have gaps; returns why.
async fn partial(fleet: &TestFleet) -> String {
    let told = fleet.condition(&fleet.control, MEMBER1, "CompleteAPIEnablements", "False", "Partial").await;
    told["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_does_not_say_what_it_serves_keeps_what_it_has_and_gets_changes() {
    let fleet = TestFleet::start_with(1, often()).await;
    running(&fleet).await;
    let member = fleet.member(1);
    let complete = || fleet.condition(&fleet.control, MEMBER1, "CompleteAPIEnablements", "True", "Complete");
    let uid = fleet.there(member, WEB).await.uid().to_owned();

    // One group's own server is away.
    let mut groups = groups_of(member).await;
    let apps = groups["items"].as_array_mut().into_iter().flatten().find(|group| group["metadata"]["name"] == "apps");
    apps.expect("every cluster has it")["versions"] = json!([{"version": "v1", "resources": [], "freshness": "Stale"}]);
    member.lies().tell("/apis", 200, groups);
    assert_eq!(partial(&fleet).await, "no answer from the servers of apps/v1");
    set_image(&fleet, "nginx:1.28").await;
    has_image(&fleet, member, "nginx:1.28").await;
    member.lies().end();
    complete().await;

    // There is no answer at all.
    member.lies().refuse("/apis", 500, "InternalError", "it broke");
    assert!(partial(&fleet).await.starts_with("discovery failed: "), "it is told");
    set_image(&fleet, "nginx:1.29").await;
    has_image(&fleet, member, "nginx:1.29").await;
    member.lies().end();
    complete().await;
    assert_eq!(fleet.there(member, WEB).await.uid(), uid, "it was never taken away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_a_member_lists_and_does_not_serve_is_told_on_the_binding() {
    let fleet = TestFleet::start_with(2, often()).await;
    let liar = fleet.member(1);
    liar.lies().refuse("/apis/example.io/", 404, "NotFound", "the server could not find the requested resource");
    for cluster in [&fleet.control, liar, fleet.member(2)] {
        fleet.apply_yaml_to(cluster, GADGETS).await;
    }
    fleet.apply_yaml(&policy("example.io/v1", "Gadget", "member1, member2")).await;
    fleet.control.resource(&flotilla_api::object::GroupVersionKind::new("example.io/v1", "Gadget")).await;
    fleet.apply_yaml("{apiVersion: example.io/v1, kind: Gadget, metadata: {name: lamp}, spec: {colour: blue}}").await;
    let lamp = At("example.io/v1", "Gadget", None, "lamp");
    fleet.says(fleet.member(2), lamp, "/spec/colour", json!("blue")).await;
    let binding = At("work.karmada.io/v1alpha2", "ResourceBinding", None, "lamp-gadget");
    let told = |binding: &Object| {
        let items = binding.pointer("/status/aggregatedStatus").and_then(Value::as_array)?;
        let item = items.iter().find(|item| item["clusterName"] == "member1")?;
        item["appliedMessage"].as_str().map(str::to_owned)
    };
    let message = fleet.until(&fleet.control, binding, |binding| told(binding?)).await;
    assert!(message.contains("gadgets") && message.contains("could not find the requested resource"), "{message}");
    let bound = fleet.there(&fleet.control, binding).await;
    assert_eq!(condition(&bound, "FullyApplied").map(|condition| &condition["status"]), Some(&json!("False")), "{bound:?}");
    liar.lies().end();
    fleet.says(liar, lamp, "/spec/colour", json!("blue")).await;
    fleet.condition(&fleet.control, binding, "FullyApplied", "True", "FullyAppliedSuccess").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_priority_of_a_policy_is_that_of_its_class_once_there_is_one() {
    let fleet = TestFleet::start(1).await;
    let class = "\n  schedulePriority: {priorityClassSource: KubePriorityClass, priorityClassName: flotilla-test}\n";
    fleet.apply_yaml(&(policy("apps/v1", "Deployment", "member1").trim_end().to_owned() + class)).await;
    fleet.apply_yaml(DEPLOYMENT).await;
    let message = warned(&fleet, "web", "NoPriorityClass").await;
    assert!(message.contains("`flotilla-test`"), "{message}");
    assert!(fleet.get(&fleet.control, BINDING).await.is_none());
    fleet.apply_yaml("{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: flotilla-test}, value: 1000}").await;
    fleet.says(&fleet.control, BINDING, "/spec/schedulePriority/priority", json!(1000)).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(1)).await;
}
