//! The pods of an installation, as processes: no kubelet runs them in a control plane that is an API server only.

use crate::clusters::{CONTROL, Clusters, PATIENCE, ran, root};
use crate::sandbox_admission::SandboxAdmission;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flotilla_interpreter::{Chain, Runtime};
use flotilla_sandbox::kubeconfig::{self, Context};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Account of the controllers.
pub const ACCOUNT: &str = "system:serviceaccount:flotilla-system:flotilla-controllers";

/// Running processes; they end when this is dropped.
pub struct Pods {
    _controllers: Child,
    _webhook: Option<Webhook>,
}

impl Pods {
    /// Runs what the Deployments of the installation would run.
    pub async fn start(clusters: &Clusters) -> Self {
        if review_in_sandbox(clusters) {
            return Self { _controllers: clusters.controllers(&clusters.kubeconfig()), _webhook: None };
        }
        drop(Webhook::start(clusters, &certificate_files(clusters).await).await);
        let authority = clusters.folder().join("pods-ca.crt");
        let webhook = Webhook::start(clusters, &["--ca-out".to_owned(), authority.display().to_string()]).await;
        call_at(clusters, &format!("https://{}", webhook.address), &std::fs::read(&authority).expect("it was written")).await;
        Self { _controllers: controllers(clusters).await, _webhook: Some(webhook) }
    }
}

/// Has a sandbox review policies itself, since it calls no webhooks. `false` where the clusters are real.
pub fn review_in_sandbox(clusters: &Clusters) -> bool {
    let Some(sandbox) = clusters.sandbox() else { return false };
    let runtime = Arc::new(Runtime::new().expect("the runtime starts"));
    let admission = SandboxAdmission::new(Arc::new(Chain::new(runtime, Vec::new())));
    sandbox.control().api.set_admission(Some(Arc::new(admission)));
    true
}

/// A kubeconfig with nothing but a token of the chart's account.
async fn account_kubeconfig(clusters: &Clusters) -> PathBuf {
    let token = clusters.kubectl(CONTROL, &["-n", "flotilla-system", "create", "token", "flotilla-controllers"]).await.done();
    let access = clusters.servers().expect("real servers").control().access().clone();
    let path = clusters.folder().join("account.yaml");
    kubeconfig::write(&path, &[Context { token: token.trim().to_owned(), ..access }]).expect("written");
    path
}

/// Runs the controllers with the arguments of their Deployment, under its account; returns when its probes succeed.
pub async fn controllers(clusters: &Clusters) -> Child {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let container = container(clusters, "flotilla-controllers").await;
    let arguments = arguments(&container, "--health-address=", &free.to_string());
    let log = std::fs::File::create(clusters.folder().join("controllers.log")).expect("a file");
    let mut command = clusters.command(env!("CARGO_BIN_EXE_flotilla"));
    let kubeconfig = if clusters.servers().is_some() { account_kubeconfig(clusters).await } else { clusters.kubeconfig() };
    command.args(arguments).arg("--kubeconfig").arg(kubeconfig).stderr(log);
    let child = command.spawn().expect("the program starts");
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        let url = format!("http://{free}{}", container[probe]["httpGet"]["path"].as_str().expect("a path"));
        let mut curl = clusters.command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--retry", "60", "--retry-delay", "1", "--retry-all-errors", &url]);
        ran(&mut curl).await.done();
    }
    child
}

/// The container of a Deployment of the installation.
async fn container(clusters: &Clusters, deployment: &str) -> Value {
    let deployment = clusters.get(CONTROL, &["-n", "flotilla-system", "deployment", deployment]).await.expect("it was installed");
    deployment["spec"]["template"]["spec"]["containers"][0].clone()
}

/// Its arguments, but for the address that is listened on.
fn arguments(container: &Value, flag: &str, address: &str) -> Vec<String> {
    let arguments = container["args"].as_array().expect("arguments").iter().filter_map(Value::as_str);
    let arguments: Vec<String> =
        arguments.map(|text| if text.starts_with(flag) { format!("{flag}{address}") } else { text.to_owned() }).collect();
    assert!(arguments.contains(&format!("{flag}{address}")), "no {flag} in {arguments:?}");
    arguments
}

