//! What override policies change in an object on its way to one cluster.
//!
//! Start at [`apply`]. First every ClusterOverridePolicy, then every OverridePolicy of the object's namespace; in each group what
//! describes the object more closely comes later and wins. An error leaves no half-changed object behind: the caller throws it away.
//! Source: controlplane.md §3.

pub mod batch;
mod containers;
mod document;
mod image;
mod metadata;
pub mod patch;

use crate::affinity;
use crate::matching::{Specificity, selects};
use flotilla_api::cluster::Cluster;
use flotilla_api::labels::{APPLIED_CLUSTER_OVERRIDES, APPLIED_OVERRIDES};
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy::{ClusterAffinity, ClusterOverridePolicy, OverridePolicy, OverrideSpec, Overriders};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// Names an OverridePolicy, or a ClusterOverridePolicy where there is no namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyRef<'a> {
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

impl PolicyRef<'_> {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_some() { "OverridePolicy" } else { "ClusterOverridePolicy" }
    }
}

impl fmt::Display for PolicyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace {
            Some(namespace) => write!(f, "OverridePolicy {namespace}/{}", self.name),
            None => write!(f, "ClusterOverridePolicy {}", self.name),
        }
    }
}

/// The rules that changed an object, in the order in which they did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Applied<'a>(pub Vec<(PolicyRef<'a>, &'a Overriders)>);

impl Applied<'_> {
    /// What a Work notes about them: by policy name, cluster-wide ones apart.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let noted = |key: &str, is_cluster: bool| {
            let mut rules: Vec<_> = self.0.iter().filter(|(policy, _)| policy.namespace.is_none() == is_cluster).collect();
            rules.sort_by_key(|(policy, _)| policy.name);
            let rules: Vec<Value> =
                rules.iter().map(|(policy, overriders)| json!({"policyName": policy.name, "overriders": overriders})).collect();
            (!rules.is_empty()).then(|| (key.to_owned(), Value::Array(rules).to_string()))
        };
        [noted(APPLIED_CLUSTER_OVERRIDES, true), noted(APPLIED_OVERRIDES, false)].into_iter().flatten().collect()
    }
}

/// Why an object could not be changed for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{policy}: {overrider}: {cause}")]
pub struct OverrideError {
    /// The policy, as messages name it.
    pub policy: String,
    /// The field of the policy, for instance `imageOverrider[0]`.
    pub overrider: String,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with an overrider, or with the object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// What should be an image is none, or is not there.
    #[error("{0}")]
    Image(String),
    /// The field is not there, or is no string.
    #[error("{0}")]
    Field(String),
    /// A patch does not apply.
    #[error("{0}")]
    Patch(patch::PatchError),
    /// The object is not of the shape that its kind says.
    #[error("{0}")]
    Shape(String),
}

impl Cause {
    /// The stable word for batch answers.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Image(_) => "ImageOverrideError",
            Self::Field(_) => "FieldOverrideError",
            Self::Patch(patch::PatchError::TestFailed { .. }) | Self::Shape(_) => "Error",
            Self::Patch(_) => "PatchError",
        }
    }
}

/// Changes an object for a cluster. `overrides` are those of the object's namespace. `serves`: see
/// [`crate::matching::Context::serves`].
pub fn apply<'a>(
    object: &mut Object,
    cluster: &Cluster,
    cluster_overrides: &[&'a ClusterOverridePolicy],
    overrides: &[&'a OverridePolicy],
    serves: &dyn Fn(&GroupVersionKind) -> bool,
) -> Result<Applied<'a>, OverrideError> {
    let mut applied = Applied::default();
    let policies = cluster_overrides.iter().map(|policy| (reference(&policy.metadata, false), &policy.spec));
    apply_group(object, cluster, ordered(policies, object, serves), &mut applied)?;
    if object.namespace().is_some() {
        let policies = overrides.iter().map(|policy| (reference(&policy.metadata, true), &policy.spec));
        apply_group(object, cluster, ordered(policies, object, serves), &mut applied)?;
    }
    Ok(applied)
}

fn reference(metadata: &ObjectMeta, is_namespaced: bool) -> PolicyRef<'_> {
    let namespace = is_namespaced.then(|| metadata.namespace.as_deref().unwrap_or(""));
    PolicyRef { namespace, name: metadata.name.as_deref().unwrap_or("") }
}

