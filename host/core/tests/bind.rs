//! From a template and its policy to the binding: what is written, what is left alone, and when nothing is.

mod world;

use flotilla_api::cluster::Cluster;
use flotilla_api::interpretation::Interpreter;
use flotilla_api::object::Object;
use flotilla_api::policy::PropagationSpec;
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding};
use flotilla_core::bind::{BindError, Claimant, Input, Write, bind, claim};
use flotilla_core::binding::Binding;
use flotilla_core::scheduling::{Options, record};
use serde_json::json;
use world::{Plugin, assert_same, one, time};

const TEMPLATE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: u-1, resourceVersion: '7', generation: 2}
spec: {replicas: 3}
";

const POLICY: &str = "
resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
placement:
  clusterAffinity: {clusterNames: [m1, m2]}
  replicaScheduling:
    replicaSchedulingType: Divided
    replicaDivisionPreference: Weighted
    weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [m1]}, weight: 2}, {targetCluster: {clusterNames: [m2]}, weight: 1}]}
";

fn clusters() -> Vec<Cluster> {
    let cluster = |name: &str| -> Cluster {
        let kinds = "[{name: deployments, kind: Deployment}, {name: namespaces, kind: Namespace}]";
        one(&format!(
            "{{metadata: {{name: {name}}}, spec: {{syncMode: Push}}, status: {{apiEnablements: [{{groupVersion: apps/v1, resources: {kinds}}}, {{groupVersion: v1, resources: {kinds}}}]}}}}"
        ))
    };
    ["m1", "m2", "m3"].map(cluster).to_vec()
}

/// Binds a template by a policy; `check` sees the binding, what is to be written, and the words of the decision.
fn bound<B: Binding>(template: &str, policy: &str, existing: Option<&B>) -> Result<(B, Write, String), BindError> {
    let (template, policy, clusters): (Object, PropagationSpec, _) = (one(template), one(policy), clusters());
    let demand = Plugin.replicas(&template).expect("an answer").map(|answer| answer.value);
    let namespace = template.namespace().map(str::to_owned);
    let bound = bind(&Input {
        template: &template,
        policy: Claimant { namespace: namespace.as_deref(), name: "all", id: "p-1", spec: &policy },
        demand: demand.as_ref(),
        existing,
        priority_class: &|name| (name == "high").then_some(1000),
        new_id: &|| "b-1".to_owned(),
        clusters: &clusters,
        scheduler_name: "default-scheduler",
        options: Options::default(),
    })?;
    let words = match &bound.decision {
        Ok(decision) => decision.trigger.to_string(),
        Err(not_ours) => not_ours.to_string(),
    };
    Ok((bound.binding, bound.write, words))
}

fn create() -> ResourceBinding {
    bound(TEMPLATE, POLICY, None).expect("a binding").0
}

#[test]
fn a_binding_is_born_with_its_clusters() {
    let (binding, write, why) = bound::<ResourceBinding>(TEMPLATE, POLICY, None).expect("a binding");
    assert_eq!((write, why.as_str()), (Write::Create, "the placement changed"));
    let mut got = json!(binding);
    assert_eq!(got["spec"]["placement"]["clusterAffinity"], json!({"clusterNames": ["m1", "m2"]}));
    let applied = got["metadata"]["annotations"]["policy.karmada.io/applied-placement"].take();
    let applied: serde_json::Value = serde_json::from_str(applied.as_str().expect("text")).expect("JSON");
    assert_eq!(applied, got["spec"]["placement"].take());
    assert_same(
        &got,
        "
        apiVersion: work.karmada.io/v1alpha2
        kind: ResourceBinding
        metadata:
          name: web-deployment
          namespace: shop
          labels: {propagationpolicy.karmada.io/permanent-id: p-1, resourcebinding.karmada.io/permanent-id: b-1}
          annotations:
            policy.karmada.io/applied-placement:
            propagationpolicy.karmada.io/namespace: shop
            propagationpolicy.karmada.io/name: all
          finalizers: [karmada.io/binding-controller]
          ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: u-1, controller: true, blockOwnerDeletion: true}]
        spec:
          resource: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web, uid: u-1, resourceVersion: '7'}
          replicas: 3
          replicaRequirements: {}
          placement:
          clusters: [{name: m1, replicas: 2}, {name: m2, replicas: 1}]
        ",
    );
}

#[test]
fn a_cluster_scoped_template_has_a_cluster_scoped_binding() {
    let template = "{apiVersion: v1, kind: Namespace, metadata: {name: 'a:B', uid: u-1}}";
    let (binding, _, _) =
        bound::<ClusterResourceBinding>(template, "{placement: {clusterAffinity: {clusterNames: [m3]}}}", None).expect("a binding");
    let got = json!(binding);
    assert_eq!(got["kind"], "ClusterResourceBinding");
    assert_eq!(got["metadata"]["name"], "a.b-namespace");
    assert_eq!(got["metadata"]["finalizers"], json!(["karmada.io/cluster-resource-binding-controller"]));
    assert_eq!(
        got["metadata"]["labels"],
        json!({"clusterpropagationpolicy.karmada.io/permanent-id": "p-1", "clusterresourcebinding.karmada.io/permanent-id": "b-1"})
    );
    assert_eq!(got["spec"]["clusters"], json!([{"name": "m3"}]));
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let existing = create();
    assert_eq!(
        bound(TEMPLATE, POLICY, Some(&existing)).expect("a binding"),
        (existing.clone(), Write::Nothing, "the last decision still holds".to_owned())
    );
    let with_newer_version = TEMPLATE.replace("'7'", "'8'");
    assert_eq!(bound(&with_newer_version, POLICY, Some(&existing)).expect("a binding").1, Write::Nothing);
}

