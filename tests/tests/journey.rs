//! The journey of one object: template → binding → Works → members → status back, and every change on the way.

use flotilla_api::object::Object;
use flotilla_tests::fleet::{At, TestFleet, new_writes, writes_to};
use serde_json::{Value, json};

const WEB: At = At("apps/v1", "Deployment", None, "web");
const BINDING: At = At("work.karmada.io/v1alpha2", "ResourceBinding", None, "web-deployment");
const POLICY: At = At("policy.karmada.io/v1alpha1", "PropagationPolicy", None, "web");

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web, team: blue}, annotations: {note: x}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'nginx:1.27'}]}
";

const DUPLICATED: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, finalizers: [karmada.io/propagation-policy-controller]}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  placement:
    clusterAffinity: {clusterNames: [member1, member2]}
    replicaScheduling: {replicaSchedulingType: Duplicated}
";

const DIVIDED: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  placement:
    clusterAffinity: {clusterNames: [member1, member2]}
    replicaScheduling:
      replicaSchedulingType: Divided
      replicaDivisionPreference: Weighted
      weightPreference:
        staticWeightList:
        - {targetCluster: {clusterNames: [member1]}, weight: 2}
        - {targetCluster: {clusterNames: [member2]}, weight: 1}
";

/// A fleet of two in which this policy and this template are, and all replicas run.
async fn running(policy: &str, template: &str, ready: i64) -> TestFleet {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml(policy).await;
    fleet.apply_yaml(template).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(ready)).await;
    fleet
}

fn image(image: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}})
}

