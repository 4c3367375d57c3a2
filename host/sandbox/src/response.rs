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
    value_with_code(error.code, &error.to_status())
}

fn value_with_code(code: u16, body: &Value) -> Response {
    json(code, crate::represent::bytes(body))
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
