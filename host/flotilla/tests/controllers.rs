//! `flotilla controllers` as a process: how it refuses to start, what it says about itself, and how it hands over.

#[allow(dead_code, reason = "a part of it is used here")]
mod clusters;

use clusters::{CONTROL, Clusters, needs_real_servers};
use flotilla_api::object::Object;
use flotilla_controllers::cluster_api::{ClusterApi, ObjectKey, Resource};
use flotilla_controllers::lease::leases;
use flotilla_controllers::watch::Own;
use flotilla_sandbox::kubeconfig::{self, Context};
use flotilla_sandbox::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for anything that is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A control plane of this process.
struct Plane {
    sandbox: Sandbox,
    folder: TempDir,
}

impl Plane {
    /// Without our kinds.
    async fn bare() -> Self {
        Self::of(Vec::new()).await
    }

    async fn of(members: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = Some(folder.path().join("kubeconfig"));
        let options = SandboxOptions { members, kubeconfig, ..SandboxOptions::default() };
        Self { sandbox: Sandbox::start(options).await.expect("it starts"), folder }
    }

    /// With our kinds.
    async fn start() -> Self {
        Self::bare().await.with_our_kinds().await
    }

    async fn with_our_kinds(self) -> Self {
        for crd in flotilla_api::crd::crds() {
            let crd = Object(serde_json::to_value(crd).expect("a CRD prints"));
            self.api().create(&definitions(), &crd).await.expect("it is right");
        }
        self
    }

