//! Everything that the simulation of one member has seen and remembers, which work each change makes due, and how each piece of work is
//! put before the controller that decides it. Nothing here talks to a server or reads a clock.

use super::action::Outcome;
use super::events::Recorder;
use super::kind::{DEPLOYMENT, Key, Kind, Meta, NODE, POD, REPLICA_SET};
use super::mirror::{Change, Mirror};
use super::owners::{Claimed, Matcher, claim};
use super::queue::Queue;
use super::scheduler::Capacity;
use super::template::Names;
use super::{MemberOptions, deployment, kubelet, node, pods, replicaset};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::runtime::watcher;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// One of the loops that a cluster runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Controller {
    /// Registers the nodes.
    Nodes,
    /// Binds pods to nodes.
    Scheduler,
    /// Runs pods.
    Kubelet,
    /// Keeps ReplicaSets at their replicas.
    ReplicaSet,
    /// Rolls out Deployments.
    Deployment,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Nodes, Self::Scheduler, Self::Kubelet, Self::ReplicaSet, Self::Deployment];

    /// Under which name it writes.
    pub fn manager(self) -> &'static str {
        match self {
            Self::Nodes | Self::Kubelet => "kubelet",
            Self::Scheduler => "kube-scheduler",
            Self::ReplicaSet | Self::Deployment => "kube-controller-manager",
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

/// A kind that is mirrored.
pub trait Kept: kube::Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static {
    /// Its mirror.
    fn mirror(world: &mut World) -> &mut Mirror<Self>;
    /// Makes due what a change of an object calls for.
    fn route(world: &mut World, change: &Change<Self>);
}

/// The state of one member's simulation.
#[derive(Debug)]
pub struct World {
    /// How the member behaves.
    pub options: MemberOptions,
    /// What is due.
    pub queue: Queue<Work>,
    /// What was said.
    pub recorder: Recorder,
    /// What the nodes have left.
    pub capacity: Capacity,
    /// Why the last attempt to make or delete something failed.
    pub errors: HashMap<Work, String>,
    pub(super) nodes: Mirror<Node>,
    pub(super) pods: Mirror<Pod>,
    pub(super) replica_sets: Mirror<ReplicaSet>,
    pub(super) deployments: Mirror<Deployment>,
    /// Owners that may have something to adopt.
    adopters: HashSet<Work>,
    registered: bool,
    stages: HashMap<String, (Stage, Timestamp)>,
    addresses: u32,
    names: Names,
}

/// What the kubelet is doing with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Running,
    Ending,
}

impl World {
    /// Nothing seen yet. `seed` makes the random names.
    pub fn new(options: MemberOptions, seed: u64) -> Self {
        Self {
            options,
            queue: Queue::default(),
            recorder: Recorder::default(),
            capacity: Capacity::default(),
            errors: HashMap::new(),
            nodes: Mirror::new(&NODE),
            pods: Mirror::new(&POD),
            replica_sets: Mirror::new(&REPLICA_SET),
            deployments: Mirror::new(&DEPLOYMENT),
            adopters: HashSet::new(),
            registered: false,
            stages: HashMap::new(),
            addresses: 0,
            names: Names::new(seed),
        }
    }

    /// Whether all that decisions build on has been listed.
    pub fn is_synced(&self) -> bool {
        self.nodes.is_synced() && self.pods.is_synced() && self.replica_sets.is_synced() && self.deployments.is_synced()
    }

    /// Takes in what a watch delivered.
    pub fn observe<K: Kept>(&mut self, event: watcher::Event<K>) {
        let changes = K::mirror(self).observe(event);
        changes.iter().for_each(|change| K::route(self, change));
    }

    /// Takes in the answer to a write; see [`Mirror::put`].
    pub fn put<K: Kept>(&mut self, object: K, lists: u64) {
        let changes = K::mirror(self).put(object, lists);
        changes.iter().for_each(|change| K::route(self, change));
    }

    /// Takes in that a deletion was accepted; see [`Mirror::doom`].
    pub fn doom<K: Kept>(&mut self, key: &Key, uid: &str) {
        let changes = K::mirror(self).doom(key, uid);
        changes.iter().for_each(|change| K::route(self, change));
    }

    /// Makes work due, unless its controller is switched off.
    pub fn add(&mut self, controller: Controller, key: Key) {
        if self.options.controllers.contains(&controller) {
            self.queue.add(Work { controller, key });
        }
    }

    fn add_scheduler(&mut self) {
        self.add(Controller::Scheduler, Key::new("", ""));
    }

    /// A workload came, changed or went.
    fn route_workload(&mut self, controller: Controller, key: &Key, is_new: bool, is_gone: bool) {
        let work = Work { controller, key: key.clone() };
        if is_gone {
            self.queue.forget(&work);
            self.errors.remove(&work);
            self.adopters.remove(&work);
            return;
        }
        if is_new {
            self.adopters.insert(work);
        }
        self.add(controller, key.clone());
    }