#[test]
fn a_new_number_of_replicas_is_one_write() {
    let (binding, write, why) = bound(&TEMPLATE.replace("replicas: 3", "replicas: 6"), POLICY, Some(&create())).expect("a binding");
    assert_eq!((write, why.as_str()), (Write::Update, "the number of replicas changed"));
    assert_eq!(json!(binding.spec.clusters), json!([{"name": "m1", "replicas": 4}, {"name": "m2", "replicas": 2}]));
}

#[test]
fn what_others_write_stays() {
    let mut existing = create();
    existing.metadata.labels.get_or_insert_default().insert("theirs".to_owned(), "x".to_owned());
    existing.metadata.finalizers.get_or_insert_default().push("their/finalizer".to_owned());
    existing.spec.required_by = vec![one("{namespace: shop, name: other, clusters: [{name: m3}]}")];
    existing.spec.graceful_eviction_tasks = vec![one("{fromCluster: m3, reason: r, producer: p}")];
    existing.spec.suspension = Some(one("{scheduling: false}"));
    let (binding, write, _) = bound(TEMPLATE, POLICY, Some(&existing)).expect("a binding");
    assert_eq!((write, &binding), (Write::Nothing, &existing));
}

#[test]
fn another_scheduler_places_what_names_it() {
    let (binding, write, why) = bound::<ResourceBinding>(TEMPLATE, &format!("{POLICY}schedulerName: theirs"), None).expect("a binding");
    assert_eq!((write, why.as_str()), (Write::Create, "scheduler `theirs` is to place it"));
    assert_eq!((&binding.spec.clusters, binding.annotation("policy.karmada.io/applied-placement")), (&None, ""));
}

#[test]
fn suspended_scheduling_holds_the_clusters() {
    let mut existing = create();
    existing.spec.suspension = Some(one("{scheduling: true}"));
    let (binding, write, why) = bound(&TEMPLATE.replace("replicas: 3", "replicas: 9"), POLICY, Some(&existing)).expect("a binding");
    assert_eq!((write, why.as_str()), (Write::Update, "`suspension.scheduling` holds it back"));
    assert_eq!((binding.spec.replicas, binding.spec.clusters), (9, existing.spec.clusters));
}

#[test]
fn the_binding_of_another_object_is_left_alone() {
    let error = bound(&TEMPLATE.replace("u-1", "u-2"), POLICY, Some(&create())).expect_err("an error");
    assert_eq!(error.reason(), "OwnedByOther");
    assert_eq!(
        error.to_string(),
        "ResourceBinding shop/web-deployment belongs to another object (UID `u-1`); it is replaced when that one is gone"
    );
}

#[test]
fn priority_comes_from_a_priority_class() {
    let policy = |class: &str| format!("{POLICY}schedulePriority: {{priorityClassSource: KubePriorityClass, priorityClassName: {class}}}");
    let (binding, _, _) = bound::<ResourceBinding>(TEMPLATE, &policy("high"), None).expect("a binding");
    assert_eq!(binding.spec.schedule_priority.map(|priority| priority.priority), Some(1000));
    assert_eq!(bound::<ResourceBinding>(TEMPLATE, &policy("none"), None).expect_err("an error").reason(), "NoPriorityClass");
}

#[test]
fn replicas_that_do_not_fit_are_refused() {
    let error = bound::<ResourceBinding>(&TEMPLATE.replace("replicas: 3", "replicas: 2147483648"), POLICY, None).expect_err("an error");
    assert_eq!(error.to_string(), "Deployment shop/web: 2147483648 replicas are more than a binding can hold");
}

#[test]
fn a_claim_says_whose_the_template_is_and_whose_it_is_no_more() {
    let spec = PropagationSpec::default();
    let policy = Claimant { namespace: Some("shop"), name: "all", id: "p-1", spec: &spec };
    let mut template: Object = one(
        "{kind: Deployment, metadata: {name: web, labels: {clusterpropagationpolicy.karmada.io/permanent-id: c-1}, annotations: {clusterpropagationpolicy.karmada.io/name: c}}}",
    );
    let patch = claim(&template, &policy).expect("a patch");
    assert_same(
        &patch,
        "
        metadata:
          labels: {propagationpolicy.karmada.io/permanent-id: p-1, clusterpropagationpolicy.karmada.io/permanent-id: null}
          annotations:
            propagationpolicy.karmada.io/namespace: shop
            propagationpolicy.karmada.io/name: all
            clusterpropagationpolicy.karmada.io/name: null
        ",
    );
    json_patch::merge(&mut template.0, &patch);
    assert_eq!(claim(&template, &policy), None);
}

#[test]
fn the_status_follows_the_decision_and_then_rests() {
    let (now, later) = (time("2026-01-01T00:00:00Z"), time("2026-01-01T00:01:00Z"));
    let mut binding = create();
    binding.metadata.generation = Some(1);
    let decide = |binding: &ResourceBinding, now| {
        let clusters = clusters();
        let decision = flotilla_core::scheduling::schedule(binding, &clusters, Options::default());
        record::status(binding, &decision, now)
    };
    binding.status = decide(&binding, &now);
    assert_same(
        &json!(binding.status),
        "
        schedulerObservedGeneration: 1
        lastScheduledTime: '2026-01-01T00:00:00Z'
        conditions: [{type: Scheduled, status: 'True', reason: Success, message: scheduled to 2 clusters with 3 replicas in all, lastTransitionTime: '2026-01-01T00:00:00Z'}]
        ",
    );
    assert_eq!(decide(&binding, &later), None);
}
