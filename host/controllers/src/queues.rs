//! What is to be done: one queue for each arrow, and for each member its own, so that a member that hangs holds up nobody else.

use crate::cluster_api::ObjectKey;
use crate::queue::{Next, Window, WorkQueue};
use crate::served::GroupKind;
use crate::task::Task;
use crate::watch::Own;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A template: kind (whatever the version) and place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateKey {
    /// Group and kind.
    pub kind: GroupKind,
    /// Namespace and name.
    pub key: ObjectKey,
}

/// A binding of either scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingKey {
    /// [`Own::ResourceBinding`] or [`Own::ClusterResourceBinding`].
    pub kind: Own,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl BindingKey {
    /// The binding of this name in this namespace; without one, the cluster-scoped one.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        let key = ObjectKey::new(namespace, name);
        Self { kind: if key.namespace.is_some() { Own::ResourceBinding } else { Own::ClusterResourceBinding }, key }
    }
}

/// How long changes settle before a status is written. Longer windows mean fewer writes and later news.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// From a member object's change to its Work's status.
    pub work_status: Window,
    /// From a Work's status to the binding's and the template's.
    pub binding_status: Window,
    /// How long a binding's status waits for clusters that have not yet said what came of a new Work.
    pub first_reports: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        let window = |quiet, longest| Window { quiet: Duration::from_millis(quiet), longest: Duration::from_millis(longest) };
        Self { work_status: window(25, 250), binding_status: window(10, 200), first_reports: Duration::from_millis(500) }
    }
}

/// What runs a Work's key of one member: given by the execution controller.
pub type RunWork = Arc<dyn Fn(ObjectKey) -> BoxFuture<'static, Result<Next, String>> + Send + Sync>;

/// All queues.
pub struct Queues {
    /// Windows of the settled queues.
    pub windows: Windows,
    /// Discovery of the control plane is old.
    pub discovery: WorkQueue<()>,
    /// Clusters to probe, by name.
    pub clusters: WorkQueue<Arc<str>>,
    /// Policies of all four kinds that changed or went.
    pub policies: WorkQueue<(Own, ObjectKey)>,
    /// Templates to match, bind and schedule.
    pub templates: WorkQueue<TemplateKey>,
    /// Bindings to render.
    pub bindings: WorkQueue<BindingKey>,
    /// Works whose status may be old.
    pub work_statuses: WorkQueue<ObjectKey>,
    /// Bindings whose status, or whose template's status, may be old.
    pub binding_statuses: WorkQueue<BindingKey>,
    /// Namespaces to send to all members, by name.
    pub namespaces: WorkQueue<Arc<str>>,
    /// Works to apply, one queue a member.
    works: Mutex<HashMap<String, Works>>,
    run_work: std::sync::OnceLock<RunWork>,
}

/// The Works of one member, and what applies them; it ends with this.
struct Works {
    queue: WorkQueue<ObjectKey>,
    run: Option<Task>,
}

/// Works of one member that are applied at the same time.
const WORKS_AT_ONCE: usize = 16;

impl Queues {
    /// Empty queues.
    pub fn new(windows: Windows) -> Arc<Self> {
        Arc::new(Self {
            windows,
            discovery: WorkQueue::new(),
            clusters: WorkQueue::new(),
            policies: WorkQueue::new(),
            templates: WorkQueue::new(),
            bindings: WorkQueue::new(),
            work_statuses: WorkQueue::new(),
            binding_statuses: WorkQueue::new(),
            namespaces: WorkQueue::new(),
            works: Mutex::default(),
            run_work: std::sync::OnceLock::new(),
        })
    }

    /// Sets what applies a Work; to be called once, before the watches start.
    pub fn set_run_work(&self, run: RunWork) {
        if self.run_work.set(run).is_err() {
            tracing::error!("the execution controller was started twice");
        }
    }

    /// Applies this Work of this member.
    pub fn add_work(&self, cluster: &str, key: ObjectKey) {
        self.works_of(cluster).add(key);
    }

    /// Writes this Work's status when its changes have settled.
    pub fn settle_work_status(&self, key: ObjectKey) {
        self.work_statuses.add_settled(key, self.windows.work_status);
    }

    /// Writes this binding's status when its changes have settled.
    pub fn settle_binding_status(&self, key: BindingKey) {
        self.binding_statuses.add_settled(key, self.windows.binding_status);
    }

    /// How many keys wait or are at work in each queue.
    pub fn depths(&self) -> Vec<(&'static str, usize)> {
        let works = self.works.lock().expect("no code panics while it holds the queues").values().map(|works| works.queue.len()).sum();
        vec![
            ("discovery", self.discovery.len()),
            ("policies", self.policies.len()),
            ("templates", self.templates.len()),
            ("bindings", self.bindings.len()),
            ("works", works),
            ("work-statuses", self.work_statuses.len()),
            ("binding-statuses", self.binding_statuses.len()),
            ("namespaces", self.namespaces.len()),
        ]
    }

    fn works_of(&self, cluster: &str) -> WorkQueue<ObjectKey> {
        let mut works = self.works.lock().expect("no code panics while it holds the queues");
        if let Some(works) = works.get(cluster) {
            return works.queue.clone();
        }
        let queue = WorkQueue::new();
        let run = self.run_work.get().cloned();
        let run = run.map(|run| Task::spawn(queue.clone().run("execution", WORKS_AT_ONCE, move |key| run(key))));
        works.insert(cluster.to_owned(), Works { queue: queue.clone(), run });
        queue
    }
}
