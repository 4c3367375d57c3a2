//! Labels, annotations, finalizers and taints, with what they mean. Keys under `karmada.io` are Karmada's, those under `flotilla.io`
//! are ours.

// Identities: labels whose value is a UUID that is given once and never changes.

/// Label of a PropagationPolicy, of the templates that it claims and of their bindings.
pub const PROPAGATION_POLICY_ID: &str = "propagationpolicy.karmada.io/permanent-id";
/// Label of a ClusterPropagationPolicy, of the templates that it claims and of their bindings.
pub const CLUSTER_PROPAGATION_POLICY_ID: &str = "clusterpropagationpolicy.karmada.io/permanent-id";
/// Label of a ResourceBinding, of its Works, of their manifests and of the objects in members.
pub const RESOURCE_BINDING_ID: &str = "resourcebinding.karmada.io/permanent-id";
/// Label of a ClusterResourceBinding, of its Works, of their manifests and of the objects in members.
pub const CLUSTER_RESOURCE_BINDING_ID: &str = "clusterresourcebinding.karmada.io/permanent-id";
/// Label of a Work, of its manifest and of the object in the member.
pub const WORK_ID: &str = "work.karmada.io/permanent-id";
/// Label of a MultiClusterService, of its Works, of the Service and of its binding.
pub const MULTI_CLUSTER_SERVICE_ID: &str = "multiclusterservice.karmada.io/permanent-id";

// Other labels.

/// Label of every manifest and every object in a member that is ours; only such objects are changed or deleted there. Value
/// [`MANAGED_VALUE`].
pub const MANAGED: &str = "karmada.io/managed";
/// The one value of [`MANAGED`].
pub const MANAGED_VALUE: &str = "true";
/// Label of execution spaces and other objects that the control plane makes for itself. Value [`SYSTEM_VALUE`].
pub const SYSTEM: &str = "karmada.io/system";
/// The one value of [`SYSTEM`].
pub const SYSTEM_VALUE: &str = "true";
/// Label of a binding that has no policy, and is scheduled all the same: the kind that made it.
pub const BINDING_MANAGED_BY: &str = "binding.karmada.io/managed-by";
/// What labels of attached bindings begin with; the rest is [`crate::names::binding_reference_key`] of the binding that needs them,
/// the value is that binding's identity.
pub const DEPENDED_BY_PREFIX: &str = "resourcebinding.karmada.io/depended-by-";
/// Label of a template that another controller than policies propagates: the kind that claimed it.
pub const CLAIMED_BY: &str = "resourcetemplate.karmada.io/claimed-by";
/// Label of a template whose replicas are the member's business (an autoscaler's). Value [`RETAIN_REPLICAS_VALUE`].
pub const RETAIN_REPLICAS: &str = "resourcetemplate.karmada.io/retain-replicas";
/// The one value of [`RETAIN_REPLICAS`].
pub const RETAIN_REPLICAS_VALUE: &str = "true";
/// Label of any object that may not be deleted. Value [`DELETION_PROTECTED_ALWAYS`].
pub const DELETION_PROTECTED: &str = "resourcetemplate.karmada.io/deletion-protected";
/// The one value of [`DELETION_PROTECTED`] that protects.
pub const DELETION_PROTECTED_ALWAYS: &str = "Always";
/// Label of a Namespace that is not made in members. Value `true`.
pub const SKIP_AUTO_PROPAGATION: &str = "namespace.karmada.io/skip-auto-propagation";
/// Label: namespace of the EndpointSlice that a Work carries.
pub const ENDPOINT_SLICE_NAMESPACE: &str = "endpointslice.karmada.io/namespace";
/// Label: name of the EndpointSlice that a Work carries.
pub const ENDPOINT_SLICE_NAME: &str = "endpointslice.karmada.io/name";
/// Label of the Works of EndpointSlices: the kind that made them.
pub const ENDPOINT_SLICE_MANAGED_BY: &str = "endpointslice.karmada.io/managed-by";
/// Label of Works, annotation of the Service and its binding: namespace of their MultiClusterService.
pub const MULTI_CLUSTER_SERVICE_NAMESPACE: &str = "multiclusterservice.karmada.io/namespace";
/// Label of Works, annotation of the Service and its binding: name of their MultiClusterService.
pub const MULTI_CLUSTER_SERVICE_NAME: &str = "multiclusterservice.karmada.io/name";
/// Label of Works: namespace of their FederatedResourceQuota.
pub const FEDERATED_RESOURCE_QUOTA_NAMESPACE: &str = "federatedresourcequota.karmada.io/namespace";
/// Label of Works: name of their FederatedResourceQuota.
pub const FEDERATED_RESOURCE_QUOTA_NAME: &str = "federatedresourcequota.karmada.io/name";

