//! Puts each piece of due work before the controller that decides it, with what it needs to see.

use super::action::Outcome;
use super::kind::{DAEMON_SET, DEPLOYMENT, Key, Kind, Meta, POD, REPLICA_SET, STATEFUL_SET};
use super::kruise::{clone_set, stateful_set};
use super::owners::{Claimed, claim};
use super::world::{Controller, Stage, Work, World};
use super::{
    cronjob, daemonset, deployment, disruption, endpoints, eviction, job, kubelet, node, node_lifecycle, pods, replicaset, statefulset,
    volumes,
};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

impl World {
    /// What to do about a piece of work now; `None` when there is nothing left of it.
    pub fn decide(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        match work.controller {
            Controller::Nodes => Some(self.register(now)),
            Controller::NodeLifecycle => self.watch_node(&work.key, now),
            Controller::Eviction => self.evict(&work.key, now),
            Controller::Scheduler => Some(Outcome { independent: true, ..self.capacity.schedule(now).into() }),
            Controller::Kubelet => self.run_pod(&work.key, now),
            Controller::Volumes => self.provide(&work.key),
            Controller::Endpoints => self.name_endpoints(&work.key),
            Controller::ReplicaSet => self.replicate(work, now),
            Controller::Deployment => self.roll_out(work, now),
            Controller::StatefulSet => self.keep_stateful_set(work, now),
            Controller::DaemonSet => self.keep_daemon_set(work, now),
            Controller::Disruption => self.count_disruptions(&work.key, now),
            Controller::Job => self.run_job(work, now),
            Controller::CronJob => self.keep_schedule(&work.key, now),
            Controller::CloneSet => self.keep_clone_set(work, now),
            Controller::KruiseStatefulSet => self.keep_kruise_stateful_set(work, now),
        }
    }

    fn register(&mut self, now: Timestamp) -> Outcome {
        let names: Vec<String> = node::names(&self.options).collect();
        let mut actions = Vec::new();
        for (number, name) in names.iter().enumerate() {
            match self.mirrors.nodes.get(&Key::new("", name)) {
                Some(_) if self.node_faults.is_lost(name) => {}
                Some(known) => {
                    let offered = node::offer(&self.options, &self.node_faults, name);
                    let is_resized = self.node_faults.resizes(name) || self.resized.contains(name);
                    if is_resized {
                        self.resized.insert(name.clone());
                    }
                    actions.extend(node::report(known, number + 1, &offered, is_resized, now));
                }
                None if !self.registered => actions.push(node::create(name)),
                None => {}
            }
        }
        self.registered = true;
        actions.into()
    }

    fn watch_node(&self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let node = self.mirrors.nodes.get(key)?;
        let its = self.mirrors.pods.iter().filter(|pod| pods::node_name(pod) == Some(key.name.as_str()));
        Some(node_lifecycle::reconcile(node, self.node_faults.is_lost(&key.name), its, now).into())
    }

    fn evict(&mut self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let pod = self.mirrors.pods.get(key)?.clone();
        let node = self.mirrors.nodes.get(&Key::new("", pods::node_name(&pod)?));
        if !eviction::drives_out(node) {
            self.unwelcome.remove(pod.metadata.uid());
            return None;
        }
        let since = *self.unwelcome.entry(pod.metadata.uid().to_owned()).or_insert(now);
        Some(eviction::reconcile(&pod, node.map(|node| &**node), since, duration(self.options.eviction_delay), now))
    }

    fn run_pod(&mut self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let pod = self.mirrors.pods.get(key)?.clone();
        if self.node_faults.is_lost(pods::node_name(&pod)?) {
            return None;
        }
        let host = self.mirrors.nodes.get(&Key::new("", pods::node_name(&pod)?));
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
        let takes_address = stage == Stage::Starting && !outcome.actions.is_empty();
        self.addresses += u32::from(takes_address);
        Some(outcome)
    }

