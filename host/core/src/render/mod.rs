//! From a binding and its template to the Works of its clusters.
//!
//! Equal inputs give equal bytes. An error in one cluster leaves the others alone; a Work is deleted only when its binding is known to
//! go elsewhere. Source: controlplane.md §1.4.

mod completions;
pub mod manifest;
pub mod prune;

use crate::binding::{Binding, Scope};
use crate::overrides;
use flotilla_api::cluster::Cluster;
use flotilla_api::interpretation::{HookError, Interpreter};
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy::{ClusterOverridePolicy, ConflictResolution, OverridePolicy, PurgeMode, ReplicaSchedulingType};
use flotilla_api::work::{ResourceBindingSpec, TargetCluster, Work, WorkSpec, WorkloadTemplate};
use flotilla_api::{labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};

/// What the Works of a binding are made of.
pub struct Input<'a, B> {
    /// The binding.
    pub binding: &'a B,
    /// Its template.
    pub template: &'a Object,
    /// All ClusterOverridePolicies.
    pub cluster_overrides: &'a [&'a ClusterOverridePolicy],
    /// The OverridePolicies of the template's namespace.
    pub overrides: &'a [&'a OverridePolicy],
    /// Whether the control plane serves a kind; see [`crate::matching::Context::serves`].
    pub serves: &'a dyn Fn(&GroupVersionKind) -> bool,
    /// A cluster by name.
    pub cluster: &'a dyn Fn(&str) -> Option<&'a Cluster>,
    /// The permanent id of the Work in a cluster: that of the Work which is there, else a new one.
    pub work_id: &'a dyn Fn(&str) -> String,
    /// Answers for the template's kind.
    pub interpreter: &'a dyn Interpreter,
}

/// Why there is no Work for one cluster. Whatever is there stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The plugin did not write the replicas into the template.
    #[error("{template}: {source}")]
    Revise {
        /// The template.
        template: String,
        /// Why not.
        source: HookError,
    },
    /// The binding names a cluster that is not there.
    #[error("there is no cluster `{cluster}`")]
    NoCluster {
        /// Its name.
        cluster: String,
    },
    /// An override policy could not be applied.
    #[error("{template}: {source}")]
    Override {
        /// The template.
        template: String,
        /// Why not.
        source: overrides::OverrideError,
    },
}

impl RenderError {
    /// The stable word for events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Revise { source, .. } => source.class.as_str(),
            Self::NoCluster { .. } => "NoCluster",
            Self::Override { .. } => "OverrideFailed",
        }
    }
}

/// The Work of one cluster, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// Name of the cluster.
    pub cluster: String,
    /// The Work.
    pub work: Result<Work, RenderError>,
}

/// The Works that the binding's clusters should have, in the order of the clusters. See [`write`] for the difference to what is there,
/// [`orphans`] for what should not be there, [`is_purging`] for when to wait.
pub fn render<B: Binding>(input: &Input<'_, B>) -> Vec<Rendered> {
    let targets = targets(input.binding.spec());
    let rendered = targets.iter().map(|target| Rendered { cluster: target.name.clone(), work: work(input, &targets, target) });
    rendered.collect()
}

/// The clusters that run the object: those that were chosen, then those where other bindings need it.
pub fn targets(spec: &ResourceBindingSpec) -> Vec<TargetCluster> {
    let mut targets = spec.targets().to_vec();
    for required in spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters) {
        if !targets.iter().any(|target| target.name == required.name) {
            targets.push(required.clone());
        }
    }
    targets
}

/// The clusters that may have a Work: those of [`targets`], and those that the object is leaving by and by.
pub fn expected_clusters(spec: &ResourceBindingSpec) -> BTreeSet<&str> {
    let required = spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters);
    let leaving = spec.graceful_eviction_tasks.iter().filter(|task| task.purge_mode != Some(PurgeMode::Directly));
    let leaving = leaving.map(|task| task.from_cluster.as_str());
    spec.targets().iter().chain(required).map(|target| target.name.as_str()).chain(leaving).collect()
}

/// Those of the binding's Works that are in a cluster where it no longer goes; to be deleted. None while it is to be scheduled for
/// the first time: then it is not known where it goes.
pub fn orphans<'w>(spec: &ResourceBindingSpec, works: impl IntoIterator<Item = &'w Work>) -> Vec<&'w Work> {
    if spec.placement.is_some() && spec.clusters.is_none() && spec.required_by.is_empty() {
        return Vec::new();
    }
    let expected = expected_clusters(spec);
    let is_orphan = |work: &&Work| cluster_of(work).is_some_and(|cluster| !expected.contains(cluster));
    works.into_iter().filter(is_orphan).collect()
}

