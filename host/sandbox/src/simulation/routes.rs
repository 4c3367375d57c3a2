//! Who is woken by what: for each kind, the work that a change of one object makes due. Only owners of what changed are woken, and, when
//! an object without owner turns up, those who might adopt it.

use super::kind::{
    CLONE_SET_V1ALPHA1, CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, KRUISE_STATEFUL_SET, Key, Meta, REPLICA_SET, SERVICE, STATEFUL_SET,
};
use super::kruise::clone_set::CloneSet;
use super::kruise::stateful_set::KruiseStatefulSet;
use super::mirror::Change;
use super::node_faults::NodeFaults;
use super::owners::Matcher;
use super::world::{Controller, Work, World};
use super::{daemonset, deployment, disruption, endpoints, eviction, node_lifecycle, pods, replicaset, statefulset, volumes};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use std::sync::Arc;

/// The key of work that is about all objects at once.
pub fn everything() -> Key {
    Key::new("", "")
}

fn controller_of(owner: &OwnerReference) -> Option<Controller> {
    let kinds = [
        (&REPLICA_SET, Controller::ReplicaSet),
        (&DEPLOYMENT, Controller::Deployment),
        (&STATEFUL_SET, Controller::StatefulSet),
        (&DAEMON_SET, Controller::DaemonSet),
        (&JOB, Controller::Job),
        (&SERVICE, Controller::Endpoints),
        (&CRON_JOB, Controller::CronJob),
        (&CLONE_SET_V1ALPHA1, Controller::CloneSet),
        (&KRUISE_STATEFUL_SET, Controller::KruiseStatefulSet),
    ];
    kinds.into_iter().find(|(kind, _)| kind.is_owner(owner)).map(|(_, controller)| controller)
}

impl World {
    /// A node came, changed or went.
    pub fn route_node(&mut self, change: &Change<Node>) {
        self.capacity.see_node(&change.key.name, change.new.as_deref());
        self.wake_scheduler();
        self.add(Controller::Nodes, everything());
        self.add(Controller::NodeLifecycle, change.key.clone());
        let bars = |node: &Arc<Node>| eviction::drives_out(Some(node));
        if change.new.is_none() || [&change.old, &change.new].into_iter().flatten().any(bars) {
            self.wake_pods_of(Controller::Eviction, &change.key.name);
        }
        let sets: Vec<Key> = self.mirrors.daemon_sets.iter().map(|set| Key::of(&set.metadata)).collect();
        sets.into_iter().for_each(|key| self.add(Controller::DaemonSet, key));
    }

    /// The nodes suffer something else from now on.
    pub fn suffer(&mut self, faults: NodeFaults) {
        self.node_faults = faults;
        self.add(Controller::Nodes, everything());
        let nodes: Vec<Key> = self.mirrors.nodes.iter().map(|node| Key::of(&node.metadata)).collect();
        for key in nodes {
            self.wake_pods_of(Controller::Kubelet, &key.name);
            self.add(Controller::NodeLifecycle, key);
        }
    }

    fn wake_pods_of(&mut self, controller: Controller, node: &str) {
        let pods = self.mirrors.pods.iter().filter(|pod| pods::node_name(pod) == Some(node));
        let keys: Vec<Key> = pods.map(|pod| Key::of(&pod.metadata)).collect();
        keys.into_iter().for_each(|key| self.add(controller, key));
    }

    /// A pod came, changed or went.
    pub fn route_pod(&mut self, change: &Change<Pod>) {
        self.wake_owners(change);
        self.wake_services(change);
        self.wake_budgets(change);
        match &change.new {
            Some(pod) => {
                if self.capacity.see_pod(pod) {
                    self.wake_scheduler();
                }
                if pods::node_name(pod).is_some() && (!pods::is_finished(pod) || pod.metadata.is_deleting()) {
                    self.add(Controller::Kubelet, change.key.clone());
                }
                if let Some(host) = pods::node_name(pod).map(|name| Key::new("", name)) {
                    let node = self.mirrors.nodes.get(&host);
                    let (is_unwell, drives_out) = (node.is_some_and(|node| !node_lifecycle::is_well(node)), eviction::drives_out(node));
                    if is_unwell {
                        self.add(Controller::NodeLifecycle, host);
                    }
                    if drives_out {
                        self.add(Controller::Eviction, change.key.clone());
                    }
                }
            }
            None => self.forget_pod(change),
        }
        if let Some(meta) = new_orphan(change) {
            let works = self.adopters_of_pod(meta);
            self.wake_adopters(works);
        }
    }

