//! From a template, the policy that claims it and what its plugin says to the binding that it should have, clusters included.
//!
//! Matching and scheduling are one decision and one write: a binding is born with its clusters, unless its policy names another
//! scheduler. Never touches what others write into a binding: eviction tasks, who requires it, requests to reschedule, and whether
//! scheduling is suspended. Source: controlplane.md §1.3.

use crate::binding::{Binding, Scope};
use crate::scheduling::record::record;
use crate::scheduling::wake::{NotOurs, is_ours};
use crate::scheduling::{Decision, Options, schedule};
use flotilla_api::cluster::Cluster;
use flotilla_api::interpretation::Demand;
use flotilla_api::object::Object;
use flotilla_api::policy::{PriorityClassSource, PropagationSpec, Suspension};
use flotilla_api::work::{BindingPriority, BindingSuspension, ObjectReference, ResourceBindingSpec};
use flotilla_api::{labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Value, json};
use std::borrow::Borrow;
use std::collections::BTreeMap;

/// The policy that a template follows: a PropagationPolicy where it has a namespace, else a ClusterPropagationPolicy.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// Its permanent id.
    pub id: &'a str,
    /// What it says.
    pub spec: &'a PropagationSpec,
}

/// Labels by which a policy claims, and annotations.
const CLAIM_LABELS: [&str; 2] = [labels::PROPAGATION_POLICY_ID, labels::CLUSTER_PROPAGATION_POLICY_ID];
const CLAIM_ANNOTATIONS: [&str; 3] =
    [labels::PROPAGATION_POLICY_NAMESPACE, labels::PROPAGATION_POLICY_NAME, labels::CLUSTER_PROPAGATION_POLICY_NAME];

impl Claimant<'_> {
    /// The label by which templates and bindings are claimed.
    pub fn labels(&self) -> BTreeMap<&'static str, String> {
        let key = if self.namespace.is_some() { labels::PROPAGATION_POLICY_ID } else { labels::CLUSTER_PROPAGATION_POLICY_ID };
        BTreeMap::from([(key, self.id.to_owned())])
    }

    /// The annotations by which templates and bindings are claimed.
    pub fn annotations(&self) -> BTreeMap<&'static str, String> {
        match self.namespace {
            Some(namespace) => BTreeMap::from([
                (labels::PROPAGATION_POLICY_NAMESPACE, namespace.to_owned()),
                (labels::PROPAGATION_POLICY_NAME, self.name.to_owned()),
            ]),
            None => BTreeMap::from([(labels::CLUSTER_PROPAGATION_POLICY_NAME, self.name.to_owned())]),
        }
    }
}

/// The merge patch that makes `template` claimed by the policy and by no other; `None` when it is.
pub fn claim(template: &Object, policy: &Claimant<'_>) -> Option<Value> {
    let changes = |claims: &[&'static str], wanted: &BTreeMap<&str, String>, observed: &dyn Fn(&str) -> Option<String>| {
        let changed = claims.iter().filter(|key| observed(key) != wanted.get(*key).cloned());
        changed.map(|key| ((*key).to_owned(), json!(wanted.get(key)))).collect::<serde_json::Map<String, Value>>()
    };
    let labels = changes(&CLAIM_LABELS, &policy.labels(), &|key| template.label(key).map(str::to_owned));
    let annotations = changes(&CLAIM_ANNOTATIONS, &policy.annotations(), &|key| template.annotation(key).map(str::to_owned));
    let mut metadata = serde_json::Map::new();
    for (field, changes) in [("labels", labels), ("annotations", annotations)] {
        if !changes.is_empty() {
            metadata.insert(field.to_owned(), Value::Object(changes));
        }
    }
    (!metadata.is_empty()).then(|| json!({"metadata": metadata}))
}

/// What a binding is made of.
pub struct Input<'a, 'c, B, C> {
    /// The template.
    pub template: &'a Object,
    /// The policy that claims it.
    pub policy: Claimant<'a>,
    /// Answer to InterpretReplica; `None`: its kind has no replicas.
    pub demand: Option<&'a Demand>,
    /// The binding that there is.
    pub existing: Option<&'a B>,
    /// Value of a PriorityClass of the control plane, by name.
    pub priority_class: &'a dyn Fn(&str) -> Option<i32>,
    /// A permanent id, for a binding that has none.
    pub new_id: &'a dyn Fn() -> String,
    /// All clusters.
    pub clusters: &'c [C],
    /// Name of our scheduler.
    pub scheduler_name: &'a str,
    /// How the scheduler is set up.
    pub options: Options,
}

