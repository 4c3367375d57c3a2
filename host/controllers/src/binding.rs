//! Binding → Works: asks `core::render` what each cluster should get and writes the difference.
//!
//! One function for both scopes. Deletes a Work only when the binding is known to go elsewhere. Source: controlplane.md §1.4.

use crate::cluster_api::{ApiError, ObjectKey};
use crate::context::{Context, Error, typed, writing};
use crate::events::Severity;
use crate::fleet::template_of;
use crate::queue::Next;
use crate::queues::BindingKey;
use crate::store::Cached;
use crate::watch::{Own, works_entry};
use flotilla_api::cluster::Cluster;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy::{ClusterOverridePolicy, OverridePolicy};
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding, Work};
use flotilla_core::binding::Binding;
use flotilla_core::render::{self, Input, RenderError, Write};
use futures::future;
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Works of one binding that are written at once: one that goes to many clusters takes its turn with the others.
const WRITES_AT_ONCE: usize = 8;

/// Called when a binding, its template, an override policy or one of its Works changes.
pub async fn reconcile(context: Arc<Context>, key: BindingKey) -> Result<Next, Error> {
    let result = match key.kind {
        Own::ClusterResourceBinding => reconcile_in::<ClusterResourceBinding>(&context, &key).await,
        _ => reconcile_in::<ResourceBinding>(&context, &key).await,
    };
    // Only now: what was decided is written together with what comes of it.
    context.queues.settle_binding_status(key);
    result
}

async fn reconcile_in<B: Binding>(context: &Context, key: &BindingKey) -> Result<Next, Error> {
    // 1. Read everything that the decision needs.
    let Some(cached) = context.control.own(key.kind).get(&key.key)? else {
        context.decided.forget(key);
        context.awaited.forget(key);
        context.unrendered.forget(key);
        return Ok(Next::Wait);
    };
    let object = cached.parse();
    let binding: B = typed(&object)?;
    let works = works_of(context, binding.id())?;
    if binding.metadata().deletion_timestamp.is_some() {
        return remove::<B>(context, key, &object, &works).await;
    }
    for orphan in render::orphans(binding.spec(), &works) {
        delete_work(context, orphan).await?;
    }
    if render::is_purging(binding.spec(), &works) {
        return Ok(Next::After(Duration::from_secs(5)));
    }
    let resource = &binding.spec().resource;
    let gvk = GroupVersionKind::new(&resource.api_version, &resource.kind);
    let Some(template) = context.control.template(&gvk, &ObjectKey::new(resource.namespace.as_deref(), &resource.name)).await? else {
        // Its owner is gone: garbage collection takes the binding.
        return Ok(Next::Wait);
    };
    if !is_current(context, key, &cached, &object)? {
        return Ok(Next::Wait);
    }
    context.traces.follow(&template);
    // 2. Decide and write, cluster by cluster; an error in one leaves the others alone.
    let failures = write_works(context, key, &binding, &template, &works).await?;
    if failures.is_empty() {
        return Ok(Next::Wait);
    }
    context.events.publish(&object, Severity::Warning, "SyncWorkFailed", &failures.join("; ")).await;
    Err(Error::Waiting(failures.join("; ")))
}

/// Whether the binding is still this one, and was decided on its template as it is now: what a template has become must not be rendered
/// for clusters and replicas that were decided for what it was. Otherwise the change, or the end of the decision, comes back here.
fn is_current(context: &Context, key: &BindingKey, read: &Cached, object: &Object) -> Result<bool, Error> {
    let now = context.control.own(key.kind).get(&key.key)?;
    let is_same = now.is_some_and(|now| now.desired_hash == read.desired_hash && now.uid == read.uid);
    let is_decided = template_of(object).is_none_or(|template| !context.queues.templates.is_imminent(&template));
    Ok(is_same && is_decided)
}

async fn write_works<B: Binding>(
    context: &Context,
    key: &BindingKey,
    binding: &B,
    template: &Object,
    works: &[Work],
) -> Result<Vec<String>, Error> {
    let cluster_overrides: Vec<ClusterOverridePolicy> = all_typed(context, Own::ClusterOverridePolicy, None)?;
    let overrides: Vec<OverridePolicy> = match template.namespace() {
        Some(namespace) => all_typed(context, Own::OverridePolicy, Some(namespace))?,
        None => Vec::new(),
    };
    let clusters = clusters_of(context, binding)?;
    let known: HashMap<&str, &Work> = works.iter().filter_map(|work| Some((render::cluster_of(work)?, work))).collect();
    let served = context.control.served()?;
    let rendered = render::render(&Input {
        binding,
        template,
        cluster_overrides: &cluster_overrides.iter().collect::<Vec<_>>(),
        overrides: &overrides.iter().collect::<Vec<_>>(),
        cluster: &|name| clusters.get(name),
        work_id: &|cluster| known.get(cluster).and_then(|work| id_of(work)).unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        serves: &|gvk| served.resource(gvk).is_some(),
        interpreter: &*context.interpreter,
    });
    let unrendered = rendered.iter().find_map(|rendered| match &rendered.work {
        Err(RenderError::Revise { source, .. }) => Some(source.clone()),
        _ => None,
    });
    context.unrendered.set(key.clone(), unrendered);
    let known = &known;
    let writes = rendered.into_iter().map(|rendered| async move {
        let written = match rendered.work {
            Err(why) => Err(why.to_string()),
            Ok(work) => write_work(context, work, known.get(rendered.cluster.as_str()).copied()).await,
        };
        written.err().map(|why| format!("{}: {why}", rendered.cluster))
    });
    Ok(stream::iter(writes).buffered(WRITES_AT_ONCE).filter_map(future::ready).collect().await)
}