    /// Wakes the owner of an object, before and after the change.
    fn route_owned<K: kube::Resource>(&mut self, change: &Change<K>) {
        let metas = [&change.old, &change.new].map(|object| object.as_ref().map(|object| object.meta()));
        for meta in metas.into_iter().flatten() {
            let owner = meta.controller().and_then(|owner| Some((controller_of(owner)?, Key::new(meta.namespace(), &owner.name))));
            if let Some((controller, key)) = owner {
                self.add(controller, key);
            }
        }
    }

    fn wake_adopters(&mut self, works: Vec<Work>) {
        for work in works {
            self.adopters.insert(work.clone());
            self.add(work.controller, work.key);
        }
    }

    /// What to do about a piece of work now; `None` when its object is gone.
    pub fn reconcile(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        match work.controller {
            Controller::Nodes => Some(self.register(now)),
            Controller::Scheduler => {
                let outcome = Outcome::from(self.capacity.schedule(now));
                Some(Outcome { independent: true, ..outcome })
            }
            Controller::Kubelet => self.run_pod(&work.key, now),
            Controller::ReplicaSet => self.reconcile_replica_set(work, now),
            Controller::Deployment => self.reconcile_deployment(work, now),
        }
    }

    fn register(&mut self, now: Timestamp) -> Outcome {
        let names: Vec<String> = node::names(&self.options).collect();
        let mut actions = Vec::new();
        for (number, name) in names.iter().enumerate() {
            match self.nodes.get(&Key::new("", name)) {
                Some(known) => actions.extend(node::report(known, number + 1, &self.options, now)),
                None if !self.registered => actions.push(node::create(name)),
                None => {}
            }
        }
        self.registered = true;
        actions.into()
    }

    fn run_pod(&mut self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let pod = self.pods.get(key)?.clone();
        let host = self.nodes.get(&Key::new("", pods::node_name(&pod)?));
        let host_ip = host.and_then(|node| internal_address(node)).map(str::to_owned);
        let stage = match pods::phase(&pod) {
            _ if pod.metadata.is_deleting() => Stage::Ending,
            "Running" => Stage::Running,
            _ => Stage::Starting,
        };
        let entry = self.stages.entry(pod.metadata.uid().to_owned()).or_insert((stage, now));
        if entry.0 != stage {
            *entry = (stage, now);
        }
        let address = pod_address(self.addresses + 1);
        let pace = kubelet::Pace {
            ready: duration(self.options.ready_delay),
            job: duration(self.options.job_duration),
            termination: duration(self.options.termination_delay),
        };
        let seen = kubelet::Seen { pod: &pod, host_ip: host_ip.as_deref(), pod_ip: &address, since: entry.1 };
        let outcome = kubelet::reconcile(seen, pace, now);
        if !outcome.actions.is_empty() {
            self.addresses += 1;
        }
        Some(outcome)
    }

    fn reconcile_replica_set(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let set = self.replica_sets.get(&work.key)?.clone();
        let claimed = self.claim_pods(work, &REPLICA_SET, &set.metadata, replicaset::selector(&set));
        if !claimed.actions.is_empty() {
            return Some(claimed.actions.into());
        }
        let deployment = set.metadata.controller().map(|owner| owner.uid.clone());
        let surplus = i64::try_from(claimed.objects.len()).unwrap_or(i64::MAX) > i64::from(replicaset::spec(&set).replicas.unwrap_or(1));
        let related = match deployment.filter(|_| surplus) {
            Some(deployment) => {
                let siblings = self.replica_sets.owned_by(&deployment);
                siblings.iter().flat_map(|set| self.pods.owned_by(set.metadata.uid())).collect()
            }
            None => claimed.objects.clone(),
        };
        let last_error = self.errors.get(work).map(String::as_str);
        let seen = replicaset::Seen { set: &set, pods: &claimed.objects, related: &related, last_error };
        Some(replicaset::reconcile(seen, &mut self.names, now))
    }

    fn reconcile_deployment(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let deployment = self.deployments.get(&work.key)?.clone();
        let meta = &deployment.metadata;
        let orphans = if self.adopters.remove(work) { self.replica_sets.orphans(meta.namespace()) } else { Vec::new() };
        let owned = self.replica_sets.owned_by(meta.uid());
        let claimed = claim(&REPLICA_SET, (&DEPLOYMENT, meta), &deployment::spec(&deployment).selector, owned, orphans);
        if !claimed.actions.is_empty() {
            return Some(claimed.actions.into());
        }
        let seen = deployment::Seen {
            deployment: &deployment,
            sets: &claimed.objects,
            pods: &|uid| self.pods.owned_by(uid),
            is_taken: &|key| self.replica_sets.get(key).is_some(),
        };
        Some(deployment::reconcile(seen, now))
    }

    /// The pods of a workload. Orphans are looked through only when there may be one for it.
    fn claim_pods(&mut self, work: &Work, kind: &'static Kind, meta: &ObjectMeta, selector: &LabelSelector) -> Claimed<Pod> {
        let orphans = if self.adopters.remove(work) { self.pods.orphans(meta.namespace()) } else { Vec::new() };
        claim(&POD, (kind, meta), selector, self.pods.owned_by(meta.uid()), orphans)
    }
}

