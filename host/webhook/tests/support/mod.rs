//! A server of its own for each test, a client that trusts nothing but its certificate, and an interpreter of one made-up kind.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flotilla_api::interpretation::{Answer, Asked, Demand, ErrorClass, Health, HookError, Interpreter, Layer, Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::work::{AggregatedStatusItem, Component, DependentObjectReference};
use flotilla_interpreter::cache::ArtefactCache;
use flotilla_interpreter::{Chain, Runtime};
use flotilla_webhook::server::{Certificate, Server};
use flotilla_webhook::{PolicyAdmission, Services, router};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The cases of a file of `tests/reviews`.
pub fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reviews").join(file);
    let text = std::fs::read_to_string(&path).expect("recorded reviews");
    serde_json::from_str(&text).expect("a list of reviews")
}

/// A base64 text that holds JSON.
pub fn decode(text: &str) -> Value {
    serde_json::from_slice(&BASE64_STANDARD.decode(text).expect("base64")).expect("JSON")
}

/// A review of a ConfigMap with a plugin that loads: one of the built-in ones.
pub fn plugin_review() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/built/cloneset.wasm");
    let component = std::fs::read(&path).expect("built-in plugins: run `make plugins`");
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "flotilla-system", "labels": {"plugin.flotilla.io/enabled": "true"}},
        "binaryData": {"plugin.wasm": BASE64_STANDARD.encode(component)},
    });
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "a1", "operation": "CREATE", "object": config_map}})
}

