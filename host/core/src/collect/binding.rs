//! From the Works of a binding to its status.

use super::member::APPLIED;
use crate::binding::Binding;
use crate::conditions::{self, Finding};
use crate::render::{cluster_of, expected_clusters};
use flotilla_api::object::GroupVersionKind;
use flotilla_api::work::{
    AggregatedStatusItem, ManifestStatus, ObjectReference, ResourceBindingSpec, ResourceBindingStatus, ResourceHealth, Work, WorkStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Type of the condition that says whether every cluster of the binding has the object.
pub const FULLY_APPLIED: &str = "FullyApplied";

/// What each cluster reports, sorted by its name. Works that are being deleted do not count.
pub fn items<'w>(resource: &ObjectReference, works: impl IntoIterator<Item = &'w Work>) -> Vec<AggregatedStatusItem> {
    let works = works.into_iter().filter(|work| work.metadata.deletion_timestamp.is_none());
    let items = works.filter_map(|work| Some(item(resource, work.status.as_ref(), cluster_of(work)?)));
    let mut items: Vec<AggregatedStatusItem> = items.collect();
    items.sort_by(|one, other| one.cluster_name.cmp(&other.cluster_name));
    items
}

/// The status that the binding should have after all of its `works`; `None` when it has it.
pub fn binding_status<'w, B: Binding>(binding: &B, works: impl IntoIterator<Item = &'w Work>, now: &Time) -> Option<ResourceBindingStatus> {
    let items = items(&binding.spec().resource, works);
    let before = binding.status().cloned().unwrap_or_default();
    let mut status = before.clone();
    conditions::set(&mut status.conditions, &fully_applied(binding.spec(), &items), now);
    if status.aggregated_status.as_deref().unwrap_or_default() != items {
        status.aggregated_status = Some(items);
    }
    (status != before).then_some(status)
}

fn item(resource: &ObjectReference, status: Option<&WorkStatus>, cluster: &str) -> AggregatedStatusItem {
    let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
    let applied = conditions.find(|condition| condition.type_ == APPLIED);
    let mut item = AggregatedStatusItem {
        cluster_name: cluster.to_owned(),
        applied: applied.is_some_and(|condition| condition.status == "True"),
        health: Some(ResourceHealth::Unknown.to_string()),
        ..AggregatedStatusItem::default()
    };
    let mut reflected = status.into_iter().flat_map(|status| &status.manifest_statuses);
    if !item.applied {
        item.applied_message = applied.map(|condition| condition.message.clone()).filter(|message| !message.is_empty());
    } else if let Some(reflected) = reflected.find(|status| is_of(status, resource)) {
        item.status.clone_from(&reflected.status);
        item.health = Some(reflected.health.as_ref().unwrap_or(&ResourceHealth::Unknown).to_string());
    }
    item
}

/// Whether a status is that of the template's object.
fn is_of(status: &ManifestStatus, resource: &ObjectReference) -> bool {
    let identifier = &status.identifier;
    let gvk = GroupVersionKind::new(&resource.api_version, &resource.kind);
    identifier.kind == gvk.kind
        && identifier.version == gvk.version
        && identifier.group.as_deref().unwrap_or("") == gvk.group
        && identifier.namespace.as_deref().unwrap_or("") == resource.namespace.as_deref().unwrap_or("")
        && identifier.name == resource.name
}

fn fully_applied(spec: &ResourceBindingSpec, items: &[AggregatedStatusItem]) -> Finding {
    let expected = expected_clusters(spec);
    let is_done = |item: &AggregatedStatusItem| item.applied && expected.contains(item.cluster_name.as_str());
    let done = items.iter().filter(|item| is_done(item)).count();
    let holds = !expected.is_empty() && items.len() == expected.len() && done == items.len();
    Finding {
        kind: FULLY_APPLIED,
        holds,
        reason: if holds { "FullyAppliedSuccess" } else { "FullyAppliedFailed" },
        message: format!("{done} of {} clusters have the object", expected.len()),
    }
}
