//! Work → member: asks `core::apply` what to ask of the member's API server, asks it, and remembers what came of it.
//!
//! Never touches an object that is not marked as ours, and never writes a Work's status: the status controller does. Source: controlplane.md §1.6.

use crate::cluster_api::{ApiError, ObjectKey, Resource};
use crate::context::{Context, Error, typed, writing};
use crate::members::Member;
use crate::queue::Next;
use crate::watch::Own;
use flotilla_api::cluster::Cluster;
use flotilla_api::object::Object;
use flotilla_api::work::Work;
use flotilla_api::{labels, names};
use flotilla_core::apply::{self, Apply, Removal};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a reconcile waits for the watch of a kind that it has just started in a member.
const FILL_WAIT: Duration = Duration::from_secs(5);

/// What the last execution of a Work came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Executed {
    /// All objects are in the member as they should be.
    Applied,
    /// Dispatching is suspended: the member is left as it is.
    Suspended,
    /// Some objects are not.
    Failed {
        /// One line for the condition.
        message: String,
    },
}

/// Called for every change of a Work or of the member objects that it stands for.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, Error> {
    // 1. Read: the Work, the cluster, the connection.
    let Some(cached) = context.control.own(Own::Work).get(&key)? else {
        context.executed.forget(&key);
        return Ok(Next::Wait);
    };
    let object = cached.parse();
    let work: Work = typed(&object)?;
    let Some(name) = names::cluster_of_execution_namespace(key.namespace().unwrap_or_default()) else { return Ok(Next::Wait) };
    if work.metadata.deletion_timestamp.is_some() {
        return remove(&context, &key, &object, &work, name).await;
    }
    if work.spec.suspend_dispatching == Some(true) {
        settle(&context, &key, Executed::Suspended);
        return Ok(Next::Wait);
    }
    let member = reachable_member(&context, name)?;
    // 2. Decide and write, manifest by manifest.
    let mut failures = Vec::new();
    for manifest in work.spec.manifests() {
        if let Err(failure) = apply_manifest(&context, &member, manifest).await {
            failures.push(failure);
        }
    }
    // 3. Say what came of it.
    let total = work.spec.manifests().len();
    if failures.is_empty() {
        settle(&context, &key, Executed::Applied);
        return Ok(Next::Wait);
    }
    let texts: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    let message = format!("Failed to apply all manifests ({}/{total}): {}", total - failures.len(), texts.join("; "));
    settle(&context, &key, Executed::Failed { message: message.clone() });
    if failures.iter().all(|failure| !failure.is_worth_retrying) {
        return Ok(Next::Wait);
    }
    Err(Error::Waiting(message))
}

struct ManifestFailure {
    message: String,
    /// Whether time alone may mend it.
    is_worth_retrying: bool,
}

fn settle(context: &Context, key: &ObjectKey, executed: Executed) {
    if context.executed.set(key.clone(), executed) {
        context.queues.settle_work_status(key.clone());
    }
}

/// The member, if its Cluster object says that it is ready. Otherwise the Work waits: the cluster's change brings it back.
fn reachable_member(context: &Context, name: &str) -> Result<Arc<Member>, Error> {
    let cluster = context.control.own(Own::Cluster).get(&ObjectKey::new(None, name))?;
    let cluster: Cluster = match cluster {
        Some(cached) => cached.parse_as().map_err(|error| Error::Unreadable(format!("Cluster {name}: {error}")))?,
        None => return Err(Error::Waiting(format!("Cluster {name} does not exist"))),
    };
    if !cluster.is_ready() {
        return Err(Error::Waiting(format!("Cluster {name} is not ready")));
    }
    context.members.get(name).ok_or_else(|| Error::Waiting(format!("Cluster {name} is not connected yet")))
}

async fn apply_manifest(context: &Context, member: &Member, manifest: &Object) -> Result<(), ManifestFailure> {
    let failed = |message: String, is_worth_retrying| ManifestFailure { message, is_worth_retrying };
    let object = manifest.display();
    let gvk = manifest.gvk();
    let served = member.served().ok_or_else(|| failed(format!("{object}: what the cluster serves is not known yet"), true))?;
    let resource = served.resource(&gvk).ok_or_else(|| failed(format!("{object}: the cluster does not serve {gvk}"), true))?;
    let key = ObjectKey::of(manifest);
    let observed = observed(member, resource, &key).await.map_err(|why| failed(format!("{object}: {why}"), true))?;
    let decision = apply::apply(manifest, observed.as_ref(), &*context.interpreter);
    let written = match decision {
        Ok(Apply::Unchanged) => return Ok(()),
        Ok(Apply::Create) => create(context, member, resource, manifest).await?,
        Ok(Apply::Update(body)) => member.api.replace(resource, &body).await.map_err(|error| refusal(&object, &error))?,
        Err(refused) => return Err(failed(refused.to_string(), false)),
    };
    member.store(resource).observe(&written);
    Ok(())
}