/// Flags for the certificate that the installation made, after a look at whether it is one for the Service.
async fn certificate_files(clusters: &Clusters) -> Vec<String> {
    let secret = clusters.get(CONTROL, &["-n", "flotilla-system", "secret", "flotilla-webhook-certificate"]).await.expect("a certificate");
    let mut flags = Vec::new();
    for (key, flag) in [("tls.crt", "--tls-cert"), ("tls.key", "--tls-key"), ("ca.crt", "")] {
        let path = clusters.folder().join(key);
        let text = STANDARD.decode(secret["data"][key].as_str().expect("it is there")).expect("base64");
        std::fs::write(&path, text).expect("written");
        if !flag.is_empty() {
            flags.extend([flag.to_owned(), path.display().to_string()]);
        }
    }
    let webhook = Webhook::start(clusters, &flags).await;
    let (_, port) = webhook.address.rsplit_once(':').expect("an address");
    let host = "flotilla-webhook.flotilla-system.svc";
    let mut curl = clusters.command("curl");
    curl.args(["--silent", "--show-error", "--cacert"]).arg(clusters.folder().join("ca.crt"));
    curl.args(["--resolve", &format!("{host}:{port}:127.0.0.1"), &format!("https://{host}:{port}/readyz")]);
    assert_eq!(ran(&mut curl).await.done(), "ok");
    flags
}

/// The webhook as a process, until this is dropped.
pub struct Webhook {
    /// Where it listens.
    pub address: String,
    said: UnboundedReceiver<String>,
    _process: Child,
}

impl Webhook {
    /// Runs it with the arguments of its Deployment but for those about certificates; returns when it listens.
    pub async fn start(clusters: &Clusters, flags: &[String]) -> Self {
        let mut command = clusters.command(env!("CARGO_BIN_EXE_flotilla"));
        let listening = arguments(&container(clusters, "flotilla-webhook").await, "--listen=", "127.0.0.1:0");
        let own_certificate = listening.into_iter().filter(|text| !text.starts_with("--tls-"));
        command.args(own_certificate).args(flags).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let (sender, said) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // Nobody listens any more when the test has ended.
                let _ = sender.send(line);
            }
        });
        let mut webhook = Self { address: String::new(), said, _process: process };
        let line = webhook.until_it_says("listening on https://").await;
        let (_, address) = line.split_once("https://").expect("it says so");
        webhook.address = address.split(' ').next().unwrap_or_default().to_owned();
        webhook
    }

    /// Waits for a line with this text.
    pub async fn until_it_says(&mut self, text: &str) -> String {
        let line = async {
            loop {
                let line = self.said.recv().await.expect("the webhook goes on");
                if line.contains(text) {
                    return line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, line).await.unwrap_or_else(|_| panic!("the webhook does not say `{text}`"))
    }
}

/// Has the API server call the webhooks of the installation at a URL, since no Service leads to a process: in place of its own
/// configurations, which an upgrade brings back.
async fn call_at(clusters: &Clusters, url: &str, authority: &[u8]) {
    for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
        let mut configuration = clusters.get(CONTROL, &[kind, "flotilla"]).await.expect("it was installed");
        for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
            let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap_or_default().to_owned();
            webhook["clientConfig"] = json!({"url": format!("{url}{path}"), "caBundle": STANDARD.encode(authority)});
        }
        configuration["metadata"] = json!({"name": "flotilla-processes"});
        let file = clusters.folder().join(format!("{kind}.json"));
        std::fs::write(&file, configuration.to_string()).expect("written");
        clusters.kubectl(CONTROL, &["create", "-f", &file.display().to_string()]).await.done();
        clusters.kubectl(CONTROL, &["delete", kind, "flotilla"]).await.done();
    }
}

/// What the control plane refused the controllers for want of a right, and how often it did what they asked.
pub fn refused(clusters: &Clusters) -> (Vec<String>, usize) {
    let log = clusters.servers().expect("real servers").control().audit_log();
    let log = std::fs::read_to_string(log).expect("it is written");
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (refused, done): (Vec<Value>, Vec<Value>) =
        events.filter(|event| event["user"]["username"] == ACCOUNT).partition(|event| event["responseStatus"]["code"] == 403);
    (refused.iter().map(|event| format!("{} {}", event["verb"], event["requestURI"])).collect(), done.len())
}

/// Helm: built once where it is not named; `None`, said aloud, where a plain run should not build it.
pub fn helm(test: &str) -> Option<PathBuf> {
    if std::env::var_os("HELM").is_none() && !crate::clusters::is_real() {
        println!("skipped: {test} needs Helm: HELM=helm, or FLOTILLA_TEST_BACKEND=kubernetes to build it");
        return None;
    }
    let build = std::process::Command::new(root().join("tests/kubernetes/helm/build")).stderr(Stdio::inherit()).output();
    let build = build.expect("the script starts");
    assert!(build.status.success(), "helm cannot be built");
    Some(String::from_utf8_lossy(&build.stdout).trim().into())
}
