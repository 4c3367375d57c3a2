//! Works → binding status → template status: the one writer of a binding's status, and of its template's.
//!
//! Puts together what was decided about clusters, what each cluster reports, and whether the hooks could be asked.

use crate::binding::works_of;
use crate::cluster_api::ObjectKey;
use crate::context::{Context, Error, now, typed, writing};
use crate::detector::Decided;
use crate::events::Severity;
use crate::patience::Patience;
use crate::queue::Next;
use crate::queues::{BindingKey, Windows};
use crate::watch::Own;
use flotilla_api::interpretation::HookError;
use flotilla_api::labels::CONDITION_INTERPRETED;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding, ResourceBindingStatus, Work};
use flotilla_core::binding::Binding;
use flotilla_core::conditions::{self, Finding};
use flotilla_core::{collect, render};
use futures::future;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Called when the changes of a binding's Works have settled, or something was decided about it.
pub async fn reconcile(context: Arc<Context>, key: BindingKey) -> Result<Next, Error> {
    match key.kind {
        Own::ClusterResourceBinding => reconcile_in::<ClusterResourceBinding>(&context, &key).await,
        _ => reconcile_in::<ResourceBinding>(&context, &key).await,
    }
}

async fn reconcile_in<B: Binding>(context: &Context, key: &BindingKey) -> Result<Next, Error> {
    // 1. Read.
    let Some(cached) = context.control.own(key.kind).get(&key.key)? else { return Ok(Next::Wait) };
    let object = cached.parse();
    let mut binding: B = typed(&object)?;
    if binding.metadata().deletion_timestamp.is_some() {
        return Ok(Next::Wait);
    }
    let works = works_of(context, binding.id())?;
    if let Some(rest) = patience(context, key, Reports::of(context, &binding, &works)) {
        return Ok(Next::After(rest));
    }
    let resource = binding.spec().resource.clone();
    let template_key = ObjectKey::new(resource.namespace.as_deref(), &resource.name);
    let gvk = GroupVersionKind::new(&resource.api_version, &resource.kind);
    let template = context.control.template(&gvk, &template_key).await?;
    template.iter().for_each(|template| context.traces.follow(template));
    // 2. Decide: the template's status first, since whether that could be done is part of the binding's.
    let items = collect::binding::items(&resource, &works);
    let is_placed = !render::expected_clusters(binding.spec()).is_empty();
    let summed = match &template {
        Some(template) if is_placed && !template.is_deleting() => collect::template_status(template, &items, &*context.interpreter),
        _ => Ok(None),
    };
    let decided = context.decided.get(key);
    let unrendered = context.unrendered.get(key).flatten();
    let unanswered = unrendered.as_ref().or(summed.as_ref().err());
    let status = binding_status(&mut binding, &works, decided.as_ref(), unanswered);
    // 3. Write the differences, side by side: neither hangs on the other.
    let told = async {
        match (summed, template) {
            (Ok(Some(patch)), Some(template)) => write_template(context, &gvk, &template_key, &template, &patch).await,
            (Err(error), _) => {
                context.events.publish(&object, Severity::Warning, error.class.as_str(), &error.message).await;
                Err(Error::Hook(error))
            }
            _ => Ok(()),
        }
    };
    let written = async {
        match status {
            Some(status) => context.write_status(key.kind, &key.key, &object, &status).await.map(drop),
            None => Ok(()),
        }
    };
    let (written, told) = future::join(written, told).await;
    written.and(told).map(|()| Next::Wait)
}

/// Which clusters have said what came of their Works as they are now.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reports {
    has_any: bool,
    are_complete: bool,
    /// Whether those that are missing will come: the Works are in their members, and their objects on the way to be healthy.
    are_coming: bool,
}

impl Reports {
    fn of<B: Binding>(context: &Context, binding: &B, works: &[Work]) -> Self {
        let clusters = |is_wanted: &dyn Fn(&Work) -> bool| -> BTreeSet<&str> {
            works.iter().filter(|work| is_wanted(work)).filter_map(render::cluster_of).collect()
        };
        let has_been_executed = |work: &Work| {
            let key = ObjectKey::new(work.metadata.namespace.as_deref(), work.metadata.name.as_deref().unwrap_or_default());
            context.executed.get(&key).is_some_and(|executed| executed.is_of(work))
        };
        let reported = clusters(&collect::member::has_reported);
        let coming = clusters(&|work| collect::member::has_reported(work) || has_been_executed(work));
        let expected = render::expected_clusters(binding.spec());
        Self { has_any: !reported.is_empty(), are_complete: expected.is_subset(&reported), are_coming: expected.is_subset(&coming) }
    }
}

