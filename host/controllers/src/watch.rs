//! What the controllers see of the control plane: one store for each of our kinds, and one for each kind of template that a policy or a
//! binding names.

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use crate::served::{GroupKind, Served};
use crate::store::{Change, NotSynced, Store, no_index};
use flotilla_api::labels;
use flotilla_api::object::{GroupVersionKind, Object};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// The name by which messages and metrics call the control plane.
pub const CONTROL_PLANE: &str = "the control plane";

/// How long a reconcile waits for a watch that it has just started.
const FILL_WAIT: Duration = Duration::from_secs(2);

/// Which of our own kinds changed, and how.
pub type OwnListener = Arc<dyn Fn(Own, &Change) + Send + Sync>;
/// Which template changed, and how.
pub type TemplateListener = Arc<dyn Fn(&Resource, &Change) + Send + Sync>;

/// Our own kinds in the control plane, and Namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Own {
    /// cluster.karmada.io Cluster.
    Cluster,
    /// policy.karmada.io PropagationPolicy.
    PropagationPolicy,
    /// policy.karmada.io ClusterPropagationPolicy.
    ClusterPropagationPolicy,
    /// policy.karmada.io OverridePolicy.
    OverridePolicy,
    /// policy.karmada.io ClusterOverridePolicy.
    ClusterOverridePolicy,
    /// work.karmada.io ResourceBinding.
    ResourceBinding,
    /// work.karmada.io ClusterResourceBinding.
    ClusterResourceBinding,
    /// work.karmada.io Work.
    Work,
    /// Core Namespace.
    Namespace,
}

impl Own {
    /// All of them, in the order in which their watches start.
    pub const ALL: [Own; 9] = [
        Self::Cluster,
        Self::PropagationPolicy,
        Self::ClusterPropagationPolicy,
        Self::OverridePolicy,
        Self::ClusterOverridePolicy,
        Self::ResourceBinding,
        Self::ClusterResourceBinding,
        Self::Work,
        Self::Namespace,
    ];

    /// Where it is served.
    pub fn resource(self) -> Resource {
        let (group, version, kind, plural, namespaced) = match self {
            Self::Cluster => ("cluster.karmada.io", "v1alpha1", "Cluster", "clusters", false),
            Self::PropagationPolicy => ("policy.karmada.io", "v1alpha1", "PropagationPolicy", "propagationpolicies", true),
            Self::ClusterPropagationPolicy => {
                ("policy.karmada.io", "v1alpha1", "ClusterPropagationPolicy", "clusterpropagationpolicies", false)
            }
            Self::OverridePolicy => ("policy.karmada.io", "v1alpha1", "OverridePolicy", "overridepolicies", true),
            Self::ClusterOverridePolicy => ("policy.karmada.io", "v1alpha1", "ClusterOverridePolicy", "clusteroverridepolicies", false),
            Self::ResourceBinding => ("work.karmada.io", "v1alpha2", "ResourceBinding", "resourcebindings", true),
            Self::ClusterResourceBinding => ("work.karmada.io", "v1alpha2", "ClusterResourceBinding", "clusterresourcebindings", false),
            Self::Work => ("work.karmada.io", "v1alpha1", "Work", "works", true),
            Self::Namespace => ("", "v1", "Namespace", "namespaces", false),
        };
        Resource {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced,
            has_status: matches!(self, Self::Cluster | Self::ResourceBinding | Self::ClusterResourceBinding | Self::Work),
        }
    }

    fn index(self) -> fn(&Object) -> Vec<String> {
        match self {
            Self::Work => binding_of_work,
            Self::ResourceBinding | Self::ClusterResourceBinding => facts_of_binding,
            _ => no_index,
        }
    }
}

/// Index entry of the Works of a binding, by the binding's permanent id.
pub fn works_entry(permanent_id: &str) -> String {
    format!("binding {permanent_id}")
}

/// Index entry of the bindings that go to a cluster.
pub fn cluster_entry(cluster: &str) -> String {
    format!("cluster {cluster}")
}

fn binding_of_work(work: &Object) -> Vec<String> {
    let ids = [labels::RESOURCE_BINDING_ID, labels::CLUSTER_RESOURCE_BINDING_ID];
    ids.iter().filter_map(|label| work.label(label)).map(works_entry).collect()
}

fn facts_of_binding(binding: &Object) -> Vec<String> {
    let clusters = binding.at(&["spec", "clusters"]).and_then(|clusters| clusters.as_array());
    clusters.into_iter().flatten().filter_map(|cluster| cluster["name"].as_str()).map(cluster_entry).collect()
}

/// What the control plane serves, for whoever must know it without the rest of the controllers.
#[derive(Clone, Default)]
pub struct SharedServed(watch::Sender<Option<Arc<Served>>>);

impl SharedServed {
    /// What is served, once discovery has answered.
    pub fn get(&self) -> Option<Arc<Served>> {
        self.0.borrow().clone()
    }

    /// Replaces what is served, as far as it is known; says whether anything changed.
    pub fn set(&self, served: Served) -> bool {
        self.0.send_if_modified(|current| {
            let served = match current.as_deref() {
                Some(before) => served.or_as_before(before),
                None => served,
            };
            let is_changed = current.as_deref() != Some(&served);
            if is_changed {
                *current = Some(Arc::new(served));
            }
            is_changed
        })
    }

