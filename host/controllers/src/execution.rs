//! Work → member: asks `core::apply` what to ask of the member's API server, asks it, and remembers what came of it.
//!
//! Never touches an object that is not marked as ours, and never writes a Work's status: the status controller does. Source: controlplane.md §1.6.

use crate::cluster_api::{ApiError, ObjectKey, Resource};
use crate::context::{Context, Error, typed, writing};
use crate::members::Member;
use crate::queue::Next;
use crate::served::Served;
use crate::store::NotSynced;
use crate::watch::Own;
use flotilla_api::cluster::Cluster;
use flotilla_api::object::Object;
use flotilla_api::work::Work;
use flotilla_api::{labels, names};
use flotilla_core::apply::{self, Agreed, Apply, Known, Removal};
use flotilla_core::collect;
use flotilla_core::render::prune::prune;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a reconcile waits for the watch of a kind that it has just started in a member.
const FILL_WAIT: Duration = Duration::from_secs(5);

/// What the last execution of a Work came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Executed {
    /// All objects are in the member as they should be.
    Applied {
        /// Generation of the Work.
        generation: Option<i64>,
    },
    /// Dispatching is suspended: the member is left as it is.
    Suspended,
    /// Some objects are not.
    Failed {
        /// Generation of the Work.
        generation: Option<i64>,
        /// One line for the condition.
        message: String,
    },
}

impl Executed {
    /// Whether this is what came of the Work as it is now: its status will say so.
    pub fn is_of(&self, work: &Work) -> bool {
        match self {
            Self::Applied { generation } | Self::Failed { generation, .. } => *generation == work.metadata.generation,
            Self::Suspended => true,
        }
    }
}

/// Called for every change of a Work or of the member objects that it stands for.
pub async fn reconcile(context: Arc<Context>, key: ObjectKey) -> Result<Next, Error> {
    // 1. Read: the Work, the cluster, the connection.
    let Some(cached) = context.control.own(Own::Work).get(&key)? else {
        forget(&context, &key);
        return Ok(Next::Wait);
    };
    let object = cached.parse();
    let work: Work = typed(&object)?;
    context.traces.follow_manifest(work.spec.manifests().first());
    let Some(name) = names::cluster_of_execution_namespace(key.namespace().unwrap_or_default()) else { return Ok(Next::Wait) };
    if work.metadata.deletion_timestamp.is_some() {
        return remove(&context, &key, &object, &work, name).await;
    }
    if work.spec.suspend_dispatching == Some(true) {
        settle(&context, &key, Executed::Suspended);
        return Ok(Next::Wait);
    }
    let member = reachable_member(&context, name)?;
    let served = member.served().ok_or_else(|| Error::Waiting(format!("what Cluster {name} serves is not known yet")))?;
    let is_applied = collect::member::is_applied(&work);
    if let Err(unknown) = fill(&member, &served, &work).await {
        // A refusal is an answer. Of what was applied before, it says nothing.
        if let Some(why) = unknown.why.as_ref().filter(|_| !is_applied) {
            let message = format!("Failed to apply all manifests: {} cannot be listed in {name}: {why}", unknown.resource);
            settle(&context, &key, Executed::Failed { generation: work.metadata.generation, message });
        }
        return Err(unknown.into());
    }
    // 2. Decide and write, manifest by manifest.
    let known = context.agreed.get(&key).unwrap_or_default();
    let (mut agreed, mut failures) = (Vec::new(), Vec::new());
    for (position, manifest) in work.spec.manifests().iter().enumerate() {
        let known = match known.get(position) {
            Some(Some(agreed)) => Known::Agreed(*agreed),
            _ if is_applied => Known::AppliedBefore,
            _ => Known::Nothing,
        };
        let applied = apply_manifest(&context, &member, &served, manifest, known).await;
        agreed.push(applied.as_ref().ok().copied());
        failures.extend(applied.err());
    }
    context.agreed.set(key.clone(), agreed);
    // 3. Say what came of it.
    let (total, generation) = (work.spec.manifests().len(), work.metadata.generation);
    if failures.is_empty() {
        settle(&context, &key, Executed::Applied { generation });
        return Ok(Next::Wait);
    }
    let message = format!("Failed to apply all manifests ({}/{total}): {}", total - failures.len(), failures.join("; "));
    settle(&context, &key, Executed::Failed { generation, message: message.clone() });
    Err(Error::Waiting(message))
}

fn settle(context: &Context, key: &ObjectKey, executed: Executed) {
    if context.executed.set(key.clone(), executed) {
        context.queues.settle_work_status(key.clone());
    }
}

