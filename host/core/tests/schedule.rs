//! Where bindings go beyond what the vectors say: what is kept when nothing fits, what is refused, and who is woken by what.

mod world;

use flotilla_api::cluster::Cluster;
use flotilla_api::work::ResourceBinding;
use flotilla_core::scheduling::wake::{concerns, is_ours, matters};
use flotilla_core::scheduling::{Decision, Options, Outcome, record, schedule};
use serde_json::json;
use world::{assert_same, documents, one, time};

const CLUSTERS: &str = "
metadata: {name: m1, labels: {tier: gold}}
spec: {syncMode: Push}
status: {apiEnablements: [{groupVersion: apps/v1, resources: [{name: deployments, kind: Deployment}]}]}
---
metadata: {name: m2, labels: {tier: silver}}
spec: {syncMode: Push, taints: [{key: maintenance, value: 'yes', effect: NoSchedule}]}
status: {apiEnablements: [{groupVersion: apps/v1, resources: [{name: deployments, kind: Deployment}]}]}
---
metadata: {name: m3, labels: {tier: gold}}
spec: {syncMode: Push}
---
metadata: {name: m4, labels: {tier: silver}, deletionTimestamp: '2026-01-01T00:00:00Z'}
spec: {syncMode: Push}
";

fn clusters(yaml: &str) -> Vec<Cluster> {
    documents(yaml).into_iter().map(|cluster| serde_json::from_value(cluster).expect("a cluster")).collect()
}

