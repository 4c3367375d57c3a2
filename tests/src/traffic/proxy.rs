//! An HTTP server on loopback in front of an API server: what kubectl asks goes through a client that records.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{Request, StatusCode, header};
use kube::client::Body;
use std::io;

/// Longest body that is passed on, in bytes.
const BODY_MAX: usize = 16 << 20;

/// Serves in front of a client until the process ends; returns where.
///
/// # Errors
/// When no port can be listened on.
pub async fn serve(client: kube::Client) -> io::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = axum::Router::new().fallback(pass).with_state(client);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn pass(State(client): State<kube::Client>, request: Request<axum::body::Body>) -> Response {
    match send(&client, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn send(client: &kube::Client, request: Request<axum::body::Body>) -> io::Result<Response> {
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_MAX).await.map_err(io::Error::other)?;
    // The client has credentials of its own, connects anew, and reads no compressed answers.
    for name in [header::AUTHORIZATION, header::HOST, header::ACCEPT_ENCODING, header::CONTENT_LENGTH] {
        parts.headers.remove(name);
    }
    // What is recorded can be read.
    if parts.headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().windows(8).any(|word| word == b"protobuf")) {
        parts.headers.insert(header::ACCEPT, header::HeaderValue::from_static("application/json"));
    }
    if let Some(path) = parts.uri.path_and_query().cloned() {
        parts.uri = path.into();
    }
    let response = client.send(Request::from_parts(parts, Body::from(body.to_vec()))).await.map_err(io::Error::other)?;
    Ok(response.map(axum::body::Body::new))
}
