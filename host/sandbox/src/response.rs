//! HTTP answers: JSON with the headers of the real server. Makes no decision.

use crate::status::ApiError;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::Value;

/// JSON with a status code.
pub fn json(code: u16, body: Bytes) -> Response {
    with_type(code, "application/json", Body::from(body))
}

/// A value as JSON, 200.
pub fn value(body: &Value) -> Response {
    json(200, crate::represent::bytes(body))
}

/// Text.
pub fn text(code: u16, body: impl Into<Body>) -> Response {
    with_type(code, "text/plain; charset=utf-8", body.into())
}

/// 404, and nothing else.
pub fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    response
}

/// A body of a media type.
pub fn with_type(code: u16, media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(code).expect("the codes of this server are HTTP status codes");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A refusal as its Status.
pub fn refusal(error: &ApiError) -> Response {
    let mut response = json(error.code, crate::represent::bytes(&error.to_status()));
    if let Some(seconds) = error.details.as_ref().and_then(|details| details["retryAfterSeconds"].as_u64()) {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The same answer in YAML, where it was JSON.
pub async fn in_yaml(response: Response) -> Response {
    if response.headers().get(CONTENT_TYPE).is_none_or(|media| media != "application/json") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    match serde_json::from_slice::<Value>(&bytes).ok().and_then(|value| serde_saphyr::to_string(&value).ok()) {
        Some(text) => {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
            Response::from_parts(parts, Body::from(text))
        }
        None => Response::from_parts(parts, Body::from(bytes)),
    }
}

/// Adds `Warning:` headers, which kubectl prints before anything else.
pub fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let quoted: String = warning.chars().filter(|c| !c.is_control()).flat_map(escaped).collect();
        if let Ok(header) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            response.headers_mut().append(http::header::WARNING, header);
        }
    }
}

fn escaped(c: char) -> Vec<char> {
    if c == '"' || c == '\\' { vec!['\\', c] } else { vec![c] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_quoted() {
        let mut response = text(200, "ok");
        warn(&mut response, &["unknown field \"spec.replicaz\"".to_owned()]);
        assert_eq!(response.headers()[http::header::WARNING], "299 - \"unknown field \\\"spec.replicaz\\\"\"");
    }
}
