//! The filter loop allocates for a decision, never for a cluster.

mod world;

use flotilla_api::cluster::Cluster;
use flotilla_api::work::ResourceBinding;
use flotilla_core::scheduling::filter::filter;
use world::one;

fn cluster(index: usize) -> Cluster {
    let taints = if index.is_multiple_of(3) { "[{key: maintenance, effect: NoSchedule}]" } else { "[]" };
    let kind = if index.is_multiple_of(5) { "Other" } else { "Deployment" };
    one(&format!(
        "{{metadata: {{name: m{index}, labels: {{tier: gold}}}}, spec: {{syncMode: Push, region: east, taints: {taints}}},
          status: {{apiEnablements: [{{groupVersion: apps/v1, resources: [{{name: x, kind: {kind}}}]}}]}}}}"
    ))
}

fn allocations(binding: &ResourceBinding, count: usize) -> u64 {
    let clusters: Vec<Cluster> = (0..count).map(cluster).collect();
    let measured = allocation_counter::measure(|| {
        let filtered = filter(&binding.spec, &clusters, |_| 0);
        assert_eq!(filtered.feasible.len() + filtered.rejected.len(), count);
    });
    measured.count_total
}

#[test]
fn a_thousand_clusters_take_as_many_allocations_as_ten() {
    let binding: ResourceBinding = one("
        spec:
          resource: {apiVersion: apps/v1, kind: Deployment, name: web}
          clusters: [{name: m1}, {name: m2}]
          gracefulEvictionTasks: [{fromCluster: m4, reason: r, producer: p}]
          placement:
            clusterAffinity:
              labelSelector: {matchLabels: {tier: gold}, matchExpressions: [{key: tier, operator: In, values: [gold, silver]}]}
              fieldSelector: {matchExpressions: [{key: region, operator: In, values: [east]}]}
              exclude: [m7]
            clusterTolerations: [{key: other, operator: Exists}]
        ");
    assert_eq!(allocations(&binding, 1_000), allocations(&binding, 10));
}