/// A Deployment of 2 replicas; `spec` adds to it.
fn binding(spec: &str) -> ResourceBinding {
    let mut binding: ResourceBinding = one("{metadata: {name: web-deployment, namespace: shop}}");
    let mut all =
        json!({"resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "replicas": 2, "replicaRequirements": {}});
    json_patch::merge(&mut all, &one(spec));
    binding.spec = serde_json::from_value(all).expect("a spec");
    binding
}

/// What came of it in the words that users see.
fn words(decision: &Decision<'_>) -> String {
    let targets = |clusters: &[flotilla_api::work::TargetCluster]| {
        clusters.iter().map(|target| format!("{}:{}", target.name, target.replicas)).collect::<Vec<_>>().join(" ")
    };
    match &decision.outcome {
        Outcome::Unchanged => format!("unchanged, {}", decision.trigger),
        Outcome::Scheduled(clusters) => format!("scheduled {}", targets(clusters)),
        Outcome::Failed { why, clusters } => format!("{}: {why}; stays [{}]", why.reason(), targets(clusters)),
    }
}

#[track_caller]
fn check(spec: &str, clusters_yaml: &str, expected: &str) {
    let clusters = clusters(clusters_yaml);
    assert_eq!(words(&schedule(&binding(spec), &clusters, Options::default())), expected);
}

#[test]
fn a_kind_is_found_wherever_a_cluster_lists_it() {
    let apps = "{groupVersion: apps/v1, resources: [{name: daemonsets, kind: DaemonSet}, {name: deployments, kind: Deployment}]}";
    let older = "{groupVersion: apps/v1beta1, resources: [{name: deployments, kind: Deployment}]}";
    let batch = "{groupVersion: batch/v1, resources: [{name: jobs, kind: Job}]}";
    let cluster = |name: &str, groups: &[&str]| {
        format!("metadata: {{name: {name}}}\nspec: {{syncMode: Push}}\nstatus: {{apiEnablements: [{}]}}\n", groups.join(", "))
    };
    let clusters = [
        cluster("m1", &[batch, apps]),
        cluster("m2", &[apps, batch]),
        cluster("m3", &[batch, older]),
        cluster("m4", &[batch]),
        cluster("m5", &[older, batch, apps]),
    ];
    check("{placement: {}}", &clusters.join("---\n"), "scheduled m1:2 m2:2 m5:2");
}

#[test]
fn each_cluster_that_is_left_out_has_a_reason() {
    let (binding, clusters) = (binding("{placement: {}}"), clusters(CLUSTERS));
    let decision = schedule(&binding, &clusters, Options::default());
    assert_eq!(words(&decision), "scheduled m1:2");
    let rejected: Vec<(&str, String)> = decision.rejected.iter().map(|(name, why)| (*name, why.to_string())).collect();
    assert_same(
        &json!(rejected),
        "
        - [m2, 'untolerated taint `maintenance=yes:NoSchedule`']
        - [m3, 'the kind is not among `status.apiEnablements`']
        - [m4, cluster is being deleted]
        ",
    );
}

#[test]
fn a_decision_reads_as_text() {
    let (binding, clusters) =
        (binding("{placement: {clusterAffinity: {exclude: [m4]}}, clusters: [{name: m1, replicas: 1}]}"), clusters(CLUSTERS));
    let decision = schedule(&binding, &clusters[..2], Options::default());
    assert_eq!(
        flotilla_core::explain::scheduling(&decision),
        "scheduled: the placement changed
  chosen    m1  2 replicas
  left out  m2  untolerated taint `maintenance=yes:NoSchedule`
"
    );
}

#[test]
fn what_runs_stays_when_its_cluster_gets_a_taint_or_loses_an_api() {
    check("{placement: {}, clusters: [{name: m2, replicas: 2}, {name: m3, replicas: 2}]}", CLUSTERS, "scheduled m1:2 m2:2 m3:2");
}

#[test]
fn clusters_that_the_policy_excludes_are_taken_away() {
    let nothing_fits = "NoClusterFit: 0/4 clusters are available: 1 × cluster is being deleted, \
        3 × not selected by `clusterAffinity`: cluster is not listed by name; stays []";
    check("{placement: {clusterAffinity: {clusterNames: [nowhere]}}, clusters: [{name: m1, replicas: 2}]}", CLUSTERS, nothing_fits);
}

#[test]
fn clusters_of_which_nothing_is_known_keep_what_they_have() {
    let nothing_fits = "NoClusterFit: 0/0 clusters are available: there is no cluster; stays [m1:2]";
    check("{placement: {}, clusters: [{name: m1, replicas: 2}]}", "", nothing_fits);
}

#[test]
fn a_selector_that_is_not_valid_takes_nothing_away() {
    let affinity = "{labelSelector: {matchExpressions: [{key: tier, operator: Near, values: [gold]}]}}";
    let spec = format!("{{placement: {{clusterAffinity: {affinity}}}, clusters: [{{name: m1, replicas: 2}}]}}");
    let clusters = clusters(CLUSTERS);
    let words = words(&schedule(&binding(&spec), &clusters[..1], Options::default()));
    assert!(
        words.starts_with("NoClusterFit: 0/1 clusters are available: 1 × not selected by `clusterAffinity`: label selector"),
        "{words}"
    );
    assert!(words.ends_with("stays [m1:2]"), "{words}");
}

#[test]
fn what_is_not_built_yet_moves_nothing_and_says_so() {
    let stays = "is not supported yet, the clusters stay as they are; use";
    let at = "clusters: [{name: m3, replicas: 1}]";
    let divided = |rest: &str| format!("{{placement: {{replicaScheduling: {{replicaSchedulingType: Divided, {rest}}}}}, {at}}}");
    check(
        &divided("replicaDivisionPreference: Aggregated"),
        CLUSTERS,
        &format!(
            "Unsupported: `placement.replicaScheduling.replicaDivisionPreference: Aggregated` {stays} `staticWeightList` or `Duplicated`; stays [m3:1]"
        ),
    );
    check(
        &divided("replicaDivisionPreference: Weighted, weightPreference: {dynamicWeight: AvailableReplicas}"),
        CLUSTERS,
        &format!(
            "Unsupported: `placement.replicaScheduling.weightPreference.dynamicWeight` {stays} `staticWeightList` or `Duplicated`; stays [m3:1]"
        ),
    );
    check(
        &format!("{{placement: {{spreadConstraints: [{{spreadByField: region, minGroups: 1, maxGroups: 1}}]}}, {at}}}"),
        CLUSTERS,
        &format!("Unsupported: `placement.spreadConstraints` {stays} `clusterAffinity.clusterNames` to name the clusters; stays [m3:1]"),
    );
    check(
        &format!("{{placement: {{clusterAffinities: [{{affinityName: a, clusterNames: [m1]}}]}}, {at}}}"),
        CLUSTERS,
        &format!("Unsupported: `placement.clusterAffinities` {stays} `clusterAffinity`; stays [m3:1]"),
    );
}

#[test]
fn a_failed_decision_is_made_again_and_shown() {
    let now = time("2026-01-01T00:00:00Z");
    let mut binding = binding("{placement: {clusterAffinity: {clusterNames: [m1]}}, clusters: [{name: gone, replicas: 2}]}");
    let clusters = clusters(&CLUSTERS.replace("name: m1", "name: m0"));
    let decision = schedule(&binding, &clusters, Options::default());
    assert!(!record::record(&mut binding, &decision), "nothing to write into the spec");
    binding.status = record::status(&binding, &decision, &now);
    let condition = &binding.status.as_ref().expect("a status").conditions[0];
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "NoClusterFit"));
    assert!(schedule(&binding, &clusters, Options::default()).trigger.is_due());
}

