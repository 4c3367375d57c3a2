//! Examples on another server: what was there is put in place, the request is sent, the answers are compared.
//!
//! The server runs no controllers, so that nothing changes but by requests. Uids and revisions are those of the server; a revision that
//! was an old one is an old one there, too.

use super::Example;
use super::place::Place;
use crate::replay::answer_of;
use crate::{normal, record};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, header};
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// Who puts in place what was there.
const SETUP: &str = "setup";

/// What became of an example.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is the same.
    Same,
    /// It differs in these places.
    Differs(Vec<String>),
    /// What was there cannot be put in place, and why.
    NotSetUp(String),
}

/// A server on which examples are tried.
pub struct Stage<C> {
    make_client: C,
    clients: HashMap<String, kube::Client>,
    namespaces: BTreeSet<String>,
}

/// An object that was put in place of a recorded one.
struct Double {
    uid: [String; 2],
    revision: [String; 2],
    /// A revision from before its last change.
    old_revision: String,
    generation: [i64; 2],
}

impl<C: Fn(&str) -> kube::Client> Stage<C> {
    /// On a server without controllers, of which clients with a User-Agent are made.
    pub fn new(make_client: C) -> Self {
        Self { make_client, clients: HashMap::new(), namespaces: BTreeSet::new() }
    }

    /// Tries an example.
    pub async fn try_out(&mut self, example: &Example) -> Outcome {
        let Some(place) = Place::of(example.asked().1) else { return Outcome::NotSetUp("a path that is about nothing".to_owned()) };
        let outcome = match self.set_up(&place, example).await {
            Ok(doubles) => self.compare(example, &doubles).await,
            Err(why) => return Outcome::NotSetUp(why),
        };
        let going = place.namespace.as_deref().filter(|_| example.is_in_vain());
        match going.or_else(|| example.named(&place).filter(|_| place.plural == "namespaces")) {
            // Others are tried in it: it is made anew, whatever became of it.
            Some(namespace) => self.remove(&namespaces(), None, namespace).await.map_or_else(Outcome::NotSetUp, |()| outcome),
            None => outcome,
        }
    }

    async fn compare(&mut self, example: &Example, doubles: &[Double]) -> Outcome {
        let method = example.asked().0;
        let body = match (&example.body, example.body["base64"].as_str()) {
            (Value::Null, _) => Vec::new(),
            (_, Some(bytes)) => STANDARD.decode(bytes).unwrap_or_default(),
            (body, None) => translated(&body.to_string(), doubles).into_bytes(),
        };
        let agent = example.agent.split(['/', ' ']).next().unwrap_or_default();
        let path = translated(example.ask.split_once(' ').map_or("/", |(_, path)| path), doubles);
        let seen = self.send(agent, method, &path, [&example.media, &example.accept], body).await;
        let mut expected = example.answer.clone();
        let mut seen = match seen {
            Ok(seen) => seen,
            Err(why) => return Outcome::Differs(vec![why]),
        };
        as_recorded(&mut seen["body"], doubles);
        for answer in [&mut expected, &mut seen] {
            without_chance(answer);
        }
        match record::differences(&expected, &seen) {
            none if none.is_empty() => Outcome::Same,
            found => Outcome::Differs(found),
        }
    }

    /// Puts the objects that were there in place, and takes away others that the request would be about.
    async fn set_up(&mut self, place: &Place, example: &Example) -> Result<Vec<Double>, String> {
        let is_missing = example.answer["code"] == 404 && example.answer["body"]["details"]["kind"] == "namespaces";
        if let Some(namespace) = place.namespace.as_ref().filter(|_| !is_missing) {
            self.namespace(namespace).await?;
            if example.is_in_vain() {
                self.must(&[200], "DELETE", &namespaces().object(None, namespace), &Value::Null).await?;
            }
        }
        match example.named(place) {
            Some(name) => self.remove(place, place.namespace.as_deref(), name).await?,
            None if example.asked().0 != "POST" => self.remove_all(place).await?,
            None => {}
        }
        let mut doubles = Vec::new();
        for object in &example.before {
            if let Some(namespace) = object["metadata"]["namespace"].as_str() {
                self.namespace(namespace).await?;
            }
            doubles.push(self.create(place, object).await?);
        }
        Ok(doubles)
    }

