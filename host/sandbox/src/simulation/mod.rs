//! What a member cluster does by itself: schedule pods, run them, and keep workloads at their replicas.
//!
//! Each controller is a pure function of what it sees (`fn reconcile(…) -> Outcome`) and one shell that watches and writes through a
//! `kube::Client`, so that the kubelet and scheduler drive real API servers too. Reading order: [`shell`] (the loop), [`world`] (what
//! is seen), [`routes`] (who is woken by what), [`decide`] (what each controller is shown), [`action`] (what may be done), then any controller. What the API server does by itself
//! (namespaces, garbage collection, defaults) is not done here.

mod action;
mod cronjob;
mod daemonset;
mod decide;
mod definitions;
mod deployment;
mod disruption;
mod endpoints;
mod events;
mod eviction;
mod job;
mod kind;
mod kruise;
mod kubelet;
mod mirror;
mod mirrors;
mod node;
mod node_faults;
mod node_lifecycle;
mod owners;
mod pods;
mod queue;
mod replicaset;
mod revisions;
mod routes;
#[cfg(test)]
mod sample;
mod scheduler;
mod send;
mod shell;
mod statefulset;
mod template;
#[cfg(test)]
mod tests;
mod volumes;
mod world;

pub use node_faults::NodeFaults;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
pub use world::Controller;

/// How a member behaves.
#[derive(Debug, Clone)]
pub struct MemberOptions {
    /// How many nodes it has.
    pub nodes: usize,
    /// CPU of each node.
    pub cpu: String,
    /// Memory of each node.
    pub memory: String,
    /// How many pods each node takes.
    pub pods_per_node: u32,
    /// What the nodes' names begin with; `node1`, `node2`, … follows.
    pub node_prefix: String,
    /// From a pod's being bound to its being ready.
    pub ready_delay: Duration,
    /// From the readiness of a Job's pod to its completion.
    pub job_duration: Duration,
    /// From the deletion of a running pod until it is gone.
    pub termination_delay: Duration,
    /// How long pods that tolerate it for a time stay on a node that is lost, at most.
    pub eviction_delay: Duration,
    /// Which controllers run. The real API server's own are left to run there.
    pub controllers: BTreeSet<Controller>,
    /// Whether events are written.
    pub events: bool,
}

impl Default for MemberOptions {
    fn default() -> Self {
        Self {
            nodes: 2,
            cpu: "4".to_owned(),
            memory: "8Gi".to_owned(),
            pods_per_node: 20,
            node_prefix: String::new(),
            ready_delay: Duration::ZERO,
            job_duration: Duration::from_secs(1),
            termination_delay: Duration::ZERO,
            eviction_delay: Duration::from_secs(1),
            controllers: Controller::ALL.into_iter().collect(),
            events: true,
        }
    }
}

/// A running simulation of one member. It ends when this is dropped.
#[derive(Debug)]
pub struct Simulation {
    stop: watch::Sender<bool>,
    node_faults: watch::Sender<NodeFaults>,
    task: JoinHandle<()>,
}

impl Simulation {
    /// Switches what its nodes suffer.
    pub fn node_faults(&self) -> watch::Sender<NodeFaults> {
        self.node_faults.clone()
    }

    /// Ends it, after the writes that are under way.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // An error here says that the task panicked or was aborted: it has ended all the same.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs a member's controllers, scheduler and kubelets against an API server. Must be called in a tokio runtime.
pub fn start(client: kube::Client, options: MemberOptions) -> Simulation {
    let (stop, stopped) = watch::channel(false);
    let (node_faults, suffered) = watch::channel(NodeFaults::default());
    let task = tokio::spawn(shell::run(client, options, stopped, suffered));
    Simulation { stop, node_faults, task }
}