/// Namespace and name of the Work that brings the template to a cluster.
fn work_at(fleet: &TestFleet, cluster: &str) -> (String, String) {
    let metadata = json!({"name": "web", "namespace": fleet.namespace});
    let template = Object(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}));
    (flotilla_api::names::execution_namespace(cluster), flotilla_api::names::work_name_of(&template))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_runs_in_its_members_and_its_template_shows_the_sum() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    let web = fleet.get(&fleet.control, WEB).await.expect("the template");
    assert_eq!(web["status"]["replicas"], 4);
    assert_eq!(web["status"]["observedGeneration"], web["metadata"]["generation"]);
    let binding = fleet.says(&fleet.control, BINDING, "/status/aggregatedStatus/1/status/readyReplicas", json!(2)).await;
    assert_eq!(binding.at(&["spec", "clusters"]), Some(&json!([{"name": "member1", "replicas": 2}, {"name": "member2", "replicas": 2}])));
    for (number, cluster) in ["member1", "member2"].iter().enumerate() {
        let item = &binding["status"]["aggregatedStatus"][number];
        assert_eq!((&item["clusterName"], &item["applied"], &item["health"]), (&json!(cluster), &json!(true), &json!("Healthy")));
    }
    for (kind, reason) in [("Scheduled", "Success"), ("FullyApplied", "FullyAppliedSuccess"), ("Interpreted", "Interpreted")] {
        fleet.condition(&fleet.control, BINDING, kind, "True", reason).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_divided_by_weight_and_follow_a_scale() {
    let fleet = running(DIVIDED, &DEPLOYMENT.replace("replicas: 2", "replicas: 3"), 3).await;
    fleet.says(fleet.member(1), WEB, "/spec/replicas", json!(2)).await;
    fleet.says(fleet.member(2), WEB, "/spec/replicas", json!(1)).await;
    fleet.patch(&fleet.control, WEB, json!({"spec": {"replicas": 9}})).await;
    fleet.says(fleet.member(1), WEB, "/spec/replicas", json!(6)).await;
    fleet.says(fleet.member(2), WEB, "/spec/replicas", json!(3)).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(9)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_image_reaches_all_members() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    fleet.patch(&fleet.control, WEB, image("nginx:1.28")).await;
    for member in &fleet.members {
        fleet.says(member, WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.28")).await;
    }
    let generation = fleet.get(&fleet.control, WEB).await.expect("the template").generation();
    fleet.says(&fleet.control, WEB, "/status/observedGeneration", json!(generation)).await;
    fleet.says(&fleet.control, WEB, "/status/updatedReplicas", json!(4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_policy_changes_what_one_cluster_gets_and_its_end_takes_it_back() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    fleet
        .apply_yaml(
            "
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {name: web}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  overrideRules:
  - targetCluster: {clusterNames: [member2]}
    overriders: {imageOverrider: [{component: Tag, operator: replace, value: '1.29'}]}
",
        )
        .await;
    fleet.says(fleet.member(2), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.29")).await;
    fleet.says(fleet.member(1), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.27")).await;
    fleet.delete(&fleet.control, At("policy.karmada.io/v1alpha1", "OverridePolicy", None, "web")).await;
    fleet.says(fleet.member(2), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.27")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_in_a_member_is_put_back() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    fleet.patch(fleet.member(1), WEB, image("evil:1")).await;
    fleet.says(fleet.member(1), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.27")).await;
    fleet.patch(fleet.member(1), WEB, json!({"spec": {"paused": true}})).await;
    fleet.until(fleet.member(1), WEB, |web| web?.at(&["spec", "paused"]).is_none_or(|paused| paused == false).then_some(())).await;
    fleet.patch(fleet.member(1), WEB, json!({"metadata": {"labels": {"team": "red", "theirs": "y"}}})).await;
    let web = fleet.says(fleet.member(1), WEB, "/metadata/labels/team", json!("blue")).await;
    assert_eq!(web.label("theirs"), Some("y"), "what the template does not speak of stays");
    fleet.delete(fleet.member(1), WEB).await;
    fleet.says(fleet.member(1), WEB, "/status/readyReplicas", json!(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_a_member_scales_itself_stay_with_the_label() {
    let labelled = DEPLOYMENT.replace("team: blue", "team: blue, resourcetemplate.karmada.io/retain-replicas: 'true'");
    let fleet = running(DUPLICATED, &labelled, 4).await;
    fleet.settled().await;
    fleet.patch(fleet.member(1), WEB, json!({"spec": {"replicas": 5}})).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(7)).await;
    fleet.patch(&fleet.control, WEB, image("nginx:1.28")).await;
    let web = fleet.says(fleet.member(1), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.28")).await;
    assert_eq!(web["spec"]["replicas"], 5);
    let before = fleet.settled().await;
    fleet.patch(fleet.member(1), WEB, json!({"spec": {"replicas": 4}})).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(6)).await;
    let written = new_writes(&before, &fleet.settled().await);
    assert_eq!(writes_to(&written, "member1"), 0, "nothing to write: {written:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_that_leaves_the_template_leaves_the_members() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    fleet.patch(&fleet.control, WEB, json!({"metadata": {"labels": {"team": null}, "annotations": {"note": null}}})).await;
    for member in &fleet.members {
        let is_clean = |web: &Object| web.label("team").is_none() && web.annotation("note").is_none() && web.label("app") == Some("web");
        fleet.until(member, WEB, |web| is_clean(web?).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_moves_takes_the_object_along() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    fleet.patch(&fleet.control, POLICY, json!({"spec": {"placement": {"clusterAffinity": {"clusterNames": ["member2"]}}}})).await;
    fleet.gone(fleet.member(1), WEB).await;
    let (space, work) = work_at(&fleet, "member1");
    fleet.gone(&fleet.control, At("work.karmada.io/v1alpha1", "Work", Some(&space), &work)).await;
    fleet.says(&fleet.control, BINDING, "/spec/clusters", json!([{"name": "member2", "replicas": 2}])).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(2)).await;
    fleet.says(fleet.member(2), WEB, "/status/readyReplicas", json!(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_policy_releases_its_claims_and_leaves_all_else() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    fleet.delete(&fleet.control, POLICY).await;
    fleet.gone(&fleet.control, POLICY).await;
    let claim = flotilla_api::labels::PROPAGATION_POLICY_NAME;
    fleet.until(&fleet.control, WEB, |web| web?.annotation(claim).is_none().then_some(())).await;
    fleet.until(&fleet.control, BINDING, |binding| binding?.annotation(claim).is_none().then_some(())).await;
    fleet.settled().await;
    assert!(fleet.get(&fleet.control, BINDING).await.is_some_and(|binding| !binding.is_deleting()));
    for (number, member) in fleet.members.iter().enumerate() {
        assert!(fleet.get(member, WEB).await.is_some_and(|web| !web.is_deleting()), "member{}", number + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_template_takes_everything_with_it() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    let works = fleet.works().await;
    assert_eq!(works.len(), 2);
    fleet.delete(&fleet.control, WEB).await;
    for member in &fleet.members {
        fleet.gone(member, WEB).await;
    }
    fleet.gone(&fleet.control, BINDING).await;
    for work in &works {
        fleet.gone(&fleet.control, At("work.karmada.io/v1alpha1", "Work", work.namespace(), work.name())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_preserved_stays_in_the_members_without_our_marks() {
    let preserved = DUPLICATED.replace("spec:\n", "spec:\n  preserveResourcesOnDeletion: true\n");
    let fleet = running(&preserved, DEPLOYMENT, 4).await;
    fleet.delete(&fleet.control, WEB).await;
    fleet.gone(&fleet.control, BINDING).await;
    for member in &fleet.members {
        let web = fleet.until(member, WEB, |web| web.filter(|web| web.label(flotilla_api::labels::MANAGED).is_none()).cloned()).await;
        assert!(!web.is_deleting());
        assert_eq!(json!(web.labels()), json!({"app": "web", "team": "blue"}));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_dispatching_holds_changes_back() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    fleet.patch(&fleet.control, POLICY, json!({"spec": {"suspension": {"dispatchingOnClusters": {"clusterNames": ["member1"]}}}})).await;
    let (space, work) = work_at(&fleet, "member1");
    let work = At("work.karmada.io/v1alpha1", "Work", Some(&space), &work);
    fleet.condition(&fleet.control, work, "Dispatching", "False", "SuspendDispatching").await;
    fleet.patch(&fleet.control, WEB, image("nginx:1.28")).await;
    fleet.says(fleet.member(2), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.28")).await;
    fleet.says(&fleet.control, work, "/spec/workload/manifests/0/spec/template/spec/containers/0/image", json!("nginx:1.28")).await;
    fleet.settled().await;
    fleet.says(fleet.member(1), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.27")).await;
    fleet.patch(&fleet.control, POLICY, json!({"spec": {"suspension": null}})).await;
    fleet.says(fleet.member(1), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.28")).await;
    fleet.condition(&fleet.control, work, "Dispatching", "True", "Dispatching").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_others_is_taken_over_only_when_the_policy_says_so() {
    let fleet = TestFleet::start(2).await;
    fleet.apply_yaml_to(fleet.member(1), &DEPLOYMENT.replace("nginx:1.27", "theirs:1")).await;
    fleet.apply_yaml(DUPLICATED).await;
    fleet.apply_yaml(DEPLOYMENT).await;
    let (space, work) = work_at(&fleet, "member1");
    let work = At("work.karmada.io/v1alpha1", "Work", Some(&space), &work);
    let applied = fleet.condition(&fleet.control, work, "Applied", "False", "AppliedFailed").await;
    let message = applied["message"].as_str().unwrap_or_default();
    assert!(
        message.contains(&format!("Deployment {}/web", fleet.namespace)) && message.contains("conflictResolution: Overwrite"),
        "{message}"
    );
    fleet.says(fleet.member(2), WEB, "/status/readyReplicas", json!(2)).await;
    let binding = fleet.says(&fleet.control, BINDING, "/status/aggregatedStatus/1/applied", json!(true)).await;
    assert!(binding["status"]["aggregatedStatus"][0]["appliedMessage"].as_str().is_some_and(|message| message.contains("Overwrite")));
    fleet.condition(&fleet.control, BINDING, "FullyApplied", "False", "FullyAppliedFailed").await;
    fleet.says(fleet.member(1), WEB, "/spec/template/spec/containers/0/image", json!("theirs:1")).await;
    fleet.patch(&fleet.control, POLICY, json!({"spec": {"conflictResolution": "Overwrite"}})).await;
    fleet.says(fleet.member(1), WEB, "/spec/template/spec/containers/0/image", json!("nginx:1.27")).await;
    fleet.condition(&fleet.control, BINDING, "FullyApplied", "True", "FullyAppliedSuccess").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_asks_for_what_there_is_not_moves_nothing() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    let before = fleet.settled().await;
    let placements = [
        json!({"replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}}),
        json!({"spreadConstraints": [{"spreadByField": "cluster", "minGroups": 1, "maxGroups": 1}]}),
        json!({"clusterAffinity": null, "clusterAffinities": [{"affinityName": "a", "clusterNames": ["member1"]}]}),
        json!({"replicaScheduling": {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted", "weightPreference": {"dynamicWeight": "AvailableReplicas"}}}),
    ];
    for placement in placements {
        fleet.patch(&fleet.control, POLICY, json!({"spec": {"placement": placement}})).await;
        fleet.condition(&fleet.control, BINDING, "Scheduled", "False", "Unsupported").await;
        let binding = fleet.get(&fleet.control, BINDING).await.expect("the binding");
        assert_eq!(
            binding["spec"]["clusters"],
            json!([{"name": "member1", "replicas": 2}, {"name": "member2", "replicas": 2}]),
            "{placement}"
        );
        let back = json!({
            "clusterAffinity": {"clusterNames": ["member1", "member2"]}, "clusterAffinities": null, "spreadConstraints": null,
            "replicaScheduling": {"replicaSchedulingType": "Duplicated", "replicaDivisionPreference": null, "weightPreference": null},
        });
        fleet.patch(&fleet.control, POLICY, json!({"spec": {"placement": back}})).await;
        fleet.condition(&fleet.control, BINDING, "Scheduled", "True", "Success").await;
    }
    let after = fleet.settled().await;
    let moved = new_writes(&before, &after);
    assert_eq!(writes_to(&moved, "member"), 0, "{moved:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_leaves_lets_go_of_what_it_has() {
    let fleet = running(DUPLICATED, DEPLOYMENT, 4).await;
    let cluster = At("cluster.karmada.io/v1alpha1", "Cluster", None, "member1");
    fleet.delete(&fleet.control, cluster).await;
    fleet.gone(&fleet.control, cluster).await;
    fleet.says(&fleet.control, BINDING, "/spec/clusters", json!([{"name": "member2", "replicas": 2}])).await;
    fleet.says(fleet.member(2), WEB, "/status/readyReplicas", json!(2)).await;
    fleet.gone(&fleet.control, At("v1", "Namespace", None, "karmada-es-member1")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_reached_over_https_with_the_token_of_a_secret() {
    let fleet = TestFleet::start_over_https(2).await;
    fleet.apply_yaml(DUPLICATED).await;
    fleet.apply_yaml(DEPLOYMENT).await;
    fleet.says(&fleet.control, WEB, "/status/readyReplicas", json!(4)).await;
    assert_eq!(writes_to(&fleet.settled().await, "member1"), 1, "counted as ours");
    fleet.delete(&fleet.control, WEB).await;
    for member in &fleet.members {
        fleet.gone(member, WEB).await;
    }
}
