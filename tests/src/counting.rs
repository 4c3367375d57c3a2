//! The client that the controllers are given: it remembers which writes were refused, makes a cluster suffer [`Faults`] and lie, and its
//! requests outlive whoever sent them.

use flotilla_sandbox::faults::FaultState;
use futures::StreamExt as _;
use http::{Method, Request, Response};
use http_body_util::{BodyStream, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use std::io;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// Refused writes: cluster, method, path, status.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Vec<String>>>);

impl Refusals {
    /// All so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().expect("no test panics while it holds this").clone()
    }

    fn add(&self, line: String) {
        self.0.lock().expect("no test panics while it holds this").push(line);
    }
}

/// Answers in place of the server's own.
#[derive(Debug, Clone, Default)]
pub struct Lies(Arc<Mutex<Vec<(String, u16, Value)>>>);

impl Lies {
    /// From now on, requests of this path, or below it where it ends with `/`, are answered so. Watches that run go on.
    pub fn tell(&self, path: &str, code: u16, answer: Value) {
        self.all().push((path.to_owned(), code, answer));
    }

    /// The same, with a refusal.
    pub fn refuse(&self, path: &str, code: u16, reason: &str, message: &str) {
        self.tell(path, code, status(code, reason, message));
    }

    /// From now on, the server answers.
    pub fn end(&self) {
        self.all().clear();
    }

    fn about(&self, path: &str) -> Option<Response<Body>> {
        let is_meant = |about: &str| if about.ends_with('/') { path.starts_with(about) } else { path == about };
        self.all().iter().find(|(about, ..)| is_meant(about)).map(|(_, code, told)| answer(*code, told))
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<(String, u16, Value)>> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

/// What is between the controllers and a cluster.
#[derive(Debug, Clone, Default)]
pub struct Between {
    /// What the cluster suffers.
    pub faults: Arc<FaultState>,
    /// Where it does not say the truth.
    pub lies: Lies,
}

/// Wraps a client. Its requests are served on the runtime `here`, also when the one who sent them is no more; while the cluster is
/// unreachable, watches end.
pub fn counting(cluster: &str, client: kube::Client, here: Handle, refusals: Refusals, between: Between) -> kube::Client {
    let cluster = cluster.to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, here, refusals, Between { faults, lies }) = (client.clone(), here.clone(), refusals.clone(), between.clone());
        let line = (request.method() != Method::GET).then(|| format!("{cluster} {} {}", request.method(), request.uri().path()));
        async move {
            let response = match suffer(&faults, request.method()).await?.or_else(|| lies.about(request.uri().path())) {
                Some(answer) => answer,
                None => here.spawn(async move { client.send(request).await }).await.map_err(io::Error::other)?.map_err(io::Error::other)?,
            };
            if let Some(line) = line.filter(|_| !response.status().is_success()) {
                refusals.add(format!("{line} {}", response.status()));
            }
            let mut faults = faults.subscribe();
            let unreachable = async move { faults.wait_for(|faults| faults.unreachable).await.map(drop) };
            Ok::<_, io::Error>(response.map(|body| StreamBody::new(BodyStream::new(body).take_until(Box::pin(unreachable)))))
        }
    });
    kube::Client::new(service, "default")
}

/// What becomes of a request before it is sent: an error, an answer that no server gave, or nothing.
async fn suffer(state: &FaultState, method: &Method) -> io::Result<Option<Response<Body>>> {
    let faults = state.get();
    if !faults.latency.is_zero() {
        tokio::time::sleep(faults.latency).await;
    }
    if state.get().unreachable {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(if faults.error_rate > 0.0 && state.fails_now(faults.error_rate) {
        Some(refusal(500, "InternalError", "this request was chosen to fail"))
    } else if faults.read_only && method != Method::GET {
        Some(refusal(503, "ServiceUnavailable", "the server is read-only"))
    } else if faults.throttled.is_some() {
        Some(refusal(429, "TooManyRequests", "too many requests, please try again later"))
    } else {
        None
    })
}

fn refusal(code: u16, reason: &str, message: &str) -> Response<Body> {
    answer(code, &status(code, reason, message))
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code})
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    let answer = Response::builder().status(code).header(http::header::CONTENT_TYPE, "application/json");
    answer.body(Body::from(body.to_string().into_bytes())).expect("the parts are right")
}
