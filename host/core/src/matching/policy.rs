//! A policy of either scope, as matching sees it, and how policies rank.

use super::selects::{Specificity, selects};
use crate::bind::Claimant;
use flotilla_api::labels;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy::{ActivationPreference, ClusterPropagationPolicy, PropagationPolicy, PropagationSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::cmp::{Ordering, Reverse};
use std::fmt;

/// Names a PropagationPolicy, or a ClusterPropagationPolicy where there is no namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyName {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl PolicyName {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        if self.namespace.is_some() { "PropagationPolicy" } else { "ClusterPropagationPolicy" }
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "PropagationPolicy {namespace}/{}", self.name),
            None => write!(f, "ClusterPropagationPolicy {}", self.name),
        }
    }
}

/// A policy of either scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: PolicyName,
    /// Its permanent id; empty where admission did not see it.
    pub id: String,
    /// Whether it is being deleted: it claims nothing any more.
    pub is_deleting: bool,
    /// What it says.
    pub spec: PropagationSpec,
}

/// How good a policy is for a template; greater is better. Among policies that match, first comes the priority that users give, then
/// how closely a selector describes the template, then the name that sorts first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank<'a> {
    priority: i32,
    specificity: Specificity,
    name: Reverse<&'a str>,
}

impl Policy {
    fn new(namespaced: bool, metadata: ObjectMeta, spec: PropagationSpec) -> Self {
        let id_label = if namespaced { labels::PROPAGATION_POLICY_ID } else { labels::CLUSTER_PROPAGATION_POLICY_ID };
        let id = metadata.labels.and_then(|mut labels| labels.remove(id_label));
        let namespace = namespaced.then(|| metadata.namespace.unwrap_or_default());
        Self {
            name: PolicyName { namespace, name: metadata.name.unwrap_or_default() },
            id: id.unwrap_or_default(),
            is_deleting: metadata.deletion_timestamp.is_some(),
            spec,
        }
    }

    /// What users say it counts against other policies.
    pub fn priority(&self) -> i32 {
        self.spec.priority.unwrap_or(0)
    }

    /// How closely its closest selector describes the object; `None`: none means it.
    pub fn specificity(&self, object: &Object, serves: &dyn Fn(&GroupVersionKind) -> bool) -> Option<Specificity> {
        self.spec.resource_selectors.iter().filter_map(|selector| selects(selector, object, serves).ok()).max()
    }

    /// Whether the binding of a template that follows it is to be written now. `by_us`: what happened was not a change that a user made
    /// to the template.
    pub fn is_due(&self, by_us: bool) -> bool {
        !(by_us && self.spec.activation_preference == Some(ActivationPreference::Lazy))
    }

    /// What claims and bindings are made of.
    pub fn claimant(&self) -> Claimant<'_> {
        let namespace = self.name.namespace.as_deref();
        Claimant { namespace, name: &self.name.name, id: &self.id, spec: &self.spec }
    }

    pub(super) fn rank(&self, specificity: Specificity) -> Rank<'_> {
        Rank { priority: self.priority(), specificity, name: Reverse(&self.name.name) }
    }
}

impl Rank<'_> {
    /// Where two ranks differ first, as seen from the worse one.
    pub(super) fn shortfall(&self, better: &Self) -> Shortfall {
        match (self.priority.cmp(&better.priority), self.specificity.cmp(&better.specificity)) {
            (Ordering::Less, _) => Shortfall::Priority(self.priority),
            (_, Ordering::Less) => Shortfall::Specificity(self.specificity),
            _ => Shortfall::Name,
        }
    }
}

/// What a policy lacks against a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortfall {
    Priority(i32),
    Specificity(Specificity),
    Name,
}

impl From<PropagationPolicy> for Policy {
    fn from(policy: PropagationPolicy) -> Self {
        Self::new(true, policy.metadata, policy.spec)
    }
}

impl From<ClusterPropagationPolicy> for Policy {
    fn from(policy: ClusterPropagationPolicy) -> Self {
        Self::new(false, policy.metadata, policy.spec)
    }
}
