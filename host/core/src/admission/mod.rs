//! What is written into policies and Clusters as they come in, and which of them are turned away.
//!
//! [`review`] does both, in the order of an API server; [`mutate`] and [`validate`] are its two halves, for webhooks. Says nothing about
//! types and enums: the schemas of the definitions do. Source: controlplane.md §7.1 and §7.2.

mod cluster;
mod clusters;
mod errors;
mod mutate;
mod overrides;
mod propagation;

pub use cluster::{review as review_cluster, validate as validate_cluster};
pub use errors::{Denied, FieldError, Problem};
pub use mutate::mutate;

use errors::Errors;
use flotilla_api::labels;
use flotilla_api::object::Object;
use flotilla_api::policy::{self, OverrideSpec, PropagationSpec, ResourceSelector};
use serde::Deserialize;
use serde_json::Value;

/// The kinds that are reviewed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// PropagationPolicy.
    Propagation,
    /// ClusterPropagationPolicy.
    ClusterPropagation,
    /// OverridePolicy.
    Override,
    /// ClusterOverridePolicy.
    ClusterOverride,
}

impl PolicyKind {
    /// The kind of this name in `policy.karmada.io`.
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "PropagationPolicy" => Some(Self::Propagation),
            "ClusterPropagationPolicy" => Some(Self::ClusterPropagation),
            "OverridePolicy" => Some(Self::Override),
            "ClusterOverridePolicy" => Some(Self::ClusterOverride),
            _ => None,
        }
    }

    /// Label and finalizer of policies that claim templates; `None` for those that do not.
    fn claims_by(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Propagation => Some((labels::PROPAGATION_POLICY_ID, labels::PROPAGATION_POLICY_FINALIZER)),
            Self::ClusterPropagation => Some((labels::CLUSTER_PROPAGATION_POLICY_ID, labels::CLUSTER_PROPAGATION_POLICY_FINALIZER)),
            Self::Override | Self::ClusterOverride => None,
        }
    }

    /// Whether its selectors mean objects of its own namespace only.
    fn is_namespaced(self) -> bool {
        matches!(self, Self::Propagation | Self::Override)
    }
}

/// What is known beside the policy.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Namespace of the request; empty for a cluster-scoped policy.
    pub namespace: &'a str,
    /// A new permanent id: a random UUID.
    pub new_id: &'a dyn Fn() -> String,
}

/// Reviews a policy that is created, or updated where there is an old one: the policy as it is to be stored, or why it is not.
pub fn review(kind: PolicyKind, old: Option<&Object>, new: &Object, context: &Context<'_>) -> Result<Object, Denied> {
    let mutated = mutate(kind, old, new, context);
    validate(kind, old, &mutated)?;
    Ok(mutated)
}

/// Whether a policy may be stored.
pub fn validate(kind: PolicyKind, old: Option<&Object>, new: &Object) -> Result<(), Denied> {
    let mut errors = Errors::default();
    match kind {
        PolicyKind::Propagation | PolicyKind::ClusterPropagation => {
            let spec = read::<PropagationSpec>(new)?;
            check_identity(kind, old, new, &mut errors);
            // An old one that cannot be read was never reviewed; it may be mended.
            if let Some(Ok(old)) = old.map(read::<PropagationSpec>) {
                propagation::check_update(&old, &spec, &mut errors);
            }
            propagation::check(&spec, &mut errors);
            check_selectors(kind, new, &spec.resource_selectors, &mut errors);
        }
        PolicyKind::Override | PolicyKind::ClusterOverride => {
            let spec = read::<OverrideSpec>(new)?;
            overrides::check(&spec, &mut errors);
            check_selectors(kind, new, spec.resource_selectors.as_deref().unwrap_or_default(), &mut errors);
        }
    }
    errors.into_result()
}

/// Whether an object may be deleted: not while users have protected it.
pub fn check_deletion(object: &Object) -> Result<(), Denied> {
    if object.label(labels::DELETION_PROTECTED) != Some(labels::DELETION_PROTECTED_ALWAYS) {
        return Ok(());
    }
    let mut errors = Errors::default();
    errors.forbidden(
        format!("metadata.labels[{}]", labels::DELETION_PROTECTED),
        "this object is protected, remove the label before deleting it",
    );
    errors.into_result()
}

/// The specification of an object.
fn read<T: Default + for<'de> Deserialize<'de>>(object: &Object) -> Result<T, Denied> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    if spec.is_null() {
        return Ok(T::default());
    }
    policy::read(spec).map_err(|error| Denied::unreadable("spec", &error.to_string()))
}

/// Claims hang on the permanent id: it is there from the beginning, and stays.
fn check_identity(kind: PolicyKind, old: Option<&Object>, new: &Object, errors: &mut Errors) {
    let Some((label, _)) = kind.claims_by() else { return };
    let path = || format!("metadata.labels[{label}]");
    let id = |policy: &Object| policy.label(label).unwrap_or("").to_owned();
    match (old.map(id), id(new)) {
        (_, id) if id.is_empty() => errors.required(path(), "policies are told apart by it"),
        (Some(old), id) if old != id => errors.invalid(path(), id, "field is immutable"),
        _ => {}
    }
}

fn check_selectors(kind: PolicyKind, policy: &Object, selectors: &[ResourceSelector], errors: &mut Errors) {
    for (n, selector) in selectors.iter().enumerate() {
        clusters::check_labels(&format!("spec.resourceSelectors[{n}].labelSelector"), selector.label_selector.as_ref(), errors);
        let namespace = selector.namespace.as_deref().unwrap_or("");
        if kind.is_namespaced() && namespace != policy.namespace().unwrap_or("") {
            errors.invalid(format!("spec.resourceSelectors[{n}].namespace"), namespace, "must be the namespace of the policy");
        }
    }
}
