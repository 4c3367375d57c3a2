//! A fleet as users meet it: the sandbox in a process of its own, driven by stock `kubectl` with plain YAML.
//!
//! Sample YAML of other projects is tried, too, where it is at hand: in the folder that `FLOTILLA_FIXTURES` names, or in
//! `../shared/fixtures` beside the checkout.

mod support;

use std::path::{Path, PathBuf};
use support::{CONTROL, Sandbox};

const IMAGE: &str = "jsonpath={.spec.template.spec.containers[0].image}";
const REPLICAS: &str = "jsonpath={.spec.replicas}";
const READY: &str = "jsonpath={.status.readyReplicas}";

fn sandbox() -> Sandbox {
    Sandbox::start(&["--members", "3"])
}

/// Sample YAML of other projects, if it is at hand.
fn samples(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = std::env::var_os("FLOTILLA_FIXTURES").map_or(beside, PathBuf::from);
    let path = folder.join(path);
    let is_there = path.exists();
    if !is_there {
        println!("`{}` is not there, nothing is tried; name the folder with `FLOTILLA_FIXTURES`", path.display());
    }
    is_there.then_some(path)
}

/// A policy and an override policy for all objects of a kind: divided 1 : 2 over two members, one of them with a registry of its own.
fn divided(api_version: &str, kind: &str) -> String {
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: divided}}
spec:
  resourceSelectors: [{{apiVersion: {api_version}, kind: {kind}}}]
  placement:
    clusterAffinity: {{clusterNames: [member1, member2]}}
    replicaScheduling:
      replicaSchedulingType: Divided
      replicaDivisionPreference: Weighted
      weightPreference:
        staticWeightList:
          - {{targetCluster: {{clusterNames: [member1]}}, weight: 1}}
          - {{targetCluster: {{clusterNames: [member2]}}, weight: 2}}
---
{MIRRORED_HEAD}
spec:
  resourceSelectors: [{{apiVersion: {api_version}, kind: {kind}}}]
{MIRRORED_RULES}"
    )
}

const MIRRORED_HEAD: &str = "apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {name: mirrored}";
const MIRRORED_RULES: &str = "  overrideRules:
    - targetCluster: {clusterNames: [member2]}
      overriders:
        imageOverrider:
          - {component: Registry, operator: add, value: mirror.example.com, predicate: {path: /spec/template/spec/containers/0/image}}
";

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'nginx:1.27'}]}
";

/// The replicas of an object in each member, in order; `-` where it is not.
fn replicas(sandbox: &Sandbox, object: &str, expected: &[&str]) {
    for (number, expected) in (1..).zip(expected) {
        let member = format!("member{number}");
        match *expected {
            "-" => assert_eq!(sandbox.kubectl(&member, &format!("get {object} --ignore-not-found -o name")).done(), "", "{member}"),
            expected => sandbox.prints(&member, &format!("get {object} --ignore-not-found -o {REPLICAS}"), expected),
        }
    }
}

/// Waits until no member has the object, and no binding or Work is left of it.
fn gone(sandbox: &Sandbox, object: &str) {
    for member in ["member1", "member2", "member3"] {
        sandbox.prints(member, &format!("get {object} --ignore-not-found -o name"), "");
    }
    sandbox.prints(CONTROL, "get resourcebindings -A -o name", "");
    sandbox.until(CONTROL, "get works -A -o jsonpath={.items[*].spec.workload.manifests[*].kind}", |kinds| {
        kinds.split(' ').all(|kind| matches!(kind, "" | "Namespace"))
    });
}

#[test]
fn a_deployment_is_propagated_overridden_scaled_put_back_and_deleted() {
    let sandbox = sandbox();
    sandbox.kubectl_on(CONTROL, "apply", &divided("apps/v1", "Deployment")).done();
    sandbox.kubectl_on(CONTROL, "apply", WEB).done();
    sandbox.prints(CONTROL, &format!("get deployment web -o {READY}"), "3");
    replicas(&sandbox, "deployment/web", &["1", "2", "-"]);
    sandbox.prints("member1", &format!("get deployment web -o {IMAGE}"), "nginx:1.27");
    sandbox.prints("member2", &format!("get deployment web -o {IMAGE}"), "mirror.example.com/nginx:1.27");

    sandbox.kubectl(CONTROL, "scale deployment web --replicas=9").done();
    replicas(&sandbox, "deployment/web", &["3", "6", "-"]);
    sandbox.prints(CONTROL, &format!("get deployment web -o {READY}"), "9");
    sandbox.kubectl(CONTROL, "rollout status deployment web --timeout=60s").done();

    sandbox.kubectl("member1", "scale deployment web --replicas=8").done();
    sandbox.kubectl("member1", "set image deployment/web main=nginx:0.1").done();
    replicas(&sandbox, "deployment/web", &["3"]);
    sandbox.prints("member1", &format!("get deployment web -o {IMAGE}"), "nginx:1.27");
    sandbox.kubectl("member2", "delete deployment web --wait=false").done();
    sandbox.prints("member2", &format!("get deployment web --ignore-not-found -o {READY}"), "6");

    sandbox.kubectl(CONTROL, "delete deployment web").done();
    gone(&sandbox, "deployment/web");
}

