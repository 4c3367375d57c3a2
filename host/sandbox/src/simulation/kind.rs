//! Which resources the simulation reads and writes, and how one object is named. Nothing here talks to a server.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::fmt;

/// One resource of the API server.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// API group, empty for core.
    pub group: &'static str,
    /// Version spoken.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Plural, the path segment.
    pub plural: &'static str,
}

macro_rules! kinds {
    ($($name:ident: $group:literal $version:literal $kind:literal $plural:literal;)*) => {
        $(
            #[doc = concat!("`", $version, "` ", $kind)]
            pub static $name: Kind = Kind { group: $group, version: $version, kind: $kind, plural: $plural };
        )*
    };
}

kinds! {
    NODE: "" "v1" "Node" "nodes";
    POD: "" "v1" "Pod" "pods";
    EVENT: "" "v1" "Event" "events";
    CLAIM: "" "v1" "PersistentVolumeClaim" "persistentvolumeclaims";
    SERVICE: "" "v1" "Service" "services";
    ENDPOINT_SLICE: "discovery.k8s.io" "v1" "EndpointSlice" "endpointslices";
    VOLUME: "" "v1" "PersistentVolume" "persistentvolumes";
    DEPLOYMENT: "apps" "v1" "Deployment" "deployments";
    REPLICA_SET: "apps" "v1" "ReplicaSet" "replicasets";
    STATEFUL_SET: "apps" "v1" "StatefulSet" "statefulsets";
    DAEMON_SET: "apps" "v1" "DaemonSet" "daemonsets";
    REVISION: "apps" "v1" "ControllerRevision" "controllerrevisions";
    BUDGET: "policy" "v1" "PodDisruptionBudget" "poddisruptionbudgets";
    JOB: "batch" "v1" "Job" "jobs";
    CRON_JOB: "batch" "v1" "CronJob" "cronjobs";
    CLONE_SET_V1ALPHA1: "apps.kruise.io" "v1alpha1" "CloneSet" "clonesets";
    CLONE_SET_V1BETA1: "apps.kruise.io" "v1beta1" "CloneSet" "clonesets";
    KRUISE_STATEFUL_SET: "apps.kruise.io" "v1beta1" "StatefulSet" "statefulsets";
}

impl Kind {
    /// The `apiVersion` of objects of this kind.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The collection's path: `/apis/apps/v1/namespaces/shop/deployments`.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        match namespace {
            Some(namespace) => format!("{root}/{}/namespaces/{namespace}/{}", self.version, self.plural),
            None => format!("{root}/{}/{}", self.version, self.plural),
        }
    }

    /// The owner reference that makes `owner` the controller of an object.
    pub fn controller_reference(&self, owner: &ObjectMeta) -> OwnerReference {
        OwnerReference {
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            name: owner.name.clone().unwrap_or_default(),
            uid: owner.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// Whether an owner reference points at this kind (in any version).
    pub fn is_owner(&self, reference: &OwnerReference) -> bool {
        let group = reference.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        reference.kind == self.kind && group == self.group
    }
}

/// Namespace and name; the namespace of a cluster-scoped object is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace, or empty.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// From its two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Of an object.
    pub fn of(meta: &ObjectMeta) -> Self {
        Self::new(meta.namespace.as_deref().unwrap_or(""), meta.name.as_deref().unwrap_or(""))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// What is asked of every object's metadata.
pub trait Meta {
    /// The name, or empty.
    fn name(&self) -> &str;
    /// The namespace, or empty.
    fn namespace(&self) -> &str;
    /// The uid, or empty.
    fn uid(&self) -> &str;
    /// A label's value.
    fn label(&self, key: &str) -> Option<&str>;
    /// An annotation's value.
    fn annotation(&self, key: &str) -> Option<&str>;
    /// The owner that controls the object.
    fn controller(&self) -> Option<&OwnerReference>;
    /// Whether deletion has been asked for.
    fn is_deleting(&self) -> bool;
}

impl Meta for ObjectMeta {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("")
    }

    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("")
    }

    fn uid(&self) -> &str {
        self.uid.as_deref().unwrap_or("")
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key).map(String::as_str)
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }

    fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.as_ref()?.iter().find(|owner| owner.controller == Some(true))
    }

    fn is_deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}