// Annotations.

/// Annotation of a template and its binding: namespace of the PropagationPolicy that claims it.
pub const PROPAGATION_POLICY_NAMESPACE: &str = "propagationpolicy.karmada.io/namespace";
/// Annotation of a template and its binding: name of the PropagationPolicy that claims it.
pub const PROPAGATION_POLICY_NAME: &str = "propagationpolicy.karmada.io/name";
/// Annotation of a template and its binding: name of the ClusterPropagationPolicy that claims it.
pub const CLUSTER_PROPAGATION_POLICY_NAME: &str = "clusterpropagationpolicy.karmada.io/name";
/// Annotation of a binding: the placement that it was scheduled by last, as JSON.
pub const APPLIED_PLACEMENT: &str = "policy.karmada.io/applied-placement";
/// Annotation of a Work: the OverridePolicies that changed it, as JSON.
pub const APPLIED_OVERRIDES: &str = "policy.karmada.io/applied-overrides";
/// Annotation of a Work: the ClusterOverridePolicies that changed it, as JSON.
pub const APPLIED_CLUSTER_OVERRIDES: &str = "policy.karmada.io/applied-cluster-overrides";
/// Annotation of a Work, its manifest and the object in the member: namespace of the ResourceBinding.
pub const RESOURCE_BINDING_NAMESPACE: &str = "resourcebinding.karmada.io/namespace";
/// Annotation of a Work, its manifest and the object in the member: name of the ResourceBinding.
pub const RESOURCE_BINDING_NAME: &str = "resourcebinding.karmada.io/name";
/// Annotation of a Work, its manifest and the object in the member: name of the ClusterResourceBinding.
pub const CLUSTER_RESOURCE_BINDING_NAME: &str = "clusterresourcebinding.karmada.io/name";
/// Annotation of a binding: what its template needs, as JSON.
pub const DEPENDENCIES: &str = "resourcebinding.karmada.io/dependencies";
/// Annotation of a manifest and the object in the member: namespace of the Work.
pub const WORK_NAMESPACE: &str = "work.karmada.io/namespace";
/// Annotation of a manifest and the object in the member: name of the Work.
pub const WORK_NAME: &str = "work.karmada.io/name";
/// Annotation of a template (by users), a Work and its manifest: what happens to an object that is there already. Value
/// [`CONFLICT_OVERWRITE`] or [`CONFLICT_ABORT`].
pub const CONFLICT_RESOLUTION: &str = "work.karmada.io/conflict-resolution";
/// Value of [`CONFLICT_RESOLUTION`]: it is taken over.
pub const CONFLICT_OVERWRITE: &str = "overwrite";
/// Value of [`CONFLICT_RESOLUTION`]: it is left alone.
pub const CONFLICT_ABORT: &str = "abort";
/// Annotation of a manifest: UID of the template.
pub const TEMPLATE_UID: &str = "resourcetemplate.karmada.io/uid";
/// Annotation of a manifest: generation of the template that it was rendered from.
pub const TEMPLATE_GENERATION: &str = "resourcetemplate.karmada.io/generation";
/// Annotation of a manifest and the object in the member: the annotations that come from us, sorted, separated by commas. Those that
/// are no longer in it are removed from the member.
pub const MANAGED_ANNOTATIONS: &str = "resourcetemplate.karmada.io/managed-annotations";
/// Annotation of a manifest and the object in the member: the labels that come from us, sorted, separated by commas.
pub const MANAGED_LABELS: &str = "resourcetemplate.karmada.io/managed-labels";
/// Annotation of an EndpointSlice in a cluster that imports it: the cluster that it comes from.
pub const ENDPOINT_SLICE_PROVISION_CLUSTER: &str = "endpointslice.karmada.io/provision-cluster";
/// Annotation of objects that a search returns: the cluster that they are from.
pub const CACHED_FROM_CLUSTER: &str = "resource.karmada.io/cached-from-cluster";
/// Annotation of metrics: the cluster that they are from.
pub const QUERIED_FROM_CLUSTER: &str = "resource.karmada.io/query-from-cluster";

