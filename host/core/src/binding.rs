//! ResourceBinding and ClusterResourceBinding as one: the same content in two scopes.
//!
//! Decisions are written once, over [`Binding`]; what differs between the scopes is data of [`Scope`].

use flotilla_api::labels;
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding, ResourceBindingSpec, ResourceBindingStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whether templates have a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// They have: their bindings are ResourceBindings.
    Namespaced,
    /// They have not: their bindings are ClusterResourceBindings.
    Cluster,
}

impl Scope {
    /// Kind of the bindings.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Namespaced => "ResourceBinding",
            Self::Cluster => "ClusterResourceBinding",
        }
    }

    /// Finalizer of the bindings: their Works go first.
    pub fn finalizer(self) -> &'static str {
        match self {
            Self::Namespaced => labels::BINDING_FINALIZER,
            Self::Cluster => labels::CLUSTER_BINDING_FINALIZER,
        }
    }

    /// Label with the permanent id of a binding, on the binding and all that comes of it.
    pub fn id_label(self) -> &'static str {
        match self {
            Self::Namespaced => labels::RESOURCE_BINDING_ID,
            Self::Cluster => labels::CLUSTER_RESOURCE_BINDING_ID,
        }
    }
}

/// A ResourceBinding or a ClusterResourceBinding.
pub trait Binding: Clone + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Which of the two.
    const SCOPE: Scope;
    /// Name, labels and the rest of the binding's own data.
    fn metadata(&self) -> &ObjectMeta;
    /// The same, to be changed.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
    /// Template, wishes and clusters.
    fn spec(&self) -> &ResourceBindingSpec;
    /// The same, to be changed.
    fn spec_mut(&mut self) -> &mut ResourceBindingSpec;
    /// What became of it.
    fn status(&self) -> Option<&ResourceBindingStatus>;
    /// The same, to be changed.
    fn status_mut(&mut self) -> &mut Option<ResourceBindingStatus>;

    /// Its name, or `""`.
    fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or("")
    }

    /// Its namespace; `None` for a ClusterResourceBinding.
    fn namespace(&self) -> Option<&str> {
        self.metadata().namespace.as_deref().filter(|namespace| !namespace.is_empty())
    }

    /// The value of a label, or `""`.
    fn label(&self, key: &str) -> &str {
        self.metadata().labels.as_ref().and_then(|labels| labels.get(key)).map_or("", String::as_str)
    }

    /// The value of an annotation, or `""`.
    fn annotation(&self, key: &str) -> &str {
        self.metadata().annotations.as_ref().and_then(|annotations| annotations.get(key)).map_or("", String::as_str)
    }

    /// Its permanent id, or `""`.
    fn id(&self) -> &str {
        self.label(Self::SCOPE.id_label())
    }

    /// How messages name it: `ResourceBinding shop/web-deployment`.
    fn display(&self) -> String {
        let kind = Self::SCOPE.kind();
        self.namespace().map_or_else(|| format!("{kind} {}", self.name()), |namespace| format!("{kind} {namespace}/{}", self.name()))
    }
}

macro_rules! binding {
    ($kind:ty, $scope:expr) => {
        impl Binding for $kind {
            const SCOPE: Scope = $scope;
            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
            fn spec(&self) -> &ResourceBindingSpec {
                &self.spec
            }
            fn spec_mut(&mut self) -> &mut ResourceBindingSpec {
                &mut self.spec
            }
            fn status(&self) -> Option<&ResourceBindingStatus> {
                self.status.as_ref()
            }
            fn status_mut(&mut self) -> &mut Option<ResourceBindingStatus> {
                &mut self.status
            }
        }
    };
}

binding!(ResourceBinding, Scope::Namespaced);
binding!(ClusterResourceBinding, Scope::Cluster);