fn forget(context: &Context, key: &ObjectKey) {
    context.executed.forget(key);
    context.agreed.forget(key);
    context.unwritten.forget(key);
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

/// Waits until the member's objects of these kinds are known. While they are not, nothing is known to have failed either.
async fn fill(member: &Member, served: &Served, work: &Work) -> Result<(), NotSynced> {
    for resource in work.spec.manifests().iter().filter_map(|manifest| served.resource(&manifest.gvk())) {
        let store = member.store(resource);
        let _ = tokio::time::timeout(FILL_WAIT, store.wait_synced()).await;
        store.ensure_synced()?;
    }
    Ok(())
}

/// Brings one manifest to the member; returns what to remember of it, or one line for the condition.
async fn apply_manifest(context: &Context, member: &Member, served: &Served, manifest: &Object, known: Known) -> Result<Agreed, String> {
    let what = |why: &dyn std::fmt::Display| format!("{}: {why}", manifest.display());
    let gvk = manifest.gvk();
    let resource = served.resource(&gvk).ok_or_else(|| what(&format!("the cluster does not serve {gvk}")))?;
    let key = ObjectKey::of(manifest);
    let cached = member.store(resource).get(&key).map_err(|error| what(&error))?;
    let mut observed = cached.map(|cached| cached.parse());
    let decide =
        |observed: Option<&Object>| apply::apply(manifest, observed, known, &*context.interpreter).map_err(|refused| refused.to_string());
    let mut decision = decide(observed.as_ref())?;
    if decision == Apply::Create {
        match member.api.create(resource, manifest).await {
            Ok(created) => return Ok(enter(member, resource, manifest, &created)),
            Err(error) if !error.is_already_exists() => return Err(what(&error)),
            // It is there, but not watched, as only managed objects are: decide again on what it really is.
            Err(_) => observed = member.api.get(resource, &key).await.map_err(|error| what(&error))?,
        }
        decision = decide(observed.as_ref())?;
    }
    match (decision, &observed) {
        (Apply::Unchanged(agreed), _) => Ok(agreed),
        (Apply::Update(body), Some(observed)) => {
            let written = replace(member, resource, observed, &body).await.map_err(|error| what(&error))?;
            Ok(enter(member, resource, &body, &written))
        }
        (Apply::Create | Apply::Update(_), _) => Err(what(&"it came and went")),
    }
}

/// Enters what was written into the cache; returns what to remember of it.
fn enter(member: &Member, resource: &Resource, body: &Object, written: &Object) -> Agreed {
    member.store(resource).observe(written);
    Agreed::new(body, written)
}

/// Makes `body` of `observed`, by what differs: what others change meanwhile, a status for instance, is in nobody's way.
async fn replace(member: &Member, resource: &Resource, observed: &Object, body: &Object) -> Result<Object, ApiError> {
    let pruned = |object: &Object| {
        let mut value = object.0.clone();
        prune(&mut value);
        value
    };
    let mut patch = crate::merge::difference(&pruned(observed), &pruned(body));
    patch["metadata"]["uid"] = observed.uid().into();
    member.api.patch(resource, &ObjectKey::of(observed), &patch).await
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
        Ok(written) => context.control.own(Own::Work).observe(&written),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(writing(format!("Work {key}"))(error)),
    }
    forget(context, key);
    Ok(Next::Wait)
}

async fn remove_manifest(member: &Member, manifest: &Object, preserve: bool) -> Result<(), Error> {
    let what = manifest.display();
    let Some(served) = member.served() else { return Err(Error::Waiting(format!("{what}: what the cluster serves is not known yet"))) };
    let resource = match served.resource(&manifest.gvk()) {
        Some(resource) => resource,
        // A kind that is not served any more has no objects.
        None if served.is_absent(&manifest.gvk()) => return Ok(()),
        None => return Err(Error::Waiting(format!("{what}: the cluster does not say whether it serves {}", manifest.gvk()))),
    };
    let key = ObjectKey::of(manifest);
    // Live: what is about to be deleted is looked at as it is now.
    let observed = member.api.get(resource, &key).await.map_err(writing(what.clone()))?;
    match apply::remove(preserve, observed.as_ref()) {
        Removal::Nothing => Ok(()),
        Removal::Delete => {
            let uid = observed.as_ref().map(Object::uid);
            member.api.delete(resource, &key, uid).await.map_err(writing(what))
        }
        Removal::Release(body) => {
            let observed = observed.expect("only what is there is released");
            replace(member, resource, &observed, &body).await.map(drop).map_err(writing(what))
        }
    }
    .inspect(|()| tracing::debug!(cluster = member.name, object = manifest.display(), preserve, "removed"))
}
