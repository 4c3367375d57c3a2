//! The scheduler: which node each pending pod runs on, or why it runs on none. Keeps count of what the nodes have left; decides only.
//!
//! Reading order: [`Capacity`] (what is kept, what is decided), [`fit`] (may this pod run on that node), [`resources`] (amounts).

mod fit;
mod resources;

use super::action::{Action, Request, Target, to_json};
use super::events::{About, seconds};
use super::kind::{Meta, POD};
use super::pods;
use fit::Refusal;
pub use fit::{NodeState, is_tolerated_by};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use resources::Resources;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "default-scheduler";

/// Highest priority first, then the oldest.
type Order = (Reverse<i32>, Option<Timestamp>, String);

/// What the nodes have, what pods take of it, and which pods wait for a node.
#[derive(Debug, Default)]
pub struct Capacity {
    nodes: BTreeMap<String, NodeState>,
    placed: HashMap<String, Placed>,
    waiting: BTreeMap<Order, Waiting>,
    orders: HashMap<String, Order>,
    /// Counts the times that room was made: a pod that was refused is tried again only after that.
    epoch: u64,
}

#[derive(Debug)]
struct Placed {
    node: String,
    requests: Resources,
}

#[derive(Debug)]
struct Waiting {
    pod: Arc<Pod>,
    /// Equal for pods that fit on the same nodes: when one is refused, so are the others.
    shape: u64,
    tried: Option<u64>,
}

impl Capacity {
    /// Takes in a node as it is; `None` when it is gone.
    pub fn see_node(&mut self, name: &str, node: Option<&Node>) {
        match node {
            Some(node) => {
                let mut state = NodeState::new(node);
                let known = self.nodes.get(name);
                if known.is_some_and(|known| known.is_like(&state)) {
                    return;
                }
                state.used = known.map(|known| known.used.clone()).unwrap_or_else(|| self.used_on(name));
                self.nodes.insert(name.to_owned(), state);
            }
            None => {
                self.nodes.remove(name);
            }
        }
        self.epoch += 1;
    }

    fn used_on(&self, node: &str) -> Resources {
        let mut used = Resources::default();
        self.placed.values().filter(|placed| placed.node == node).for_each(|placed| used.add(&placed.requests));
        used
    }

    /// Takes in a pod as it is; true when the scheduler has something to do.
    pub fn see_pod(&mut self, pod: &Arc<Pod>) -> bool {
        let uid = pod.metadata.uid();
        if pods::is_finished(pod) {
            return self.forget_pod(uid);
        }
        if let Some(node) = pods::node_name(pod) {
            self.stop_waiting(uid);
            self.place(uid, node, Resources::requests(pods::spec(pod)));
            return false;
        }
        if self.placed.contains_key(uid) {
            return false;
        }
        let gated = pods::spec(pod).scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
        let mine = pods::spec(pod).scheduler_name.as_deref().unwrap_or(COMPONENT) == COMPONENT;
        if pod.metadata.is_deleting() || gated || !mine {
            self.stop_waiting(uid);
            return false;
        }
        self.wait(pod)
    }

    /// Takes in that a pod is gone, or will never run again; true when that made room.
    pub fn forget_pod(&mut self, uid: &str) -> bool {
        self.stop_waiting(uid);
        let Some(placed) = self.placed.remove(uid) else { return false };
        if let Some(node) = self.nodes.get_mut(&placed.node) {
            node.used.subtract(&placed.requests);
        }
        self.epoch += 1;
        true
    }

    /// Takes in that the binding of a pod was refused: it waits again.
    pub fn unbind(&mut self, pod: Option<&Arc<Pod>>, uid: &str) {
        if pod.is_none_or(|pod| pods::node_name(pod).is_none()) {
            self.forget_pod(uid);
            if let Some(pod) = pod.filter(|pod| pod.metadata.uid() == uid) {
                self.see_pod(pod);
            }
        }
    }

    fn place(&mut self, uid: &str, node: &str, requests: Resources) {
        if self.placed.get(uid).is_some_and(|placed| placed.node == node && placed.requests == requests) {
            return;
        }
        self.forget_pod(uid);
        if let Some(state) = self.nodes.get_mut(node) {
            state.used.add(&requests);
        }
        self.placed.insert(uid.to_owned(), Placed { node: node.to_owned(), requests });
    }

