//! The chart: it renders, an API server takes it without a warning, and the controllers can do their work under its account.

use crate::clusters::{CONTROL, Clusters, Ran, needs_real_servers, root};
use crate::pods::{Pods, helm, refused};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const CHART: &str = "deploy/helm/flotilla";
/// What `deploy/manifests/flotilla.yaml` begins with.
const HEADER: &str = "# Rendered from deploy/helm/flotilla with its default values; a test keeps it so.\n";

fn run(helm: &Path, args: &[&str]) -> Ran {
    let output = Command::new(helm).args(args).current_dir(root()).output().expect("helm starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    // Helm tells of each symbolic link that it follows.
    let err = text(output.stderr).lines().filter(|line| !line.starts_with("walk.go")).map(|line| format!("{line}\n")).collect();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err }
}

fn template(helm: &Path, flags: &[&str]) -> Ran {
    run(helm, &[&["template", "flotilla", CHART, "--namespace", "flotilla-system"], flags].concat())
}

fn kinds(rendered: &str, kind: &str) -> usize {
    rendered.lines().filter(|line| *line == format!("kind: {kind}")).count()
}

#[test]
fn the_chart_is_of_this_version() {
    let chart = std::fs::read_to_string(root().join(CHART).join("Chart.yaml")).expect("it is in the checkout");
    for field in ["version", "appVersion"] {
        assert!(chart.contains(&format!("\n{field}: {}\n", env!("CARGO_PKG_VERSION"))), "{field} is another:\n{chart}");
    }
}

#[test]
fn the_chart_lints_and_renders() {
    let Some(helm) = helm("the_chart_lints_and_renders") else { return };
    run(&helm, &["lint", "--strict", CHART]).done();
    let all = template(&helm, &[]).done();
    assert_eq!(["CustomResourceDefinition", "Deployment", "Secret"].map(|kind| kinds(&all, kind)), [8, 2, 1]);
    let issued = template(&helm, &["--set", "webhook.certificate.source=cert-manager"]).done();
    assert_eq!(["Certificate", "Issuer", "Secret"].map(|kind| kinds(&issued, kind)), [1, 1, 0]);
    let few = "webhook.enabled=false,podDisruptionBudget.enabled=false,networkPolicy.enabled=false,crds.install=false";
    let few = template(&helm, &["--set", few]).done();
    assert_eq!(["CustomResourceDefinition", "Deployment", "PodDisruptionBudget"].map(|kind| kinds(&few, kind)), [0, 1, 0]);
    assert_eq!(kinds(&template(&helm, &["--set", "serviceMonitor.enabled=true"]).done(), "ServiceMonitor"), 1);
    let grants = |rendered: &str| rendered.contains("verbs: [escalate, bind]");
    assert!(!grants(&all) && grants(&template(&helm, &["--set", "rbac.grants=true"]).done()), "nobody is an administrator by default");
    for wrong in ["webhook.bogus=1", "controllers.replicas=0", "webhook.certificate.source=magic", "rbac.templates[0].verbs[0]=get"] {
        template(&helm, &["--set", wrong]).fails(1, "values don't meet the specifications of the schema");
    }
}

#[test]
fn the_manifest_is_what_the_chart_renders() {
    let Some(helm) = helm("the_manifest_is_what_the_chart_renders") else { return };
    let flags = ["--set", "crds.install=false", "--set", "webhook.certificate.source=secret,webhook.certificate.renew=true"];
    let rendered = format!("{HEADER}{}", template(&helm, &flags).done());
    let path = root().join("deploy/manifests/flotilla.yaml");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &rendered).expect("written");
    }
    let present = std::fs::read_to_string(&path).expect("it is in the checkout");
    assert!(present == rendered, "deploy/manifests/flotilla.yaml is not what the chart renders to: run with UPDATE_EXPECT=1");
}

/// Exactly the kinds that the test propagates: whatever else the controllers ask for must be in the other rules.
const TEMPLATES: &str = r#"rbac.templates=[
  {"apiGroups": ["apps"], "resources": ["deployments"]},
  {"apiGroups": ["shop.example.com"], "resources": ["webshops"]}]"#;

const PROPAGATED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: nginx}]}
---
apiVersion: shop.example.com/v1
kind: WebShop
metadata: {name: till, namespace: shop}
spec: {tills: 3}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: all, namespace: shop}
spec:
  resourceSelectors:
    - {apiVersion: apps/v1, kind: Deployment, name: web}
    - {apiVersion: shop.example.com/v1, kind: WebShop}
  placement: {clusterAffinity: {clusterNames: [member1]}}
---
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {name: registry, namespace: shop}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  overrideRules:
    - overriders: {imageOverrider: [{component: Registry, operator: add, value: registry.example.org}]}
";

