//! Policies: kept ready for matching, and what a policy that changed or went makes necessary.
//!
//! Which policy gets a template is decided by `core::matching`; a policy that goes releases what it claimed, and touches no member.
//! Source: controlplane.md §2.4, §2.5.

use crate::cluster_api::ObjectKey;
use crate::context::{Context, Error, typed, writing};
use crate::queue::Next;
use crate::queues::{BindingKey, TemplateKey};
use crate::served::GroupKind;
use crate::store::{Change, Store};
use crate::watch::{ControlPlane, Own};
use flotilla_api::labels;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy::{ClusterPropagationPolicy, PropagationPolicy, ResourceSelector};
use flotilla_core::matching::{self, Policy, PolicyIndex, PolicyName, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

/// What matching says about a template.
#[derive(Debug, Clone)]
pub enum Match {
    /// No policy selects it, or it is never propagated.
    Nothing,
    /// The policy that claimed it is gone or selects it no longer: it is released, then asked about again.
    Release,
    /// Something must be there first.
    Waiting(String),
    /// This policy has it.
    Follows(Arc<Policy>),
}

/// Metadata by which a template or a binding is claimed.
const CLAIM_LABELS: [&str; 2] = [labels::PROPAGATION_POLICY_ID, labels::CLUSTER_PROPAGATION_POLICY_ID];
const CLAIM_ANNOTATIONS: [&str; 3] =
    [labels::PROPAGATION_POLICY_NAMESPACE, labels::PROPAGATION_POLICY_NAME, labels::CLUSTER_PROPAGATION_POLICY_NAME];

/// The merge patch that takes all claims away; `None` when there are none.
pub fn release(object: &Object) -> Option<Value> {
    let keys = |keys: &[&str], has: &dyn Fn(&str) -> bool| -> serde_json::Map<String, Value> {
        keys.iter().filter(|key| has(key)).map(|key| ((*key).to_owned(), Value::Null)).collect()
    };
    let labels = keys(&CLAIM_LABELS, &|key| object.label(key).is_some());
    let annotations = keys(&CLAIM_ANNOTATIONS, &|key| object.annotation(key).is_some());
    (!labels.is_empty() || !annotations.is_empty())
        .then(|| json!({"metadata": {"labels": labels, "annotations": annotations, "uid": object.uid()}}))
}

/// Called when a policy of any of the four kinds changes.
pub async fn reconcile(context: Arc<Context>, (kind, key): (Own, ObjectKey)) -> Result<Next, Error> {
    match kind {
        Own::PropagationPolicy | Own::ClusterPropagationPolicy => propagation(&context, kind, &key).await,
        _ => overriding(&context, &key),
    }
}

/// Whatever an override policy may concern is rendered again; what stays the same is not written.
fn overriding(context: &Context, key: &ObjectKey) -> Result<Next, Error> {
    if !context.control.is_filled() {
        return Ok(Next::Wait);
    }
    for kind in [Own::ResourceBinding, Own::ClusterResourceBinding] {
        for binding in context.control.own(kind).keys()? {
            if key.namespace.is_none() || key.namespace == binding.namespace {
                context.queues.bindings.add(BindingKey { kind, key: binding });
            }
        }
    }
    Ok(Next::Wait)
}

async fn propagation(context: &Context, kind: Own, key: &ObjectKey) -> Result<Next, Error> {
    let Some(cached) = context.control.own(kind).get(key)? else {
        // Gone without its finalizer: the templates that it claimed find out one by one.
        wake_claimed(context, kind, key)?;
        return Ok(Next::Wait);
    };
    let object = cached.parse();
    let spec = match kind {
        Own::PropagationPolicy => typed::<PropagationPolicy>(&object)?.spec,
        _ => typed::<ClusterPropagationPolicy>(&object)?.spec,
    };
    if object.is_deleting() {
        return remove(context, kind, key, &object).await;
    }
    let mut selected = Vec::new();
    for selector in &spec.resource_selectors {
        let gvk = GroupVersionKind::new(&selector.api_version, &selector.kind);
        // Starts the watch, if need be.
        selected.extend(context.control.templates(&gvk)?.map(|store| (GroupKind::from(&gvk), selector, store)));
    }
    // Until the caches are filled, their first lists bring whatever this policy concerns.
    if context.control.is_filled() {
        wake_claimed(context, kind, key)?;
        for (kind, selector, store) in selected.into_iter().filter(|(.., store)| store.is_synced()) {
            wake_selected(context, key.namespace(), &kind, selector, &store)?;
        }
    }
    Ok(Next::Wait)
}

/// Looks at the templates that a selector may select.
fn wake_selected(
    context: &Context,
    namespace: Option<&str>,
    kind: &GroupKind,
    selector: &ResourceSelector,
    store: &Store,
) -> Result<(), Error> {
    let namespace = namespace.or(selector.namespace.as_deref().filter(|namespace| !namespace.is_empty()));
    for key in store.keys()? {
        let is_there = namespace.is_none() || key.namespace() == namespace;
        let is_named = selector.name.as_deref().is_none_or(|name| name.is_empty() || *name == *key.name);
        if is_there && is_named {
            context.queues.templates.add(TemplateKey { kind: kind.clone(), key });
        }
    }
    Ok(())
}

/// Starts the watches of all kinds that policies select and bindings are of.
pub fn watch_all(context: &Context) -> Result<(), Error> {
    for kind in [Own::PropagationPolicy, Own::ClusterPropagationPolicy] {
        let policies = context.control.own(kind);
        if policies.is_synced() {
            policies.keys()?.into_iter().for_each(|key| context.queues.policies.add((kind, key)));
        }
    }
    let mut kinds = BTreeSet::new();
    for kind in [Own::ResourceBinding, Own::ClusterResourceBinding] {
        if context.control.own(kind).is_synced() {
            for (_, cached) in context.control.own(kind).list()? {
                kinds.extend(crate::fleet::template_kind_of(&cached.parse()));
            }
        }
    }
    for kind in kinds {
        context.control.templates(&kind)?;
    }
    Ok(())
}

/// The bindings that a policy claims, by the names in their annotations.
fn claimed(context: &Context, kind: Own, key: &ObjectKey) -> Result<Vec<(BindingKey, Object)>, Error> {
    let mut claimed = Vec::new();
    for binding_kind in [Own::ResourceBinding, Own::ClusterResourceBinding] {
        for (binding, cached) in context.control.own(binding_kind).list()? {
            let object = cached.parse();
            let is_claimed = match kind {
                Own::PropagationPolicy => {
                    object.annotation(labels::PROPAGATION_POLICY_NAME) == Some(&key.name)
                        && object.annotation(labels::PROPAGATION_POLICY_NAMESPACE) == key.namespace()
                }
                _ => object.annotation(labels::CLUSTER_PROPAGATION_POLICY_NAME) == Some(&key.name),
            };
            if is_claimed {
                claimed.push((BindingKey { kind: binding_kind, key: binding }, object));
            }
        }
    }
    Ok(claimed)
}

fn wake_claimed(context: &Context, kind: Own, key: &ObjectKey) -> Result<(), Error> {
    for (_, binding) in claimed(context, kind, key)? {
        context.queues.templates.extend(crate::fleet::template_of(&binding));
    }
    Ok(())
}

/// Releases what the policy claimed, bindings first, then lets it go. Bindings, Works and member objects stay.
async fn remove(context: &Context, kind: Own, key: &ObjectKey, policy: &Object) -> Result<Next, Error> {
    let finalizer = match kind {
        Own::PropagationPolicy => labels::PROPAGATION_POLICY_FINALIZER,
        _ => labels::CLUSTER_PROPAGATION_POLICY_FINALIZER,
    };
    let finalizers = policy.at(&["metadata", "finalizers"]).and_then(Value::as_array).cloned().unwrap_or_default();
    if !finalizers.iter().any(|known| known == finalizer) {
        return Ok(Next::Wait);
    }
    for (binding, object) in claimed(context, kind, key)? {
        if let (Some(template), Some(gvk)) = (crate::fleet::template_of(&object), crate::fleet::template_kind_of(&object)) {
            let live = context.control.template(&gvk, &template.key).await?;
            release_both(context, Some((&binding, &object)), live.as_ref()).await?;
        }
    }
    let left: Vec<&Value> = finalizers.iter().filter(|known| *known != finalizer).collect();
    let patch = json!({"metadata": {"finalizers": left, "resourceVersion": policy.resource_version()}});
    match context.control.api.patch(&kind.resource(), key, &patch).await {
        Ok(written) => context.control.own(kind).observe(&written),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(writing(format!("{kind:?} {key}"))(error)),
    }
    Ok(Next::Wait)
}

/// Takes the claims from a binding first, then from its template: so nothing is left claimed without a way to find it.
pub async fn release_both(context: &Context, binding: Option<(&BindingKey, &Object)>, template: Option<&Object>) -> Result<(), Error> {
    if let Some((key, object)) = binding
        && let Some(patch) = release(object)
    {
        let written = context.control.api.patch(&key.kind.resource(), &key.key, &patch).await;
        context.control.own(key.kind).observe(&written.map_err(writing(format!("{:?} {}", key.kind, key.key)))?);
    }
    if let Some((template, patch)) = template.and_then(|template| Some((template, release(template)?))) {
        let served = context.control.served()?;
        if let Some(resource) = served.resource(&template.gvk()) {
            let key = ObjectKey::of(template);
            context.control.api.patch(resource, &key, &patch).await.map_err(writing(template.display()))?;
        }
    }
    Ok(())
}

/// All policies, ready to be matched, and the namespaces that an operator excepts.
pub struct Policies {
    skipped: Vec<regex::Regex>,
    index: RwLock<PolicyIndex>,
}

impl Policies {
    /// None yet. `skipped`: regular expressions over whole names of namespaces.
    pub fn new(skipped: &[String]) -> Result<Self, regex::Error> {
        let compile = |pattern: &String| regex::Regex::new(&format!("^(?:{pattern})$"));
        Ok(Self { skipped: skipped.iter().map(compile).collect::<Result<_, _>>()?, index: RwLock::default() })
    }

    /// Whether the operator skips namespaces of this name.
    pub fn is_skipped(&self, namespace: &str) -> bool {
        self.skipped.iter().any(|pattern| pattern.is_match(namespace))
    }

    /// Takes a change over. A policy that cannot be read stays what it was.
    pub fn take(&self, kind: Own, change: &Change) {
        let mut index = self.index.write().expect("no code panics while it holds the policies");
        match change.new {
            None => drop(index.remove(&policy_name(change.key))),
            Some((cached, object)) => match policy(kind, object) {
                Ok(mut policy) => {
                    if policy.id.is_empty() {
                        // Where no admission gave it an id, its UID serves as well: as unique, and never changed.
                        policy.id = cached.uid.to_string();
                    }
                    index.insert(policy);
                }
                Err(error) => tracing::error!(%error, "policy cannot be read"),
            },
        }
    }

    /// Which policy the template follows.
    pub fn match_template(&self, control: &ControlPlane, template: &Object) -> Result<Match, Error> {
        let served = control.served()?;
        for kind in [Own::PropagationPolicy, Own::ClusterPropagationPolicy, Own::OverridePolicy, Own::ClusterOverridePolicy] {
            control.own(kind).ensure_synced()?;
        }
        let has_override = |namespace: Option<&str>, name: &str| {
            let kind = if namespace.is_some() { Own::OverridePolicy } else { Own::ClusterOverridePolicy };
            control.own(kind).get(&ObjectKey::new(namespace, name)).is_ok_and(|found| found.is_some())
        };
        let index = self.index.read().expect("no code panics while it holds the policies");
        let verdict = matching::decide(
            template,
            &matching::Context {
                policies: &index,
                serves: &|gvk| served.resource(gvk).is_some(),
                has_override: &has_override,
                skips_namespace: &|name| self.is_skipped(name),
            },
        );
        Ok(match verdict {
            Verdict::Ignored(_) | Verdict::Unmatched => Match::Nothing,
            Verdict::Follows(policy) => Match::Follows(policy),
            Verdict::Kept(_) => Match::Release,
            Verdict::Waiting(why) => Match::Waiting(why.to_string()),
            Verdict::Released(name) => {
                let kind = if name.namespace.is_some() { Own::PropagationPolicy } else { Own::ClusterPropagationPolicy };
                match control.own(kind).get(&ObjectKey::new(name.namespace.as_deref(), &name.name))? {
                    None => Match::Release,
                    Some(_) => Match::Waiting(format!("{name} cannot be read")),
                }
            }
        })
    }
}

fn policy(kind: Own, object: &Object) -> Result<Policy, Error> {
    Ok(match kind {
        Own::PropagationPolicy => Policy::from(typed::<PropagationPolicy>(object)?),
        _ => Policy::from(typed::<ClusterPropagationPolicy>(object)?),
    })
}

fn policy_name(key: &ObjectKey) -> PolicyName {
    PolicyName { namespace: key.namespace().map(str::to_owned), name: key.name.to_string() }
}

/// The version in which a policy names the kind of a template, where it is not the template's own.
pub fn named_version(policy: &Policy, template: &Object) -> Option<String> {
    let gvk = template.gvk();
    let is_same_kind = |named: &GroupVersionKind| named.group == gvk.group && named.kind == gvk.kind;
    let named = policy.spec.resource_selectors.iter().map(|selector| GroupVersionKind::new(&selector.api_version, &selector.kind));
    let mut named: Vec<GroupVersionKind> = named.filter(is_same_kind).collect();
    if named.contains(&gvk) {
        return None;
    }
    named.pop().map(|gvk| gvk.api_version())
}
