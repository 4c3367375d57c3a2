//! What every controller is given: what was seen, what is to be done, who answers for kinds, and how to reach the clusters.

use crate::cluster_api::ObjectKey;
use crate::events::Events;
use crate::members::Members;
use crate::queues::Queues;
use crate::traces::Traces;
use crate::watch::{ControlPlane, Own};
use flotilla_api::interpretation::{HookError, Interpreter};
use flotilla_api::object::Object;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Shared by all controllers of one process.
pub struct Context {
    /// The control plane.
    pub control: ControlPlane,
    /// The members.
    pub members: Members,
    /// All Cluster objects as types.
    pub clusters: crate::clusters::ClusterList,
    /// All policies, ready to be matched.
    pub policies: crate::policies::Policies,
    /// What is to be done.
    pub queues: Arc<Queues>,
    /// Who answers for kinds.
    pub interpreter: Arc<dyn Interpreter>,
    /// Where Events go.
    pub events: Events,
    /// What the last execution of each Work came to, by Work.
    pub executed: Outcomes<crate::cluster_api::ObjectKey, crate::execution::Executed>,
    /// What was written to members, or found there, and what they made of it: by Work, one for each manifest.
    pub agreed: Outcomes<crate::cluster_api::ObjectKey, Vec<Option<flotilla_core::apply::Agreed>>>,
    /// What the last decision about each template came to, by binding.
    pub decided: Outcomes<crate::queues::BindingKey, crate::detector::Decided>,
    /// The hook without whose answer the Works of a binding could not be rendered; `None` when all could be.
    pub unrendered: Outcomes<crate::queues::BindingKey, Option<HookError>>,
    /// The wait for a Work's object, news of which have not been written, to become healthy.
    pub unwritten: Outcomes<crate::cluster_api::ObjectKey, crate::patience::Patience>,
    /// The wait for the first reports of a binding's Works.
    pub awaited: Outcomes<crate::queues::BindingKey, crate::binding_status::Awaited>,
    /// When changes of templates were seen.
    pub traces: Arc<Traces>,
    /// Settings.
    pub options: Options,
}

/// Settings of the controllers.
#[derive(Clone)]
pub struct Options {
    /// How often a member is probed.
    pub probe_every: Duration,
    /// How long a member must be out of reach before it is called not ready (and well before it is called ready again).
    pub failure_threshold: Duration,
    /// Namespaces that are not propagated from: regular expressions over the whole name.
    pub skipped_namespaces: Vec<String>,
    /// How long changes settle before a status is written.
    pub windows: crate::queues::Windows,
    /// Where what the control plane serves is put, for plugins that answer for any served version.
    pub served: crate::watch::SharedServed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            probe_every: Duration::from_secs(10),
            failure_threshold: Duration::from_secs(30),
            skipped_namespaces: vec!["kube-.*".to_owned()],
            windows: crate::queues::Windows::default(),
            served: crate::watch::SharedServed::default(),
        }
    }
}

/// What was found out in this process and is written by somebody else, who owns the object. Lost with the process, found out again.
pub struct Outcomes<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Outcomes<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone + PartialEq> Outcomes<K, V> {
    /// Remembers an outcome; says whether it differs from the one before.
    pub fn set(&self, key: K, outcome: V) -> bool {
        let mut known = self.0.lock().expect("no code panics while it holds the outcomes");
        let is_changed = known.get(&key) != Some(&outcome);
        if is_changed {
            known.insert(key, outcome);
        }
        is_changed
    }

    /// The outcome, if there is one in this process.
    pub fn get(&self, key: &K) -> Option<V> {
        self.0.lock().expect("no code panics while it holds the outcomes").get(key).cloned()
    }

    /// Forgets it.
    pub fn forget(&self, key: &K) {
        self.0.lock().expect("no code panics while it holds the outcomes").remove(key);
    }
}

/// Why a reconcile could not be finished; it is tried again, later and later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input is unknown.
    #[error(transparent)]
    Read(#[from] crate::watch::ReadError),
    /// A cache is not filled yet.
    #[error(transparent)]
    NotSynced(#[from] crate::store::NotSynced),
    /// A write was refused or not answered.
    #[error("{what}: {source}")]
    Write {
        /// What was to be written.
        what: String,
        /// Why not.
        source: crate::cluster_api::ApiError,
    },
    /// A hook gave no answer.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// An object in the control plane cannot be understood.
    #[error("{0}")]
    Unreadable(String),
    /// Something outside of this process must happen first.
    #[error("{0}")]
    Waiting(String),
}

impl Context {
    /// Writes where this status differs from the object's; false when the object is gone.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn write_status(&self, kind: Own, key: &ObjectKey, object: &Object, status: &impl Serialize) -> Result<bool, Error> {
        let old = object.get("status").cloned().unwrap_or(Value::Null);
        let new = serde_json::to_value(status).expect("a status always prints");
        let patch = json!({"status": crate::merge::difference(&old, &new)});
        match self.control.api.patch_status(&kind.resource(), key, &patch).await {
            Ok(written) => self.control.own(kind).observe(&written),
            Err(error) if error.is_not_found() => return Ok(false),
            Err(error) => return Err(writing(format!("status of {kind:?} {key}"))(error)),
        }
        Ok(true)
    }
}

/// Names a write that failed.
pub fn writing(what: impl Into<String>) -> impl FnOnce(crate::cluster_api::ApiError) -> Error {
    let what = what.into();
    move |source| Error::Write { what, source }
}

/// The time, whole seconds.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// A type of ours from an object, or why it cannot be read.
pub fn typed<T: serde::de::DeserializeOwned>(object: &Object) -> Result<T, Error> {
    T::deserialize(&object.0).map_err(|error| Error::Unreadable(format!("{}: {error}", object.display())))
}
