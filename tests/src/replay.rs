//! Requests of a file, sent one after the other to an API server, and what it answered.
//!
//! A request reads `METHOD PATH`. `v1:configmaps/a` is the ConfigMap `a` of the file's own namespace; `/api/…` is any path.

use crate::normal;
use http::{HeaderMap, Request, Response, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longest wait for an answer, and for what a step waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request. A plain text is one without a body.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `METHOD PATH?QUERY`.
    pub ask: String,
    /// Sent as JSON, which is YAML too.
    #[serde(default)]
    pub body: Option<Value>,
    /// Sent as it is, in place of a body.
    #[serde(default)]
    pub text: Option<String>,
    /// The media type of the body: `json` where nothing is said, `yaml`, `merge`, `strategic`, `json-patch`, `apply`, or any in full.
    #[serde(default, rename = "as")]
    pub media: Option<String>,
    /// What is accepted: `table`, `metadata`, or any media type in full.
    #[serde(default)]
    pub accept: Option<String>,
    /// Values of the answer for later requests, by name: `{uid: /metadata/uid}` is written `{uid}` there.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// Asked again until this status code comes back.
    #[serde(default)]
    pub until: Option<u16>,
    /// Headers besides those of the media types.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Of a watch: what is asked while it is open. Its answer is read after that.
    #[serde(default)]
    pub meanwhile: Vec<Step>,
    /// Why this is asked, where the request does not say it.
    #[serde(default)]
    pub why: Option<String>,
}

impl Step {
    /// Whether it is a watch during which nothing is asked.
    fn only_watches(&self) -> bool {
        self.ask.starts_with("GET ")
            && self.ask.contains("timeoutSeconds=")
            && self.meanwhile.is_empty()
            && self.save.is_empty()
            && self.until.is_none()
    }
}

/// The steps of a file.
///
/// # Errors
/// When the text is no list of requests.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    // As in YAML 1.2: `y` is a text.
    let mut options = serde_saphyr::Options::default();
    options.strict_booleans = true;
    let steps: Vec<Value> = serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?;
    let whole = |step: Value| if step.is_string() { json!({"ask": step}) } else { step };
    steps.into_iter().map(|step| serde_json::from_value(whole(step.clone())).map_err(|error| format!("{error} in {step}"))).collect()
}

/// Sends all steps in their order. `namespace` exists.
///
/// # Errors
/// When a request cannot be sent, or what a step waits for does not happen.
pub async fn replay(client: &kube::Client, namespace: &str, steps: &[Step]) -> Result<Vec<Value>, String> {
    let mut known = BTreeMap::from([("ns".to_owned(), namespace.to_owned())]);
    replay_with(client, namespace, steps, &mut known).await
}

/// What earlier requests saved, by name.
type Known = BTreeMap<String, String>;

async fn replay_with(client: &kube::Client, namespace: &str, steps: &[Step], known: &mut Known) -> Result<Vec<Value>, String> {
    let mut answers = Vec::new();
    // Watches that follow one another see the same: they are opened together.
    for together in steps.chunk_by(|a, b| a.only_watches() && b.only_watches()) {
        let mut copies = vec![known.clone(); together.len() - 1];
        let known_to = copies.iter_mut().chain([&mut *known]);
        let asked = together.iter().zip(known_to).map(|(step, known)| answer(client, namespace, step, known));
        for (step, answer) in together.iter().zip(futures::future::join_all(asked).await) {
            let mut answer = answer.map_err(|error| format!("{}: {error}", step.ask))?;
            for (name, pointer) in &step.save {
                let value = answer["body"].pointer(pointer);
                let value = value.map_or_else(|| format!("no-{name}"), |value| value.as_str().map_or(value.to_string(), str::to_owned));
                known.insert(name.clone(), value);
            }
            normal::value(&mut answer);
            answers.push(answer);
        }
    }
    Ok(answers)
}

/// The answer to a watch during which other things are asked.
async fn watched(client: &kube::Client, namespace: &str, step: &Step, known: &mut Known) -> Result<Value, String> {
    let response = client.send(request(namespace, step, known)?).await.map_err(|error| error.to_string())?;
    let meanwhile = Box::pin(replay_with(client, namespace, &step.meanwhile, known)).await?;
    let mut answer = answer_of(response).await?;
    answer["meanwhile"] = meanwhile.into();
    Ok(answer)
}