#[test]
fn a_member_keeps_its_replicas_where_the_template_says_so() {
    let sandbox = sandbox();
    sandbox.kubectl_on(CONTROL, "apply", &divided("apps/v1", "Deployment")).done();
    sandbox.kubectl_on(CONTROL, "apply", WEB).done();
    replicas(&sandbox, "deployment/web", &["1", "2"]);
    let label = "resourcetemplate.karmada.io/retain-replicas";
    sandbox.kubectl(CONTROL, &format!("label deployment web {label}=true")).done();
    sandbox.prints("member1", r"get deployment web -o jsonpath={.metadata.labels.resourcetemplate\.karmada\.io/retain-replicas}", "true");
    sandbox.kubectl("member1", "scale deployment web --replicas=5").done();
    sandbox.prints(CONTROL, &format!("get deployment web -o {READY}"), "7");
    // Something else is sent: the replicas stay.
    sandbox.kubectl(CONTROL, "set image deployment/web main=nginx:1.28").done();
    sandbox.prints("member1", &format!("get deployment web -o {IMAGE}"), "nginx:1.28");
    replicas(&sandbox, "deployment/web", &["5", "2", "-"]);
    // Without the label they are the control plane's again.
    sandbox.kubectl(CONTROL, &format!("label deployment web {label}-")).done();
    replicas(&sandbox, "deployment/web", &["1", "2", "-"]);
}

#[test]
fn bad_input_is_refused_with_the_field() {
    let sandbox = sandbox();
    let policy = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: wrong}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
  placement:
    clusterAffinity: {fieldSelector: {matchExpressions: [{key: region, operator: Is, values: [north]}]}}
";
    sandbox.kubectl_on(CONTROL, "create", policy).fails(
        "The PropagationPolicy \"wrong\" is invalid: spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].operator: \
         Unsupported value: \"Is\": supported values: \"In\", \"NotIn\"",
    );
    let overrides = format!("{MIRRORED_HEAD}\nspec:\n{}", MIRRORED_RULES.replace("operator: add", "operator: put"));
    sandbox.kubectl_on(CONTROL, "create", &overrides).fails(
        "The OverridePolicy \"mirrored\" is invalid: spec.overrideRules[0].overriders.imageOverrider[0].operator: \
         Unsupported value: \"put\": supported values: \"add\", \"remove\", \"replace\"",
    );
    sandbox.kubectl_on(CONTROL, "create", &WEB.replace("replicas: 3", "replicas: three")).fails(
        "Error from server (BadRequest): error when creating \"STDIN\": Deployment in version \"v1\" cannot be handled as a Deployment: \
         json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
    );
    sandbox.kubectl_on(CONTROL, "create", &WEB.replace("replicas: 3", "replica: 3")).fails(
        "Error from server (BadRequest): error when creating \"STDIN\": Deployment in version \"v1\" cannot be handled as a Deployment: \
         strict decoding error: unknown field \"spec.replica\"",
    );
    sandbox
        .kubectl_on(CONTROL, "create", "spec: [1\nkind")
        .fails("error: error parsing STDIN: error converting YAML to JSON: yaml: line 2: did not find expected ',' or ']'");
    assert_eq!(sandbox.kubectl(CONTROL, "get deployments,propagationpolicies,overridepolicies -A -o name").done(), "");
}

