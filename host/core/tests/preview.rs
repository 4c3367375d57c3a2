//! The whole way down, offline: a `List` in, bindings, Works and reasons out.

mod world;

use flotilla_core::preview::{World, answer, preview};
use flotilla_core::{explain, preview as previews};
use serde_json::{Value, json};
use world::{Plugin, assert_same, documents};

/// Two policies, three clusters, one Deployment.
const LIST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: u-1}
spec: {replicas: 3}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: shop}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  placement: {clusterAffinity: {exclude: [m3]}}
---
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterPropagationPolicy
metadata: {name: all}
spec: {resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]}
---
apiVersion: cluster.karmada.io/v1alpha1
kind: Cluster
metadata: {name: m1}
spec: {syncMode: Push}
status: {apiEnablements: [{groupVersion: apps/v1, resources: [{name: deployments, kind: Deployment}]}]}
---
apiVersion: cluster.karmada.io/v1alpha1
kind: Cluster
metadata: {name: m2}
spec: {syncMode: Push}
---
apiVersion: cluster.karmada.io/v1alpha1
kind: Cluster
metadata: {name: m3}
spec: {syncMode: Push}
";

fn list(yaml: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": documents(yaml)})
}

fn text(yaml: &str) -> String {
    let world = World::read(&list(yaml)).expect("a list");
    explain::preview(&preview(&world, &Plugin))
}

#[test]
fn every_step_has_its_reasons() {
    assert_eq!(
        text(LIST),
        "Deployment shop/web
  match     -  follows PropagationPolicy shop/web
  match     -  ClusterPropagationPolicy all: cluster-wide, and a PropagationPolicy matches
  schedule  -  goes to m1 (3): the placement changed
  schedule  m2  the kind is not among `status.apiEnablements`
  schedule  m3  not selected by `clusterAffinity`: cluster is excluded by name
  work      m1  web-56d6c779bb
"
    );
}

#[test]
fn a_preview_holds_the_objects_themselves() {
    let preview = answer(&list(LIST), &Plugin);
    assert_eq!(preview["bindings"][0]["spec"]["clusters"], json!([{"name": "m1", "replicas": 3}]));
    let manifest = &preview["works"][0]["spec"]["workload"]["manifests"][0];
    assert_eq!(manifest["spec"]["replicas"], 3);
    assert_same(
        &preview["reasons"][3],
        "{object: Deployment shop/web, stage: schedule, cluster: m2, reason: ApiMissing, message: the kind is not among `status.apiEnablements`}",
    );
    assert_eq!(preview, answer(&list(LIST), &Plugin), "ids are the same each time");
}

#[test]
fn what_nobody_selects_goes_nowhere() {
    assert_eq!(
        text(&LIST.replace("kind: Deployment, name: web", "kind: Pod").replace("kind: Deployment}]", "kind: Pod}]")).lines().nth(1),
        Some("  match     -  no policy selects it")
    );
}

#[test]
fn a_hook_that_gives_no_answer_ends_the_way() {
    let preview = answer(&list(&LIST.replace("uid: u-1", "annotations: {broken: InterpretReplica}")), &Plugin);
    assert_eq!((&preview["bindings"], &preview["works"]), (&json!([]), &json!([])));
    assert_eq!(preview["reasons"].as_array().and_then(|reasons| reasons.last()).map(|reason| &reason["reason"]), Some(&json!("Trap")));
}