/// The member's object. Only managed ones are watched: one that is not is seen when its creation is refused.
async fn observed(member: &Member, resource: &Resource, key: &ObjectKey) -> Result<Option<Object>, String> {
    let store = member.store(resource);
    let _ = tokio::time::timeout(FILL_WAIT, store.wait_synced()).await;
    let cached = store.get(key).map_err(|error| error.to_string())?;
    Ok(cached.map(|cached| cached.parse()))
}

/// Creates; if an object of that name is there that is not watched, decides again on what it really is.
async fn create(context: &Context, member: &Member, resource: &Resource, manifest: &Object) -> Result<Object, ManifestFailure> {
    let object = manifest.display();
    match member.api.create(resource, manifest).await {
        Ok(created) => Ok(created),
        Err(error) if error.is_already_exists() => {
            let key = ObjectKey::of(manifest);
            let live = member.api.get(resource, &key).await.map_err(|error| refusal(&object, &error))?;
            let live = live.ok_or_else(|| ManifestFailure { message: format!("{object}: it came and went"), is_worth_retrying: true })?;
            match apply::apply(manifest, Some(&live), &*context.interpreter) {
                Ok(Apply::Update(body)) => member.api.replace(resource, &body).await.map_err(|error| refusal(&object, &error)),
                Ok(_) => Ok(live),
                Err(refused) => Err(ManifestFailure { message: refused.to_string(), is_worth_retrying: true }),
            }
        }
        Err(error) => Err(refusal(&object, &error)),
    }
}

fn refusal(object: &str, error: &ApiError) -> ManifestFailure {
    ManifestFailure { message: format!("{object}: {error}"), is_worth_retrying: true }
}

/// Removes what the Work stands for, then lets the Work go.
async fn remove(context: &Context, key: &ObjectKey, object: &Object, work: &Work, name: &str) -> Result<Next, Error> {
    let finalizers = object.at(&["metadata", "finalizers"]).and_then(Value::as_array).cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == labels::EXECUTION_FINALIZER) {
        return Ok(Next::Wait);
    }
    match reachable_member(context, name) {
        Ok(member) => {
            for manifest in work.spec.manifests() {
                remove_manifest(&member, manifest, work.spec.preserve_resources_on_deletion == Some(true)).await?;
            }
        }
        // A cluster that is being taken out of the fleet and cannot be reached keeps what it has.
        Err(why) => {
            let cluster = context.control.own(Own::Cluster).get(&ObjectKey::new(None, name))?;
            if cluster.is_some_and(|cluster| !cluster.is_deleting) {
                return Err(why);
            }
        }
    }
    let left: Vec<&Value> = finalizers.iter().filter(|finalizer| *finalizer != labels::EXECUTION_FINALIZER).collect();
    let patch = json!({"metadata": {"finalizers": left, "resourceVersion": object.resource_version()}});
    match context.control.api.patch(&Own::Work.resource(), key, &patch).await {
        Ok(_) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(writing(format!("Work {key}"))(error)),
    }
    context.executed.forget(key);
    Ok(Next::Wait)
}

async fn remove_manifest(member: &Member, manifest: &Object, preserve: bool) -> Result<(), Error> {
    let what = manifest.display();
    let Some(served) = member.served() else { return Err(Error::Waiting(format!("{what}: what the cluster serves is not known yet"))) };
    // A kind that is not served any more has no objects.
    let Some(resource) = served.resource(&manifest.gvk()) else { return Ok(()) };
    let key = ObjectKey::of(manifest);
    // Live: what is about to be deleted is looked at as it is now.
    let observed = member.api.get(resource, &key).await.map_err(writing(what.clone()))?;
    match apply::remove(preserve, observed.as_ref()) {
        Removal::Nothing => Ok(()),
        Removal::Delete => {
            let uid = observed.as_ref().map(Object::uid);
            member.api.delete(resource, &key, uid).await.map_err(writing(what))
        }
        Removal::Release(body) => member.api.replace(resource, &body).await.map(drop).map_err(writing(what)),
    }
    .inspect(|()| tracing::debug!(cluster = member.name, object = manifest.display(), preserve, "removed"))
}