fn id_of(work: &Work) -> Option<String> {
    work.metadata.labels.as_ref()?.get(flotilla_api::labels::WORK_ID).cloned()
}

/// Writes the difference between the Work that should be and the one that is; says in words why that could not be done.
pub async fn write_work(context: &Context, desired: Work, existing: Option<&Work>) -> Result<(), String> {
    let resource = Own::Work.resource();
    let written = match render::write(desired, existing) {
        Write::Nothing => return Ok(()),
        Write::WaitUntilGone => return Err("the Work is being deleted".to_owned()),
        Write::Create(work) => context.control.api.create(&resource, &object_of(&work)).await,
        Write::Update(work) => {
            let (new, old) = (object_of(&work), object_of(existing.expect("only what is there is updated")));
            let mut patch = crate::merge::difference(&old, &new);
            // Its status has another writer: a status that is written meanwhile is in nobody's way.
            patch["metadata"]["uid"] = old.uid().into();
            context.control.api.patch(&resource, &ObjectKey::of(&new), &patch).await
        }
    };
    let written = written.map_err(|error: ApiError| error.to_string())?;
    context.control.own(Own::Work).observe(&written);
    Ok(())
}

/// The Works of a binding, by its permanent id.
pub fn works_of(context: &Context, id: &str) -> Result<Vec<Work>, Error> {
    if id.is_empty() {
        return Ok(Vec::new());
    }
    let works = context.control.own(Own::Work).indexed(&works_entry(id))?;
    let read = |(key, cached): (ObjectKey, Arc<Cached>)| {
        cached.parse_as::<Work>().map_err(|error| Error::Unreadable(format!("Work {key}: {error}")))
    };
    works.into_iter().map(read).collect()
}

/// All objects of one of our kinds, sorted by name; one that cannot be read stops the decision.
fn all_typed<T: serde::de::DeserializeOwned>(context: &Context, kind: Own, namespace: Option<&str>) -> Result<Vec<T>, Error> {
    let mut all = context.control.own(kind).list()?;
    all.retain(|(key, _)| namespace.is_none() || key.namespace() == namespace);
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all.iter().map(|(key, cached)| cached.parse_as().map_err(|error| Error::Unreadable(format!("{kind:?} {key}: {error}")))).collect()
}

/// The clusters that the binding goes to.
fn clusters_of<B: Binding>(context: &Context, binding: &B) -> Result<HashMap<String, Cluster>, Error> {
    let store = context.control.own(Own::Cluster);
    let mut clusters = HashMap::new();
    for target in render::targets(binding.spec()) {
        let cached = store.get(&ObjectKey::new(None, &target.name))?;
        if let Some(cached) = cached {
            let cluster = cached.parse_as().map_err(|error| Error::Unreadable(format!("Cluster {}: {error}", target.name)))?;
            clusters.insert(target.name, cluster);
        }
    }
    Ok(clusters)
}

/// The Works go first, then the binding.
async fn remove<B: Binding>(context: &Context, key: &BindingKey, object: &Object, works: &[Work]) -> Result<Next, Error> {
    let finalizers = object.at(&["metadata", "finalizers"]).and_then(Value::as_array).cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == B::SCOPE.finalizer()) {
        return Ok(Next::Wait);
    }
    for work in works {
        delete_work(context, work).await?;
    }
    let left: Vec<&Value> = finalizers.iter().filter(|finalizer| *finalizer != B::SCOPE.finalizer()).collect();
    let patch = json!({"metadata": {"finalizers": left, "resourceVersion": object.resource_version()}});
    match context.control.api.patch(&key.kind.resource(), &key.key, &patch).await {
        Ok(written) => context.control.own(key.kind).observe(&written),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(writing(format!("{:?} {}", key.kind, key.key))(error)),
    }
    Ok(Next::Wait)
}

async fn delete_work(context: &Context, work: &Work) -> Result<(), Error> {
    if work.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let key = ObjectKey::new(work.metadata.namespace.as_deref(), work.metadata.name.as_deref().unwrap_or_default());
    tracing::info!(work = %key, "deleting the Work: its binding no longer goes there");
    context.control.api.delete(&Own::Work.resource(), &key, work.metadata.uid.as_deref()).await.map_err(writing(format!("Work {key}")))
}

/// A type of ours as an object.
pub fn object_of(typed: &impl serde::Serialize) -> Object {
    Object(serde_json::to_value(typed).expect("a type of ours always prints"))
}
