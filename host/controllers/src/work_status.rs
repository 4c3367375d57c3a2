//! Member object → Work status: the one writer of `Work.status`.
//!
//! Puts together what the execution came to and what `core::collect` makes of the member's object; writes nothing that does not differ.

use crate::cluster_api::ObjectKey;
use crate::context::{Context, Error, now, typed};
use crate::execution::Executed;
use crate::patience::Patience;
use crate::queue::Next;
use crate::watch::Own;
use flotilla_api::names;
use flotilla_api::work::{ManifestStatus, Work};
use flotilla_core::collect::{self, Report};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;
use tokio::time::Instant;

/// Called when the changes of a Work's member objects have settled.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, Error> {
    // 1. Read. What was never executed in this process is not known: its execution comes first.
    let Some(cached) = context.control.own(Own::Work).get(&key)? else { return Ok(Next::Wait) };
    let Some(executed) = context.executed.get(&key) else { return Ok(Next::Wait) };
    let object = cached.parse();
    let work: Work = typed(&object)?;
    context.traces.follow_manifest(work.spec.manifests().first());
    if work.metadata.deletion_timestamp.is_some() {
        return Ok(Next::Wait);
    }
    let mut report = Report { is_dispatching: Some(executed != Executed::Suspended), ..Report::default() };
    let mut unanswered = None;
    match executed {
        Executed::Suspended => {}
        Executed::Failed { generation, message } => (report.generation, report.applied) = (generation, Some(Err(message))),
        Executed::Applied { generation } => {
            (report.generation, report.applied) = (generation, Some(Ok(())));
            match reflected(&context, &key, &work) {
                Ok(reflected) => report.reflected = reflected,
                Err(error) => unanswered = Some(error),
            }
        }
    }
    // 2. Decide.
    let status = collect::work_status(work.status.as_ref(), &report, &Time(now()));
    // 3. Write the difference; what is not well yet may be in a moment.
    if status.is_some() && report.is_unhealthy() {
        let now = Instant::now();
        let wait = context.queues.work_statuses.under_load(context.queues.windows.on_the_way);
        let patience = context.unwritten.get(&key).unwrap_or_else(|| Patience::begin(now)).at_least(wait);
        context.unwritten.set(key.clone(), patience);
        if let Some(rest) = patience.rest(now) {
            return Ok(Next::After(rest));
        }
    }
    context.unwritten.forget(&key);
    if let Some(status) = status
        && !context.write_status(Own::Work, &key, &object, &status).await?
    {
        return Ok(Next::Wait);
    }
    unanswered.map_or(Ok(Next::Wait), Err)
}

/// What the member's object says; `None` while it is not there.
fn reflected(context: &Context, key: &ObjectKey, work: &Work) -> Result<Option<ManifestStatus>, Error> {
    let cluster = names::cluster_of_execution_namespace(key.namespace().unwrap_or_default()).unwrap_or_default();
    let unknown = |why: &str| Error::Waiting(format!("Cluster {cluster} {why}"));
    let member = context.members.get(cluster).ok_or_else(|| unknown("is not connected yet"))?;
    let served = member.served().ok_or_else(|| unknown("has not said yet what it serves"))?;
    let Some(manifest) = work.spec.manifests().first() else { return Ok(None) };
    let resource = served.resource(&manifest.gvk()).ok_or_else(|| unknown(&format!("does not serve {}", manifest.gvk())))?;
    let Some(observed) = member.store(resource).get(&ObjectKey::of(manifest))? else { return Ok(None) };
    let reflected = collect::reflect(&observed.parse(), &resource.plural, &*context.interpreter)?;
    if let Some(Err(error)) = &reflected.unwell {
        tracing::warn!(work = %key, cluster, %error, "health is unknown");
    }
    Ok(Some(reflected.status))
}
