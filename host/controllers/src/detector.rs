//! Template → binding with its clusters: one decision, written once.
//!
//! Claims the template for its policy, asks how many replicas it wants, and writes the binding that `core::bind` says it should have. Never
//! writes a status. Source: controlplane.md §1.3, §2.2, §4.

use crate::binding::object_of;
use crate::cluster_api::{ObjectKey, Resource};
use crate::context::{Context, Error, now, typed, writing};
use crate::events::Severity;
use crate::policies::{self, Match};
use crate::queue::Next;
use crate::queues::{BindingKey, TemplateKey};
use crate::watch::{Own, ReadError};
use flotilla_api::cluster::Cluster;
use flotilla_api::interpretation::{Demand, HookError};
use flotilla_api::names;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding, ResourceBindingStatus};
use flotilla_core::bind::{self, BindError, Bound, Input, Write};
use flotilla_core::binding::Binding;
use flotilla_core::matching::Policy;
use flotilla_core::scheduling::record::{self, SCHEDULED};
use flotilla_core::scheduling::wake::DEFAULT_SCHEDULER;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What was decided about a binding, for its status.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decided {
    /// What the scheduler says; `None` when it was not concerned.
    scheduled: Option<Scheduled>,
    /// The hook that gave no answer, so that nothing could be decided.
    pub unanswered: Option<HookError>,
}

#[derive(Debug, Clone, PartialEq)]
struct Scheduled {
    generation: i64,
    last_time: Option<Time>,
    condition: Option<Condition>,
}

impl Decided {
    fn scheduled(status: &ResourceBindingStatus) -> Self {
        let condition = status.conditions.iter().find(|condition| condition.type_ == SCHEDULED).cloned();
        let scheduled =
            Scheduled { generation: status.scheduler_observed_generation, last_time: status.last_scheduled_time.clone(), condition };
        Self { scheduled: Some(scheduled), unanswered: None }
    }

    /// Writes the scheduler's part into a status.
    pub fn write(&self, status: &mut ResourceBindingStatus) {
        let Some(scheduled) = &self.scheduled else { return };
        status.scheduler_observed_generation = status.scheduler_observed_generation.max(scheduled.generation);
        status.last_scheduled_time.clone_from(&scheduled.last_time);
        if let Some(condition) = &scheduled.condition {
            match status.conditions.iter_mut().find(|known| known.type_ == SCHEDULED) {
                Some(known) => known.clone_from(condition),
                None => status.conditions.push(condition.clone()),
            }
        }
    }
}

/// Called when a template changes, or a policy, cluster or plugin that concerns it.
pub async fn reconcile(context: Arc<Context>, key: TemplateKey) -> Result<Next, Error> {
    // 1. Read.
    let Some(store) = context.control.watched_templates(&key.kind) else { return Ok(Next::Wait) };
    let Some(cached) = store.get(&key.key)? else { return Ok(Next::Wait) };
    let template = cached.parse();
    context.traces.follow(&template);
    if template.is_deleting() {
        return Ok(Next::Wait);
    }
    // 2. Which policy?
    let policy = match context.policies.match_template(&context.control, &template)? {
        Match::Nothing => return Ok(Next::Wait),
        Match::Release => {
            let binding = BindingKey::new(template.namespace(), &names::binding_name(template.kind(), template.name()));
            let object = context.control.own(binding.kind).get(&binding.key)?.map(|cached| cached.parse());
            policies::release_both(&context, object.as_ref().map(|object| (&binding, object)), Some(&template)).await?;
            return Ok(Next::Wait);
        }
        Match::Waiting(why) => return Err(Error::Waiting(format!("{}: {why}", template.display()))),
        Match::Follows(policy) => policy,
    };
    // 3. The template in the version that the policy names.
    let template = in_version(&context, template, &policy, &key).await?;
    // 4. Claim, bind, schedule.
    let generation = template.generation();
    let template = claim_template(&context, store.resource(), &key.key, template, &policy).await?;
    if template.generation() != generation {
        context.traces.follow(&template);
    }
    match template.namespace() {
        Some(_) => bind_in::<ResourceBinding>(&context, &template, &policy).await,
        None => bind_in::<ClusterResourceBinding>(&context, &template, &policy).await,
    }
}

async fn in_version(context: &Context, template: Object, policy: &Policy, key: &TemplateKey) -> Result<Object, Error> {
    let Some(version) = policies::named_version(policy, &template) else { return Ok(template) };
    let gvk = GroupVersionKind::new(&version, template.kind());
    let read = context.control.template(&gvk, &key.key).await?;
    read.ok_or_else(|| Error::Waiting(format!("{} is gone", template.display())))
}

async fn claim_template(
    context: &Context,
    resource: &Resource,
    key: &ObjectKey,
    template: Object,
    policy: &Policy,
) -> Result<Object, Error> {
    let Some(mut patch) = bind::claim(&template, &policy.claimant()) else { return Ok(template) };
    patch["metadata"]["uid"] = template.uid().into();
    let written = write_template(context, resource, key, &patch).await?;
    if written.api_version() == template.api_version() {
        return Ok(written);
    }
    // Read in another version than the watched one: only its metadata changed.
    let mut template = template;
    if let (Some(metadata), Some(new)) = (template.get_mut("metadata"), written.get("metadata")) {
        metadata.clone_from(new);
    }
    Ok(template)
}

