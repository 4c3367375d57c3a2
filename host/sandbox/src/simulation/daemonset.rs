//! DaemonSets: one pod on each node that takes it. Decides only.

use super::action::{Action, Outcome, Target, status_patch};
use super::deployment::resolve;
use super::events::{About, Event};
use super::kind::{DAEMON_SET, Key, Meta, POD};
use super::replicaset::{number, some_number};
use super::revisions::{self, POD_LABEL, Plan};
use super::scheduler::NodeState;
use super::{pods, template};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, DaemonSetSpec, DaemonSetStatus};
use k8s_openapi::api::core::v1::{
    Affinity, Node, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration,
};
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who says its events.
pub const COMPONENT: &str = "daemonset-controller";
const GENERATION: &str = "deprecated.daemonset.template.generation";

/// What a decision about a DaemonSet is taken on.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The DaemonSet.
    pub set: &'a DaemonSet,
    /// Its pods.
    pub pods: &'a [Arc<Pod>],
    /// Its revisions.
    pub revisions: &'a [Arc<ControllerRevision>],
    /// All nodes.
    pub nodes: &'a [Arc<Node>],
    /// Whether a ControllerRevision of this name exists.
    pub is_taken: &'a dyn Fn(&Key) -> bool,
}

/// What to do for a DaemonSet now.
pub fn reconcile(seen: Seen, names: &mut template::Names, now: Timestamp) -> Outcome {
    let spec = spec(seen.set);
    let mut plan = revisions::plan(revisions::Seen {
        kind: &DAEMON_SET,
        owner: &seen.set.metadata,
        template: &spec.template,
        revisions: seen.revisions,
        current: None,
        collisions: seen.set.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0),
        hash_label: POD_LABEL,
        is_taken: seen.is_taken,
    });
    let mut outcome = Outcome::from(std::mem::take(&mut plan.actions));
    let places = places(seen);
    if !seen.set.metadata.is_deleting() {
        outcome.actions.extend(manage(seen.set, &places, &plan, names));
        if spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref()) != Some("OnDelete") {
            outcome.actions.extend(replace(seen.set, &places, &plan, now));
        }
        let metas = seen.pods.iter().map(|pod| &pod.metadata);
        outcome.actions.extend(revisions::truncate(seen.revisions, &plan, metas, spec.revision_history_limit));
    }
    let status = status(seen.set, &places, &plan, now);
    if let Some(patch) = status_patch(&seen.set.status, &status) {
        outcome.actions.push(Action::patch_status(Target::new(&DAEMON_SET, &seen.set.metadata), patch));
    }
    outcome.wake = pods::next_available(seen.pods, spec.min_ready_seconds.unwrap_or(0), now);
    outcome
}

/// A DaemonSet's spec, or an empty one.
pub fn spec(set: &DaemonSet) -> &DaemonSetSpec {
    static EMPTY: std::sync::LazyLock<DaemonSetSpec> = std::sync::LazyLock::new(DaemonSetSpec::default);
    set.spec.as_ref().unwrap_or(&EMPTY)
}

/// A node, whether it is to have a pod, and the pods that it has.
#[derive(Debug, Default)]
struct Place<'a> {
    name: String,
    wanted: bool,
    pods: Vec<&'a Arc<Pod>>,
}

impl<'a> Place<'a> {
    /// The pod that counts: the oldest that stays.
    fn pod(&self) -> Option<&'a Arc<Pod>> {
        self.pods.iter().find(|pod| pods::is_active(pod)).copied()
    }
}

fn places<'a>(seen: Seen<'a>) -> Vec<Place<'a>> {
    let mut spec = spec(seen.set).template.spec.clone().unwrap_or_default();
    tolerate(&mut spec);
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    for node in seen.nodes {
        let name = node.metadata.name().to_owned();
        let wanted = NodeState::new(node).admits(&name, &spec);
        places.insert(name.clone(), Place { name, wanted, pods: Vec::new() });
    }
    let mut sorted: Vec<&Arc<Pod>> = seen.pods.iter().collect();
    sorted.sort_by_key(|pod| (pod.metadata.creation_timestamp.clone(), pod.metadata.name.clone()));
    for pod in sorted {
        if let Some(node) = node_of(pod) {
            places.entry(node.to_owned()).or_insert_with(|| Place { name: node.to_owned(), ..Place::default() }).pods.push(pod);
        }
    }
    places.into_values().collect()
}

/// The node that a pod runs on, or is made for.
fn node_of(pod: &Pod) -> Option<&str> {
    pods::node_name(pod).or_else(|| {
        let affinity = pods::spec(pod).affinity.as_ref()?.node_affinity.as_ref()?;
        let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
        let fields = required.node_selector_terms.first()?.match_fields.as_ref()?;
        fields.first()?.values.as_ref()?.first().map(String::as_str)
    })
}

