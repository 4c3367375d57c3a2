//! Pods and nodes as text, and where the pods go.

use super::*;
use crate::simulation::sample::yaml;

const NODE: &str = "status: {allocatable: {cpu: '4', memory: 8Gi, pods: '20'}}";

/// Some nodes: the first argument is merged over [`NODE`].
fn nodes(overlays: &[(&str, &str)]) -> Capacity {
    let mut capacity = Capacity::default();
    for (name, overlay) in overlays {
        let mut node: Value = yaml(NODE);
        json_patch::merge(&mut node, &yaml(overlay));
        capacity.see_node(name, Some(&serde_json::from_value(node).unwrap()));
    }
    capacity
}

fn two() -> Capacity {
    nodes(&[("node1", "{}"), ("node2", "{}")])
}

fn pod(name: &str, spec: &str) -> Arc<Pod> {
    let mut pod = json!({"metadata": {"name": name, "namespace": "shop", "uid": name}, "spec": {"containers": [{"name": "main"}]}});
    json_patch::merge(&mut pod["spec"], &yaml(spec));
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn cpu(name: &str, cpu: &str) -> Arc<Pod> {
    pod(name, &format!("containers: [{{name: main, resources: {{requests: {{cpu: {cpu}}}}}}}]"))
}

/// What is decided: `pod → node` or `pod: why not`.
fn decisions(capacity: &mut Capacity) -> Vec<String> {
    let text = |action: Action| match action.request {
        Request::Bind { target, node } => format!("{} → {node}", target.key.name),
        Request::Patch { target, patch, .. } => {
            format!("{}: {}", target.key.name, patch["status"]["conditions"][0]["message"].as_str().unwrap())
        }
        other => panic!("{other:?}"),
    };
    capacity.schedule(Timestamp::UNIX_EPOCH).into_iter().map(text).collect()
}

#[track_caller]
fn check(mut capacity: Capacity, pods: &[Arc<Pod>], expected: &[&str]) {
    pods.iter().for_each(|pod| {
        capacity.see_pod(pod);
    });
    assert_eq!(decisions(&mut capacity), expected);
}

#[test]
fn pods_spread_over_what_is_least_used() {
    check(
        two(),
        &[cpu("a", "1"), cpu("b", "500m"), cpu("c", "250m"), pod("d", "{}")],
        &["a → node1", "b → node2", "c → node2", "d → node2"],
    );
}

#[test]
fn a_full_cluster_says_what_is_missing() {
    let many: Vec<Arc<Pod>> = (0..41).map(|n| pod(&format!("p{n:02}"), "{}")).collect();
    let mut capacity = two();
    many.iter().for_each(|pod| {
        capacity.see_pod(pod);
    });
    assert_eq!(
        decisions(&mut capacity).last().unwrap(),
        "p40: 0/2 nodes are available: 2 Too many pods. no new claims to deallocate, preemption: 0/2 nodes are available: \
         2 No preemption victims found for incoming pod."
    );
    check(
        two(),
        &[cpu("a", "3"), cpu("b", "3"), cpu("c", "2")],
        &[
            "a → node1",
            "b → node2",
            "c: 0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: \
             2 No preemption victims found for incoming pod.",
        ],
    );
}

#[test]
fn what_preemption_cannot_help_is_counted_apart() {
    let capacity =
        nodes(&[("node1", "spec: {taints: [{key: a, effect: NoSchedule}]}"), ("node2", "{}"), ("node3", "spec: {unschedulable: true}")]);
    check(
        capacity,
        &[cpu("a", "64")],
        &["a: 0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. \
           no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."],
    );
    check(Capacity::default(), &[pod("a", "{}")], &["a: no nodes available to schedule pods"]);
}

#[test]
fn selectors_affinity_and_tolerations_choose_nodes() {
    let ssd = || {
        nodes(&[
            ("node1", "spec: {taints: [{key: a, value: b, effect: NoExecute}]}"),
            ("node2", "metadata: {labels: {disk: ssd, size: '3'}}"),
        ])
    };
    let term = |term: &str| {
        format!("affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{term}]}}}}}}")
    };
    check(ssd(), &[pod("a", "nodeSelector: {disk: ssd}")], &["a → node2"]);
    check(ssd(), &[pod("a", &term("{matchExpressions: [{key: size, operator: Gt, values: ['2']}]}"))], &["a → node2"]);
    check(
        ssd(),
        &[pod(
            "a",
            &(term("{matchFields: [{key: metadata.name, operator: In, values: [node1]}]}") + "\ntolerations: [{operator: Exists}]"),
        )],
        &["a → node1"],
    );
    check(
        ssd(),
        &[pod("a", "{nodeSelector: {disk: hdd}, tolerations: [{key: a, value: b}]}")],
        &["a: 0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, \
           preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."],
    );
}

#[test]
fn refused_pods_are_tried_again_when_room_is_made() {
    let mut capacity = nodes(&[("node1", "{}")]);
    for pod in [cpu("a", "3"), cpu("b", "3"), cpu("c", "3")] {
        assert!(capacity.see_pod(&pod));
    }
    assert_eq!(decisions(&mut capacity).len(), 3);
    assert!(!capacity.is_due());
    assert!(capacity.forget_pod("a") && capacity.is_due());
    let again = decisions(&mut capacity);
    assert_eq!((again[0].as_str(), again.len()), ("b → node1", 2));
    capacity.see_node("node2", Some(&yaml(NODE)));
    assert_eq!(decisions(&mut capacity), ["c → node2"]);
}

#[test]
fn a_refused_binding_gives_its_room_back() {
    let mut capacity = nodes(&[("node1", "{}")]);
    let a = cpu("a", "3");
    capacity.see_pod(&a);
    assert_eq!(decisions(&mut capacity), ["a → node1"]);
    assert!(!capacity.see_pod(&a), "the binding is on its way");
    capacity.unbind(Some(&a), "a");
    assert_eq!(decisions(&mut capacity), ["a → node1"]);
}

#[test]
fn a_pod_that_is_known_to_be_refused_is_not_told_again() {
    let mut capacity = nodes(&[("node1", "{}")]);
    let refusal = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: \
                   1 Preemption is not helpful for scheduling.";
    let mut told = Pod::clone(&cpu("a", "5"));
    told.status = Some(yaml(&format!("conditions: [{{type: PodScheduled, status: 'False', message: '{refusal}'}}]")));
    capacity.see_pod(&Arc::new(told));
    assert_eq!(decisions(&mut capacity), [""; 0]);
}

#[test]
fn higher_priority_goes_first() {
    check(nodes(&[("node1", "{}")]), &[cpu("a", "1"), pod("b", "priority: 10")], &["b → node1", "a → node1"]);
}
