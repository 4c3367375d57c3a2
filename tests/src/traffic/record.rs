//! Stands between a client and a server, and keeps each request with what it was about and its answer.
//!
//! `FLOTILLA_TEST_RECORD` names the folder of recordings; each process writes a file of its own.

use super::Example;
use super::place::Place;
use crate::replay::answer_of;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{Method, Request, Response, header};
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

/// Resources that are not recorded: what servers themselves change all the time, and credentials.
const LEFT_OUT: [&str; 2] = ["customresourcedefinitions", "secrets"];

/// The folder of recordings, where there are to be any.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("FLOTILLA_TEST_RECORD").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The client, which has this User-Agent, recorded where recordings are wanted.
pub fn recorded(client: kube::Client, agent: &str) -> kube::Client {
    let Some(folder) = folder() else { return client };
    static RECORDER: OnceLock<Arc<Recorder>> = OnceLock::new();
    let recorder = RECORDER.get_or_init(|| Arc::new(Recorder::new(folder, &own_name()))).clone();
    let cluster = Arc::new(Cluster { recorder, client, agent: agent.to_owned(), turns: Mutex::default() });
    kube::Client::new(tower::service_fn(move |request| pass(cluster.clone(), request)), "default")
}

/// The test's name: `journey` for `…/journey-0123abcd`.
fn own_name() -> String {
    let program = std::env::current_exe().ok();
    let stem = program.as_deref().and_then(|program| program.file_stem()).map(|stem| stem.to_string_lossy().into_owned());
    stem.as_deref().and_then(|stem| stem.rsplit_once('-')).map_or_else(|| "test".to_owned(), |(name, _)| name.to_owned())
}

struct Recorder {
    from: String,
    file: Mutex<File>,
}

impl Recorder {
    fn new(folder: PathBuf, from: &str) -> Self {
        let path = folder.join(format!("{from}-{}.ndjson", std::process::id()));
        let file = std::fs::create_dir_all(&folder).and_then(|()| File::create(&path));
        Self { from: from.to_owned(), file: Mutex::new(file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))) }
    }

    fn keep(&self, example: &Example) {
        let line = serde_json::to_string(example).expect("an example prints");
        let mut file = self.file.lock().expect("no code panics while it holds this");
        writeln!(file, "{line}").expect("the folder of recordings is writable");
    }
}

struct Cluster {
    recorder: Arc<Recorder>,
    client: kube::Client,
    agent: String,
    /// One request about an object after the other: nobody writes between looking at it and sending what is about it.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Cluster {
    /// An example without what was there and without an answer.
    fn question(&self, parts: &Parts, body: &[u8]) -> Example {
        let text = |name| parts.headers.get(name).map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let [media, accept] = [header::CONTENT_TYPE, header::ACCEPT].map(text);
        Example {
            from: self.recorder.from.clone(),
            ask: format!("{} {}", parts.method, parts.uri.path_and_query().map_or("/", |path| path.as_str())),
            agent: self.agent.clone(),
            media,
            accept,
            body: kept(body),
            before: Vec::new(),
            answer: Value::Null,
        }
    }

    fn turn(&self, path: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.lock().expect("no code panics while it holds this").entry(path.to_owned()).or_default().clone()
    }

    /// The object at a path, or the objects of a collection; `None` when there is no answer to build on.
    async fn look(&self, path: &str) -> Option<Vec<Value>> {
        let request = Request::get(path).header(header::ACCEPT, "application/json").body(Body::empty()).ok()?;
        let answer = answer_of(self.client.send(request).await.ok()?).await.ok()?;
        if answer["code"] == 404 { Some(Vec::new()) } else { objects_in(&answer) }
    }
}