/// A running server.
pub struct Served {
    address: SocketAddr,
    trusted: CertificateDer<'static>,
    stop: Box<dyn Fn() + Send + Sync>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Served {
    /// Starts one with a certificate that it makes.
    pub async fn start() -> Self {
        let server = Server::bind(any_port(), Certificate::SelfSigned { names: vec!["localhost".to_owned()] }).await.expect("a server");
        let made = server.made_certificate.clone().expect("a certificate");
        Self::run(server, made.as_bytes())
    }

    /// Starts one with a certificate in files.
    pub async fn with_certificate_files() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, made.cert.pem()).expect("a file");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        let server = Server::bind(any_port(), Certificate::Files { certificate, key }).await.expect("a server");
        Self::run(server, made.cert.pem().as_bytes())
    }

    fn run(server: Server, certificate: &[u8]) -> Self {
        let services = Services { interpreter: Arc::new(Widgets), admission: Arc::new(PolicyAdmission::new(chain())) };
        Self {
            address: server.address,
            trusted: CertificateDer::from_pem_slice(certificate).expect("a certificate in PEM"),
            stop: Box::new(server.stop_handle()),
            running: tokio::spawn(server.run(router(services))),
        }
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: String) -> (u16, String) {
        self.send("POST", path, body).await
    }

    /// Gets.
    pub async fn get(&self, path: &str) -> (u16, String) {
        self.send("GET", path, String::new()).await
    }

    async fn send(&self, method: &str, path: &str, body: String) -> (u16, String) {
        let mut roots = tokio_rustls::rustls::RootCertStore::empty();
        roots.add(self.trusted.clone()).expect("a certificate that can be trusted");
        let config = tokio_rustls::rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = tokio::net::TcpStream::connect(self.address).await.expect("a connection");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a trusted certificate");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        let request =
            hyper::Request::builder().method(method).uri(path).header("host", "localhost").header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        let response = sender.send_request(request).await.expect("a response");
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Stops the server and waits for its end.
    pub async fn stop(self) {
        (self.stop)();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running).await.expect("it ends");
        ended.expect("no panic").expect("no error");
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A chain to try plugins on. One for all tests: an engine's pool is large.
fn chain() -> Arc<Chain> {
    static CHAIN: LazyLock<Arc<Chain>> = LazyLock::new(|| {
        let cache = ArtefactCache::in_directory(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache"));
        Arc::new(Chain::new(Arc::new(Runtime::with_cache(cache).expect("an engine")), Vec::new()))
    });
    CHAIN.clone()
}

/// Answers for `example.io/v1 Widget`; fails as the annotation `fails` says.
struct Widgets;

fn given<T>(object: &Object, operation: Operation, value: impl FnOnce() -> T) -> Asked<T> {
    let origin = Origin { layer: Layer::Loaded, plugin: "widgets".into(), version: "1".into(), digest: String::new() };
    let failed = |class| Err(HookError { class, plugin: None, operation, message: "told to fail".to_owned() });
    match object.annotation("fails") {
        None => Ok(Some(Answer { value: value(), by: Arc::new(origin) })),
        Some("nobody") => Ok(None),
        Some("InvalidObject") => failed(ErrorClass::InvalidObject),
        Some("PluginFailed") => failed(ErrorClass::PluginFailed),
        Some("Deadline") => failed(ErrorClass::Deadline),
        Some("Trap") => failed(ErrorClass::Trap),
        Some("NotLoaded") => failed(ErrorClass::NotLoaded),
        Some("slow") => {
            std::thread::sleep(Duration::from_millis(1500));
            Ok(None)
        }
        Some(other) => panic!("{other}"),
    }
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("of the API's shape")
}

fn number(object: &Object, path: &[&str]) -> i64 {
    object.at(path).and_then(Value::as_i64).unwrap_or(0)
}

impl Interpreter for Widgets {
    fn is_supported(&self, _: &Object, _: Operation) -> Result<bool, HookError> {
        Ok(true)
    }
    fn replicas(&self, template: &Object) -> Asked<Demand> {
        given(template, Operation::InterpretReplica, || {
            let replicas = number(template, &["spec", "replicas"]);
            let requirements = (replicas > 0).then(|| read(json!({"resourceRequest": {"cpu": "50m"}})));
            Demand { replicas, requirements }
        })
    }
    fn components(&self, template: &Object) -> Asked<Vec<Component>> {
        given(template, Operation::InterpretComponent, || {
            vec![read(json!({"name": "main", "replicas": number(template, &["spec", "replicas"])}))]
        })
    }
    fn revise(&self, template: &Object, replicas: i64) -> Asked<Object> {
        given(template, Operation::ReviseReplica, || {
            let mut revised = template.clone();
            revised.0["spec"]["replicas"] = replicas.into();
            revised
        })
    }
    fn retain(&self, desired: &Object, observed: &Object) -> Asked<Object> {
        given(desired, Operation::Retain, || {
            let mut retained = desired.clone();
            retained.0["spec"]["paused"] = observed.0["spec"]["paused"].clone();
            retained
        })
    }
    fn reflect(&self, observed: &Object) -> Asked<Option<Value>> {
        given(observed, Operation::InterpretStatus, || observed.at(&["status", "ready"]).map(|ready| json!({"ready": ready})))
    }
    fn aggregate(&self, template: &Object, items: Option<&[AggregatedStatusItem]>) -> Asked<Object> {
        given(template, Operation::AggregateStatus, || {
            let items = items.expect("over the protocol, no list is an empty one");
            let ready = items.iter().filter_map(|item| json!(item).pointer("/status/ready")?.as_i64()).sum::<i64>();
            let mut aggregated = template.clone();
            aggregated.0["status"] = json!({"ready": ready});
            aggregated
        })
    }
    fn health(&self, observed: &Object) -> Asked<Health> {
        given(observed, Operation::InterpretHealth, || match observed.at(&["status", "ready"]).and_then(Value::as_i64) {
            None => Health::Unknown("there is no status".to_owned()),
            Some(0) => Health::Unhealthy("nothing is ready".to_owned()),
            Some(_) => Health::Healthy,
        })
    }
    fn dependencies(&self, template: &Object) -> Asked<Vec<DependentObjectReference>> {
        given(template, Operation::InterpretDependency, || {
            let name = template.at(&["spec", "config"]).cloned().unwrap_or_default();
            vec![read(json!({"apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop", "name": name}))]
        })
    }
}