fn manage(set: &DaemonSet, places: &[Place], plan: &Plan, names: &mut template::Names) -> Vec<Action> {
    let mut actions = Vec::new();
    for place in places {
        let finished = place.pods.iter().filter(|pod| pods::is_finished(pod) && !pod.metadata.is_deleting());
        actions.extend(finished.map(|pod| delete(set, pod)));
        let active = place.pods.iter().filter(|pod| pods::is_active(pod));
        actions.extend(active.skip(usize::from(place.wanted)).map(|pod| delete(set, pod)));
        if place.wanted && place.pods.iter().all(|pod| pods::is_finished(pod) && pod.metadata.is_deleting()) {
            actions.push(create(set, &place.name, plan, names));
        }
    }
    actions
}

/// Deletes pods of other revisions while not too many nodes are without one: those first that do not work anyway.
fn replace(set: &DaemonSet, places: &[Place], plan: &Plan, now: Timestamp) -> Vec<Action> {
    let spec = spec(set);
    let wanted: Vec<&Place> = places.iter().filter(|place| place.wanted).collect();
    let rolling = spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let max =
        rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).map_or(1, |max| resolve(Some(max), number(wanted.len()), true)).max(1);
    let is_available = |pod: &Arc<Pod>| pods::is_available(pod, spec.min_ready_seconds.unwrap_or(0), now);
    let old = wanted.iter().filter_map(|place| place.pod()).filter(|pod| !plan.update.is_of(&pod.metadata));
    let (working, broken): (Vec<_>, Vec<_>) = old.partition(|pod| is_available(pod));
    let missing = wanted.iter().filter(|place| !place.pod().is_some_and(is_available)).count();
    let allowed = usize::try_from(max).unwrap_or(1).saturating_sub(missing);
    broken.into_iter().chain(working.into_iter().take(allowed)).map(|pod| delete(set, pod)).collect()
}

fn create(set: &DaemonSet, node: &str, plan: &Plan, names: &mut template::Names) -> Action {
    let meta = &set.metadata;
    let owner = DAEMON_SET.controller_reference(meta);
    let mut pod = template::pod(&plan.update.template, meta.namespace(), names.under(meta.name()), owner);
    pod.metadata.generate_name = Some(format!("{}-", meta.name()));
    template::set_label(&mut pod.metadata.labels, POD_LABEL, plan.update.hash.clone());
    if let Some(generation) = meta.annotation(GENERATION) {
        template::set_label(&mut pod.metadata.labels, "pod-template-generation", generation);
    }
    let spec = pod.spec.get_or_insert_default();
    tolerate(spec);
    pin(spec, node);
    let success = event(set, false, "SuccessfulCreate", format!("Created pod: {}", pod.metadata.name()));
    Action::create(&POD, &pod).saying(success).complaining(event(set, true, "FailedCreate", "Error creating: ".to_owned()))
}

fn delete(set: &DaemonSet, pod: &Pod) -> Action {
    let success = event(set, false, "SuccessfulDelete", format!("Deleted pod: {}", pod.metadata.name()));
    Action::delete(Target::new(&POD, &pod.metadata)).saying(success)
}

fn event(set: &DaemonSet, warning: bool, reason: &'static str, message: String) -> Event {
    let about = About::new(&DAEMON_SET, &set.metadata);
    if warning { about.warning(COMPONENT, reason, message) } else { about.normal(COMPONENT, reason, message) }
}

/// A daemon runs on nodes that others leave or keep away from.
fn tolerate(spec: &mut PodSpec) {
    let usual = [
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];
    let on_host = spec.host_network == Some(true);
    let network = Some(("node.kubernetes.io/network-unavailable", "NoSchedule")).filter(|_| on_host);
    spec.tolerations.get_or_insert_default().extend(usual.into_iter().chain(network).map(|(key, effect)| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        ..Toleration::default()
    }));
}

/// Lets a pod run on one node only.
fn pin(spec: &mut PodSpec, node: &str) {
    let field = NodeSelectorRequirement { key: "metadata.name".to_owned(), operator: "In".to_owned(), values: Some(vec![node.to_owned()]) };
    let term = NodeSelectorTerm { match_fields: Some(vec![field]), match_expressions: None };
    let affinity: &mut Affinity = spec.affinity.get_or_insert_default();
    let node_affinity: &mut NodeAffinity = affinity.node_affinity.get_or_insert_default();
    node_affinity.required_during_scheduling_ignored_during_execution = Some(NodeSelector { node_selector_terms: vec![term] });
}