    fn api(&self) -> ClusterApi {
        ClusterApi::new(self.sandbox.control().api.client_as("kubectl"), Duration::from_secs(10))
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// A kubeconfig that differs.
    fn changed(&self, change: impl Fn(String) -> String) -> String {
        let path = self.folder.path().join("changed");
        std::fs::write(&path, change(std::fs::read_to_string(self.kubeconfig()).expect("it is there"))).expect("it can be written");
        path.to_str().expect("UTF-8").to_owned()
    }

    fn controllers(&self, more: &[&str]) -> Controllers {
        Controllers::start(self.kubeconfig().to_str().expect("UTF-8"), more)
    }

    async fn holder(&self) -> String {
        let lease = self.api().get(&leases(), &ObjectKey::new(Some("flotilla-system"), "flotilla")).await.expect("it answers");
        lease.map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }
}

fn resource(group: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource { group: group.into(), version: "v1".into(), kind: kind.into(), plural: plural.into(), namespaced, has_status: true }
}

fn definitions() -> Resource {
    resource("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false)
}

/// One process.
struct Controllers {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Controllers {
    fn start(kubeconfig: &str, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.args(["controllers", "--log-format", "json", "--kubeconfig", kubeconfig]).args(more);
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("FLOTILLA_LOG");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (lines, log) = (BufReader::new(child.stderr.take().expect("a pipe")).lines(), Arc::<Mutex<Vec<String>>>::default());
        let written = log.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| written.lock().expect("no panic").push(line)));
        Self { child, log }
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().expect("no panic").clone()
    }

    /// Waits until something is logged, and returns the line.
    fn says(&self, message: &str) -> Value {
        until(&format!("`{message}` in {:#?}", self.log()), || {
            let lines = self.log().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            lines.into_iter().find(|line| line["message"] == message)
        })
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill is there");
        assert!(sent.success());
    }

    /// Waits for the end; exit code and everything on standard error.
    fn ends(mut self) -> (i32, String) {
        let code = until(&format!("it ends: {:#?}", self.log()), || self.child.try_wait().expect("it is ours"));
        let ended = Instant::now();
        // The last lines may still be on their way.
        until("the log ends", || (Arc::strong_count(&self.log) == 1 || ended.elapsed() > Duration::from_secs(5)).then_some(()));
        (code.code().unwrap_or(-1), self.log().join("\n"))
    }

    #[track_caller]
    fn refuses(self, code: i32, message: &str, hint: &str) {
        let (ended, log) = self.ends();
        assert_eq!(ended, code, "{log}");
        assert!(log.contains(&format!("error: {message}")) && log.contains("hint: ") && log.contains(hint), "{log}");
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free")
}

/// Status and body of a GET, or `None` while nothing listens.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: probes\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

const NO_PROBES: [&str; 2] = ["--health-address", "0"];

#[test]
fn a_kubeconfig_that_cannot_be_used_is_told() {
    Controllers::start("/nowhere/kubeconfig", &NO_PROBES).refuses(2, "kubeconfig `/nowhere/kubeconfig` does not exist", "--kubeconfig");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kubeconfig");
    let nobody = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: c}}}}]\nusers: [{{name: c, user: {{}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'https://{}'}}}}]\n",
        free_address()
    );
    std::fs::write(&path, nobody).expect("it can be written");
    let path = path.to_str().expect("UTF-8");
    let refused = "the control plane cannot be reached: nothing listens at that address (connection refused)";
    Controllers::start(path, &NO_PROBES).refuses(4, refused, "`server` in the kubeconfig");
    Controllers::start(path, &["--context", "d"]).refuses(2, &format!("kubeconfig `{path}` has no context `d`"), "get-contexts");
    let overlap = ["--lease-duration", "5s", "--renew-deadline", "10s"];
    Controllers::start(path, &overlap).refuses(2, "the lease duration must be longer than the renew deadline", "--lease-duration");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_does_not_fit_is_refused_with_the_cure() {
    let plane = Plane::bare().await;
    let missing = "the control plane does not serve `clusters.cluster.karmada.io` v1alpha1";
    plane.controllers(&NO_PROBES).refuses(1, missing, "flotilla init --crds-only");
    let plane = Plane::start().await;
    let stranger = plane.changed(|text| {
        let lines =
            text.lines().map(|line| line.split_once("token: ").map_or(line.to_owned(), |(before, _)| format!("{before}token: wrong")));
        lines.map(|line| line + "\n").collect()
    });
    Controllers::start(&stranger, &NO_PROBES).refuses(4, "the control plane does not know who this is (401)", "has expired");
    let other = Plane::bare().await;
    let authority = |text: &str| {
        let (_, after) = text.split_once("certificate-authority-data: ").expect("an authority");
        after.lines().next().expect("a line").to_owned()
    };
    let others = authority(&std::fs::read_to_string(other.kubeconfig()).expect("it is there"));
    let untrusting = plane.changed(|text| text.replace(&authority(&text), &others));
    let untrusted = "the certificate of the control plane is not signed by an authority that the kubeconfig trusts";
    Controllers::start(&untrusting, &NO_PROBES).refuses(4, untrusted, "certificate-authority-data");
    let works = ObjectKey::new(None, "works.work.karmada.io");
    let mut old = plane.api().get(&definitions(), &works).await.expect("it answers").expect("it is there");
    let fields = old.pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties").and_then(Value::as_object_mut);
    fields.and_then(|fields| fields.remove("suspendDispatching")).expect("it has the field");
    plane.api().replace(&definitions(), &old).await.expect("it is a definition");
    let older = "CustomResourceDefinition `works.work.karmada.io` is older than this program: `spec.suspendDispatching` is missing";
    plane.controllers(&NO_PROBES).refuses(1, older, "flotilla init --crds-only");
}

/// An API server whose certificate ended long ago; returns its address and its authority in PEM.
fn ended_server() -> (SocketAddr, String) {
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("they fit");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut tls = rustls::ServerConnection::new(Arc::new(config.clone())).expect("a configuration");
            // Whoever looks at the certificate hangs up.
            let _ = tls.complete_io(&mut client);
        }
    });
    (address, certificate.pem())
}

