//! What is read is written back as it was: absent stays absent, an empty list that means something stays.

use flotilla_api::cluster::Cluster;
use flotilla_api::object::GroupVersionKind;
use flotilla_api::policy::{OverridePolicy, PropagationPolicy, PurgeMode};
use flotilla_api::work::{ResourceBinding, Work};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[track_caller]
fn check<T: Serialize + DeserializeOwned>(yaml: &str) -> T {
    let given: Value = serde_saphyr::from_str(yaml).unwrap();
    let typed: T = serde_json::from_value(given.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), given);
    typed
}

#[test]
fn a_policy() {
    let policy: PropagationPolicy = check(
        r#"
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: shop}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {}}]
  placement:
    clusterAffinities: []
    replicaScheduling: {replicaSchedulingType: Divided, weightPreference: {staticWeightList: []}}
  failover: {application: {decisionConditions: {}, purgeMode: Sometimes}}
"#,
    );
    let failover = policy.spec.failover.unwrap().application.unwrap();
    assert_eq!(failover.purge_mode, Some(PurgeMode::Other("Sometimes".to_owned())));
}

#[test]
fn a_policy_with_groups_of_clusters() {
    check::<PropagationPolicy>(
        r#"
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: shop}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  priority: 0
  preserveResourcesOnDeletion: false
  placement:
    clusterAffinities:
    - affinityName: near
      clusterNames: [a]
      overflowAffinities: [{affinityName: far, exclude: [a]}]
    spreadConstraints: [{spreadByField: region, minGroups: 1, maxGroups: 2}]
  suspension: {dispatchingOnClusters: {clusterNames: [b]}}
"#,
    );
}

#[test]
fn an_override_policy() {
    check::<OverridePolicy>(
        r#"
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {name: web, namespace: shop}
spec:
  resourceSelectors: []
  overrideRules:
  - targetCluster: {fieldSelector: {matchExpressions: [{key: region, operator: In, values: [north]}]}}
    overriders:
      plaintext: [{path: /spec/x, operator: add, value: {a: [1, null]}}, {path: /spec/y, operator: remove}]
      imageOverrider: [{component: Tag, operator: replace, value: "2"}]
      argsOverrider: [{containerName: web, operator: add, value: [-v]}]
      labelsOverrider: [{operator: add, value: {a: b}}]
"#,
    );
}

#[test]
fn a_binding_that_is_scheduled_to_nowhere_is_not_one_that_is_not_scheduled() {
    let binding = |spec: &str| {
        check::<ResourceBinding>(&format!(
            r#"
apiVersion: work.karmada.io/v1alpha2
kind: ResourceBinding
metadata: {{name: web-deployment, namespace: shop}}
spec: {{resource: {{apiVersion: apps/v1, kind: Deployment, name: web, namespace: shop}}{spec}}}
"#
        ))
    };
    assert_eq!(binding("").spec.clusters, None);
    assert_eq!(binding(", clusters: []").spec.clusters, Some(vec![]));
    assert_eq!(binding(", clusters: [{name: a, replicas: 2}]").spec.targets()[0].replicas, 2);
    assert!(!binding("").spec.is_workload());
    assert!(binding(", replicaRequirements: {}").spec.is_workload());
    binding(", suspension: {scheduling: true, dispatching: false}, rescheduleTriggeredAt: 2026-01-02T03:04:05Z");
}

#[test]
fn a_work() {
    let work: Work = check(
        r#"
apiVersion: work.karmada.io/v1alpha1
kind: Work
metadata: {name: web, namespace: karmada-es-a}
spec: {workload: {manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: null}]}}
status:
  conditions:
  - {type: Applied, status: "True", reason: Done, message: "", lastTransitionTime: 2026-01-02T03:04:05Z}
  manifestStatuses:
  - identifier: {ordinal: 0, version: v1, kind: ConfigMap, resource: configmaps, name: web}
    status: {any: thing}
    health: Healthy
"#,
    );
    assert_eq!(work.spec.manifests()[0].display(), "ConfigMap web");
}

#[test]
fn a_cluster() {
    let cluster: Cluster = check(
        r#"
apiVersion: cluster.karmada.io/v1alpha1
kind: Cluster
metadata: {name: a}
spec:
  syncMode: Push
  insecureSkipTLSVerification: true
  proxyURL: http://proxy
  zones: [z1]
  taints: [{key: k, effect: NoSchedule}]
  resourceModels: [{grade: 0, ranges: [{name: cpu, min: "0", max: "1"}]}]
status:
  apiEnablements: [{groupVersion: apps/v1, resources: [{name: deployments, kind: Deployment}]}]
  conditions:
  - {type: Ready, status: "True", reason: Reached, message: "", lastTransitionTime: 2026-01-02T03:04:05Z}
  resourceSummary: {allocatable: {cpu: "4"}, allocatableModelings: [{grade: 0, count: 3}]}
"#,
    );
    assert!(cluster.is_ready());
    assert!(!cluster.has_complete_apis());
    assert!(cluster.serves(&GroupVersionKind::new("apps/v1", "Deployment")));
    assert!(!cluster.serves(&GroupVersionKind::new("apps/v1beta1", "Deployment")));
}