    async fn namespace(&mut self, name: &str) -> Result<(), String> {
        if self.namespaces.insert(name.to_owned()) {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.must(&[201, 409], "POST", "/api/v1/namespaces", &namespace).await?;
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
            self.must(&[201, 409], "POST", &format!("/api/v1/namespaces/{name}/serviceaccounts"), &account).await?;
        }
        Ok(())
    }

    async fn remove_all(&mut self, place: &Place) -> Result<(), String> {
        let all = self.must(&[200, 404], "GET", &place.collection(place.namespace.as_deref()), &Value::Null).await?;
        for object in all["items"].as_array().into_iter().flatten() {
            let text = |field: &str| object["metadata"][field].as_str();
            self.remove(place, text("namespace"), text("name").unwrap_or_default()).await?;
        }
        Ok(())
    }

    async fn remove(&mut self, place: &Place, namespace: Option<&str>, name: &str) -> Result<(), String> {
        let path = place.object(namespace, name);
        let found = self.must(&[200, 404], "GET", &path, &Value::Null).await?;
        if found["kind"] == "Status" {
            return Ok(());
        }
        if found["metadata"]["finalizers"].is_array() {
            self.must(&[200, 404], "PATCH", &path, &json!({"metadata": {"finalizers": null}})).await?;
        }
        let at_once = json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"});
        self.must(&[200, 202, 404, 409], "DELETE", &path, &at_once).await?;
        if place.plural == "namespaces" {
            self.namespaces.remove(name);
            // No controller does it.
            let done = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": []}});
            self.must(&[200, 404, 409], "PUT", &format!("{path}/finalize"), &done).await?;
        }
        Ok(())
    }

    /// Creates an object as it was: its fields, its status, whether it is going, its managers.
    async fn create(&mut self, place: &Place, recorded: &Value) -> Result<Double, String> {
        let text = |field: &str| recorded["metadata"][field].as_str();
        let (namespace, name) = (text("namespace"), text("name").unwrap_or_default());
        let path = place.object(namespace, name);
        if place.name.is_none() {
            self.remove(place, namespace, name).await?;
        }
        let mut object = recorded.clone();
        let metadata = object["metadata"].as_object_mut().ok_or("an object without metadata")?;
        let server_made = [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "generation",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ];
        server_made.iter().for_each(|field| drop(metadata.remove(*field)));
        let created = self.must(&[201], "POST", &place.collection(namespace), &object).await?;
        if text("deletionTimestamp").is_some() {
            let grace = recorded["metadata"]["deletionGracePeriodSeconds"].clone();
            self.must(&[200, 202], "DELETE", &path, &json!({"gracePeriodSeconds": grace, "propagationPolicy": "Background"})).await?;
        }
        let mut now = self.must(&[200], "GET", &path, &Value::Null).await?;
        if !recorded["status"].is_null() {
            object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            // A kind without this subresource has taken its status already.
            self.must(&[200, 404, 405], "PUT", &format!("{path}/status"), &object).await?;
            now = self.must(&[200], "GET", &path, &Value::Null).await?;
        }
        if !recorded["metadata"]["managedFields"].is_null() {
            object["metadata"]["managedFields"] = recorded["metadata"]["managedFields"].clone();
            object["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"].clone();
            now = self.must(&[200], "PUT", &path, &object).await?;
        }
        let pair = |field: &str| [recorded, &now].map(|object| object["metadata"][field].as_str().unwrap_or_default().to_owned());
        let double = Double {
            uid: pair("uid"),
            revision: pair("resourceVersion"),
            old_revision: created["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned(),
            generation: [recorded, &now].map(|object| object["metadata"]["generation"].as_i64().unwrap_or_default()),
        };
        check(recorded, &now, double)
    }

    /// Sends what sets something up.
    async fn must(&mut self, codes: &[u64], method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let mut answer = self.send(SETUP, method, path, [media, "application/json"], body).await?;
        if codes.iter().any(|code| answer["code"] == *code) {
            return Ok(answer["body"].take());
        }
        Err(format!("{method} {path}: {} {}", answer["code"], answer["body"]["message"]))
    }

    async fn send(&mut self, agent: &str, method: &str, path: &str, types: [&str; 2], body: Vec<u8>) -> Result<Value, String> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in [header::CONTENT_TYPE, header::ACCEPT].into_iter().zip(types).filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body)).map_err(|error| error.to_string())?;
        let client = self.clients.entry(agent.to_owned()).or_insert_with(|| (self.make_client)(agent));
        answer_of(client.send(request).await.map_err(|error| error.to_string())?).await
    }
}

