//! When a policy takes a template over from the policy that has claimed it.
//!
//! Off by default; the caller asks only where operators have turned it on, and when a policy is new or has changed. Source:
//! controlplane.md §2.6.

use super::{Policy, PolicyIndex, PolicyName, claim};
use flotilla_api::object::Object;
use flotilla_api::policy::PolicyPreemption;

/// Why a policy does not take a template over. Order of variants is the order of checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPreempted {
    /// It does not take over from others.
    #[error("its preemption is not `Always`")]
    Never,
    /// None of its selectors names the template, with its namespace where it has one.
    #[error("no selector names the template")]
    NotNamed,
    /// Nobody has claimed the template: nothing to take over.
    #[error("nobody has claimed it")]
    Unclaimed,
    /// It has the claim itself.
    #[error("it has the claim itself")]
    Own,
    /// A ClusterPropagationPolicy never takes over from a PropagationPolicy.
    #[error("{0} is of the template's namespace")]
    Namespaced(PolicyName),
    /// The priority of the other is as high, or higher.
    #[error("{0} has the priority {1}")]
    Priority(PolicyName, i32),
    /// The claim names a policy that is not there; it is released first.
    #[error("{0} is gone")]
    Gone(PolicyName),
}

/// Whether the policy takes the template over. A PropagationPolicy takes over from a ClusterPropagationPolicy whatever the priorities;
/// otherwise its priority must be the higher one.
pub fn preempts(policy: &Policy, template: &Object, policies: &PolicyIndex) -> Result<(), NotPreempted> {
    if policy.spec.preemption != Some(PolicyPreemption::Always) {
        return Err(NotPreempted::Never);
    }
    if !names(policy, template) {
        return Err(NotPreempted::NotNamed);
    }
    let claimant = claim(template).ok_or(NotPreempted::Unclaimed)?;
    if claimant == policy.name {
        return Err(NotPreempted::Own);
    }
    match (&policy.name.namespace, &claimant.namespace) {
        (Some(_), None) => return Ok(()),
        (None, Some(_)) => return Err(NotPreempted::Namespaced(claimant)),
        _ => {}
    }
    match policies.get(&claimant).map(|holder| holder.priority()) {
        None => Err(NotPreempted::Gone(claimant)),
        Some(priority) if priority >= policy.priority() => Err(NotPreempted::Priority(claimant, priority)),
        Some(_) => Ok(()),
    }
}

/// Templates are taken over by name only: what a selector describes in other ways would be claimed anew by chance.
fn names(policy: &Policy, template: &Object) -> bool {
    policy.spec.resource_selectors.iter().any(|selector| {
        selector.api_version == template.api_version()
            && selector.kind == template.kind()
            && selector.name.as_deref() == Some(template.name())
            && selector.namespace.as_deref().unwrap_or("") == template.namespace().unwrap_or("")
    })
}