async fn write_template(context: &Context, resource: &Resource, key: &ObjectKey, patch: &Value) -> Result<Object, Error> {
    let written = context.control.api.patch(resource, key, patch).await.map_err(writing(format!("{} {key}", resource.kind)))?;
    if let Some(store) = context.control.watched_templates(&(&resource.gvk()).into()) {
        store.observe(&written);
    }
    Ok(written)
}

async fn bind_in<B: Binding>(context: &Context, template: &Object, policy: &Policy) -> Result<Next, Error> {
    let key = BindingKey::new(template.namespace(), &names::binding_name(template.kind(), template.name()));
    let existing = context.control.own(key.kind).get(&key.key)?;
    let existing: Option<B> = match &existing {
        Some(cached) => Some(typed(&cached.parse())?),
        None => None,
    };
    if existing.as_ref().is_some_and(|binding| binding.metadata().deletion_timestamp.is_some()) {
        return Ok(Next::After(Duration::from_secs(1)));
    }
    let demand = match context.interpreter.replicas(template) {
        Ok(answer) => answer.map(|answer| answer.value),
        Err(error) => return hold_still(context, template, &key, existing.is_some(), error).await,
    };
    let clusters: Arc<Vec<Cluster>> = context.clusters.all(context.control.own(Own::Cluster))?;
    let priority = priority_of_class(context, policy).await?;
    let bound = match decide(template, policy, existing.as_ref(), demand.as_ref(), &clusters, priority) {
        Ok(bound) => bound,
        Err(error) => {
            context.events.publish(template, Severity::Warning, error.reason(), &error.to_string()).await;
            return Err(Error::Waiting(error.to_string()));
        }
    };
    let binding = write_binding(context, &key, existing.as_ref(), &bound).await?;
    note(context, &key, &binding, &bound);
    Ok(Next::Wait)
}

/// The value of the PriorityClass that the policy names; `None` when it names none, or one that does not exist.
async fn priority_of_class(context: &Context, policy: &Policy) -> Result<Option<i32>, Error> {
    let Some(wanted) = &policy.claimant().spec.schedule_priority else { return Ok(None) };
    let resource = Resource {
        group: "scheduling.k8s.io".into(),
        version: "v1".into(),
        kind: "PriorityClass".into(),
        plural: "priorityclasses".into(),
        namespaced: false,
        has_status: false,
    };
    let class = context.control.api.get(&resource, &ObjectKey::new(None, &wanted.priority_class_name)).await;
    let class = class.map_err(|source| ReadError::Live { what: format!("PriorityClass {}", wanted.priority_class_name), source })?;
    Ok(class.and_then(|class| class.get("value").and_then(Value::as_i64)).and_then(|value| i32::try_from(value).ok()))
}

fn decide<'c, B: Binding>(
    template: &'c Object,
    policy: &'c Policy,
    existing: Option<&'c B>,
    demand: Option<&'c Demand>,
    clusters: &'c [Cluster],
    priority: Option<i32>,
) -> Result<Bound<'c, B>, BindError> {
    bind::bind(&Input {
        template,
        policy: policy.claimant(),
        demand,
        existing,
        priority_class: &|_| priority,
        new_id: &|| uuid::Uuid::new_v4().to_string(),
        clusters,
        scheduler_name: DEFAULT_SCHEDULER,
        options: flotilla_core::scheduling::Options::default(),
    })
}

/// Writes the binding if it differs; returns it as the API server has it.
async fn write_binding<B: Binding>(context: &Context, key: &BindingKey, existing: Option<&B>, bound: &Bound<'_, B>) -> Result<B, Error> {
    let resource = key.kind.resource();
    let what = || format!("{:?} {}", key.kind, key.key);
    let written = match bound.write {
        Write::Nothing => return Ok(bound.binding.clone()),
        Write::Create => context.control.api.create(&resource, &object_of(&bound.binding)).await.map_err(writing(what()))?,
        Write::Update => {
            let old = object_of(existing.expect("only what is there is updated"));
            let mut patch = crate::merge::difference(&old, &object_of(&bound.binding));
            patch["metadata"]["resourceVersion"] = old.resource_version().into();
            context.control.api.patch(&resource, &key.key, &patch).await.map_err(writing(what()))?
        }
    };
    context.control.own(key.kind).observe(&written);
    typed(&written)
}

/// Remembers the decision for the binding's status, which is written when its Works are, with what the clusters report.
fn note<B: Binding>(context: &Context, key: &BindingKey, binding: &B, bound: &Bound<'_, B>) {
    let decided = match &bound.decision {
        Ok(decision) => match record::status(binding, decision, &Time(now())) {
            Some(status) => Decided::scheduled(&status),
            None => binding.status().map(Decided::scheduled).unwrap_or_default(),
        },
        Err(_) => Decided::default(),
    };
    context.decided.set(key.clone(), decided);
}

/// A hook gave no answer: the binding stays as it is and says why; where there is none yet, the template's Events do.
async fn hold_still(context: &Context, template: &Object, key: &BindingKey, is_bound: bool, error: HookError) -> Result<Next, Error> {
    if is_bound {
        let decided = Decided { unanswered: Some(error.clone()), ..context.decided.get(key).unwrap_or_default() };
        if context.decided.set(key.clone(), decided) {
            context.queues.settle_binding_status(key.clone());
        }
    }
    context.events.publish(template, Severity::Warning, error.class.as_str(), &error.message).await;
    Err(Error::Hook(error))
}
