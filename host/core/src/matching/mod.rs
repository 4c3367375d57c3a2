//! Which policy a template follows, and why no other.
//!
//! Start at [`decide`]. A template that a policy has claimed stays with it; [`preempt`] says when another may take it over. Nothing
//! here writes a claim: `bind` does, from the [`Verdict`]. Source: controlplane.md §1.3 and §2.

pub mod batch;
mod change;
mod explain;
mod index;
mod policy;
pub mod preempt;
mod selects;

pub use change::{Change, change};
pub use explain::{Passed, explain};
pub use index::PolicyIndex;
pub use policy::{Policy, PolicyName, Rank};
pub use selects::{Mismatch, Specificity, selects};

use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::{labels, names};
use std::fmt;
use std::sync::Arc;

/// What is known beside the template.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// All policies.
    pub policies: &'a PolicyIndex,
    /// Whether the control plane serves a kind: a selector that names any served version of a template's kind means the template. Say
    /// no to everything where this is not known; the template's own version always counts.
    pub serves: &'a dyn Fn(&GroupVersionKind) -> bool,
    /// Whether there is an OverridePolicy of this namespace and name, or a ClusterOverridePolicy of this name.
    pub has_override: &'a dyn Fn(Option<&str>, &str) -> bool,
    /// Whether nothing in the namespace is to be propagated; see [`is_skipped_by_default`].
    pub skips_namespace: &'a dyn Fn(&str) -> bool,
}

/// The namespaces that an operator need not name: those of Kubernetes itself.
pub fn is_skipped_by_default(namespace: &str) -> bool {
    namespace.starts_with("kube-")
}

/// What is to be done with a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is never propagated.
    Ignored(Ignored),
    /// It follows the policy: it is claimed, and its binding is kept up to date (but see [`Policy::is_due`]).
    Follows(Arc<Policy>),
    /// It is claimed by a policy that is gone. The claim is to be removed; then ask again.
    Released(PolicyName),
    /// It is claimed by a policy that no longer selects it. Nothing is done until that policy has let go.
    Kept(PolicyName),
    /// It cannot be said yet; ask again later.
    Waiting(Waiting),
    /// No policy selects it.
    Unmatched,
}

/// Why a template is never propagated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Its namespace is the control plane's own.
    #[error("namespace `{0}` is reserved")]
    ReservedNamespace(String),
    /// Its namespace is one that the operator excepts.
    #[error("namespace `{0}` is skipped")]
    SkippedNamespace(String),
    /// It belongs to each API server itself.
    #[error("every API server has its own")]
    OfApiServer,
    /// Another controller propagates it.
    #[error("claimed by {0}, not by policies")]
    ClaimedBy(String),
}

/// Why it cannot be said yet what becomes of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Waiting {
    /// The policy that claims it is being deleted.
    #[error("{0} is being deleted")]
    PolicyDeleting(PolicyName),
    /// Override policies that its policy depends on are not there.
    #[error("{policy} waits for override policies {}", missing.join(", "))]
    DependentOverrides {
        /// The policy.
        policy: PolicyName,
        /// Names of the override policies.
        missing: Vec<String>,
    },
}

impl Waiting {
    /// The stable word for events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PolicyDeleting(_) => "PolicyDeleting",
            Self::DependentOverrides { .. } => "WaitingForDependentOverrides",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored(why) => write!(f, "not propagated: {why}"),
            Self::Follows(policy) => write!(f, "follows {}", policy.name),
            Self::Released(policy) => write!(f, "claim of {policy} is void: there is no such policy"),
            Self::Kept(policy) => write!(f, "{policy} claims it and no longer selects it"),
            Self::Waiting(why) => write!(f, "waiting: {why}"),
            Self::Unmatched => f.write_str("no policy selects it"),
        }
    }
}

/// Which policy the template follows. A claim is kept, whatever other policies say; else the best PropagationPolicy of its namespace,
/// else the best ClusterPropagationPolicy.
pub fn decide(template: &Object, context: &Context<'_>) -> Verdict {
    if let Some(why) = ignored(template, context.skips_namespace) {
        return Verdict::Ignored(why);
    }
    if let Some(claimant) = claim(template) {
        return decide_claimed(template, claimant, context);
    }
    match context.policies.best(template, context.serves) {
        Some(policy) => follow(policy, context),
        None => Verdict::Unmatched,
    }
}

/// Whether the template is never propagated.
pub fn ignored(template: &Object, skips_namespace: &dyn Fn(&str) -> bool) -> Option<Ignored> {
    if let Some(namespace) = template.namespace() {
        if names::is_reserved_namespace(namespace) {
            return Some(Ignored::ReservedNamespace(namespace.to_owned()));
        }
        if skips_namespace(namespace) {
            return Some(Ignored::SkippedNamespace(namespace.to_owned()));
        }
        let is_config_map = template.api_version() == "v1" && template.kind() == "ConfigMap";
        if is_config_map && namespace == "kube-system" && template.name() == "extension-apiserver-authentication" {
            return Some(Ignored::OfApiServer);
        }
    }
    let claimed_by = template.label(labels::CLAIMED_BY).filter(|kind| !kind.is_empty());
    claimed_by.map(|kind| Ignored::ClaimedBy(kind.to_owned()))
}

/// The policy that claims the template. A claim is whole or none: names and permanent id together.
pub fn claim(template: &Object) -> Option<PolicyName> {
    let annotation = |key| template.annotation(key).filter(|value| !value.is_empty());
    let is_labelled = |key| template.label(key).is_some_and(|id| !id.is_empty());
    let namespaced = annotation(labels::PROPAGATION_POLICY_NAMESPACE).zip(annotation(labels::PROPAGATION_POLICY_NAME));
    if let Some((namespace, name)) = namespaced.filter(|_| is_labelled(labels::PROPAGATION_POLICY_ID)) {
        return Some(PolicyName { namespace: Some(namespace.to_owned()), name: name.to_owned() });
    }
    let cluster = annotation(labels::CLUSTER_PROPAGATION_POLICY_NAME);
    let name = cluster.filter(|_| is_labelled(labels::CLUSTER_PROPAGATION_POLICY_ID))?;
    Some(PolicyName { namespace: None, name: name.to_owned() })
}

fn decide_claimed(template: &Object, claimant: PolicyName, context: &Context<'_>) -> Verdict {
    let Some(policy) = context.policies.get(&claimant) else {
        return Verdict::Released(claimant);
    };
    if policy.is_deleting {
        return Verdict::Waiting(Waiting::PolicyDeleting(claimant));
    }
    match policy.specificity(template, context.serves) {
        Some(_) => follow(policy, context),
        None => Verdict::Kept(claimant),
    }
}

fn follow(policy: &Arc<Policy>, context: &Context<'_>) -> Verdict {
    let namespace = policy.name.namespace.as_deref();
    let overrides = policy.spec.dependent_overrides.iter();
    let missing: Vec<String> = overrides.filter(|name| !(context.has_override)(namespace, name)).cloned().collect();
    match missing.is_empty() {
        true => Verdict::Follows(Arc::clone(policy)),
        false => Verdict::Waiting(Waiting::DependentOverrides { policy: policy.name.clone(), missing }),
    }
}