/// The policies that mean the object, the weakest first.
fn ordered<'a>(
    policies: impl Iterator<Item = (PolicyRef<'a>, &'a OverrideSpec)>,
    object: &Object,
    serves: &dyn Fn(&GroupVersionKind) -> bool,
) -> Vec<(PolicyRef<'a>, &'a OverrideSpec)> {
    let ranked = policies.filter_map(|(policy, spec)| Some((specificity(spec, object, serves)?, policy, spec)));
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(specificity, policy, _)| (*specificity, policy.name));
    ranked.into_iter().map(|(_, policy, spec)| (policy, spec)).collect()
}

/// How closely the policy describes the object; without selectors it means every object.
fn specificity(spec: &OverrideSpec, object: &Object, serves: &dyn Fn(&GroupVersionKind) -> bool) -> Option<Specificity> {
    match spec.resource_selectors.as_deref() {
        None | Some([]) => Some(Specificity::Kind),
        Some(selectors) => selectors.iter().filter_map(|selector| selects(selector, object, serves).ok()).max(),
    }
}

fn apply_group<'a>(
    object: &mut Object,
    cluster: &Cluster,
    policies: Vec<(PolicyRef<'a>, &'a OverrideSpec)>,
    applied: &mut Applied<'a>,
) -> Result<(), OverrideError> {
    for (policy, spec) in policies {
        for (target, overriders) in rules(spec) {
            if affinity::matches_optional(cluster, target).is_ok() {
                change(object, overriders).map_err(|(overrider, cause)| OverrideError { policy: policy.to_string(), overrider, cause })?;
                applied.0.push((policy, overriders));
            }
        }
    }
    Ok(())
}

/// The rules of a policy; the older pair of fields makes one where there are no others.
fn rules(spec: &OverrideSpec) -> impl Iterator<Item = (Option<&ClusterAffinity>, &Overriders)> {
    static NOTHING: Overriders = Overriders {
        plaintext: Vec::new(),
        image_overrider: Vec::new(),
        command_overrider: Vec::new(),
        args_overrider: Vec::new(),
        labels_overrider: Vec::new(),
        annotations_overrider: Vec::new(),
        field_overrider: Vec::new(),
    };
    let older = (spec.target_cluster.as_ref(), spec.overriders.as_ref().unwrap_or(&NOTHING));
    let rules = spec.override_rules.iter().map(|rule| (rule.target_cluster.as_ref(), &rule.overriders));
    rules.chain(spec.override_rules.is_empty().then_some(older))
}

/// One rule: each kind of change in its turn, each item on what the one before it left.
fn change(object: &mut Object, overriders: &Overriders) -> Result<(), (String, Cause)> {
    each("imageOverrider", &overriders.image_overrider, |overrider| image::apply(object, overrider))?;
    each("commandOverrider", &overriders.command_overrider, |overrider| containers::apply(object, "command", overrider))?;
    each("argsOverrider", &overriders.args_overrider, |overrider| containers::apply(object, "args", overrider))?;
    each("labelsOverrider", &overriders.labels_overrider, |overrider| metadata::apply(object, "labels", overrider))?;
    each("annotationsOverrider", &overriders.annotations_overrider, |overrider| metadata::apply(object, "annotations", overrider))?;
    each("fieldOverrider", &overriders.field_overrider, |overrider| document::apply(object, overrider))?;
    each("plaintext", &overriders.plaintext, |overrider| {
        let value = overrider.value.as_ref().unwrap_or(&Value::Null);
        patch::apply(&mut object.0, &overrider.path, &overrider.operator, value).map_err(Cause::Patch)
    })?;
    match overriders.plaintext.is_empty() || !object.kind().is_empty() {
        true => Ok(()),
        false => Err(("plaintext".to_owned(), Cause::Shape("what is left is no object: `kind` is missing".to_owned()))),
    }
}

fn each<T>(field: &str, overriders: &[T], mut apply: impl FnMut(&T) -> Result<(), Cause>) -> Result<(), (String, Cause)> {
    let apply = |(n, overrider)| apply(overrider).map_err(|cause| (format!("{field}[{n}]"), cause));
    overriders.iter().enumerate().try_for_each(apply)
}