// Finalizers.

/// Finalizer of a Cluster.
pub const CLUSTER_FINALIZER: &str = "karmada.io/cluster-controller";
/// Finalizer of a Work: the object is removed from the member first.
pub const EXECUTION_FINALIZER: &str = "karmada.io/execution-controller";
/// Finalizer of a ResourceBinding: its Works are removed first.
pub const BINDING_FINALIZER: &str = "karmada.io/binding-controller";
/// Finalizer of a ClusterResourceBinding: its Works are removed first.
pub const CLUSTER_BINDING_FINALIZER: &str = "karmada.io/cluster-resource-binding-controller";
/// Finalizer of a PropagationPolicy: its claims are removed first.
pub const PROPAGATION_POLICY_FINALIZER: &str = "karmada.io/propagation-policy-controller";
/// Finalizer of a ClusterPropagationPolicy: its claims are removed first.
pub const CLUSTER_PROPAGATION_POLICY_FINALIZER: &str = "karmada.io/cluster-propagation-policy-controller";
/// Finalizer of a ResourceBinding whose dependencies follow it.
pub const DEPENDENCIES_FINALIZER: &str = "karmada.io/binding-dependencies-distributor";
/// Finalizer of the Works of EndpointSlices.
pub const ENDPOINT_SLICE_FINALIZER: &str = "karmada.io/endpointslice-controller";
/// Finalizer of the Works that collect EndpointSlices.
pub const ENDPOINT_SLICE_COLLECT_FINALIZER: &str = "karmada.io/mcs-endpointslice-collect-controller";
/// Finalizer of the Works that dispatch EndpointSlices.
pub const ENDPOINT_SLICE_DISPATCH_FINALIZER: &str = "karmada.io/mcs-endpointslice-dispatch-controller";
/// Finalizer of a MultiClusterService.
pub const MULTI_CLUSTER_SERVICE_FINALIZER: &str = "karmada.io/multiclusterservice-controller";

// Taints of clusters.

/// Taint of a cluster that is cordoned; effect `NoSchedule`.
pub const TAINT_UNSCHEDULABLE: &str = "cluster.karmada.io/unschedulable";
/// Taint of a cluster that says that it is not well.
pub const TAINT_NOT_READY: &str = "cluster.karmada.io/not-ready";
/// Taint of a cluster that does not answer.
pub const TAINT_UNREACHABLE: &str = "cluster.karmada.io/unreachable";

// Ours.

/// Label of a ConfigMap that holds a plugin: whether it is loaded. Value `true` or `false`.
pub const PLUGIN_ENABLED: &str = "plugin.flotilla.io/enabled";
/// Annotation of a ConfigMap that holds a plugin: digest of the component, `sha256:…`.
pub const PLUGIN_DIGEST: &str = "plugin.flotilla.io/digest";
/// Annotation of a ConfigMap that holds a plugin: what became of loading it.
pub const PLUGIN_STATUS: &str = "plugin.flotilla.io/status";
/// Type of the condition of bindings that says whether every hook that was needed gave an answer.
pub const CONDITION_INTERPRETED: &str = "Interpreted";