#[test]
fn a_certificate_that_has_expired_is_told_with_the_cure() {
    let (address, authority) = ended_server();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kubeconfig");
    let access = Context { name: "control".to_owned(), url: format!("https://{address}"), authority, token: "any".to_owned() };
    kubeconfig::write(&path, &[access]).expect("written");
    let expired = "the certificate of the control plane has expired";
    Controllers::start(path.to_str().expect("UTF-8"), &NO_PROBES).refuses(4, expired, "renew the API server's certificate");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_and_a_standby_tell_who_they_are() {
    let plane = Plane::start().await;
    let (first_at, second_at) = (free_address(), free_address());
    let first = plane.controllers(&["--health-address", &first_at.to_string()]);
    first.says("the controllers run");
    let second = plane.controllers(&["--health-address", &second_at.to_string()]);
    let standing_by = second.says("standing by");
    assert_eq!(standing_by["holder"], plane.holder().await.as_str());
    for address in [first_at, second_at] {
        assert_eq!(get(address, "/livez"), Some((200, "ok".into())));
        assert_eq!(get(address, "/readyz"), Some((200, "ok".into())));
    }
    let verbose = get(first_at, "/readyz?verbose").expect("it answers").1;
    assert_eq!(verbose, "[+]leader-election ok\n[+]plugins ok\n[+]caches ok\n");
    let (leader, standby) = (get(first_at, "/metrics").expect("it answers").1, get(second_at, "/metrics").expect("it answers").1);
    assert!(leader.contains("\nflotilla_leader 1.0\n") && standby.contains("\nflotilla_leader 0.0\n"), "{leader}{standby}");
    for metric in [
        "flotilla_queue_depth{queue=\"bindings\"} 0.0",
        "flotilla_queue_oldest_seconds{queue=\"execution\"} 0.0",
        "flotilla_reconcile_seconds_bucket{le=\"0.01\",controller=\"discovery\",result=\"ok\"}",
        "flotilla_api_writes_total{cluster=\"control\",verb=\"create\",resource=\"leases.coordination.k8s.io\",code=\"ok\"} 1",
        "flotilla_plugin_info{plugin=\"deployment\"",
        "# TYPE flotilla_plugin_call_seconds histogram",
        "# EOF",
    ] {
        assert!(leader.contains(metric), "{metric}: {leader}");
    }
    assert!(!leader.contains("flotilla-system"), "no names of namespaces or objects");
}

/// Also against real API servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_told_to_end_hands_over_at_once() {
    let clusters = Clusters::start(0).await;
    let kubeconfig = clusters.kubeconfig().display().to_string();
    let crds_only = ["init", "--crds-only", "--kubeconfig", &kubeconfig, "--context", CONTROL];
    clusters.flotilla(&crds_only).await.done();
    let first = Controllers::start(&kubeconfig, &NO_PROBES);
    first.says("the controllers run");
    let second = Controllers::start(&kubeconfig, &NO_PROBES);
    second.says("standing by");
    let stopped = Instant::now();
    first.signal("-TERM");
    second.says("this process leads");
    assert!(stopped.elapsed() < Duration::from_secs(1), "{:?}", stopped.elapsed());
    let (code, log) = first.ends();
    assert!(code == 0 && log.contains("lease released"), "{code} {log}");
    second.says("the controllers run");
    let third = Controllers::start(&kubeconfig, &NO_PROBES);
    third.says("standing by");
    third.signal("-TERM");
    assert_eq!(third.ends().0, 0, "a standby ends, too");
    let lease = clusters.get(CONTROL, &["-n", "flotilla-system", "lease", "flotilla"]).await.expect("it is there");
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "{lease}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_named() {
    if !needs_real_servers("a_right_that_is_missing_is_named") {
        return;
    }
    let clusters = Clusters::start(0).await;
    let kubeconfig = clusters.kubeconfig().display().to_string();
    let crds_only = ["init", "--crds-only", "--kubeconfig", &kubeconfig, "--context", CONTROL];
    clusters.flotilla(&crds_only).await.done();
    clusters.kubectl(CONTROL, &["create", "serviceaccount", "reader"]).await.done();
    let token = clusters.kubectl(CONTROL, &["create", "token", "reader"]).await.done();
    let poor = clusters.folder().join("poor").display().to_string();
    std::fs::copy(&kubeconfig, &poor).expect("it can be copied");
    let user = ["config", "--kubeconfig", &poor, "set-credentials", "reader", "--token", token.trim()];
    clusters.kubectl(CONTROL, &user).await.done();
    clusters.kubectl(CONTROL, &["config", "--kubeconfig", &poor, "set-context", CONTROL, "--user", "reader"]).await.done();
    let cannot = "a right is missing in the control plane (403): clusters.cluster.karmada.io is forbidden: User \"system:serviceaccount:default:reader\" cannot list resource";
    Controllers::start(&poor, &NO_PROBES).refuses(1, cannot, "ClusterRole");
    clusters.kubectl(CONTROL, &["create", "clusterrole", "reader", "--verb=get,list,watch", "--resource=*.*"]).await.done();
    let bind = ["create", "clusterrolebinding", "reader", "--clusterrole=reader", "--serviceaccount=default:reader"];
    clusters.kubectl(CONTROL, &bind).await.done();
    let right = "a right is missing in the control plane: patch clusters.cluster.karmada.io";
    Controllers::start(&poor, &NO_PROBES).refuses(1, right, "kubectl auth can-i patch clusters.cluster.karmada.io");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_ends_when_it_goes_on() {
    let plane = Plane::start().await;
    let quick = ["--health-address", "0", "--lease-duration", "3s", "--renew-deadline", "2s", "--retry-period", "500ms"];
    let first = plane.controllers(&quick);
    first.says("the controllers run");
    let second = plane.controllers(&quick);
    second.says("standing by");
    first.signal("-STOP");
    second.says("the controllers run");
    first.signal("-CONT");
    first.refuses(1, "Lease flotilla-system/flotilla is lost: it could not be renewed within 2s; nothing more is written", "stands by");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_logged_with_the_object_that_it_is_about() {
    let plane = Plane::start().await;
    let controllers = plane.controllers(&["--health-address", "0", "--leader-elect=false"]);
    controllers.says("the controllers run");
    let policy = json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "all", "namespace": "default"},
        "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}], "placement": {}, "dependentOverrides": ["not-there"]},
    });
    plane.api().create(&Own::PropagationPolicy.resource(), &Object(policy)).await.expect("it is right");
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}, "data": {"a": "b"}});
    let maps = resource("", "ConfigMap", "configmaps", true);
    plane.api().create(&maps, &Object(map)).await.expect("it is right");
    let line = controllers.says("reconcile failed");
    assert_eq!((&line["span"]["controller"], &line["span"]["key"]), (&json!("templates"), &json!("ConfigMap default/settings")), "{line}");
    assert!(line["error"].as_str().unwrap_or_default().contains("not-there"), "{line}");
    assert_eq!(plane.holder().await, "", "there is no election");
}