#[test]
fn a_cluster_is_completed_and_checked_as_it_comes_in() {
    let sandbox = sandbox();
    let cluster = |spec: &str| {
        format!("apiVersion: cluster.karmada.io/v1alpha1\nkind: Cluster\nmetadata: {{name: far}}\nspec: {{syncMode: Pull, {spec}}}\n")
    };
    sandbox.kubectl_on(CONTROL, "create", &cluster("apiEndpoint: '10.0.0.1'")).fails(
        "The Cluster \"far\" is invalid: spec.apiEndpoint: Invalid value: \"10.0.0.1\": must be a URL with a host, without user, query and fragment",
    );
    sandbox.kubectl_on(CONTROL, "create", &cluster("zone: a")).done();
    sandbox.prints(CONTROL, "get cluster far -o jsonpath={.spec.zones},{.spec.resourceModels[8].grade}", r#"["a"],8"#);
}

#[test]
fn karmadas_sample_runs_unchanged() {
    let Some(folder) = samples("karmada-samples/nginx") else { return };
    let sandbox = sandbox();
    sandbox.kubectl_on_file(CONTROL, "apply", &folder).done();
    sandbox.prints(CONTROL, &format!("get deployment nginx -o {READY}"), "2");
    replicas(&sandbox, "deployment/nginx", &["1", "1", "-"]);
    sandbox.prints("member1", "get deployment nginx -o jsonpath={.metadata.annotations.env}", "skoala-stage");
    sandbox.prints(
        "member2",
        "get deployment nginx -o jsonpath={.metadata.labels.env},{.metadata.labels.env-stat}",
        "skoala-dev,skoala-stage",
    );
    sandbox.kubectl(CONTROL, "scale deployment nginx --replicas=6").done();
    replicas(&sandbox, "deployment/nginx", &["3", "3", "-"]);
    sandbox.kubectl("member2", "set image deployment/nginx nginx=nginx:0.1").done();
    sandbox.prints("member2", &format!("get deployment nginx -o {IMAGE}"), "nginx");
    sandbox.prints(CONTROL, &format!("get deployment nginx -o {READY}"), "6");
    sandbox.kubectl_on_file(CONTROL, "delete", &folder).done();
    gone(&sandbox, "deployment/nginx");
}

#[test]
fn kruises_sample_runs_unchanged() {
    let (Some(crd), Some(sample)) =
        (samples("kruise-crds/apps.kruise.io_clonesets.yaml"), samples("kruise-samples/apps_v1alpha1_cloneset.yaml"))
    else {
        return;
    };
    let sandbox = sandbox();
    sandbox.kubectl_on_file(CONTROL, "apply --server-side", &crd).done();
    sandbox.kubectl(CONTROL, "wait --for=condition=Established crd/clonesets.apps.kruise.io --timeout=60s").done();
    sandbox.kubectl_on(CONTROL, "apply", &divided("apps.kruise.io/v1alpha1", "CloneSet")).done();
    sandbox.kubectl_on_file(CONTROL, "apply", &sample).done();
    sandbox.prints(CONTROL, &format!("get cloneset sample -o {READY}"), "5");
    replicas(&sandbox, "cloneset/sample", &["2", "3", "-"]);
    sandbox.prints("member1", &format!("get cloneset sample -o {IMAGE}"), "nginx:alpine");
    sandbox.prints("member2", &format!("get cloneset sample -o {IMAGE}"), "mirror.example.com/nginx:alpine");
    sandbox.kubectl(CONTROL, "scale cloneset sample --replicas=6").done();
    replicas(&sandbox, "cloneset/sample", &["2", "4", "-"]);
    sandbox.kubectl("member1", "scale cloneset sample --replicas=9").done();
    replicas(&sandbox, "cloneset/sample", &["2", "4", "-"]);
    sandbox.prints(
        CONTROL,
        "get cloneset sample -o jsonpath={.status.readyReplicas},{.status.updatedReplicas},{.status.availableReplicas}",
        "6,6,6",
    );
    sandbox.kubectl(CONTROL, "delete cloneset sample").done();
    gone(&sandbox, "cloneset/sample");
}

#[test]
fn a_stub_of_kruises_is_refused_with_what_it_lacks() {
    let (Some(crd), Some(stub)) =
        (samples("kruise-crds/apps.kruise.io_statefulsets.yaml"), samples("kruise-samples/apps_v1beta1_statefulset.yaml"))
    else {
        return;
    };
    let sandbox = sandbox();
    sandbox.kubectl_on_file(CONTROL, "apply --server-side", &crd).done();
    sandbox.kubectl(CONTROL, "wait --for=condition=Established crd/statefulsets.apps.kruise.io --timeout=60s").done();
    let unknown = "strict decoding error: unknown field \"spec.foo\"";
    let file = stub.display();
    sandbox.kubectl_on_file(CONTROL, "create", &stub).fails(&format!(
        "Error from server (BadRequest): error when creating \"{file}\": StatefulSet in version \"v1beta1\" cannot be handled as a \
         StatefulSet: {unknown}"
    ));
    sandbox
        .kubectl_on_file(CONTROL, "create --validate=false", &stub)
        .fails("The StatefulSet \"statefulset-sample\" is invalid: \n* spec.selector: Required value\n* spec.template: Required value");
}
