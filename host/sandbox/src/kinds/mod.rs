//! The built-in kinds: which there are, and what the API server does for each beyond storing it.

mod apps;
mod autoscaling;
mod autoscaling_v1;
mod batch;
mod catalogue;
mod core;
mod credentials;
mod events;
mod extensions;
mod internal;
pub(crate) mod labels;
pub mod metadata;
mod network_policies;
mod networking;
pub(crate) mod pod_parts;
mod pod_spec;
mod pods;
mod policy;
mod rbac;
mod reach;
mod refusal;
mod schedule;
mod syntax;
pub mod table;
mod webhooks;

use crate::status::FieldError;
pub use catalogue::unstored;
pub(crate) use core::{CLAIM_PROTECTION, VOLUME_PROTECTION};
use metadata::NameRule;
use serde_json::Value;
pub(crate) use syntax::{dns_1035_label, dns_subdomain};

/// A built-in resource in one version, as discovery shows it.
pub struct BuiltIn {
    /// API group, empty for core.
    pub group: &'static str,
    /// Version served; the one stored too unless [`BuiltIn::kept_as`] says otherwise.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural, the path segment.
    pub plural: &'static str,
    /// Singular, for kubectl.
    pub singular: &'static str,
    /// Short names, for kubectl.
    pub short_names: &'static [&'static str],
    /// Categories, for kubectl (`all`).
    pub categories: &'static [&'static str],
    /// Whether it lives in a namespace.
    pub namespaced: bool,
    /// Whether `/status` is served; then the main resource cannot write `.status`.
    pub has_status: bool,
    /// Whether `/scale` is served.
    pub has_scale: bool,
    /// Whether `metadata.generation` is kept, counting changes outside metadata and status.
    pub has_generation: bool,
    /// For a second view of objects that are stored as another entry of the table (`autoscaling/v1`, `events.k8s.io/v1`).
    pub kept_as: Option<Conversion>,
    /// What is particular to the kind; of the kept form where there is one.
    pub behaviour: &'static dyn Behaviour,
}

/// How a resource is shown that is kept in another group or version. The plural is the same in both.
pub struct Conversion {
    /// Group of the entry that keeps the objects.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What a client wrote → what is defaulted, validated and kept.
    pub to_kept: fn(Value) -> Value,
    /// What is kept → what a client reads.
    pub from_kept: fn(Value) -> Value,
}

/// What the API server does for a kind beyond storing it. Objects are JSON in the served version. The server itself does metadata,
/// generation, status separation, namespaces, and optimistic locking before and after these.
pub trait Behaviour: Send + Sync {
    /// Fills in defaults on create and update, as the real server's defaulting does. The object was decoded before
    /// ([`crate::fields::schema::TypeSchema::prune`]): fields that are written even when nobody sets them are there.
    fn default(&self, _object: &mut Value) {}
    /// Called once on create, after defaults: allocates what the server allocates (a Service's clusterIP, a Secret's stringData → data).
    fn prepare_create(&self, _object: &mut Value) {}
    /// Called on update, after defaults: carries over what the client left out and the server keeps.
    fn prepare_update(&self, _new: &mut Value, _old: &Value) {}
    /// What names may look like.
    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }
    /// Field errors of a new object, beyond those of its metadata ([`metadata::validate`]).
    fn validate(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }
    /// Field errors of a change (immutable fields), beyond those of [`Behaviour::validate`]. Not asked about changes through a pod's
    /// `/binding`, `/ephemeralcontainers` and `/resize`, which are there to change what is fixed otherwise.
    fn validate_update(&self, _new: &Value, _old: &Value) -> Vec<FieldError> {
        Vec::new()
    }
    /// Field errors of a new object that was written through this view of its kind ([`BuiltIn::kept_as`]), in the kept form.
    fn validate_view(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }
    /// Field errors of a change that was written through this view of its kind, of the kept form.
    fn validate_view_update(&self, _new: &Value, _old: &Value) -> Vec<FieldError> {
        Vec::new()
    }
    /// Gives an error of the kept form the names of this view.
    fn renames(&self, _error: &mut FieldError) {}
    /// Whether errors of a change come before those of the object as such.
    fn looks_at_change_first(&self) -> bool {
        false
    }
    /// `Warning:` headers.
    fn warnings(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }
    /// What everybody who asks for the kind is told.
    fn deprecation(&self) -> Option<&'static str> {
        None
    }
    /// The value of a field selector's field beyond `metadata.name` and `metadata.namespace`; `None` for a field that is not supported.
    fn select_field(&self, _object: &Value, _field: &str) -> Option<String> {
        None
    }
}

/// All built-in resources, in the order of discovery; a resource with two versions has two entries, the preferred one first.
pub fn built_ins() -> &'static [BuiltIn] {
    catalogue::BUILT_INS
}