impl Plane {
    /// With our kinds, and `member1` in the fleet; returns the member's token, too.
    async fn with_member() -> (Self, String) {
        let plane = Self::of(vec!["member1".into()]).await.with_our_kinds().await;
        let access = plane.sandbox.members()[0].access.clone().expect("it listens");
        let text = |text: &str| serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).expect("bytes print");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "member1", "namespace": "default"},
            "data": {"token": text(&access.token), "caBundle": text(&access.authority)},
        });
        plane.api().create(&resource("", "Secret", "secrets", true), &Object(secret)).await.expect("it is right");
        let cluster = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "member1"},
            "spec": {"syncMode": "Push", "apiEndpoint": access.url, "secretRef": {"namespace": "default", "name": "member1"}},
        });
        plane.api().create(&Own::Cluster.resource(), &Object(cluster)).await.expect("it is right");
        (plane, access.token)
    }

    /// Everything of a kind goes to all members.
    async fn propagate(&self, api_version: &str, kind: &str) {
        let policy = json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": {"name": "all", "namespace": "default"},
            "spec": {"resourceSelectors": [{"apiVersion": api_version, "kind": kind}], "placement": {}},
        });
        self.api().create(&Own::PropagationPolicy.resource(), &Object(policy)).await.expect("it is right");
    }
}