    fn wait(&mut self, pod: &Arc<Pod>) -> bool {
        let uid = pod.metadata.uid().to_owned();
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let order = (Reverse(pods::spec(pod).priority.unwrap_or(0)), created, uid.clone());
        if self.orders.get(&uid).is_some_and(|known| *known != order) {
            self.stop_waiting(&uid);
        }
        let shape = shape(pod);
        let tried = self.waiting.get(&order).filter(|known| known.shape == shape).and_then(|known| known.tried);
        self.waiting.insert(order.clone(), Waiting { pod: pod.clone(), shape, tried });
        self.orders.insert(uid, order);
        tried.is_none()
    }

    fn stop_waiting(&mut self, uid: &str) {
        if let Some(order) = self.orders.remove(uid) {
            self.waiting.remove(&order);
        }
    }

    /// Whether a pod waits that was not tried on what there is now.
    pub fn is_due(&self) -> bool {
        self.waiting.values().any(|waiting| waiting.tried != Some(self.epoch))
    }

    /// Places what fits and tells of what does not. Placed pods take their room at once, before the binding is written.
    pub fn schedule(&mut self, now: Timestamp) -> Vec<Action> {
        let epoch = self.epoch;
        let due: Vec<(Arc<Pod>, u64)> = self
            .waiting
            .values_mut()
            .filter(|waiting| waiting.tried != Some(epoch))
            .map(|waiting| {
                waiting.tried = Some(epoch);
                (waiting.pod.clone(), waiting.shape)
            })
            .collect();
        let mut refused: HashMap<u64, String> = HashMap::new();
        let mut actions = Vec::new();
        for (pod, shape) in due {
            if let Some(message) = refused.get(&shape) {
                actions.extend(refuse(&pod, message, now));
                continue;
            }
            match self.choose(&pod) {
                Ok(node) => {
                    self.stop_waiting(pod.metadata.uid());
                    self.place(pod.metadata.uid(), &node, Resources::requests(pods::spec(&pod)));
                    actions.push(bind(&pod, node));
                }
                Err(refusal) => {
                    let message = refusal.to_string();
                    actions.extend(refuse(&pod, &message, now));
                    refused.insert(shape, message);
                }
            }
        }
        actions
    }

    /// The node that has most left of those where the pod may run.
    fn choose(&self, pod: &Pod) -> Result<String, Refusal> {
        let requests = Resources::requests(pods::spec(pod));
        let mut refusal = Refusal::new(self.nodes.len());
        let mut best: Option<(fit::Score, &String)> = None;
        for (name, node) in &self.nodes {
            match node.check(name, pods::spec(pod), &requests) {
                Ok(score) => {
                    if best.as_ref().is_none_or(|(best, _)| score > *best) {
                        best = Some((score, name));
                    }
                }
                Err(why) => refusal.add(why),
            }
        }
        best.map(|(_, name)| name.clone()).ok_or(refusal)
    }
}

fn shape(pod: &Pod) -> u64 {
    let spec = pods::spec(pod);
    let node_affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let mut hasher = DefaultHasher::new();
    to_json(&(&spec.node_selector, node_affinity, &spec.tolerations)).to_string().hash(&mut hasher);
    Resources::requests(spec).hash(&mut hasher);
    hasher.finish()
}

fn bind(pod: &Pod, node: String) -> Action {
    let message = format!("Successfully assigned {}/{} to {node}", pod.metadata.namespace(), pod.metadata.name());
    let success = About::new(&POD, &pod.metadata).normal(COMPONENT, "Scheduled", message).with_action("Binding");
    Action::from(Request::Bind { target: Target::new(&POD, &pod.metadata), node }).saying(success)
}

fn refuse(pod: &Pod, message: &str, now: Timestamp) -> Option<Action> {
    let known = pods::condition(pod, "PodScheduled");
    if known.is_some_and(|known| known.status == "False" && known.message.as_deref() == Some(message)) {
        return None;
    }
    let since = known.filter(|known| known.status == "False").and_then(|known| known.last_transition_time.as_ref());
    let mut refused = json!({
        "type": "PodScheduled", "status": "False", "lastProbeTime": null, "reason": "Unschedulable", "message": message,
        "lastTransitionTime": seconds(since.map_or(now, |time| time.0)),
    });
    if let Some(generation) = pod.metadata.generation {
        refused["observedGeneration"] = json!(generation);
    }
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions: Vec<Value> = conditions.into_iter().flatten().filter(|other| other.type_ != "PodScheduled").map(to_json).collect();
    conditions.push(refused);
    let event = About::new(&POD, &pod.metadata).warning(COMPONENT, "FailedScheduling", message).with_action("Scheduling");
    Some(Action::patch_status(Target::new(&POD, &pod.metadata), json!({"status": {"conditions": conditions}})).saying(event))
}

#[cfg(test)]
mod tests;