async fn answer(client: &kube::Client, namespace: &str, step: &Step, known: &mut Known) -> Result<Value, String> {
    let started = Instant::now();
    loop {
        let sending = async {
            if step.meanwhile.is_empty() {
                sent(client, request(namespace, step, known)?).await
            } else {
                watched(client, namespace, step, known).await
            }
        };
        let answer = tokio::time::timeout(PATIENCE, sending).await.map_err(|_| "no answer".to_owned())??;
        if step.until.is_none_or(|wanted| answer["code"] == wanted) {
            return Ok(answer);
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("waited in vain for {:?}; last answer: {answer}", step.until));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn request(namespace: &str, step: &Step, known: &Known) -> Result<Request<kube::client::Body>, String> {
    let (method, path) = step.ask.split_once(' ').ok_or("a request reads `METHOD PATH`")?;
    let path = filled(&full_path(path, namespace), known);
    let body = step.text.clone().or_else(|| step.body.as_ref().map(Value::to_string));
    let mut request = Request::builder().method(method).uri(path);
    let sends = body.is_some() || ["POST", "PUT", "PATCH"].contains(&method);
    if sends {
        request = request.header(header::CONTENT_TYPE, media_type(step.media.as_deref().unwrap_or("json")));
    }
    request = request.header(header::ACCEPT, accepted(step.accept.as_deref().unwrap_or("json")));
    for (name, value) in &step.headers {
        request = request.header(name, value);
    }
    let body = filled(&body.unwrap_or_default(), known).into_bytes();
    request.body(kube::client::Body::from(body)).map_err(|error| error.to_string())
}

/// `apps/v1:deployments/web` in full.
fn full_path(path: &str, namespace: &str) -> String {
    match path.split_once(':') {
        Some((version, rest)) if !path.starts_with('/') => {
            let root = if version.contains('/') { "apis" } else { "api" };
            format!("/{root}/{version}/namespaces/{namespace}/{rest}")
        }
        _ => path.to_owned(),
    }
}

/// Puts saved values in their places, and many letters where `{x*1000}` stands.
fn filled(text: &str, known: &Known) -> String {
    let mut text = known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
    while let Some((before, rest)) = text.split_once("{x*")
        && let Some((count, after)) = rest.split_once('}')
    {
        text = format!("{before}{}{after}", "x".repeat(count.parse().unwrap_or(0)));
    }
    text
}

fn media_type(short: &str) -> &str {
    match short {
        "json" => "application/json",
        "yaml" => "application/yaml",
        "apply" => "application/apply-patch+yaml",
        "merge" => "application/merge-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "json-patch" => "application/json-patch+json",
        other => other,
    }
}

fn accepted(short: &str) -> &str {
    match short {
        "json" => "application/json",
        "table" => "application/json;as=Table;v=v1;g=meta.k8s.io",
        "metadata" => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        "metadata-list" => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        other => other,
    }
}

async fn sent(client: &kube::Client, request: Request<kube::client::Body>) -> Result<Value, String> {
    answer_of(client.send(request).await.map_err(|error| error.to_string())?).await
}

/// The status code, the headers that tell something, and the body of a response.
///
/// # Errors
/// When the body cannot be read.
pub async fn answer_of(response: Response<kube::client::Body>) -> Result<Value, String> {
    let (parts, body) = response.into_parts();
    let body = body.collect_bytes().await.map_err(|error| error.to_string())?;
    if let Some(encoding) = values(&parts.headers, &header::CONTENT_ENCODING).pop() {
        return Ok(json!({"code": parts.status.as_u16(), "encoding": encoding}));
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let mut answer = json!({"code": parts.status.as_u16()});
    for (name, key) in [(header::CONTENT_TYPE, "type"), (header::WARNING, "warnings"), (header::RETRY_AFTER, "retry")] {
        let values = values(&parts.headers, &name);
        if !values.is_empty() && values != ["application/json"] {
            answer[key] = json!(values);
        }
    }
    let is_yaml = parts.headers.get(header::CONTENT_TYPE).is_some_and(|media| media == "application/yaml");
    answer["body"] = if is_yaml { serde_saphyr::from_str(&text).map_err(|error| error.to_string())? } else { parsed(&text) };
    Ok(answer)
}

fn values(headers: &HeaderMap, name: &header::HeaderName) -> Vec<String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

/// JSON; the events of a watch as a list, one alone as itself; text where it is neither.
fn parsed(text: &str) -> Value {
    let lines = |_| text.lines().map(serde_json::from_str).collect();
    let values: Result<Vec<Value>, _> = serde_json::from_str(text).map(|value| vec![value]).or_else(lines);
    let Ok(mut events) = values else { return text.into() };
    events.retain(|event| !is_heartbeat(event));
    if events.len() == 1 { events.remove(0) } else { Value::Array(events) }
}

/// A bookmark that says nothing but a revision: a real server sends them by its own clock.
fn is_heartbeat(event: &Value) -> bool {
    let marks_the_end = || event["object"].to_string().contains("k8s.io/initial-events-end");
    event["type"] == "BOOKMARK" && !marks_the_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_paths_are_in_the_namespace_of_the_file() {
        assert_eq!(full_path("v1:configmaps/a", "n"), "/api/v1/namespaces/n/configmaps/a");
        assert_eq!(full_path("apps/v1:deployments", "n"), "/apis/apps/v1/namespaces/n/deployments");
        assert_eq!(full_path("/api/v1/nodes/a:b", "n"), "/api/v1/nodes/a:b");
    }

    #[test]
    fn bookmarks_count_only_where_they_end_what_was_there_before() {
        let bookmark = |annotations: &str| format!(r#"{{"type":"BOOKMARK","object":{{"metadata":{{{annotations}}}}}}}"#);
        let end = bookmark(r#""annotations":{"k8s.io/initial-events-end":"true"}"#);
        let added = r#"{"type":"ADDED","object":{}}"#;
        assert_eq!(parsed(&format!("{added}\n{end}\n{}", bookmark(""))), json!([parsed(added), parsed(&end)]));
        assert_eq!(parsed(&format!("{end}\n{}", bookmark(""))), parsed(&end));
        assert_eq!(parsed(&bookmark("")), json!([]));
    }

    #[test]
    fn saved_values_and_long_texts_are_filled_in() {
        let known = BTreeMap::from([("uid".to_owned(), "7".to_owned())]);
        assert_eq!(filled(r#"{"a": "{uid}{x*3}"}"#, &known), r#"{"a": "7xxx"}"#);
    }

    #[test]
    fn a_plain_text_is_a_request_without_a_body() {
        let steps = parse("- GET v1:pods\n- {ask: POST v1:pods, body: {a: 1}, as: yaml}\n").unwrap();
        assert_eq!((steps[0].ask.as_str(), &steps[0].body), ("GET v1:pods", &None));
        assert_eq!(steps[1].media.as_deref(), Some("yaml"));
    }
}
