//! Why a template does not follow the other policies.

use super::policy::{Policy, PolicyName, Shortfall};
use super::selects::{Mismatch, Specificity, selects};
use super::{Context, Verdict};
use flotilla_api::object::Object;
use std::fmt;

/// Why a policy was passed over. Order of variants is the order of checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// It is of another namespace.
    OtherNamespace,
    /// None of its selectors means the template; why each does not.
    NotSelected(Vec<Mismatch>),
    /// It is being deleted.
    Deleting,
    /// The template is claimed.
    Claimed(PolicyName),
    /// A policy of the template's namespace goes before policies of the cluster.
    ClusterWide,
    /// Its priority is lower than that of the policy that was chosen.
    LowerPriority(i32),
    /// It describes the template less closely.
    LessSpecific(Specificity),
    /// It is as good, and its name sorts later.
    LaterName,
    /// The template is not propagated at all, or it waits.
    NotNow,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNamespace => f.write_str("of another namespace"),
            Self::NotSelected(why) if why.is_empty() => f.write_str("has no selectors"),
            Self::NotSelected(why) => f.write_str(&why.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("; ")),
            Self::Deleting => f.write_str("being deleted"),
            Self::Claimed(policy) => write!(f, "{policy} has the claim"),
            Self::ClusterWide => f.write_str("cluster-wide, and a PropagationPolicy matches"),
            Self::LowerPriority(priority) => write!(f, "priority {priority} is lower"),
            Self::LessSpecific(specificity) => write!(f, "selects {}, which is weaker", specificity.as_str()),
            Self::LaterName => f.write_str("as good, but its name sorts later"),
            Self::NotNow => f.write_str("would match, but the template is not propagated now"),
        }
    }
}

/// Why the template does not follow each policy but the one of the verdict, by name. Looks at every policy: for people, not for
/// reconciling.
pub fn explain(template: &Object, verdict: &Verdict, context: &Context<'_>) -> Vec<(PolicyName, Passed)> {
    let chosen = chosen(verdict, context);
    let others = context.policies.iter().filter(|policy| chosen.is_none_or(|chosen| chosen.name != policy.name));
    let mut passed: Vec<_> = others.map(|policy| (policy.name.clone(), why(policy, chosen, template, context))).collect();
    passed.sort_by(|one, other| one.0.cmp(&other.0));
    passed
}

fn chosen<'a>(verdict: &'a Verdict, context: &'a Context<'_>) -> Option<&'a Policy> {
    match verdict {
        Verdict::Follows(policy) => Some(policy),
        Verdict::Kept(name) => context.policies.get(name).map(AsRef::as_ref),
        Verdict::Waiting(super::Waiting::DependentOverrides { policy, .. } | super::Waiting::PolicyDeleting(policy)) => {
            context.policies.get(policy).map(AsRef::as_ref)
        }
        Verdict::Ignored(_) | Verdict::Released(_) | Verdict::Unmatched => None,
    }
}

fn why(policy: &Policy, chosen: Option<&Policy>, template: &Object, context: &Context<'_>) -> Passed {
    let is_elsewhere = |namespace: &String| template.namespace() != Some(namespace.as_str());
    if policy.name.namespace.as_ref().is_some_and(is_elsewhere) {
        return Passed::OtherNamespace;
    }
    let answers: Vec<_> = policy.spec.resource_selectors.iter().map(|selector| selects(selector, template, context.serves)).collect();
    let Some(specificity) = answers.iter().filter_map(|answer| answer.as_ref().ok().copied()).max() else {
        return Passed::NotSelected(answers.into_iter().filter_map(Result::err).collect());
    };
    if policy.is_deleting {
        return Passed::Deleting;
    }
    let Some(chosen) = chosen else { return Passed::NotNow };
    if super::claim(template).is_some_and(|claimant| claimant == chosen.name) {
        return Passed::Claimed(chosen.name.clone());
    }
    if policy.name.namespace.is_none() && chosen.name.namespace.is_some() {
        return Passed::ClusterWide;
    }
    let best = chosen.specificity(template, context.serves).map(|specificity| chosen.rank(specificity));
    match best.map(|best| policy.rank(specificity).shortfall(&best)) {
        Some(Shortfall::Priority(priority)) => Passed::LowerPriority(priority),
        Some(Shortfall::Specificity(specificity)) => Passed::LessSpecific(specificity),
        _ => Passed::LaterName,
    }
}