    /// Waits until discovery has answered once.
    pub async fn wait(&self) {
        // The sender lives in self, so this cannot fail while self is borrowed.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

/// Everything that is seen of the control plane.
pub struct ControlPlane {
    /// Its API.
    pub api: ClusterApi,
    own: HashMap<Own, Arc<Store>>,
    served: SharedServed,
    templates: Mutex<HashMap<GroupKind, Arc<Store>>>,
    template_listener: TemplateListener,
}

impl ControlPlane {
    /// Nothing seen yet; [`ControlPlane::start`] begins.
    pub fn new(api: ClusterApi, served: SharedServed, own_listener: OwnListener, template_listener: TemplateListener) -> Self {
        let own = Own::ALL.into_iter().map(|kind| {
            let listener = own_listener.clone();
            (kind, Store::new(kind.resource(), CONTROL_PLANE, kind.index(), move |change| listener(kind, change)))
        });
        Self { api, own: own.collect(), served, templates: Mutex::default(), template_listener }
    }

    /// Waits for discovery, without which nothing can be decided; then starts the watches of our own kinds and waits until all are filled.
    pub async fn start(&self) {
        self.served.wait().await;
        for store in self.own.values() {
            store.follow(&self.api);
        }
        for store in self.own.values() {
            store.wait_synced().await;
        }
    }

    /// The store of one of our own kinds.
    pub fn own(&self, kind: Own) -> &Arc<Store> {
        &self.own[&kind]
    }

    /// What the control plane serves; an error until discovery has answered once.
    pub fn served(&self) -> Result<Arc<Served>, NotSynced> {
        let served = self.served.get();
        served.ok_or_else(|| NotSynced { resource: "discovery".into(), cluster: CONTROL_PLANE.into(), why: None })
    }

    /// Replaces what it serves; says whether anything changed.
    pub fn set_served(&self, served: Served) -> bool {
        self.served.set(served)
    }

    /// The templates of a kind, whatever the version: watched from the first call on, in the version asked for first (or the preferred
    /// one). `Ok(None)` when the kind is not served.
    pub fn templates(&self, gvk: &GroupVersionKind) -> Result<Option<Arc<Store>>, NotSynced> {
        let kind = GroupKind::from(gvk);
        let mut templates = self.templates.lock().expect("no code panics while it holds the templates");
        if let Some(store) = templates.get(&kind) {
            return Ok(Some(store.clone()));
        }
        let served = self.served()?;
        let Some(resource) = served.resource_or_preferred(gvk) else { return Ok(None) };
        let (listener, watched) = (self.template_listener.clone(), resource.clone());
        let store = Store::new(resource.clone(), CONTROL_PLANE, no_index, move |change| listener(&watched, change));
        store.follow(&self.api);
        templates.insert(kind, store.clone());
        Ok(Some(store))
    }

    /// The templates of a kind, if they are watched.
    pub fn watched_templates(&self, kind: &GroupKind) -> Option<Arc<Store>> {
        self.templates.lock().expect("no code panics while it holds the templates").get(kind).cloned()
    }

    /// Forgets the watches of kinds that are not served any more in the version that they watch.
    pub fn drop_unserved_templates(&self) -> Result<(), NotSynced> {
        let served = self.served()?;
        let mut templates = self.templates.lock().expect("no code panics while it holds the templates");
        templates.retain(|_, store| {
            let is_served = served.resource(&store.resource().gvk()) == Some(store.resource());
            if !is_served {
                store.stop();
            }
            is_served
        });
        Ok(())
    }

    /// The stores of all kinds of templates that are watched.
    pub fn all_templates(&self) -> Vec<Arc<Store>> {
        self.templates.lock().expect("no code panics while it holds the templates").values().cloned().collect()
    }

    /// The template, read from its store, or live when it is wanted in another version than the watched one.
    ///
    /// # Errors
    /// While the store is not filled, or when the live read fails: the template is then unknown, not absent.
    pub async fn template(&self, gvk: &GroupVersionKind, key: &ObjectKey) -> Result<Option<Object>, ReadError> {
        let Some(store) = self.templates(gvk)? else { return Ok(None) };
        // A watch that does not fill is an error of this reconcile, not its end.
        let _ = tokio::time::timeout(FILL_WAIT, store.wait_synced()).await;
        let Some(cached) = store.get(key)? else { return Ok(None) };
        let served = self.served()?;
        let resource = served.resource_or_preferred(gvk).ok_or_else(|| ReadError::NotServed(gvk.clone()))?;
        if resource.version == store.resource().version {
            return Ok(Some(cached.parse()));
        }
        self.api.get(resource, key).await.map_err(|source| ReadError::Live { what: format!("{} {key}", gvk.kind), source })
    }
}

/// Why an object of the control plane could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The cache is not filled yet.
    #[error(transparent)]
    NotSynced(#[from] NotSynced),
    /// The kind is not served (any more).
    #[error("the control plane does not serve {0}")]
    NotServed(GroupVersionKind),
    /// A live read failed.
    #[error("{what} cannot be read: {source}")]
    Live {
        /// Kind and name.
        what: String,
        /// Why.
        source: crate::cluster_api::ApiError,
    },
}