/// Why there can be no binding yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The binding belongs to a template of the same name that is gone, or of another group; it goes with its owner.
    #[error("{binding} belongs to another object (UID `{owner}`); it is replaced when that one is gone")]
    OwnedByOther {
        /// The binding.
        binding: String,
        /// UID of the owner.
        owner: String,
    },
    /// The API has 32 bits for replicas.
    #[error("{template}: {replicas} replicas are more than a binding can hold")]
    TooManyReplicas {
        /// The template.
        template: String,
        /// What its plugin says.
        replicas: i64,
    },
    /// `schedulePriority` names a PriorityClass that is not there.
    #[error("policy `{policy}`: there is no PriorityClass `{class}`")]
    NoPriorityClass {
        /// The policy.
        policy: String,
        /// The class.
        class: String,
    },
    /// `schedulePriority` names a source that the API does not know.
    #[error("policy `{policy}`: `schedulePriority.priorityClassSource: {origin}` is unknown, known is `KubePriorityClass`")]
    UnknownPrioritySource {
        /// The policy.
        policy: String,
        /// The source.
        origin: String,
    },
}

impl BindError {
    /// The stable word for events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OwnedByOther { .. } => "OwnedByOther",
            Self::TooManyReplicas { .. } => "TooManyReplicas",
            Self::NoPriorityClass { .. } => "NoPriorityClass",
            Self::UnknownPrioritySource { .. } => "UnknownPrioritySource",
        }
    }
}

/// What to do about the binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// There is none: create it.
    Create,
    /// It says something else: replace it.
    Update,
    /// It is as it should be.
    Nothing,
}

/// The binding that a template should have.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound<'c, B> {
    /// The binding, clusters included. Its status is the one that is there; see [`crate::scheduling::record::status`].
    pub binding: B,
    /// What to do about it.
    pub write: Write,
    /// The decision about clusters, or why the scheduler is not concerned.
    pub decision: Result<Decision<'c>, NotOurs>,
}

/// The binding that the template should have, with its clusters.
///
/// A newer resourceVersion of the template alone is no reason to write: it changes with each status.
///
/// # Errors
/// See [`BindError`]; nothing may be written then.
pub fn bind<'c, B: Binding, C: Borrow<Cluster>>(input: &Input<'_, 'c, B, C>) -> Result<Bound<'c, B>, BindError> {
    let mut binding = input.existing.cloned().unwrap_or_default();
    check_owner(&binding, input.template)?;
    write_metadata(binding.metadata_mut(), B::SCOPE, input);
    write_spec(binding.spec_mut(), B::SCOPE, input)?;
    let decision = is_ours(&binding, input.scheduler_name).map(|()| {
        let decision = schedule(&binding, input.clusters, input.options);
        record(&mut binding, &decision);
        decision
    });
    let write = match input.existing {
        None => Write::Create,
        Some(existing) if differs(existing, &binding) => Write::Update,
        Some(_) => Write::Nothing,
    };
    Ok(Bound { binding, write, decision })
}

fn differs<B: Binding>(existing: &B, binding: &B) -> bool {
    let version = &existing.spec().resource.resource_version;
    let resource = ObjectReference { resource_version: version.clone(), ..binding.spec().resource.clone() };
    let spec = ResourceBindingSpec { resource, ..binding.spec().clone() };
    existing.metadata() != binding.metadata() || *existing.spec() != spec
}

fn check_owner<B: Binding>(binding: &B, template: &Object) -> Result<(), BindError> {
    let owners = binding.metadata().owner_references.iter().flatten();
    let mut others = owners.filter(|owner| owner.controller == Some(true) && owner.uid != template.uid());
    match others.next() {
        Some(owner) => Err(BindError::OwnedByOther { binding: binding.display(), owner: owner.uid.clone() }),
        None => Ok(()),
    }
}