/// Whether the object must be gone from a cluster before it is rendered anywhere (eviction with `purgeMode: Directly`).
pub fn is_purging<'w>(spec: &ResourceBindingSpec, works: impl IntoIterator<Item = &'w Work>) -> bool {
    let directly = |cluster: &str| {
        let mut tasks = spec.graceful_eviction_tasks.iter();
        tasks.any(|task| task.from_cluster == cluster && task.purge_mode == Some(PurgeMode::Directly))
    };
    works.into_iter().filter_map(cluster_of).any(directly)
}

/// The cluster whose execution space a Work lies in.
pub fn cluster_of(work: &Work) -> Option<&str> {
    work.metadata.namespace.as_deref().and_then(names::cluster_of_execution_namespace)
}

/// What to do about a Work.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// There is none: create this one.
    Create(Work),
    /// It says something else: replace it by this one.
    Update(Work),
    /// It is as it should be.
    Nothing,
    /// It is being deleted: try again when it is gone.
    WaitUntilGone,
}

/// The difference between the Work that should be and the one that is. Labels and annotations of others stay; those that are ours
/// to write, and no longer wanted, go.
pub fn write(desired: Work, existing: Option<&Work>) -> Write {
    let Some(existing) = existing else { return Write::Create(desired) };
    if existing.metadata.deletion_timestamp.is_some() {
        return Write::WaitUntilGone;
    }
    let mut work = existing.clone();
    let annotations = work.metadata.annotations.get_or_insert_default();
    [labels::APPLIED_OVERRIDES, labels::APPLIED_CLUSTER_OVERRIDES].iter().for_each(|key| drop(annotations.remove(*key)));
    annotations.extend(desired.metadata.annotations.unwrap_or_default());
    work.metadata.labels.get_or_insert_default().extend(desired.metadata.labels.unwrap_or_default());
    let finalizers = work.metadata.finalizers.get_or_insert_default();
    let missing = desired.metadata.finalizers.unwrap_or_default().into_iter().filter(|finalizer| !finalizers.contains(finalizer));
    let missing: Vec<String> = missing.collect();
    finalizers.extend(missing);
    work.spec = desired.spec;
    // API servers keep no empty lists in metadata.
    let metadata = &mut work.metadata;
    metadata.annotations = metadata.annotations.take().filter(|annotations| !annotations.is_empty());
    metadata.labels = metadata.labels.take().filter(|labels| !labels.is_empty());
    metadata.finalizers = metadata.finalizers.take().filter(|finalizers| !finalizers.is_empty());
    if work == *existing { Write::Nothing } else { Write::Update(work) }
}

fn work<B: Binding>(input: &Input<'_, B>, targets: &[TargetCluster], target: &TargetCluster) -> Result<Work, RenderError> {
    let (spec, template) = (input.binding.spec(), input.template);
    let no_cluster = || RenderError::NoCluster { cluster: target.name.clone() };
    let cluster = (input.cluster)(&target.name).ok_or_else(no_cluster)?;
    // 1. What the user wrote, with the cluster's share of it.
    let mut manifest = revised(input, target)?;
    if spec.replicas > 0 && is_divided(spec) {
        completions::divide(&mut manifest, template.uid(), targets, &target.name);
    }
    // 2. What override policies change, last of all.
    let applied = overrides::apply(&mut manifest, cluster, input.cluster_overrides, input.overrides, input.serves);
    let applied = applied.map_err(|source| RenderError::Override { template: template.display(), source })?;
    // 3. What leads back to the control plane.
    let mut work = Work { metadata: work_metadata(input, target), ..Work::default() };
    work.metadata.annotations.get_or_insert_default().extend(applied.annotations());
    mark(&mut manifest, input, &work.metadata);
    manifest::seal(&mut manifest, work.metadata.labels.as_ref().map_or("", |labels| &labels[labels::WORK_ID]));
    work.spec = WorkSpec {
        workload: Some(WorkloadTemplate { manifests: vec![manifest] }),
        suspend_dispatching: Some(is_suspended(spec, &target.name)),
        preserve_resources_on_deletion: Some(spec.preserve_resources_on_deletion == Some(true)),
    };
    Ok(work)
}