#[test]
fn override_policies_are_named_and_their_errors_too() {
    let policy = |name: &str, path: &str| {
        format!(
            "---
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {{name: {name}, namespace: shop}}
spec: {{overrideRules: [{{overriders: {{plaintext: [{{path: {path}, operator: replace, value: 5}}]}}}}]}}
"
        )
    };
    let overridden = format!("{LIST}{}", policy("five", "/spec/replicas"));
    assert!(text(&overridden).contains("\n  override  m1  changed by OverridePolicy five\n"), "{}", text(&overridden));
    assert_eq!(answer(&list(&overridden), &Plugin)["works"][0]["spec"]["workload"]["manifests"][0]["spec"]["replicas"], 5);

    let preview = answer(&list(&format!("{LIST}{}", policy("nowhere", "/spec/none/x"))), &Plugin);
    let last = preview["reasons"].as_array().and_then(|reasons| reasons.last()).expect("reasons");
    assert_eq!((&last["stage"], &last["cluster"], &last["reason"]), (&json!("override"), &json!("m1"), &json!("OverrideFailed")));
    assert_eq!(preview["works"], json!([]));
}

#[test]
fn a_binding_that_is_there_is_kept() {
    let binding = "---
apiVersion: work.karmada.io/v1alpha2
kind: ResourceBinding
metadata: {name: web-deployment, namespace: shop, labels: {resourcebinding.karmada.io/permanent-id: b-9}}
spec: {resource: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}, clusters: [{name: m2, replicas: 3}]}
";
    let preview = answer(&list(&format!("{LIST}{binding}")), &Plugin);
    assert_eq!(preview["bindings"][0]["spec"]["clusters"], json!([{"name": "m1", "replicas": 3}, {"name": "m2", "replicas": 3}]));
    assert_eq!(preview["works"][0]["metadata"]["labels"]["resourcebinding.karmada.io/permanent-id"], "b-9");
}

#[test]
fn what_cannot_be_read_is_named() {
    assert_eq!(answer(&json!({"kind": "Pod"}), &Plugin)["error"]["message"], "`items` is missing: a preview is made of a `List`");
    let message = answer(&list(&LIST.replace("{exclude: [m3]}", "7")), &Plugin)["error"]["message"].to_string();
    assert!(message.contains("PropagationPolicy shop/web: "), "{message}");
}

/// Names of bindings, Works and execution spaces, for names that nobody would give.
#[test]
fn names_are_those_that_karmada_gives() {
    let mut checked = 0;
    for case in include_str!("vectors/names.ndjson").lines().map(|line| serde_json::from_str::<Value>(line).expect("a case")) {
        let (given, want) = (&case["in"], &case["out"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_asked = !text(&given["gvkForPolicyName"]).is_empty() && !text(&want["bindingName"]).is_empty();
        if !is_asked || want["reservedNamespace"] == true {
            continue;
        }
        let api_version = text(&given["gvkForPolicyName"]).rsplit_once('/').expect("group, version and kind").0.to_owned();
        let mut template = json!({"apiVersion": api_version, "kind": given["kind"], "metadata": {"name": given["name"], "uid": "u-1"}});
        if !text(&given["namespace"]).is_empty() {
            template["metadata"]["namespace"] = given["namespace"].clone();
        }
        let policy = json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "ClusterPropagationPolicy", "metadata": {"name": "all"},
            "spec": {
                "resourceSelectors": [{"apiVersion": api_version, "kind": given["kind"], "name": given["name"]}],
                "placement": {"clusterAffinity": {"clusterNames": [given["cluster"]]}},
            },
        });
        let cluster = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": given["cluster"]}, "spec": {"syncMode": "Push"},
            "status": {
                "conditions": [{"type": "Ready", "status": "True", "reason": "ClusterReady"}],
                "apiEnablements": [{"groupVersion": api_version, "resources": [{"kind": given["kind"], "name": "things"}]}],
            },
        });
        let got = previews::answer(&json!({"kind": "List", "items": [template, policy, cluster]}), &Plugin);
        let names =
            json!([got["bindings"][0]["metadata"]["name"], got["works"][0]["metadata"]["name"], got["works"][0]["metadata"]["namespace"]]);
        assert_eq!(names, json!([want["bindingName"], want["workName"], want["executionNamespace"]]), "{}: {got}", case["id"]);
        checked += 1;
    }
    assert!(checked > 30, "{checked} names");
}