/// The whole objects that an answer tells of; `None` when it tells of none, or not of all of them.
fn objects_in(answer: &Value) -> Option<Vec<Value>> {
    let (body, kind) = (&answer["body"], answer["body"]["kind"].as_str()?);
    if answer["code"] != 200 || ["Status", "Table", "Scale"].contains(&kind) || kind.starts_with("PartialObjectMetadata") {
        return None;
    }
    let Some(items) = body["items"].as_array() else { return Some(vec![body.clone()]) };
    let whole = |item: &Value| {
        let mut item = item.clone();
        item["apiVersion"] = body["apiVersion"].clone();
        item["kind"] = kind.trim_end_matches("List").into();
        item
    };
    Some(items.iter().map(whole).collect())
}

/// Sends a request on; keeps it when it is one to keep.
async fn pass(cluster: Arc<Cluster>, request: Request<Body>) -> io::Result<Response<Body>> {
    let Some(place) = subject(&request) else { return cluster.client.send(request).await.map_err(io::Error::other) };
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await.map_err(io::Error::other)?;
    let mut example = cluster.question(&parts, &body);
    let path = about(&parts.method, &place, &example.body);
    let turn = cluster.turn(path.as_deref().unwrap_or_default());
    let held = turn.lock().await;
    let before = match &path {
        Some(path) => cluster.look(path).await,
        None => Some(Vec::new()),
    };
    let response = cluster.client.send(Request::from_parts(parts, Body::from(body))).await.map_err(io::Error::other)?;
    drop(held);
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect_bytes().await.map_err(io::Error::other)?;
    let answer = answer_of(Response::from_parts(parts.clone(), Body::from(bytes.clone()))).await;
    if let (Some(before), Ok(answer)) = (before, answer) {
        (example.before, example.answer) = (before, answer);
        if settle(&mut example, &place) {
            cluster.recorder.keep(&example);
        }
    }
    // It is no longer sent in pieces.
    parts.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// The path of what a request is about: the object that it names or makes, or the collection that it reads; `None` for one that makes an
/// object without a name.
fn about(method: &Method, place: &Place, sent: &Value) -> Option<String> {
    let namespace = place.namespace.as_deref();
    match (place.name.as_deref(), sent["metadata"]["name"].as_str()) {
        (Some(name), _) => Some(place.object(namespace, name)),
        (None, _) if method != Method::POST => Some(place.collection(namespace)),
        (None, name) => name.map(|name| place.object(namespace, name)),
    }
}

/// Corrects what was there by what the answer tells: others may have written in between. Answers whether the example is worth keeping.
fn settle(example: &mut Example, place: &Place) -> bool {
    let answer = &example.answer;
    if answer["code"] == 404 && answer["body"]["details"]["name"].as_str() == place.name.as_deref() {
        example.before = Vec::new();
    }
    if example.ask.starts_with("GET ") {
        example.before = objects_in(answer).unwrap_or_else(|| std::mem::take(&mut example.before));
        return answer["body"].is_object();
    }
    // A status that nobody sent is another: somebody wrote whose requests do not come by.
    let is_about_status = place.subresource.is_some() || !example.body["status"].is_null() || answer["body"]["kind"] == "Status";
    let is_raced = !is_about_status && matches!(&example.before[..], [one] if one["status"] != answer["body"]["status"]);
    answer["body"].is_object() && !is_raced
}

/// A body as an example keeps it: what is no JSON as `{"base64": …}`.
fn kept(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| json!({"base64": STANDARD.encode(body)}))
}

/// What a request is about; `None` for one that is not kept.
fn subject(request: &Request<Body>) -> Option<Place> {
    let (place, query) = (Place::of(request.uri().path())?, request.uri().query().unwrap_or_default());
    let is_stream = query.contains("watch=") || matches!(place.subresource.as_deref(), Some("log" | "exec"));
    // Namespaces that every server has cannot be taken away to be put in place.
    let is_of_all = place.plural == "namespaces" && place.name.as_deref().is_none_or(|name| name == "kube-system");
    let is_left_out = is_stream || (is_of_all && request.method() == Method::GET) || LEFT_OUT.contains(&place.plural.as_str());
    (!is_left_out).then_some(place)
}
