//! What the caller of this crate may check and change before an object is stored. Knows nothing of what is checked.

use crate::request::{User, Verb};
use crate::status::ApiError;
use serde_json::Value;

/// One write about to happen.
#[derive(Debug)]
pub struct AdmissionRequest<'a> {
    /// Create, update (also for patches) or delete.
    pub operation: Verb,
    /// API group.
    pub group: &'a str,
    /// Version of the request.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Plural.
    pub resource: &'a str,
    /// `status`, `scale`, or empty.
    pub subresource: &'a str,
    /// Namespace, empty for cluster scope.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// The object to be, in the version of the request; `None` for delete.
    pub object: Option<&'a Value>,
    /// The object that is, in the version of the request; `None` for create.
    pub old_object: Option<&'a Value>,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// Who asks.
    pub user: &'a User,
}

/// The answer to a request that is let through.
#[derive(Debug, Default)]
pub struct Admitted {
    /// The object to store instead; `None` for the one that was asked about.
    pub object: Option<Value>,
    /// `Warning:` headers.
    pub warnings: Vec<String>,
}

/// Mutates and validates. Called once for each create, update and delete of any kind, after defaulting and before validation; must
/// not block.
pub trait Admission: Send + Sync {
    /// Lets the request through, perhaps changed, or refuses it.
    fn review(&self, request: &AdmissionRequest<'_>) -> Result<Admitted, ApiError>;
}
