//! What a decision leaves in the binding: its clusters, the placement they were chosen by, and the condition `Scheduled`.
//!
//! Changes nothing when the decision is the one that is there already. Source: controlplane.md §4.4.

use super::{Decision, Outcome, Trigger};
use crate::binding::Binding;
use crate::conditions::{self, Finding};
use flotilla_api::labels;
use flotilla_api::work::{ResourceBindingStatus, TargetCluster};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Type of the condition that says whether a binding has its clusters.
pub const SCHEDULED: &str = "Scheduled";

/// Writes clusters and applied placement into `binding`; `false` when that changes nothing. Nothing is written of a failed
/// decision but the clusters that it takes away, so that the next change of anything leads to a new one.
pub fn record<B: Binding>(binding: &mut B, decision: &Decision<'_>) -> bool {
    let (clusters, is_placed) = match &decision.outcome {
        Outcome::Unchanged => return false,
        Outcome::Scheduled(clusters) => (clusters, true),
        Outcome::Failed { clusters, .. } => (clusters, false),
    };
    let is_moved = binding.spec().targets() != clusters;
    if is_moved {
        binding.spec_mut().clusters = Some(clusters.clone());
    }
    (is_placed && note_placement(binding)) || is_moved
}

fn note_placement<B: Binding>(binding: &mut B) -> bool {
    let placement = serde_json::to_string(&binding.spec().placement).expect("a placement is plain data");
    let is_new = binding.annotation(labels::APPLIED_PLACEMENT) != placement;
    if is_new {
        let annotations = binding.metadata_mut().annotations.get_or_insert_default();
        annotations.insert(labels::APPLIED_PLACEMENT.to_owned(), placement);
    }
    is_new
}

/// The status that `binding` should have after the decision was recorded in it; `None` when it has that status.
///
/// Call it with the binding as the API server gave it back, so that the generation is that of the recorded decision.
pub fn status<B: Binding>(binding: &B, decision: &Decision<'_>, now: &Time) -> Option<ResourceBindingStatus> {
    if matches!(decision.trigger, Trigger::Deleting | Trigger::NoPlacement) {
        return None;
    }
    let before = binding.status().cloned().unwrap_or_default();
    let mut status = before.clone();
    status.scheduler_observed_generation = binding.metadata().generation.unwrap_or(0);
    let finding = finding(&decision.outcome, binding.spec().targets());
    conditions::set(&mut status.conditions, &finding, now);
    let is_news = status.conditions != before.conditions || decision.trigger == Trigger::RescheduleRequested;
    if finding.holds && (is_news || status.last_scheduled_time.is_none()) {
        status.last_scheduled_time = Some(now.clone());
    }
    (status != before).then_some(status)
}

/// A decision that was not due is the last one, which found the clusters that are there.
fn finding(outcome: &Outcome, targets: &[TargetCluster]) -> Finding {
    let clusters = match outcome {
        Outcome::Failed { why, .. } => {
            return Finding { kind: SCHEDULED, holds: false, reason: why.reason(), message: why.to_string() };
        }
        Outcome::Scheduled(clusters) => clusters,
        Outcome::Unchanged => targets,
    };
    let replicas: i64 = clusters.iter().map(|target| i64::from(target.replicas)).sum();
    let message = format!("scheduled to {} clusters with {replicas} replicas in all", clusters.len());
    Finding { kind: SCHEDULED, holds: true, reason: "Success", message }
}