/// A wait for reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Awaited {
    any: Patience,
    /// The wait for the others, since the first of them came.
    others: Option<Patience>,
}

impl Awaited {
    /// The same wait with these reports: so long that one write can tell of all clusters, but not for clusters that do not answer.
    fn with(self, reports: Reports, windows: &Windows, now: Instant, under_load: impl Fn(Duration) -> Duration) -> Self {
        let others = self.others.or_else(|| reports.has_any.then(|| Patience::begin(now)));
        Self {
            any: self.any.at_least(under_load(windows.first_report)),
            others: others.map(|others| others.at_least(under_load(windows.other_reports))),
        }
    }

    fn rest(&self, reports: Reports, now: Instant) -> Option<Duration> {
        let others = self.others.filter(|_| !reports.are_coming);
        let first = others.filter(|others| others.end() < self.any.end()).unwrap_or(self.any);
        first.rest(now)
    }
}

/// How much longer to wait for clusters that have said nothing yet. Waits once: from then on every piece of news is written, until all
/// of them have spoken.
fn patience(context: &Context, key: &BindingKey, reports: Reports) -> Option<Duration> {
    if reports.are_complete {
        context.awaited.forget(key);
        return None;
    }
    let now = Instant::now();
    let awaited = context.awaited.get(key).unwrap_or(Awaited { any: Patience::begin(now), others: None });
    // As long as Works wait, since it is they that are waited for.
    let under_load = |wait| context.queues.work_statuses.under_load(wait);
    let awaited = awaited.with(reports, &context.queues.windows, now, under_load);
    context.awaited.set(key.clone(), awaited);
    awaited.rest(reports, now)
}

/// The status that the binding should have; `None` when it has it.
fn binding_status<B: Binding>(
    binding: &mut B,
    works: &[Work],
    decided: Option<&Decided>,
    unanswered: Option<&HookError>,
) -> Option<ResourceBindingStatus> {
    let time = Time(now());
    let before = binding.status().cloned().unwrap_or_default();
    if let Some(decided) = decided {
        let status = binding.status_mut().get_or_insert_default();
        decided.write(status);
        let error = decided.unanswered.as_ref().or(unanswered);
        conditions::set(&mut status.conditions, &interpreted(error), &time);
    }
    if let Some(collected) = collect::binding_status(binding, works, &time) {
        *binding.status_mut() = Some(collected);
    }
    let after = binding.status().cloned().unwrap_or_default();
    (after != before).then_some(after)
}

fn interpreted(error: Option<&HookError>) -> Finding {
    match error {
        None => Finding {
            kind: CONDITION_INTERPRETED,
            holds: true,
            reason: "Interpreted",
            message: "every hook that was asked gave an answer".to_owned(),
        },
        Some(error) => Finding { kind: CONDITION_INTERPRETED, holds: false, reason: error.class.as_str(), message: error.message.clone() },
    }
}

async fn write_template(context: &Context, gvk: &GroupVersionKind, key: &ObjectKey, template: &Object, patch: &Value) -> Result<(), Error> {
    let served = context.control.served()?;
    let Some(resource) = served.resource(gvk) else { return Ok(()) };
    match context.control.api.patch_status(resource, key, patch).await {
        Ok(written) => {
            if let Some(store) = context.control.templates(gvk)?.filter(|store| store.resource().version == resource.version) {
                store.observe(&written);
            }
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(writing(format!("status of {}", template.display()))(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_reports_that_will_come_are_waited_for_long() {
        let (windows, now) = (Windows::default(), Instant::now());
        let begun = Awaited { any: Patience::begin(now), others: None };
        let rest = |has_any, are_coming| {
            let reports = Reports { has_any, are_complete: false, are_coming };
            begun.with(reports, &windows, now, |wait| wait).rest(reports, now)
        };
        assert_eq!(rest(false, false), Some(windows.first_report));
        assert_eq!(rest(false, true), Some(windows.first_report));
        assert_eq!(rest(true, true), Some(windows.first_report));
        assert_eq!(rest(true, false), Some(windows.other_reports));
    }
}