/// The template with the replicas of `target`, also where each cluster runs all of them: the binding's word is final.
fn revised<B: Binding>(input: &Input<'_, B>, target: &TargetCluster) -> Result<Object, RenderError> {
    if !input.binding.spec().is_workload() {
        return Ok(input.template.clone());
    }
    let revised = input.interpreter.revise(input.template, i64::from(target.replicas));
    let revised = revised.map_err(|source| RenderError::Revise { template: input.template.display(), source })?;
    Ok(revised.map_or_else(|| input.template.clone(), |answer| answer.value))
}

fn is_divided(spec: &ResourceBindingSpec) -> bool {
    let strategy = spec.placement.as_ref().and_then(|placement| placement.replica_scheduling.as_ref());
    strategy.is_some_and(|strategy| strategy.replica_scheduling_type == Some(ReplicaSchedulingType::Divided))
}

fn is_suspended(spec: &ResourceBindingSpec, cluster: &str) -> bool {
    let Some(suspension) = spec.suspension.as_ref().map(|suspension| &suspension.policy) else { return false };
    let mut clusters = suspension.dispatching_on_clusters.iter().flat_map(|clusters| &clusters.cluster_names);
    suspension.dispatching == Some(true) || clusters.any(|name| name == cluster)
}

/// What happens to an object that is there already: the template's annotation wins over the policy.
fn conflict_resolution(template: &Object, spec: &ResourceBindingSpec) -> &'static str {
    match (template.annotation(labels::CONFLICT_RESOLUTION), &spec.conflict_resolution) {
        (Some(labels::CONFLICT_OVERWRITE), _) => labels::CONFLICT_OVERWRITE,
        (Some(labels::CONFLICT_ABORT), _) => labels::CONFLICT_ABORT,
        (_, Some(ConflictResolution::Overwrite)) => labels::CONFLICT_OVERWRITE,
        _ => labels::CONFLICT_ABORT,
    }
}

fn work_metadata<B: Binding>(input: &Input<'_, B>, target: &TargetCluster) -> ObjectMeta {
    let work_id = (input.work_id)(&target.name);
    let mut annotations = back_reference(input.binding);
    let conflict = conflict_resolution(input.template, input.binding.spec());
    annotations.insert(labels::CONFLICT_RESOLUTION.to_owned(), conflict.to_owned());
    ObjectMeta {
        name: Some(names::work_name_of(input.template)),
        namespace: Some(names::execution_namespace(&target.name)),
        finalizers: Some(vec![labels::EXECUTION_FINALIZER.to_owned()]),
        labels: Some(BTreeMap::from([
            (B::SCOPE.id_label().to_owned(), input.binding.id().to_owned()),
            (labels::WORK_ID.to_owned(), work_id),
        ])),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

/// The annotations that name the binding.
fn back_reference<B: Binding>(binding: &B) -> BTreeMap<String, String> {
    let name = binding.name().to_owned();
    match B::SCOPE {
        Scope::Cluster => BTreeMap::from([(labels::CLUSTER_RESOURCE_BINDING_NAME.to_owned(), name)]),
        Scope::Namespaced => BTreeMap::from([
            (labels::RESOURCE_BINDING_NAMESPACE.to_owned(), binding.namespace().unwrap_or("").to_owned()),
            (labels::RESOURCE_BINDING_NAME.to_owned(), name),
        ]),
    }
}

/// Marks the manifest as ours, and writes where it comes from.
fn mark<B: Binding>(manifest: &mut Object, input: &Input<'_, B>, work: &ObjectMeta) {
    let (template, conflict) = (input.template, conflict_resolution(input.template, input.binding.spec()));
    manifest.set_label(B::SCOPE.id_label(), input.binding.id());
    manifest.set_label(labels::MANAGED, labels::MANAGED_VALUE);
    back_reference(input.binding).into_iter().for_each(|(key, value)| manifest.set_annotation(&key, value));
    if template.generation() > 0 {
        manifest.set_annotation(labels::TEMPLATE_GENERATION, template.generation().to_string());
    }
    manifest.set_annotation(labels::TEMPLATE_UID, template.uid());
    manifest.set_annotation(labels::WORK_NAMESPACE, work.namespace.as_deref().unwrap_or(""));
    manifest.set_annotation(labels::WORK_NAME, work.name.as_deref().unwrap_or(""));
    manifest.set_annotation(labels::CONFLICT_RESOLUTION, conflict);
}