    fn provide(&self, key: &Key) -> Option<Outcome> {
        if let Some(gone) = volumes::without_claim(key) {
            return Some(vec![gone].into());
        }
        Some(volumes::provide(self.mirrors.claims.get(key)?).into())
    }

    fn name_endpoints(&mut self, key: &Key) -> Option<Outcome> {
        let service = self.mirrors.services.get(key)?.clone();
        let behind = self.mirrors.pods.iter().filter(|pod| endpoints::selects(&service, &pod.metadata)).cloned();
        let slices = self.mirrors.endpoint_slices.owned_by(service.metadata.uid());
        Some(endpoints::reconcile(&service, &behind.collect::<Vec<_>>(), &slices, &mut self.names).into())
    }

    fn count_disruptions(&self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let budget = self.mirrors.budgets.get(key)?;
        let covered: Vec<_> = self.mirrors.pods.iter().filter(|pod| disruption::covers(budget, &pod.metadata)).cloned().collect();
        Some(disruption::reconcile(budget, &covered, now))
    }

    fn replicate(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let set = self.mirrors.replica_sets.get(&work.key)?.clone();
        let claimed = self.claim_pods(work, &REPLICA_SET, &set.metadata, replicaset::selector(&set));
        if !claimed.actions.is_empty() {
            return Some(claimed.actions.into());
        }
        let deployment = set.metadata.controller().map(|owner| owner.uid.clone());
        let wanted = usize::try_from(replicaset::spec(&set).replicas.unwrap_or(1)).unwrap_or(0);
        let related = match deployment.filter(|_| claimed.objects.len() > wanted) {
            Some(deployment) => {
                let siblings = self.mirrors.replica_sets.owned_by(&deployment);
                siblings.iter().flat_map(|set| self.mirrors.pods.owned_by(set.metadata.uid())).collect()
            }
            None => claimed.objects.clone(),
        };
        let last_error = self.errors.get(work).map(String::as_str);
        let seen = replicaset::Seen { set: &set, pods: &claimed.objects, related: &related, last_error };
        Some(replicaset::reconcile(seen, &mut self.names, now))
    }

    fn roll_out(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let deployment = self.mirrors.deployments.get(&work.key)?.clone();
        let meta = &deployment.metadata;
        let sets = &self.mirrors.replica_sets;
        let orphans = if self.adopters.remove(work) { sets.orphans(meta.namespace()) } else { Vec::new() };
        let selector = &deployment::spec(&deployment).selector;
        let claimed = claim(&REPLICA_SET, (&DEPLOYMENT, meta), selector, sets.owned_by(meta.uid()), orphans);
        if !claimed.actions.is_empty() {
            return Some(claimed.actions.into());
        }
        let seen = deployment::Seen {
            deployment: &deployment,
            sets: &claimed.objects,
            pods: &|uid| self.mirrors.pods.owned_by(uid),
            is_taken: &|key| sets.get(key).is_some(),
        };
        Some(deployment::reconcile(seen, now))
    }

    fn keep_stateful_set(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let set = self.mirrors.stateful_sets.get(&work.key)?.clone();
        let wanted = statefulset::wanted(&set);
        self.keep_members(work, &STATEFUL_SET, &wanted, |seen| statefulset::reconcile(&set, seen, now))
    }

    fn keep_kruise_stateful_set(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let set = self.mirrors.kruise_stateful_sets.get(&work.key)?.clone();
        let wanted = stateful_set::wanted(&set);
        self.keep_members(work, wanted.kind, &wanted, |seen| stateful_set::reconcile(&set, seen, now))
    }

