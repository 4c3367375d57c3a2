//! Both webhooks over real TLS: recorded reviews in, expected answers out.
//!
//! A text of an answer in angle brackets (`<part>`) stands for any text with that part.

mod support;

use serde_json::{Value, json};
use support::{Served, cases};

/// Whether an answer is the expected one; tells where not.
fn difference(expected: &Value, got: &Value, at: &str) -> Option<String> {
    match (expected, got) {
        (Value::String(part), Value::String(text)) if part.starts_with('<') && part.ends_with('>') => {
            (!text.contains(&part[1..part.len() - 1])).then(|| format!("{at}: `{text}` lacks {part}"))
        }
        (Value::Object(expected), Value::Object(got)) => {
            let mut keys: Vec<_> = expected.keys().chain(got.keys()).collect();
            keys.dedup();
            let of = |map: &serde_json::Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(json!("(absent)"));
            keys.into_iter().find_map(|key| difference(&of(expected, key), &of(got, key), &format!("{at}.{key}")))
        }
        _ => (expected != got).then(|| format!("{at}: expected {expected}, got {got}")),
    }
}

/// The patch of a response, decoded.
fn decoded(mut response: Value) -> Value {
    if let Some(patch) = response.get("patch").and_then(Value::as_str) {
        response["patch"] = support::decode(patch);
    }
    response
}

async fn drive(file: &str, path: &str) {
    let served = Served::start().await;
    let mut wrong = Vec::new();
    for case in cases(file) {
        let path = format!("{}{}", case["path"].as_str().unwrap_or(path), case["query"].as_str().unwrap_or_default());
        let body = case["review"].as_str().map_or_else(|| case["review"].to_string(), str::to_owned);
        let (status, answer) = served.post(&path, body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{}: no JSON: {answer}", case["name"]));
        let mut response = decoded(answer["response"].clone());
        if case["response"]["patch"] == "<identity>" {
            response["patch"] = json!(if gives_identity(&response["patch"]) { "<identity>" } else { "no identity" });
        }
        let expected_status = case["status"].as_u64().unwrap_or(200);
        if u64::from(status) != expected_status {
            wrong.push(format!("{}: HTTP {status}, expected {expected_status}", case["name"]));
        }
        wrong.extend(difference(&case["response"], &response, "response").map(|why| format!("{}: {why}", case["name"])));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    served.stop().await;
}

/// Whether a patch adds a permanent id and a finalizer.
fn gives_identity(patch: &Value) -> bool {
    let text = patch.to_string();
    text.contains("permanent-id") && text.contains("finalizers")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_operations_are_answered_in_karmadas_protocol() {
    drive("interpreter.json", "/interpreter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_that_cannot_be_read_are_refused_by_field() {
    drive("malformed.json", "/interpreter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_plugins_are_reviewed() {
    drive("admission.json", "/validate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_loads_is_admitted() {
    let served = Served::start().await;
    let (status, answer) = served.post("/validate", support::plugin_review().to_string()).await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!((status, &answer["response"]), (200, &json!({"uid": "a1", "allowed": true})));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_and_admission_reviews_that_are_none_are_refused() {
    let served = Served::start().await;
    let (status, _) = served.post("/interpreter", " ".repeat(flotilla_webhook::LARGEST_BODY + 1)).await;
    assert_eq!(status, 413);
    for (body, part) in [("[]", "kind"), (r#"{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1"}"#, "apiVersion")] {
        let (status, text) = served.post("/validate", body.to_owned()).await;
        assert_eq!(status, 400);
        assert!(text.starts_with(part), "{text}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_and_a_stop_ends_the_server() {
    let served = Served::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(served.get(path).await, (200, "ok".to_owned()));
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_from_files_is_served() {
    let served = Served::with_certificate_files().await;
    assert_eq!(served.get("/healthz").await.0, 200);
    served.stop().await;
}