#[test]
fn a_request_to_schedule_afresh_is_met_once() {
    let now = time("2026-01-02T00:00:00Z");
    let weights = "{replicaSchedulingType: Divided, replicaDivisionPreference: Weighted}";
    let mut binding = binding(&format!("{{placement: {{replicaScheduling: {weights}}}, clusters: [{{name: m1, replicas: 2}}]}}"));
    let clusters = clusters(CLUSTERS);
    let decision = schedule(&binding, &clusters, Options::default());
    record::record(&mut binding, &decision);
    binding.status = Some(one("{lastScheduledTime: '2026-01-01T00:00:00Z'}"));
    binding.spec.reschedule_triggered_at = Some(time("2026-01-01T12:00:00Z"));
    let decision = schedule(&binding, &clusters, Options::default());
    assert_eq!(decision.trigger.to_string(), "a new decision was requested");
    binding.status = record::status(&binding, &decision, &now);
    assert_eq!(words(&schedule(&binding, &clusters, Options::default())), "unchanged, the last decision still holds");
}

#[test]
fn only_bindings_of_a_policy_are_ours_to_schedule() {
    let verdict = |metadata: &str, spec: &str| {
        let binding: ResourceBinding = one(&format!("{{metadata: {{labels: {metadata}}}, spec: {spec}}}"));
        is_ours(&binding, "default-scheduler").map_err(|why| why.to_string())
    };
    let claimed = "{propagationpolicy.karmada.io/permanent-id: p-1}";
    assert_eq!(verdict(claimed, "{}"), Ok(()));
    assert_eq!(verdict("{binding.karmada.io/managed-by: MultiClusterService}", "{schedulerName: default-scheduler}"), Ok(()));
    assert_eq!(verdict("{}", "{}"), Err("no policy claims it".to_owned()));
    assert_eq!(verdict(claimed, "{schedulerName: other}"), Err("scheduler `other` is to place it".to_owned()));
    assert_eq!(verdict(claimed, "{suspension: {scheduling: true}}"), Err("`suspension.scheduling` holds it back".to_owned()));
}

#[test]
fn a_cluster_wakes_the_bindings_that_it_could_matter_to() {
    let clusters = clusters(CLUSTERS);
    let gold = binding("{placement: {clusterAffinity: {labelSelector: {matchLabels: {tier: gold}}}}, clusters: [{name: m4}]}");
    let woken: Vec<&str> = clusters.iter().filter(|cluster| concerns(&gold, cluster)).map(Cluster::name).collect();
    assert_eq!(woken, ["m1", "m3", "m4"]);

    let mut after = clusters[0].clone();
    after.status = Some(one(
        "{kubernetesVersion: v1.35.0, apiEnablements: [{groupVersion: apps/v1, resources: [{name: deployments, kind: Deployment}]}]}",
    ));
    assert!(!matters(&clusters[0], &after), "a heartbeat");
    after.status = Some(one("{apiEnablements: []}"));
    assert!(matters(&clusters[0], &after), "its APIs");
}