    /// Wakes the Services that select the pod, before or after the change.
    fn wake_services(&mut self, change: &Change<Pod>) {
        let selects = |service: &&Arc<Service>| {
            [&change.old, &change.new].into_iter().flatten().any(|pod| endpoints::selects(service, &pod.metadata))
        };
        let keys: Vec<Key> = self.mirrors.services.iter().filter(selects).map(|service| Key::of(&service.metadata)).collect();
        keys.into_iter().for_each(|key| self.add(Controller::Endpoints, key));
    }

    /// Wakes the budgets that are about the pod, before or after the change.
    fn wake_budgets(&mut self, change: &Change<Pod>) {
        let covers = |budget: &&Arc<PodDisruptionBudget>| {
            [&change.old, &change.new].into_iter().flatten().any(|pod| disruption::covers(budget, &pod.metadata))
        };
        let keys: Vec<Key> = self.mirrors.budgets.iter().filter(covers).map(|budget| Key::of(&budget.metadata)).collect();
        keys.into_iter().for_each(|key| self.add(Controller::Disruption, key));
    }

    fn forget_pod(&mut self, change: &Change<Pod>) {
        let Some(old) = &change.old else { return };
        let uid = old.metadata.uid();
        self.stages.remove(uid);
        self.unwelcome.remove(uid);
        for controller in [Controller::Kubelet, Controller::Eviction] {
            self.queue.forget(&Work { controller, key: change.key.clone() });
        }
        if self.capacity.forget_pod(uid) {
            self.wake_scheduler();
        }
        self.wake_recreating(old);
    }

    fn wake_scheduler(&mut self) {
        if self.capacity.is_due() {
            self.add(Controller::Scheduler, everything());
        }
    }

    /// A Deployment that recreates waits for the last old pod to go, which may change no ReplicaSet's status.
    fn wake_recreating(&mut self, pod: &Pod) {
        let owner = |meta: &ObjectMeta| meta.controller().map(|owner| Key::new(meta.namespace(), &owner.name));
        let set = owner(&pod.metadata).and_then(|key| self.mirrors.replica_sets.get(&key));
        if let Some(key) = set.and_then(|set| owner(&set.metadata)) {
            self.add(Controller::Deployment, key);
        }
    }

    fn adopters_of_pod(&self, orphan: &ObjectMeta) -> Vec<Work> {
        let mirrors = &self.mirrors;
        let replica_sets = mirrors.replica_sets.iter().map(|set| (&set.metadata, replicaset::selector(set)));
        let stateful_sets = mirrors.stateful_sets.iter().map(|set| (&set.metadata, &statefulset::spec(set).selector));
        let daemon_sets = mirrors.daemon_sets.iter().map(|set| (&set.metadata, &daemonset::spec(set).selector));
        let clone_sets = mirrors.clone_sets.iter().map(|set| (&set.metadata, &set.spec.selector));
        let kruise = mirrors.kruise_stateful_sets.iter().map(|set| (&set.metadata, &set.spec.selector));
        let mut works = adopters(Controller::ReplicaSet, replica_sets, orphan);
        works.extend(adopters(Controller::StatefulSet, stateful_sets, orphan));
        works.extend(adopters(Controller::DaemonSet, daemon_sets, orphan));
        works.extend(adopters(Controller::CloneSet, clone_sets, orphan));
        works.extend(adopters(Controller::KruiseStatefulSet, kruise, orphan));
        works
    }