    fn keep_members(
        &mut self,
        work: &Work,
        kind: &'static Kind,
        wanted: &statefulset::Wanted,
        reconcile: impl FnOnce(statefulset::Seen) -> Outcome,
    ) -> Option<Outcome> {
        let claimed = self.claim_pods(work, kind, wanted.meta, wanted.selector);
        if !claimed.actions.is_empty() {
            return Some(claimed.actions.into());
        }
        let mirrors = &self.mirrors;
        Some(reconcile(statefulset::Seen {
            wanted,
            pods: &claimed.objects,
            revisions: &mirrors.revisions.owned_by(wanted.meta.uid()),
            is_taken: &|key| mirrors.revisions.get(key).is_some(),
            has_claim: &|key| mirrors.claims.get(key).is_some(),
        }))
    }

    fn keep_daemon_set(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let set = self.mirrors.daemon_sets.get(&work.key)?.clone();
        let claimed = self.claim_pods(work, &DAEMON_SET, &set.metadata, &daemonset::spec(&set).selector);
        if !claimed.actions.is_empty() {
            return Some(claimed.actions.into());
        }
        let nodes: Vec<Arc<Node>> = self.mirrors.nodes.iter().cloned().collect();
        let (revisions, is_taken) = self.revisions_of(&set.metadata);
        let seen = daemonset::Seen { set: &set, pods: &claimed.objects, revisions: &revisions, nodes: &nodes, is_taken: &is_taken };
        Some(daemonset::reconcile(seen, &mut self.names, now))
    }

    fn keep_clone_set(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let set = self.mirrors.clone_sets.get(&work.key)?.clone();
        let kind = self.mirrors.clone_sets.kind;
        let claimed = self.claim_pods(work, kind, &set.metadata, &set.spec.selector);
        if !claimed.actions.is_empty() {
            return Some(claimed.actions.into());
        }
        let (revisions, is_taken) = self.revisions_of(&set.metadata);
        let seen = clone_set::Seen { kind, set: &set, pods: &claimed.objects, revisions: &revisions, is_taken: &is_taken };
        Some(clone_set::reconcile(seen, &mut self.names, now))
    }

    /// The revisions of an owner, and whether a name is taken by one of its namespace.
    fn revisions_of(&self, owner: &ObjectMeta) -> (Vec<Arc<ControllerRevision>>, impl Fn(&Key) -> bool + use<>) {
        let owned = self.mirrors.revisions.owned_by(owner.uid());
        let strangers = self.mirrors.revisions.iter().filter(|revision| revision.metadata.namespace == owner.namespace);
        let prefix = format!("{}-", owner.name());
        let taken: Vec<Key> = strangers.map(|revision| Key::of(&revision.metadata)).filter(|key| key.name.starts_with(&prefix)).collect();
        (owned, move |key: &Key| taken.contains(key))
    }

    fn run_job(&mut self, work: &Work, now: Timestamp) -> Option<Outcome> {
        let Some(job) = self.mirrors.jobs.get(&work.key).cloned() else {
            let is_left = |pod: &&Arc<Pod>| {
                let owner = pod.metadata.controller();
                pod.metadata.namespace() == work.key.namespace
                    && owner.is_some_and(|owner| owner.kind == "Job" && owner.name == work.key.name)
            };
            let left: Vec<Arc<Pod>> = self.mirrors.pods.iter().filter(is_left).cloned().collect();
            return Some(job::release(&left).into());
        };
        let pods = self.mirrors.pods.owned_by(job.metadata.uid());
        Some(job::reconcile(&job, &pods, &mut self.names, now))
    }

    fn keep_schedule(&mut self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let cron = self.mirrors.cron_jobs.get(key)?;
        Some(cronjob::reconcile(cron, &self.mirrors.jobs.owned_by(cron.metadata.uid()), now))
    }

    /// The pods of a workload. Orphans are looked through only when there may be one for it.
    fn claim_pods(&mut self, work: &Work, kind: &'static Kind, meta: &ObjectMeta, selector: &LabelSelector) -> Claimed<Pod> {
        let pods = &self.mirrors.pods;
        let orphans = if self.adopters.remove(work) { pods.orphans(meta.namespace()) } else { Vec::new() };
        claim(&POD, (kind, meta), selector, pods.owned_by(meta.uid()), orphans)
    }
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