fn status(set: &DaemonSet, places: &[Place], plan: &Plan, now: Timestamp) -> DaemonSetStatus {
    let min_ready = spec(set).min_ready_seconds.unwrap_or(0);
    let wanted: Vec<&Place> = places.iter().filter(|place| place.wanted).collect();
    let counted: Vec<&Arc<Pod>> = wanted.iter().filter_map(|place| place.pod()).collect();
    let available = counted.iter().filter(|pod| pods::is_available(pod, min_ready, now)).count();
    DaemonSetStatus {
        observed_generation: set.metadata.generation,
        desired_number_scheduled: number(wanted.len()),
        current_number_scheduled: number(counted.len()),
        number_misscheduled: number(places.iter().filter(|place| !place.wanted && place.pod().is_some()).count()),
        number_ready: number(counted.iter().filter(|pod| pods::is_ready(pod)).count()),
        updated_number_scheduled: some_number(counted.iter().filter(|pod| plan.update.is_of(&pod.metadata)).count()),
        number_available: some_number(available),
        number_unavailable: some_number(wanted.len() - available),
        collision_count: Some(plan.collisions).filter(|collisions| *collisions != 0),
        conditions: set.status.as_ref().and_then(|status| status.conditions.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::sample::yaml;
    use super::*;
    use serde_json::{Value, json};

    const SET: &str = r#"
metadata: {name: agent, namespace: shop, uid: ds, generation: 2, annotations: {deprecated.daemonset.template.generation: "1"}}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: main, image: "agent:1"}]}}
"#;

    struct Member {
        set: Value,
        nodes: Vec<Value>,
        pods: Vec<Value>,
        revisions: Vec<Value>,
        names: template::Names,
    }

    impl Member {
        fn new(nodes: &[&str]) -> Self {
            let node = |text: &&str| {
                let mut node: Value = yaml(text);
                node["status"] = json!({});
                node
            };
            let nodes = nodes.iter().map(node).collect();
            Self { set: yaml(SET), nodes, pods: Vec::new(), revisions: Vec::new(), names: template::Names::new(1) }
        }

        /// Reconciles until nothing changes; pods are ready at once, and deleted ones go at once. What was done, by node.
        fn settle(&mut self) -> String {
            let mut did = Vec::new();
            for _ in 0..20 {
                let actions = self.reconcile().actions;
                if actions.is_empty() {
                    return did.join(" ");
                }
                actions.into_iter().for_each(|action| did.extend(self.apply(action)));
            }
            panic!("never settles: {did:?}");
        }

        fn reconcile(&mut self) -> Outcome {
            fn all<K: serde::de::DeserializeOwned>(values: &[Value]) -> Vec<Arc<K>> {
                values.iter().map(|value| Arc::new(serde_json::from_value(value.clone()).unwrap())).collect()
            }
            let (set, pods, nodes, revisions) =
                (serde_json::from_value(self.set.clone()).unwrap(), all(&self.pods), all(&self.nodes), all(&self.revisions));
            let seen = Seen { set: &set, pods: &pods, nodes: &nodes, revisions: &revisions, is_taken: &|_| false };
            reconcile(seen, &mut self.names, Timestamp::UNIX_EPOCH)
        }

        fn apply(&mut self, action: Action) -> Option<String> {
            match action.request {
                Request::Create { kind, mut object } if kind == &POD => {
                    object["metadata"]["uid"] = object["metadata"]["name"].clone();
                    object["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
                    let pod: Pod = serde_json::from_value(object.clone()).unwrap();
                    let node = node_of(&pod).unwrap().to_owned();
                    object["spec"]["nodeName"] = json!(node);
                    self.pods.push(object);
                    Some(format!("+{node}"))
                }
                Request::Create { object, .. } => {
                    self.revisions.push(object);
                    None
                }
                Request::Delete { target, .. } => {
                    let at = self.pods.iter().position(|pod| pod["metadata"]["name"] == target.key.name.as_str()).unwrap();
                    Some(format!("-{}", self.pods.remove(at)["spec"]["nodeName"].as_str().unwrap()))
                }
                Request::Patch { patch, .. } => {
                    json_patch::merge(&mut self.set, &patch);
                    None
                }
                Request::Bind { .. } => panic!("binds nothing"),
            }
        }
    }

    #[test]
    fn each_node_that_admits_it_gets_a_pod() {
        let mut member = Member::new(&[
            "metadata: {name: a}",
            "{metadata: {name: b}, spec: {taints: [{key: x, effect: NoSchedule}]}}",
            "{metadata: {name: c}, spec: {unschedulable: true}}",
        ]);
        assert_eq!(member.settle(), "+a +c");
        assert_eq!(
            member.set["status"],
            json!({
                "observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberMisscheduled": 0,
                "numberReady": 2, "updatedNumberScheduled": 2, "numberAvailable": 2,
            })
        );
        assert_eq!(member.pods[0]["metadata"]["labels"]["pod-template-generation"], "1");
        member.nodes.push(yaml("{metadata: {name: d}, status: {}}"));
        assert_eq!(member.settle(), "+d");
        member.nodes[0] = yaml("{metadata: {name: a}, spec: {taints: [{key: x, effect: NoExecute}]}, status: {}}");
        assert_eq!(member.settle(), "-a");
    }

    #[test]
    fn an_update_goes_node_by_node() {
        let mut member = Member::new(&["metadata: {name: a}", "metadata: {name: b}"]);
        member.settle();
        member.set["spec"]["template"]["spec"]["containers"][0]["image"] = json!("agent:2");
        assert_eq!(member.settle(), "-a +a -b +b");
        assert_eq!(member.revisions.len(), 2);
        assert_eq!(member.set["status"]["updatedNumberScheduled"], 2);
    }
}
