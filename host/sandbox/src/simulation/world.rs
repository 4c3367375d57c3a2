//! Everything that the simulation of one member has seen and remembers, and the work that is due. Who is woken by what is said in
//! [`routes`](super::routes), how work is decided in [`decide`](super::decide). Nothing here talks to a server or reads a clock.

use super::MemberOptions;
use super::definitions::FOLLOWED;
use super::events::Recorder;
use super::kind::{Key, Kind};
use super::mirrors::{Kept, Mirrors};
use super::node_faults::NodeFaults;
use super::queue::{Queue, Ranked};
use super::scheduler::Capacity;
use super::template::Names;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher;
use std::collections::{HashMap, HashSet};

/// One of the loops that a cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Controller {
    /// Registers the nodes.
    Nodes,
    /// Notices nodes that report nothing, and taints nodes that are unwell.
    NodeLifecycle,
    /// Evicts pods from nodes that they do not tolerate, and removes those whose node is no more.
    Eviction,
    /// Binds pods to nodes.
    Scheduler,
    /// Runs pods.
    Kubelet,
    /// Gives claims their volumes.
    Volumes,
    /// Names the pods behind Services.
    Endpoints,
    /// Keeps ReplicaSets at their replicas.
    ReplicaSet,
    /// Rolls out Deployments.
    Deployment,
    /// Keeps StatefulSets.
    StatefulSet,
    /// Keeps DaemonSets.
    DaemonSet,
    /// Counts what budgets allow to go.
    Disruption,
    /// Runs Jobs to their end.
    Job,
    /// Makes Jobs at their times.
    CronJob,
    /// Keeps OpenKruise's CloneSets, where they are defined.
    CloneSet,
    /// Keeps OpenKruise's StatefulSets, where they are defined.
    KruiseStatefulSet,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Nodes,
        Self::NodeLifecycle,
        Self::Eviction,
        Self::Scheduler,
        Self::Kubelet,
        Self::Volumes,
        Self::Endpoints,
        Self::ReplicaSet,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Disruption,
        Self::Job,
        Self::CronJob,
        Self::CloneSet,
        Self::KruiseStatefulSet,
    ];

    /// Under which name it writes.
    pub(super) fn manager(self) -> &'static str {
        match self {
            Self::Nodes | Self::Kubelet => "kubelet",
            Self::Scheduler => "kube-scheduler",
            Self::CloneSet | Self::KruiseStatefulSet => "kruise-manager",
            _ => "kube-controller-manager",
        }
    }
}

/// One thing to reconcile.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Work {
    /// Who reconciles it.
    pub controller: Controller,
    /// Which object; empty for a controller that looks at all of them at once.
    pub key: Key,
}

impl Ranked for Work {
    /// Pods before those that count them, and those before what counts them.
    fn rank(&self) -> usize {
        match self.controller {
            Controller::Nodes | Controller::NodeLifecycle | Controller::Eviction => 0,
            Controller::Scheduler | Controller::Kubelet | Controller::Volumes => 0,
            Controller::Deployment | Controller::CronJob | Controller::Endpoints | Controller::Disruption => 2,
            _ => 1,
        }
    }
}

/// The state of one member's simulation.
#[derive(Debug)]
pub struct World {
    /// How the member behaves.
    pub options: MemberOptions,
    /// What was seen.
    pub mirrors: Mirrors,
    /// What is due.
    pub queue: Queue<Work>,
    /// What was said.
    pub recorder: Recorder,
    /// What the nodes have left.
    pub capacity: Capacity,
    /// Why the last attempt to make or delete something failed.
    pub errors: HashMap<Work, String>,
    /// In which version each of [`FOLLOWED`] is served.
    pub served: [Option<&'static Kind>; FOLLOWED.len()],
    /// The same, as far as a list under way has told.
    pub listed: [Option<&'static Kind>; FOLLOWED.len()],
    /// Owners that may have something to adopt.
    pub adopters: HashSet<Work>,
    /// Whether the nodes were registered: those that go later do not come back.
    pub registered: bool,
    /// What the nodes suffer.
    pub node_faults: NodeFaults,
    /// Nodes that were made to offer something else.
    pub resized: HashSet<String>,
    /// Since when each pod is where it cannot stay.
    pub unwelcome: HashMap<String, Timestamp>,
    /// What each pod is doing, since when.
    pub stages: HashMap<String, (Stage, Timestamp)>,
    /// How many addresses pods were given.
    pub addresses: u32,
    /// Random names.
    pub names: Names,
}

/// What the kubelet is doing with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Bound, and not ready yet.
    Starting,
    /// Running.
    Running,
    /// Being deleted.
    Ending,
}

impl World {
    /// Nothing seen yet. `seed` makes the random names.
    pub fn new(options: MemberOptions, seed: u64) -> Self {
        let mut mirrors = Mirrors::default();
        mirrors.pods.slim = super::pods::slim;
        Self {
            options,
            mirrors,
            queue: Queue::default(),
            recorder: Recorder::default(),
            capacity: Capacity::default(),
            errors: HashMap::new(),
            served: [None; FOLLOWED.len()],
            listed: [None; FOLLOWED.len()],
            adopters: HashSet::new(),
            registered: false,
            node_faults: NodeFaults::default(),
            resized: HashSet::new(),
            unwelcome: HashMap::new(),
            stages: HashMap::new(),
            addresses: 0,
            names: Names::new(seed),
        }
    }

    /// Takes in what a watch delivered.
    pub fn observe<K: Kept>(&mut self, event: watcher::Event<K>) {
        let changes = K::mirror(&mut self.mirrors).observe(event);
        changes.iter().for_each(|change| K::route(self, change));
    }

    /// Takes in the answer to a write; see [`Mirror::put`](super::mirror::Mirror::put).
    pub fn put<K: Kept>(&mut self, object: K, lists: u64) {
        let changes = K::mirror(&mut self.mirrors).put(object, lists);
        changes.iter().for_each(|change| K::route(self, change));
    }

    /// Takes in that a deletion was accepted; see [`Mirror::doom`](super::mirror::Mirror::doom).
    pub fn doom<K: Kept>(&mut self, key: &Key, uid: &str) {
        let changes = K::mirror(&mut self.mirrors).doom(key, uid);
        changes.iter().for_each(|change| K::route(self, change));
    }

    /// Takes in that a kind is served elsewhere, or no longer: what was seen of it is gone.
    pub fn forget_kind<K: Kept>(&mut self, kind: Option<&'static Kind>) {
        let mirror = K::mirror(&mut self.mirrors);
        let changes = mirror.clear();
        mirror.kind = kind.unwrap_or(mirror.kind);
        changes.iter().for_each(|change| K::route(self, change));
    }

    /// Makes work due, unless its controller is switched off.
    pub fn add(&mut self, controller: Controller, key: Key) {
        if self.options.controllers.contains(&controller) {
            self.queue.add(Work { controller, key });
        }
    }
}