/// The webhook takes a plugin and refuses another; the controllers load it and say so.
async fn load_plugin(clusters: &Clusters) {
    let broken = "
apiVersion: v1
kind: ConfigMap
metadata: {name: broken, namespace: flotilla-system, labels: {plugin.flotilla.io/enabled: 'true'}}
binaryData: {plugin.wasm: AA==}
";
    let file = clusters.folder().join("plugin.yaml");
    let apply = ["apply", "--server-side", "-f", &file.display().to_string()];
    std::fs::write(&file, broken).expect("written");
    clusters.kubectl(CONTROL, &apply).await.fails(1, "admission webhook \"plugins.flotilla.io\" denied the request");
    let manifest = clusters.flotilla(&["plugin", "manifest", "deploy/samples/webshop-plugin/webshop.wasm"]).await.done();
    std::fs::write(&file, manifest).expect("written");
    clusters.kubectl(CONTROL, &apply).await.done();
    let status = "/metadata/annotations/plugin.flotilla.io~1status";
    let is_loaded = |plugin: Option<&Value>| {
        plugin.and_then(|plugin| plugin.pointer(status)?.as_str()).is_some_and(|status| status.starts_with("Loaded"))
    };
    clusters.until(CONTROL, &["-n", "flotilla-system", "configmap", "webshop-1.0.0"], is_loaded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_charts_account_may_do_what_the_controllers_do() {
    if !needs_real_servers("the_charts_account_may_do_what_the_controllers_do") {
        return;
    }
    let helm = helm("").expect("it is built where the servers are real");
    let clusters = Clusters::start(1).await;
    let kubeconfig = clusters.kubeconfig().display().to_string();
    let on = ["--kubeconfig", &kubeconfig, "--kube-context", CONTROL, "--namespace", "flotilla-system"];
    // Warns of pods that the strictest standard would refuse.
    clusters.kubectl(CONTROL, &["create", "namespace", "flotilla-system"]).await.done();
    let strict = ["label", "namespace", "flotilla-system", "pod-security.kubernetes.io/warn=restricted"];
    clusters.kubectl(CONTROL, &strict).await.done();
    let install = ["install", "flotilla", CHART, "--create-namespace", "--set-json", TEMPLATES];
    let installed = run(&helm, &[&install[..], &on].concat());
    assert_eq!(installed.err, "", "no warnings");
    installed.done();
    let certificate = ["-n", "flotilla-system", "secret", "flotilla-webhook-certificate"];

    let pods = Pods::start(&clusters).await;
    clusters.flotilla(&["join", "member1"]).await.done();
    let definition = "deploy/samples/webshop-crd.yaml";
    for context in ["member1", CONTROL] {
        clusters.kubectl(context, &["apply", "-f", definition]).await.done();
        clusters.kubectl(context, &["wait", "--for=condition=Established", "-f", definition]).await.done();
    }
    load_plugin(&clusters).await;
    clusters.kubectl(CONTROL, &["create", "namespace", "shop"]).await.done();
    clusters.apply(CONTROL, PROPAGATED).await;
    let image = "/spec/template/spec/containers/0/image";
    clusters
        .until("member1", &["-n", "shop", "deployment", "web"], |web| {
            web.is_some_and(|web| web.pointer(image).is_some_and(|image| image == "registry.example.org/nginx"))
        })
        .await;
    clusters.until("member1", &["-n", "shop", "webshop", "till"], |till| till.is_some_and(|till| till["spec"]["tills"] == 3)).await;
    // The member's kube-controller-manager writes a status, which comes back.
    clusters
        .until(CONTROL, &["-n", "shop", "deployment", "web"], |web| web.is_some_and(|web| web["status"]["observedGeneration"].is_i64()))
        .await;
    clusters.kubectl(CONTROL, &["-n", "shop", "delete", "propagationpolicy/all", "deployment/web", "webshop/till"]).await.done();
    for object in ["deployment/web", "webshop/till"] {
        clusters.until("member1", &["-n", "shop", object], |found| found.is_none()).await;
    }
    clusters.flotilla(&["unjoin", "member1", "--cluster-context", "member1"]).await.done();
    let (refused, done) = refused(&clusters);
    assert_eq!(refused, [""; 0], "the chart's account lacks a right");
    assert!(done > 50, "the account did only {done} requests");
    drop(pods);
    let held = clusters.get(CONTROL, &certificate).await.expect("it was made");
    assert!(held["data"]["ca.key"].is_string(), "the controllers have made it theirs: {held}");

    // An upgrade keeps the certificate and the way into the members, an uninstall the kinds.
    run(&helm, &[&["upgrade", "flotilla", CHART][..], &on].concat()).done();
    let namespace = clusters.get(CONTROL, &["namespace", "karmada-cluster"]).await.expect("it stays");
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(clusters.get(CONTROL, &certificate).await.expect("it stays")["data"], held["data"]);
    run(&helm, &[&["uninstall", "flotilla"][..], &on].concat()).done();
    assert!(clusters.get(CONTROL, &["customresourcedefinition", "clusters.cluster.karmada.io"]).await.is_some());
    assert_eq!(clusters.get(CONTROL, &certificate).await, None);
}
