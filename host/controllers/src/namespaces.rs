//! Namespace → a Work for every member: asks `core::namespace` and writes the difference. Source: controlplane.md §6.5.

use crate::cluster_api::ObjectKey;
use crate::context::{Context, Error, typed};
use crate::queue::Next;
use crate::watch::Own;
use flotilla_api::labels;
use flotilla_api::work::Work;
use flotilla_core::namespace;
use std::sync::Arc;

/// Called when a namespace changes, and for all of them when a member comes.
pub async fn reconcile(context: Arc<Context>, name: Arc<str>) -> Result<Next, Error> {
    let Some(cached) = context.control.own(Own::Namespace).get(&ObjectKey::new(None, &name))? else { return Ok(Next::Wait) };
    let template = cached.parse();
    if namespace::kept(&template, |name| context.policies.is_skipped(name)).is_some() {
        return Ok(Next::Wait);
    }
    let mut failures = Vec::new();
    for cluster in context.clusters.all(context.control.own(Own::Cluster))?.iter().filter(|cluster| !cluster.is_deleting()) {
        if let Err(why) = write_work(&context, &template, cluster.name()).await {
            failures.push(format!("{}: {why}", cluster.name()));
        }
    }
    if failures.is_empty() { Ok(Next::Wait) } else { Err(Error::Waiting(failures.join("; "))) }
}

async fn write_work(context: &Context, template: &flotilla_api::object::Object, cluster: &str) -> Result<(), Error> {
    let store = context.control.own(Own::Work);
    let space = flotilla_api::names::execution_namespace(cluster);
    if context.control.own(Own::Namespace).get(&ObjectKey::new(None, &space))?.is_none() {
        return Err(Error::Waiting("its execution space does not exist yet".to_owned()));
    }
    let key = ObjectKey::new(Some(&space), &flotilla_api::names::work_name_of(template));
    let existing: Option<Work> = match store.get(&key)? {
        Some(cached) => Some(typed(&cached.parse())?),
        None => None,
    };
    let known_id = existing.as_ref().and_then(|work| work.metadata.labels.as_ref()?.get(labels::WORK_ID).cloned());
    let id = known_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    crate::binding::write_work(context, namespace::work(template, cluster, &id), existing.as_ref()).await.map_err(Error::Waiting)
}
