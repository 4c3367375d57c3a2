//! Nodes of members that are lost and that change, switched while a sandbox runs, and what users see of it in the control plane.

mod support;

use support::{CONTROL, Sandbox};

/// Each pod takes half of a node.
const WEB: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  placement: {clusterAffinity: {clusterNames: [member1]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'nginx:1.27', resources: {requests: {cpu: '2'}}}]}
";
const READY: &str = "get deployment web -o jsonpath={.status.readyReplicas}/{.status.replicas}";
const NODES: &str = "get pods -o jsonpath={.items[*].spec.nodeName}";
const CONDITIONS: &str = "get nodes -o jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}";
const TAINTS: &str = "get nodes -o jsonpath={.items[*].spec.taints[*].effect}";
const ALLOCATABLE: &str = "get cluster member1 -o jsonpath={.status.resourceSummary.allocatable.cpu}";

fn start() -> Sandbox {
    let sandbox = Sandbox::start(&["--members", "1", "--nodes", "2"]);
    sandbox.kubectl_on(CONTROL, "create", WEB).done();
    sandbox.prints(CONTROL, READY, "2/2");
    sandbox
}

fn switch(sandbox: &Sandbox, line: &str) {
    let patch = format!(r#"{{"data":{{"member1":"{line}"}}}}"#);
    sandbox.kubectl(CONTROL, &format!("-n kube-system patch configmap flotilla-sandbox-faults --type merge -p {patch}")).done();
}

#[test]
fn pods_of_a_lost_node_run_elsewhere_where_there_is_room_and_the_template_says_so() {
    let sandbox = start();
    sandbox.prints("member1", &format!("{NODES} --sort-by .spec.nodeName"), "m1-node1 m1-node2");
    switch(&sandbox, "lost@m1-node1");
    sandbox.prints("member1", CONDITIONS, "Unknown True");
    sandbox.prints("member1", TAINTS, "NoSchedule NoExecute");
    // The pod that went is on its way out until its kubelet says that it has ended.
    let running = "get pods --field-selector spec.nodeName=m1-node2 -o jsonpath={.items[*].status.phase}";
    sandbox.prints("member1", running, "Running Running");
    let ending = "get pods --field-selector spec.nodeName=m1-node1 -o jsonpath={.items[*].metadata.deletionGracePeriodSeconds}";
    sandbox.prints("member1", ending, "30");
    sandbox.prints(CONTROL, READY, "2/2");

    switch(&sandbox, "lost");
    sandbox.prints(CONTROL, READY, "/2");
    sandbox.prints("member1", "get pods --field-selector spec.nodeName= -o jsonpath={.items[*].status.phase}", "Pending Pending");

    switch(&sandbox, "");
    sandbox.prints("member1", CONDITIONS, "True True");
    sandbox.prints("member1", TAINTS, "");
    sandbox.prints(CONTROL, READY, "2/2");
    sandbox.until("member1", NODES, |nodes| nodes.split(' ').count() == 2);
}

#[test]
fn what_a_node_offers_decides_what_runs_there_and_shows_in_the_cluster() {
    let sandbox = start();
    sandbox.prints(CONTROL, ALLOCATABLE, "8");
    switch(&sandbox, "cpu=6@m1-node1");
    sandbox.prints(CONTROL, ALLOCATABLE, "10");
    sandbox.kubectl(CONTROL, "scale deployment web --replicas=6").done();
    sandbox.prints(CONTROL, READY, "5/6");
    switch(&sandbox, "");
    sandbox.prints(CONTROL, ALLOCATABLE, "8");
}

#[test]
fn pods_of_a_node_that_is_deleted_go_with_it() {
    let sandbox = start();
    sandbox.kubectl("member1", "delete node m1-node1").done();
    sandbox.prints("member1", NODES, "m1-node2 m1-node2");
    sandbox.prints(CONTROL, READY, "2/2");
    sandbox.prints(CONTROL, ALLOCATABLE, "4");
}