/// One edit: each stage that writes because of it says so, in its order, and when.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_of_a_template_is_one_chain_in_the_log() {
    const STAGES: [(&str, &str); 5] = [
        ("templates", "resourcebindings.work.karmada.io"),
        ("bindings", "works.work.karmada.io"),
        ("execution", "deployments.apps"),
        ("work_statuses", "works.work.karmada.io/status"),
        ("binding_statuses", "deployments.apps/status"),
    ];
    let (plane, _) = Plane::with_member().await;
    let controllers = plane.controllers(&["--health-address", "0", "--log", "flotilla_controllers=debug"]);
    plane.propagate("apps/v1", "Deployment").await;
    let web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "nginx:1"}]}}},
    });
    let deployments = resource("apps", "Deployment", "deployments", true);
    plane.api().create(&deployments, &Object(web)).await.expect("it is right");
    let chain = |trace: &str| {
        let lines: Vec<Value> = controllers.log().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let wrote = move |controller: &str, resource: &str| {
            let is_it =
                |line: &&Value| line["message"] == "write" && line["span"]["controller"] == controller && line["resource"] == resource;
            let mut lines = lines.iter().filter(|line| line["span"]["trace"] == trace && line["code"] == "ok");
            lines.find(is_it)?["span"]["since_change_ms"].as_u64()
        };
        STAGES.iter().map(|(controller, resource)| wrote(controller, resource)).collect::<Option<Vec<u64>>>()
    };
    let key = ObjectKey::new(Some("default"), "web");
    until("it is ready", || controllers.log().iter().any(|line| line.contains("deployments.apps/status")).then_some(()));
    for replicas in [2, 3] {
        let scale = json!({"spec": {"replicas": replicas}});
        let written = plane.api().patch(&deployments, &key, &scale).await.expect("it is right");
        let trace = format!("{}/{}", written.uid(), written.generation());
        let times = until(&format!("the chain {trace}: {:#?}", controllers.log()), || chain(&trace));
        assert!(times.is_sorted(), "{times:?}");
        let reconciled =
            |line: &Value| line["message"] == "reconciled" && line["span"]["trace"] == trace.as_str() && line["took_us"].is_u64();
        assert!(controllers.log().iter().filter_map(|line| serde_json::from_str(line).ok()).any(|line| reconciled(&line)), "{trace}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_can_be_followed_through_the_log_and_no_secret_is_in_it() {
    let (plane, token) = Plane::with_member().await;
    let controllers = plane.controllers(&["--health-address", "0", "--log", "trace"]);
    controllers.says("the controllers run");
    plane.propagate("v1", "ConfigMap").await;
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}, "data": {"a": "b"}});
    plane.api().create(&resource("", "ConfigMap", "configmaps", true), &Object(map)).await.expect("it is right");
    // Each reconcile names its object, and each write in it the next object.
    let wrote = |key: &str, verb: &str, resource: &str| {
        until(&format!("{key}: {verb} {resource}"), || {
            let lines = controllers.log().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            let mut lines = lines.filter(|line| line["message"] == "write" && line["span"]["key"] == key && line["code"] == "ok");
            lines.find(|line| line["verb"] == verb && line["resource"] == resource)?["object"].as_str().map(str::to_owned)
        })
    };
    let binding = wrote("ConfigMap default/settings", "create", "resourcebindings.work.karmada.io");
    let work = wrote(&format!("ResourceBinding {binding}"), "create", "works.work.karmada.io");
    assert!(work.starts_with("karmada-es-member1/settings-"), "{work}");
    assert_eq!(wrote(&work, "create", "configmaps"), "default/settings");
    let log = controllers.log().join("\n");
    let control = plane.sandbox.control().access.clone().expect("it listens").token;
    assert!(!log.contains(&token) && !log.contains(&control), "a token is in the log");
    assert!(!format!("{:?}", plane.sandbox).contains(&control));
}
