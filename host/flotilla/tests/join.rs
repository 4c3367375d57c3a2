//! Clusters join and leave, as an operator does it.

mod clusters;

use clusters::{CONTROL, Clusters};
use serde_json::json;

const ACCOUNT: [&str; 4] =
    ["serviceaccount/karmada-member1", "secret/karmada-member1", "clusterrole/karmada-controller-manager:karmada-member1", ROLE_BINDING];
const ROLE_BINDING: &str = "clusterrolebinding/karmada-controller-manager:karmada-member1";

async fn started(members: usize) -> Clusters {
    let clusters = Clusters::start(members).await;
    clusters.flotilla(&["init", "--crds-only"]).await.done();
    clusters
}

/// What the namespace of accounts in the member holds of the account of `member1`.
async fn account(clusters: &Clusters) -> Vec<&'static str> {
    let mut found = Vec::new();
    for object in ACCOUNT {
        if clusters.get("member1", &["-n", "karmada-cluster", object]).await.is_some() {
            found.push(object);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_joins_and_leaves() {
    let clusters = started(1).await;
    let _controllers = clusters.controllers(&clusters.kubeconfig());
    let join = ["join", "member1", "--cluster-context", "member1", "--cluster-region", "eu", "--cluster-zones", "a,b"];
    let said = clusters.flotilla(&join).await.done();
    assert!(said.ends_with("cluster `member1` is joined and ready\n"), "{said}");
    assert_eq!(account(&clusters).await, ACCOUNT);
    let cluster = clusters.get(CONTROL, &["cluster", "member1"]).await.expect("a Cluster");
    let member = clusters.get("member1", &["namespace", "kube-system"]).await.expect("every cluster has it");
    assert_eq!(cluster["spec"]["id"], member["metadata"]["uid"]);
    assert_eq!(cluster["spec"]["secretRef"], json!({"namespace": "karmada-cluster", "name": "member1"}));
    assert_eq!([&cluster["spec"]["region"], &cluster["spec"]["zones"]], [&json!("eu"), &json!(["a", "b"])]);
    let secret = clusters.get(CONTROL, &["-n", "karmada-cluster", "secret", "member1"]).await.expect("a Secret");
    assert!(["token", "caBundle"].iter().all(|key| secret["data"][key].is_string()), "{secret}");
    assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], cluster["metadata"]["uid"]);

    // What is sent there arrives, under the account's token.
    clusters.kubectl(CONTROL, &["create", "namespace", "shop"]).await.done();
    clusters.until("member1", &["namespace", "shop"], |found| found.is_some()).await;

    // The same cluster under another name.
    let again = clusters.flotilla(&["join", "other", "--cluster-context", "member1"]).await;
    again.fails(1, "error: the same cluster has been joined already, under the name `member1`");
    assert_eq!(clusters.get(CONTROL, &["cluster", "other"]).await, None);

    let said = clusters.flotilla(&["unjoin", "member1", "--cluster-context", "member1"]).await.done();
    assert!(said.contains("control plane: cluster.cluster.karmada.io/member1 deleted"), "{said}");
    assert_eq!(clusters.get(CONTROL, &["cluster", "member1"]).await, None);
    assert_eq!(clusters.get(CONTROL, &["-n", "karmada-cluster", "secret", "member1"]).await, None);
    assert_eq!(account(&clusters).await, [""; 0]);
    assert_eq!(clusters.get("member1", &["namespace", "karmada-cluster"]).await, None);

    // And back again.
    clusters.flotilla(&["join", "member1"]).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_use_in_the_member_stays() {
    let clusters = started(1).await;
    clusters.flotilla(&["join", "member1", "--wait", "false"]).await.done();
    clusters.kubectl("member1", &["-n", "karmada-cluster", "create", "serviceaccount", "karmada-other"]).await.done();
    let unjoined = clusters.flotilla(&["unjoin", "member1", "--cluster-context", "member1"]).await;
    assert!(unjoined.err.contains("namespace `karmada-cluster` stays in the cluster: others use it"), "{unjoined:#?}");
    assert_eq!(account(&clusters).await, [""; 0]);
    assert!(clusters.get("member1", &["-n", "karmada-cluster", "serviceaccount", "karmada-other"]).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_says_what_it_waits_for() {
    let clusters = started(1).await;
    let joined = clusters.flotilla(&["join", "member1", "--wait", "1s"]).await;
    joined.fails(1, "error: cluster `member1` is joined, but not ready after 1 s: no controllers have looked at the Cluster yet");
    clusters.flotilla(&["unjoin", "member1"]).await.done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_nobody_lets_go_is_forced_out() {
    let clusters = started(1).await;
    clusters.flotilla(&["join", "member1", "--wait", "false"]).await.done();
    // As the controllers leave it when they end in the middle.
    let kept = r#"{"metadata": {"finalizers": ["karmada.io/cluster-controller"]}}"#;
    clusters.kubectl(CONTROL, &["patch", "cluster", "member1", "--type", "merge", "-p", kept]).await.done();
    clusters.kubectl(CONTROL, &["create", "namespace", "karmada-es-member1"]).await.done();
    let work = "
apiVersion: work.karmada.io/v1alpha1
kind: Work
metadata: {name: hello, namespace: karmada-es-member1, finalizers: [karmada.io/execution-controller]}
spec: {workload: {manifests: []}}
";
    clusters.apply(CONTROL, work).await;
    let stuck = clusters.flotilla(&["unjoin", "member1", "--wait", "1s"]).await;
    stuck.fails(1, "error: cluster `member1` is not out after 1 s: 1 Works are left, `karmada-es-member1/hello` for one");
    clusters.flotilla(&["unjoin", "member1", "--wait", "1s", "--force"]).await.done();
    assert_eq!(clusters.get(CONTROL, &["cluster", "member1"]).await, None);
    let work = clusters.get(CONTROL, &["-n", "karmada-es-member1", "work", "hello"]).await;
    assert_eq!(work.expect("it is not deleted by this")["metadata"].get("finalizers"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_prints_and_writes_nothing() {
    let clusters = started(1).await;
    let printed = clusters.flotilla(&["join", "member1", "--dry-run", "--cluster-provider", "example"]).await.done();
    let kinds: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    let expected = ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Secret", "Namespace", "Secret", "Cluster"];
    assert_eq!(kinds, expected);
    assert!(printed.contains("provider: example"), "{printed}");
    assert_eq!(clusters.get("member1", &["namespace", "karmada-cluster"]).await, None);
    assert_eq!(clusters.get(CONTROL, &["cluster", "member1"]).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_apart() {
    let clusters = Clusters::start(1).await;
    let join = |args: &'static [&'static str]| clusters.flotilla(args);
    join(&["join", "EU"]).await.fails(2, "error: `EU` is no name for a cluster");
    join(&["join", "member1", "--context", "nowhere"]).await.fails(2, "nowhere");
    join(&["join", "member1"]).await.fails(1, "hint: `flotilla init --crds-only` makes a control plane of it");
    clusters.flotilla(&["init", "--crds-only"]).await.done();
    join(&["join", "flotilla"]).await.fails(1, "error: `flotilla` is the control plane itself, which cannot be its own member");
    join(&["unjoin", "member9"]).await.fails(1, "error: the control plane has no cluster `member9`");
    let gone = unreachable_kubeconfig(&clusters).await;
    clusters.flotilla(&["join", "member1", "--kubeconfig", &gone]).await.fails(4, "error: the control plane at https://127.0.0.1:");
    clusters.flotilla(&["join", "member1", "--cluster-kubeconfig", &gone]).await.fails(4, "error: the cluster at https://127.0.0.1:");
    join(&["join", "member1", "--wait", "false"]).await.done();
    let other = clusters.flotilla(&["unjoin", "member1", "--cluster-context", CONTROL]).await;
    other.fails(2, "error: the kubeconfig of the cluster does not lead to `member1`, but to another cluster");
    clusters.flotilla(&["unjoin", "member1", "--cluster-kubeconfig", &gone]).await.fails(4, "hint: `--force` takes it out");
    clusters.flotilla(&["unjoin", "member1", "--cluster-kubeconfig", &gone, "--force"]).await.done();
    assert_eq!(clusters.get(CONTROL, &["cluster", "member1"]).await, None);
}

/// A kubeconfig whose servers nobody listens at.
async fn unreachable_kubeconfig(clusters: &Clusters) -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let text = std::fs::read_to_string(clusters.kubeconfig()).expect("it was written");
    let lines = text.lines().map(|line| match line.trim_start().starts_with("server: ") {
        true => format!("    server: https://{free}\n"),
        false => format!("{line}\n"),
    });
    let path = clusters.folder().join("gone.yaml");
    std::fs::write(&path, lines.collect::<String>()).expect("written");
    path.display().to_string()
}
