//! Plain HTTP for kubelets and Prometheus: `/livez`, `/readyz` and `/metrics`. What they say is handed in.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

/// What a process says about itself; asked at each request, so it must not wait for anything.
pub trait Probes: Send + Sync + 'static {
    /// Whether it should live on, and the text that says why not; all checks when `verbose`.
    fn live(&self, verbose: bool) -> (bool, String);
    /// Whether it does its share; likewise.
    fn ready(&self, verbose: bool) -> (bool, String);
    /// All metrics, as OpenMetrics text.
    fn metrics(&self) -> String;
}

type Shared = State<Arc<dyn Probes>>;

/// The media type of [`Probes::metrics`].
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The paths of probes and metrics.
pub fn probes_router(probes: Arc<dyn Probes>) -> Router {
    let live = |State(probes): Shared, RawQuery(query): RawQuery| async move { answer(probes.live(is_verbose(query.as_deref()))) };
    let ready = |State(probes): Shared, RawQuery(query): RawQuery| async move { answer(probes.ready(is_verbose(query.as_deref()))) };
    let metrics = |State(probes): Shared| async move { ([(header::CONTENT_TYPE, OPEN_METRICS)], probes.metrics()) };
    Router::new().route("/livez", get(live)).route("/readyz", get(ready)).route("/metrics", get(metrics)).with_state(probes)
}

/// Answers probes until dropped.
pub async fn serve_probes(listener: tokio::net::TcpListener, probes: Arc<dyn Probes>) -> std::io::Result<()> {
    axum::serve(listener, probes_router(probes)).await
}

fn answer((is_well, text): (bool, String)) -> impl IntoResponse {
    (if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

/// Whether the query has the parameter `verbose`, with or without a value, as API servers take it.
fn is_verbose(query: Option<&str>) -> bool {
    query.into_iter().flat_map(|query| query.split('&')).any(|pair| pair.split('=').next() == Some("verbose"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbose_is_a_parameter_of_its_own() {
        assert!(is_verbose(Some("verbose")) && is_verbose(Some("a=b&verbose=true")));
        assert!(!is_verbose(None) && !is_verbose(Some("")) && !is_verbose(Some("verbosely")));
    }
}
