//! From a binding and the clusters to the clusters that it goes to: trigger, filter, assign.
//!
//! A decision says what makes it due, who was left out and why, and what becomes of `spec.clusters`. What runs is moved or taken
//! away only on evidence: a cluster of which nothing is known keeps what it has. Source: controlplane.md §4.

mod assign;
pub mod batch;
pub mod filter;
pub mod record;
mod sorted;
mod trigger;
pub mod wake;
pub mod webster;

pub use filter::Rejected;
pub use trigger::Trigger;

use crate::binding::Binding;
use assign::Strategy;
use filter::filter;
use flotilla_api::cluster::Cluster;
use flotilla_api::work::{ResourceBindingSpec, TargetCluster};
use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

/// How an operator set the scheduler up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Whether clusters that got no replica of a workload get the object all the same, with 0 of them.
    pub keeps_empty_clusters: bool,
}

/// What was decided about one binding, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<'c> {
    /// What made a decision due, or why none was.
    pub trigger: Trigger,
    /// What becomes of the clusters.
    pub outcome: Outcome,
    /// The clusters that were left out.
    pub rejected: Vec<(&'c str, Rejected<'c>)>,
}

/// What becomes of the clusters of a binding.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing was due: they stay.
    Unchanged,
    /// These are the clusters, sorted by name.
    Scheduled(Vec<TargetCluster>),
    /// There is no answer. `clusters` are those that stay: all, except where the policy or an operator excludes them.
    Failed {
        /// Why.
        why: Failure,
        /// The clusters that stay.
        clusters: Vec<TargetCluster>,
    },
}

/// Why no clusters were found. [`Failure::reason`] is the word in the condition and the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Every cluster was left out.
    #[error("0/{clusters} clusters are available: {reasons}")]
    NoClusterFit {
        /// How many clusters there are.
        clusters: usize,
        /// How many were left out for which reason.
        reasons: String,
    },
    /// The placement makes no sense.
    #[error("{0}")]
    SchedulerError(String),
    /// The placement asks for what Flotilla cannot do yet.
    #[error("`{what}` is not supported yet, the clusters stay as they are; use {instead}")]
    Unsupported {
        /// Field and value of the placement.
        what: &'static str,
        /// What can be used in its place.
        instead: &'static str,
    },
}

impl Failure {
    /// The stable word: reason of the condition `Scheduled` and class in batch answers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoClusterFit { .. } => "NoClusterFit",
            Self::SchedulerError(_) => "SchedulerError",
            Self::Unsupported { .. } => "Unsupported",
        }
    }
}

/// Decides which clusters `binding` goes to.
pub fn schedule<'c, B: Binding, C: Borrow<Cluster>>(binding: &B, clusters: &'c [C], options: Options) -> Decision<'c> {
    let spec = binding.spec();
    // 1. Is a decision due?
    let trigger = trigger::trigger(binding, clusters);
    if !trigger.is_due() {
        return Decision { trigger, outcome: Outcome::Unchanged, rejected: Vec::new() };
    }
    // 2. Can it be made?
    if let Some(why) = assign::unsupported_groups(spec) {
        return Decision { trigger, outcome: Outcome::Failed { why, clusters: spec.targets().to_vec() }, rejected: Vec::new() };
    }
    // 3. Who is left?
    let strategy = Strategy::of(spec.placement.as_ref());
    let filtered = filter(spec, clusters, |cluster| strategy.weight_of(cluster));
    let outcome = if filtered.feasible.is_empty() {
        let why = Failure::NoClusterFit { clusters: clusters.len(), reasons: histogram(&filtered.rejected) };
        Outcome::Failed { why, clusters: remaining(spec, &filtered.rejected) }
    } else {
        // 4. Who gets how much?
        match assign::assign(spec, &strategy, filtered.feasible, options) {
            Ok(clusters) => Outcome::Scheduled(clusters),
            Err(why) => Outcome::Failed { why, clusters: spec.targets().to_vec() },
        }
    };
    Decision { trigger, outcome, rejected: filtered.rejected }
}

/// The clusters that stay though none fits: those that nobody wants the object out of, and those of which nothing is known.
fn remaining(spec: &ResourceBindingSpec, rejected: &[(&str, Rejected<'_>)]) -> Vec<TargetCluster> {
    let left = rejected.iter().filter(|(_, why)| why.drives_away());
    let left: BTreeSet<&str> = left.map(|(name, _)| *name).collect();
    spec.targets().iter().filter(|target| !left.contains(target.name.as_str())).cloned().collect()
}

/// `3 cluster is being deleted, 2 untolerated …`, sorted by reason.
fn histogram(rejected: &[(&str, Rejected<'_>)]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    rejected.iter().for_each(|(_, why)| *counts.entry(why.to_string()).or_default() += 1);
    if counts.is_empty() {
        return "there is no cluster".to_owned();
    }
    counts.iter().map(|(why, count)| format!("{count} × {why}")).collect::<Vec<_>>().join(", ")
}