impl Example {
    /// The object that it is about, where it is about one.
    fn named<'a>(&'a self, place: &'a Place) -> Option<&'a str> {
        let of_body = || if self.body["base64"].is_null() { &self.body } else { &self.answer["body"] }["metadata"]["name"].as_str();
        place.name.as_deref().or_else(of_body)
    }

    /// Whether it was refused because its namespace was going.
    fn is_in_vain(&self) -> bool {
        self.answer["body"]["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    }
}

fn namespaces() -> Place {
    Place::of("/api/v1/namespaces").expect("a path")
}

/// Whether what was put in place is what was recorded.
fn check(recorded: &Value, now: &Value, double: Double) -> Result<Double, String> {
    let (mut recorded, mut now) = (recorded.clone(), now.clone());
    as_recorded(&mut now, std::slice::from_ref(&double));
    for object in [&mut recorded, &mut now] {
        without_chance(object);
    }
    let found = record::differences(&json!({"body": recorded}), &json!({"body": now}));
    if found.is_empty() { Ok(double) } else { Err(format!("it is put in place with differences: {}", found.join("; "))) }
}

/// Uids and revisions of recorded objects as those of their doubles.
fn translated(text: &str, doubles: &[Double]) -> String {
    doubles.iter().fold(text.to_owned(), |text, double| {
        let [recorded, now] = &double.uid;
        let mut text = if recorded.is_empty() { text } else { text.replace(recorded, now) };
        const FIELD: &str = r#""resourceVersion":""#;
        if let Some((before, rest)) = text.split_once(FIELD)
            && let Some((revision, after)) = rest.split_once('"')
            && !revision.is_empty()
        {
            let now = if *revision == double.revision[0] { &double.revision[1] } else { &double.old_revision };
            text = format!("{before}{FIELD}{now}\"{after}");
        }
        text
    })
}

/// Generations of doubles as if they had been at those of the recorded objects before.
fn as_recorded(value: &mut Value, doubles: &[Double]) {
    match value {
        Value::Object(fields) => {
            let double = fields.get("uid").and_then(Value::as_str).and_then(|uid| doubles.iter().find(|double| double.uid[1] == uid));
            if let (Some(double), Some(generation)) = (double, fields.get_mut("generation")) {
                let [recorded, now] = double.generation;
                *generation = generation.as_i64().map_or(Value::Null, |generation| (generation - now + recorded).into());
            }
            fields.values_mut().for_each(|value| as_recorded(value, doubles));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| as_recorded(value, doubles)),
        _ => {}
    }
}

/// What differs from run to run taken out; managers are sorted by time, which is another here.
fn without_chance(value: &mut Value) {
    normal::value(value);
    sort_managers(value);
}

fn sort_managers(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(managers)) = fields.get_mut("managedFields") {
                managers.sort_by_key(Value::to_string);
            }
            fields.values_mut().for_each(sort_managers);
        }
        Value::Array(items) => items.iter_mut().for_each(sort_managers),
        _ => {}
    }
}