    /// A claim came, changed or went; its volume goes with it.
    pub fn route_claim(&mut self, change: &Change<PersistentVolumeClaim>) {
        match (&change.new, &change.old) {
            (Some(_), _) => self.add(Controller::Volumes, change.key.clone()),
            (None, Some(old)) => self.add(Controller::Volumes, volumes::key_of_volume(old.metadata.uid())),
            (None, None) => {}
        }
    }

    /// A PodDisruptionBudget came, changed or went.
    pub fn route_budget(&mut self, change: &Change<PodDisruptionBudget>) {
        self.route_workload(Controller::Disruption, change);
    }

    /// A Service came, changed or went.
    pub fn route_service(&mut self, change: &Change<Service>) {
        self.route_workload(Controller::Endpoints, change);
    }

    /// An EndpointSlice came, changed or went.
    pub fn route_endpoint_slice(&mut self, change: &Change<EndpointSlice>) {
        self.wake_owners(change);
    }

    /// A ReplicaSet came, changed or went.
    pub fn route_replica_set(&mut self, change: &Change<ReplicaSet>) {
        self.route_workload(Controller::ReplicaSet, change);
        self.wake_owners(change);
        if let Some(meta) = new_orphan(change) {
            let owners = self.mirrors.deployments.iter().map(|owner| (&owner.metadata, &deployment::spec(owner).selector));
            let works = adopters(Controller::Deployment, owners, meta);
            self.wake_adopters(works);
        }
    }

    /// A Deployment came, changed or went.
    pub fn route_deployment(&mut self, change: &Change<Deployment>) {
        self.route_workload(Controller::Deployment, change);
    }

    /// A StatefulSet came, changed or went.
    pub fn route_stateful_set(&mut self, change: &Change<StatefulSet>) {
        self.route_workload(Controller::StatefulSet, change);
    }

    /// A DaemonSet came, changed or went.
    pub fn route_daemon_set(&mut self, change: &Change<DaemonSet>) {
        self.route_workload(Controller::DaemonSet, change);
    }

    /// A revision came, changed or went.
    pub fn route_revision(&mut self, change: &Change<ControllerRevision>) {
        self.wake_owners(change);
    }

    /// A Job came, changed or went; one that is gone has pods left to release.
    pub fn route_job(&mut self, change: &Change<Job>) {
        self.route_workload(Controller::Job, change);
        if change.new.is_none() {
            self.add(Controller::Job, change.key.clone());
        }
        self.wake_owners(change);
    }

    /// A CronJob came, changed or went.
    pub fn route_cron_job(&mut self, change: &Change<CronJob>) {
        self.route_workload(Controller::CronJob, change);
    }

    /// A CloneSet came, changed or went.
    pub fn route_clone_set(&mut self, change: &Change<CloneSet>) {
        self.route_workload(Controller::CloneSet, change);
    }

    /// An OpenKruise StatefulSet came, changed or went.
    pub fn route_kruise_stateful_set(&mut self, change: &Change<KruiseStatefulSet>) {
        self.route_workload(Controller::KruiseStatefulSet, change);
    }

    fn route_workload<K>(&mut self, controller: Controller, change: &Change<K>) {
        let work = Work { controller, key: change.key.clone() };
        if change.new.is_none() {
            self.queue.forget(&work);
            self.errors.remove(&work);
            self.adopters.remove(&work);
            return;
        }
        if change.old.is_none() {
            self.adopters.insert(work);
        }
        self.add(controller, change.key.clone());
    }

    /// Wakes those that control the object, before and after the change.
    fn wake_owners<K: kube::Resource>(&mut self, change: &Change<K>) {
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
}

/// An object without owner that those who might adopt it have not seen so.
fn new_orphan<K: kube::Resource>(change: &Change<K>) -> Option<&ObjectMeta> {
    let new = change.new.as_ref()?.meta();
    let same = |old: &Arc<K>| old.meta().controller().is_none() && old.meta().labels == new.labels;
    (new.controller().is_none() && !new.is_deleting() && !change.old.as_ref().is_some_and(same)).then_some(new)
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
