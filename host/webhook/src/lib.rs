//! HTTP comes in: the resource interpreter webhook that an existing Karmada calls, the admission webhook of the control plane, and probes.
//!
//! Parses and maps; answers come from plugins (through [`flotilla_api::interpretation::Interpreter`]) and from `core::admission`.
//! Never calls out.
#![forbid(unsafe_code)]

mod admission;
mod interpreter;
mod policies;
mod probes;
pub mod server;

pub use admission::{Admission, Admitted, Denied};
pub use interpreter::LONGEST_CALL;
pub use policies::{PLUGIN_NAMESPACE, PolicyAdmission};
pub use probes::{Probes, probes_router, serve_probes};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use flotilla_api::interpretation::Interpreter;
use std::sync::Arc;

/// Largest body that is read, in bytes: twice what an API server accepts, since Retain carries two objects.
pub const LARGEST_BODY: usize = 6 << 20;

/// Path of the resource interpreter webhook.
pub const INTERPRETER_PATH: &str = "/interpreter";
/// Path of the mutating admission webhook.
pub const MUTATE_PATH: &str = "/mutate";
/// Path of the validating admission webhook.
pub const VALIDATE_PATH: &str = "/validate";

/// What the handlers are given.
#[derive(Clone)]
pub struct Services {
    /// Who answers for kinds.
    pub interpreter: Arc<dyn Interpreter>,
    /// Who reviews objects of our kinds.
    pub admission: Arc<dyn Admission>,
}

/// All paths.
pub fn router(services: Services) -> Router {
    Router::new()
        .route(INTERPRETER_PATH, post(interpreter::handle))
        .route(MUTATE_PATH, post(admission::mutate))
        .route(VALIDATE_PATH, post(admission::validate))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(services)
}
