//! What is to be done: one queue for each arrow, and for each member its own, so that a member that hangs holds up nobody else.

use crate::cluster_api::ObjectKey;
use crate::metrics::Metrics;
use crate::queue::{Next, Window, WorkQueue};
use crate::served::GroupKind;
use crate::task::Task;
use crate::watch::Own;
use futures::future::BoxFuture;
use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A template: kind (whatever the version) and place.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateKey {
    /// Group and kind.
    pub kind: GroupKind,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl Debug for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

/// A binding of either scope.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

impl Debug for BindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.key)
    }
}

/// How long changes settle before a status is written, longer under load. Longer windows mean fewer writes and later news.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// From a member object's change to its Work's status.
    pub work_status: Window,
    /// From a Work's status to the binding's and the template's.
    pub binding_status: Window,
    /// How long a Work's status waits for an object that is on its way to be healthy.
    pub on_the_way: Duration,
    /// How long a binding's status waits for what its clusters say came of new Works: longer than Works wait.
    pub first_report: Duration,
    /// How long it then waits, at most, for clusters to which their Works were not brought yet.
    pub other_reports: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        let window = |quiet, longest| Window { quiet: Duration::from_millis(quiet), longest: Duration::from_millis(longest) };
        Self {
            work_status: window(5, 250),
            binding_status: window(5, 250),
            on_the_way: Duration::from_secs(1),
            first_report: Duration::from_millis(1500),
            other_reports: Duration::from_millis(200),
        }
    }
}

/// What runs a Work's key of one member: given by the execution controller.
pub type RunWork = Arc<dyn Fn(ObjectKey) -> BoxFuture<'static, Result<Next, String>> + Send + Sync>;

/// One queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Its name, that of its controller.
    pub name: &'static str,
    /// Keys that wait or are at work.
    pub depth: usize,
    /// How long the oldest key that is at work, or could be, has waited.
    pub oldest: Duration,
}

/// All queues.
pub struct Queues {
    /// Windows of the settled queues.
    pub windows: Windows,
    /// Where reconciles are counted.
    pub metrics: Metrics,
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
    /// How to apply a Work, once that has begun.
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
    pub fn new(windows: Windows, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            windows,
            metrics,
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

    /// Begins to apply Works, in this way; to be called once.
    pub fn run_works(&self, run: RunWork) {
        if self.run_work.set(run.clone()).is_err() {
            tracing::error!("the execution controller was started twice");
            return;
        }
        for works in self.works().values_mut().filter(|works| works.run.is_none()) {
            works.run = Some(self.applying(&works.queue, run.clone()));
        }
    }

    fn applying(&self, queue: &WorkQueue<ObjectKey>, run: RunWork) -> Task {
        Task::spawn(queue.clone().run("execution", WORKS_AT_ONCE, self.metrics.clone(), move |key| run(key)))
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

    /// How many keys wait or are at work in each queue, probes of members aside.
    pub fn depths(&self) -> Vec<(&'static str, usize)> {
        self.states().into_iter().filter(|state| state.name != "clusters").map(|state| (state.name, state.depth)).collect()
    }

    /// All queues as they are now; those of members as one.
    pub fn states(&self) -> Vec<QueueState> {
        fn of<K: Clone + Eq + Hash + Ord + Debug + Send + 'static>(name: &'static str, queue: &WorkQueue<K>) -> QueueState {
            QueueState { name, depth: queue.len(), oldest: queue.oldest() }
        }
        let works = self.works().values().map(|works| of("execution", &works.queue)).fold(
            QueueState { name: "execution", depth: 0, oldest: Duration::ZERO },
            |sum, one| QueueState { depth: sum.depth + one.depth, oldest: sum.oldest.max(one.oldest), ..sum },
        );
        vec![
            of("discovery", &self.discovery),
            of("clusters", &self.clusters),
            of("policies", &self.policies),
            of("templates", &self.templates),
            of("bindings", &self.bindings),
            works,
            of("work_statuses", &self.work_statuses),
            of("binding_statuses", &self.binding_statuses),
            of("namespaces", &self.namespaces),
        ]
    }

    /// Whether all queues of members are being worked off.
    pub fn is_executing(&self) -> bool {
        self.works().values().all(|works| works.run.as_ref().is_some_and(|run| !run.is_finished()))
    }

    fn works(&self) -> MutexGuard<'_, HashMap<String, Works>> {
        self.works.lock().expect("no code panics while it holds the queues")
    }

    /// The queue of this member's Works.
    pub fn works_of(&self, cluster: &str) -> WorkQueue<ObjectKey> {
        let mut works = self.works();
        if let Some(works) = works.get(cluster) {
            return works.queue.clone();
        }
        let queue = WorkQueue::new();
        let run = self.run_work.get().map(|run| self.applying(&queue, run.clone()));
        works.insert(cluster.to_owned(), Works { queue: queue.clone(), run });
        queue
    }
}
