//! Stands between a client and a server, and keeps each request with what it was about and its answer.
//!
//! `FLOTILLA_TEST_RECORD` names the folder of recordings; each process writes a file of its own.

use super::Example;
use super::place::Place;
use crate::replay::answer_of;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, Request, Response, header};
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
    let Some(subject) = subject(&request) else { return cluster.client.send(request).await.map_err(io::Error::other) };
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await.map_err(io::Error::other)?;
    let place = Place::of(parts.uri.path()).expect("it has a subject");
    let sent = kept(&body);
    let named = sent["metadata"]["name"].as_str().filter(|_| parts.method == Method::POST);
    let path = match (&place.name, named) {
        (None, Some(name)) => place.object(place.namespace.as_deref(), name),
        _ => subject,
    };
    let turn = cluster.turn(&path);
    let held = turn.lock().await;
    let has_none = parts.method == Method::POST && place.name.is_none() && named.is_none();
    let before = if has_none { Some(Vec::new()) } else { cluster.look(&path).await };
    let text = |name| parts.headers.get(name).map_or_else(String::new, |value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let [media, accept] = [header::CONTENT_TYPE, header::ACCEPT].map(text);
    let is_read = parts.method == Method::GET;
    let ask = format!("{} {}", parts.method, parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    let response = cluster.client.send(Request::from_parts(parts, Body::from(body))).await.map_err(io::Error::other)?;
    drop(held);
    let (parts, body) = response.into_parts();
    let bytes = body.collect_bytes().await.map_err(io::Error::other)?;
    let answer = answer_of(Response::from_parts(parts.clone(), Body::from(bytes.clone()))).await;
    if let (Some(before), Ok(answer)) = (before, answer)
        && answer["body"].is_object()
        && (is_read || !is_raced(&place, &sent, &before, &answer["body"]))
    {
        // Others may have written before it was answered; a read tells itself what was there.
        let is_missing = answer["code"] == 404 && answer["body"]["details"]["name"].as_str() == place.name.as_deref();
        let before = if is_missing { Vec::new() } else { objects_in(&answer).filter(|_| is_read).unwrap_or(before) };
        let (from, agent) = (cluster.recorder.from.clone(), cluster.agent.clone());
        cluster.recorder.keep(&Example { from, ask, agent, media, accept, body: sent, before, answer });
    }
    let mut headers: HeaderMap = parts.headers.clone();
    headers.remove(header::TRANSFER_ENCODING);
    let mut response = Response::new(Body::from(bytes));
    (*response.status_mut(), *response.headers_mut()) = (parts.status, headers);
    Ok(response)
}

/// Whether somebody whose requests do not come by wrote between looking and sending: a status that nobody sent is another.
fn is_raced(place: &Place, sent: &Value, before: &[Value], answer: &Value) -> bool {
    let is_about_status = place.subresource.is_some() || !sent["status"].is_null() || answer["kind"] == "Status";
    !is_about_status && matches!(before, [one] if one["status"] != answer["status"])
}

/// A body as an example keeps it: what is no JSON as `{"base64": …}`.
fn kept(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| json!({"base64": STANDARD.encode(body)}))
}

/// The path of the object or collection that a request is about; `None` for one that is not kept.
fn subject(request: &Request<Body>) -> Option<String> {
    let (uri, place) = (request.uri(), Place::of(request.uri().path())?);
    let is_stream =
        uri.query().is_some_and(|query| query.contains("watch=")) || matches!(place.subresource.as_deref(), Some("log" | "exec"));
    // Namespaces that every server has cannot be taken away to be put in place.
    let is_of_all = place.plural == "namespaces" && place.name.as_deref().is_none_or(|name| name == "kube-system");
    if is_stream || (is_of_all && request.method() == Method::GET) || LEFT_OUT.contains(&place.plural.as_str()) {
        return None;
    }
    let namespace = place.namespace.as_deref();
    Some(place.name.as_ref().map_or_else(|| place.collection(namespace), |name| place.object(namespace, name)))
}