fn write_metadata<B, C>(metadata: &mut ObjectMeta, scope: Scope, input: &Input<'_, '_, B, C>) {
    let (template, policy) = (input.template, &input.policy);
    metadata.name = Some(names::binding_name(template.kind(), template.name()));
    metadata.namespace = template.namespace().map(str::to_owned);
    let labels = metadata.labels.get_or_insert_default();
    CLAIM_LABELS.iter().for_each(|claim| drop(labels.remove(*claim)));
    labels.extend(policy.labels().into_iter().map(|(key, value)| (key.to_owned(), value)));
    labels.entry(scope.id_label().to_owned()).or_insert_with(input.new_id);
    let annotations = metadata.annotations.get_or_insert_default();
    CLAIM_ANNOTATIONS.iter().for_each(|claim| drop(annotations.remove(*claim)));
    annotations.extend(policy.annotations().into_iter().map(|(key, value)| (key.to_owned(), value)));
    let finalizers = metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == scope.finalizer()) {
        finalizers.push(scope.finalizer().to_owned());
    }
    let owners = metadata.owner_references.get_or_insert_default();
    if !owners.iter().any(|owner| owner.uid == template.uid()) {
        owners.push(OwnerReference {
            api_version: template.api_version().to_owned(),
            block_owner_deletion: Some(true),
            controller: Some(true),
            kind: template.kind().to_owned(),
            name: template.name().to_owned(),
            uid: template.uid().to_owned(),
        });
    }
}

fn write_spec<B, C>(spec: &mut ResourceBindingSpec, scope: Scope, input: &Input<'_, '_, B, C>) -> Result<(), BindError> {
    let (template, policy) = (input.template, input.policy.spec);
    let text = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
    spec.resource = ObjectReference {
        api_version: template.api_version().to_owned(),
        kind: template.kind().to_owned(),
        namespace: template.namespace().map(str::to_owned),
        name: template.name().to_owned(),
        uid: text(template.uid()),
        resource_version: text(template.resource_version()),
    };
    let replicas = input.demand.map_or(0, |demand| demand.replicas);
    spec.replicas = i32::try_from(replicas).map_err(|_| BindError::TooManyReplicas { template: template.display(), replicas })?;
    spec.replica_requirements = input.demand.and_then(|demand| demand.requirements.clone());
    spec.placement = Some(policy.placement.clone().unwrap_or_default());
    spec.propagate_deps = policy.propagate_deps;
    spec.scheduler_name.clone_from(&policy.scheduler_name);
    spec.failover.clone_from(&policy.failover);
    spec.conflict_resolution.clone_from(&policy.conflict_resolution);
    spec.preserve_resources_on_deletion = policy.preserve_resources_on_deletion;
    spec.suspension = suspension(policy.suspension.as_ref(), spec.suspension.as_ref());
    if scope == Scope::Namespaced {
        spec.schedule_priority = priority(&input.policy, input.priority_class)?;
    }
    Ok(())
}

/// The policy's part is the policy's, `scheduling` is whoever's set it.
fn suspension(policy: Option<&Suspension>, existing: Option<&BindingSuspension>) -> Option<BindingSuspension> {
    let scheduling = existing.and_then(|suspension| suspension.scheduling);
    match (policy, scheduling) {
        (None, None) => None,
        (policy, scheduling) => Some(BindingSuspension { policy: policy.cloned().unwrap_or_default(), scheduling }),
    }
}

fn priority(policy: &Claimant<'_>, class_of: &dyn Fn(&str) -> Option<i32>) -> Result<Option<BindingPriority>, BindError> {
    let Some(wanted) = &policy.spec.schedule_priority else {
        return Ok(None);
    };
    if wanted.priority_class_source != PriorityClassSource::KubePriorityClass {
        let origin = wanted.priority_class_source.to_string();
        return Err(BindError::UnknownPrioritySource { policy: policy.name.to_owned(), origin });
    }
    let class = &wanted.priority_class_name;
    match class_of(class) {
        Some(priority) => Ok(Some(BindingPriority { priority })),
        None => Err(BindError::NoPriorityClass { policy: policy.name.to_owned(), class: class.clone() }),
    }
}
