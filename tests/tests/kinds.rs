//! Kinds of every sort on their journey: with hooks and without, with a namespace and without, known from the start and not.

use flotilla_api::object::Object;
use flotilla_tests::fleet::{At, GADGETS, TestFleet};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_nobody_knows_is_copied_and_its_status_shown_for_each_cluster() {
    let fleet = TestFleet::start(2).await;
    fleet
        .apply_yaml(
            "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: settings}
spec:
  resourceSelectors: [{apiVersion: v1, kind: ConfigMap, name: settings}]
  placement: {clusterAffinity: {clusterNames: [member1, member2]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
",
        )
        .await;
    let settings = At("v1", "ConfigMap", None, "settings");
    for member in &fleet.members {
        fleet.says(member, settings, "/data", json!({"colour": "blue"})).await;
    }
    let binding = At("work.karmada.io/v1alpha2", "ResourceBinding", None, "settings-configmap");
    let binding = fleet.says(&fleet.control, binding, "/status/aggregatedStatus/1/applied", json!(true)).await;
    assert_eq!(binding["status"]["aggregatedStatus"][0]["clusterName"], "member1");
    fleet.patch(&fleet.control, settings, json!({"data": {"colour": null, "size": "9"}})).await;
    for member in &fleet.members {
        fleet.says(member, settings, "/data", json!({"size": "9"})).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_scoped_object_follows_a_cluster_propagation_policy() {
    let fleet = TestFleet::start(2).await;
    fleet
        .apply_yaml(
            "
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterPropagationPolicy
metadata: {name: readers}
spec:
  resourceSelectors: [{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, name: reader}]
  placement: {clusterAffinity: {clusterNames: [member2]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
",
        )
        .await;
    let role = At("rbac.authorization.k8s.io/v1", "ClusterRole", None, "reader");
    fleet.says(fleet.member(2), role, "/rules/0/verbs", json!(["get"])).await;
    let binding = At("work.karmada.io/v1alpha2", "ClusterResourceBinding", None, "reader-clusterrole");
    fleet.condition(&fleet.control, binding, "FullyApplied", "True", "FullyAppliedSuccess").await;
    assert!(fleet.get(fleet.member(1), role).await.is_none());
    fleet.delete(&fleet.control, role).await;
    fleet.gone(fleet.member(2), role).await;
    fleet.gone(&fleet.control, binding).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stateful_set_is_divided() {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml("
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: db}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: StatefulSet, name: db}]
  placement:
    clusterAffinity: {clusterNames: [member1, member2]}
    replicaScheduling:
      replicaSchedulingType: Divided
      replicaDivisionPreference: Weighted
      weightPreference: {staticWeightList: [{targetCluster: {clusterNames: [member1]}, weight: 1}, {targetCluster: {clusterNames: [member2]}, weight: 1}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 4
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: 'postgres:17'}]}
").await;
    let db = At("apps/v1", "StatefulSet", None, "db");
    for member in &fleet.members {
        fleet.says(member, db, "/spec/replicas", json!(2)).await;
    }
    fleet.says(&fleet.control, db, "/status/readyReplicas", json!(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_that_comes_to_a_member_later_is_tried_again_at_once() {
    let fleet = TestFleet::start(1).await;
    fleet.apply_yaml(GADGETS).await;
    fleet
        .apply_yaml(
            "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: gadget}
spec:
  resourceSelectors: [{apiVersion: example.io/v1, kind: Gadget}]
  placement: {clusterAffinity: {clusterNames: [member1]}}
---
apiVersion: example.io/v1
kind: Gadget
metadata: {name: lever}
spec: {length: 3}
",
        )
        .await;
    let binding = At("work.karmada.io/v1alpha2", "ResourceBinding", None, "lever-gadget");
    let scheduled = fleet
        .until(&fleet.control, binding, |binding| {
            let scheduled = flotilla_tests::fleet::condition(binding?, "Scheduled")?;
            (scheduled["status"] == "False").then(|| scheduled.clone())
        })
        .await;
    assert!(scheduled["message"].as_str().is_some_and(|message| message.contains("the kind is not among")), "{scheduled}");
    // Far longer than it should take, far shorter than a probe would.
    fleet.apply_yaml_to(fleet.member(1), GADGETS).await;
    let lever = At("example.io/v1", "Gadget", None, "lever");
    tokio::time::timeout(std::time::Duration::from_secs(8), fleet.says(fleet.member(1), lever, "/spec/length", json!(3)))
        .await
        .expect("at once");
    fleet.condition(&fleet.control, binding, "Scheduled", "True", "Success").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_is_made_in_every_member_before_what_lies_in_it() {
    let fleet = TestFleet::start(2).await;
    fleet
        .apply_yaml(
            "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: blue}}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: settings, namespace: shop}
spec:
  resourceSelectors: [{apiVersion: v1, kind: ConfigMap}]
  placement: {clusterAffinity: {clusterNames: [member1, member2]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {colour: blue}
",
        )
        .await;
    let shop = At("v1", "Namespace", None, "shop");
    for member in &fleet.members {
        fleet.says(member, shop, "/metadata/labels/team", json!("blue")).await;
        fleet.says(member, At("v1", "ConfigMap", Some("shop"), "settings"), "/data/colour", json!("blue")).await;
    }
    fleet.patch(&fleet.control, shop, json!({"metadata": {"labels": {"team": "red"}}})).await;
    for member in &fleet.members {
        fleet.says(member, shop, "/metadata/labels/team", json!("red")).await;
    }
    fleet.delete(&fleet.control, shop).await;
    for member in &fleet.members {
        fleet.until(member, shop, |shop: Option<&Object>| shop.is_none_or(Object::is_deleting).then_some(())).await;
    }
}