fn controller_of(owner: &k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference) -> Option<Controller> {
    let kinds = [(&REPLICA_SET, Controller::ReplicaSet), (&DEPLOYMENT, Controller::Deployment)];
    kinds.into_iter().find(|(kind, _)| kind.is_owner(owner)).map(|(_, controller)| controller)
}

fn internal_address(node: &Node) -> Option<&str> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    addresses.iter().find(|address| address.type_ == "InternalIP").map(|address| address.address.as_str())
}

fn pod_address(number: u32) -> String {
    let [_, a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

fn duration(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// Whether an object without owner is new to those who might adopt it.
fn is_new_orphan<K: kube::Resource>(change: &Change<K>) -> Option<&ObjectMeta> {
    let new = change.new.as_ref()?.meta();
    let same = |old: &Arc<K>| old.meta().controller().is_none() && old.meta().labels == new.labels;
    (new.controller().is_none() && !new.is_deleting() && !change.old.as_ref().is_some_and(same)).then_some(new)
}

impl Kept for Node {
    fn mirror(world: &mut World) -> &mut Mirror<Self> {
        &mut world.nodes
    }

    fn route(world: &mut World, change: &Change<Self>) {
        world.capacity.see_node(&change.key.name, change.new.as_deref());
        if world.capacity.is_due() {
            world.add_scheduler();
        }
        world.add(Controller::Nodes, Key::new("", ""));
    }
}

impl Kept for Pod {
    fn mirror(world: &mut World) -> &mut Mirror<Self> {
        &mut world.pods
    }

    fn route(world: &mut World, change: &Change<Self>) {
        world.route_owned(change);
        match &change.new {
            Some(pod) => {
                if world.capacity.see_pod(pod) {
                    world.add_scheduler();
                }
                if pods::node_name(pod).is_some() && (!pods::is_finished(pod) || pod.metadata.is_deleting()) {
                    world.add(Controller::Kubelet, change.key.clone());
                }
            }
            None => world.forget_pod(change),
        }
        if let Some(meta) = is_new_orphan(change) {
            let works = world.adopters_of_pod(meta);
            world.wake_adopters(works);
        }
    }
}

impl World {
    fn forget_pod(&mut self, change: &Change<Pod>) {
        let Some(old) = &change.old else { return };
        let uid = old.metadata.uid();
        self.stages.remove(uid);
        self.queue.forget(&Work { controller: Controller::Kubelet, key: change.key.clone() });
        if self.capacity.forget_pod(uid) {
            self.add_scheduler();
        }
        self.wake_recreating(old);
    }

    /// A Deployment that recreates waits for the last old pod to go, which changes no ReplicaSet's status.
    fn wake_recreating(&mut self, pod: &Pod) {
        let set = pod.metadata.controller().and_then(|owner| self.replica_sets.get(&Key::new(pod.metadata.namespace(), &owner.name)));
        let owner = set.and_then(|set| set.metadata.controller().map(|owner| Key::new(set.metadata.namespace(), &owner.name)));
        if let Some(key) = owner {
            self.add(Controller::Deployment, key);
        }
    }

    fn adopters_of_pod(&self, meta: &ObjectMeta) -> Vec<Work> {
        let sets = self.replica_sets.iter().map(|set| (&set.metadata, replicaset::selector(set)));
        adopters(Controller::ReplicaSet, sets, meta)
    }
}

/// The owners in an orphan's namespace whose selectors match it.
fn adopters<'a>(
    controller: Controller,
    owners: impl Iterator<Item = (&'a ObjectMeta, &'a LabelSelector)>,
    orphan: &ObjectMeta,
) -> Vec<Work> {
    owners
        .filter(|(owner, selector)| owner.namespace == orphan.namespace && Matcher::new(selector).matches(orphan))
        .map(|(owner, _)| Work { controller, key: Key::of(owner) })
        .collect()
}

impl Kept for ReplicaSet {
    fn mirror(world: &mut World) -> &mut Mirror<Self> {
        &mut world.replica_sets
    }

    fn route(world: &mut World, change: &Change<Self>) {
        world.route_workload(Controller::ReplicaSet, &change.key, change.old.is_none(), change.new.is_none());
        world.route_owned(change);
        if let Some(meta) = is_new_orphan(change) {
            let deployments = world.deployments.iter().map(|deployment| (&deployment.metadata, &deployment::spec(deployment).selector));
            let works = adopters(Controller::Deployment, deployments, meta);
            world.wake_adopters(works);
        }
    }
}

impl Kept for Deployment {
    fn mirror(world: &mut World) -> &mut Mirror<Self> {
        &mut world.deployments
    }

    fn route(world: &mut World, change: &Change<Self>) {
        world.route_workload(Controller::Deployment, &change.key, change.old.is_none(), change.new.is_none());
    }
}

/// The controllers that this member runs need these kinds.
pub fn needs(controllers: &BTreeSet<Controller>, any: &[Controller]) -> bool {
    any.iter().any(|controller| controllers.contains(controller))
}
