//! From a binding to its Works: what each cluster gets, what is written, what is deleted, and what is left alone.

mod world;

use flotilla_api::cluster::Cluster;
use flotilla_api::object::Object;
use flotilla_api::policy::OverridePolicy;
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding, Work};
use flotilla_core::binding::Binding;
use flotilla_core::render::{Input, Rendered, Write, is_purging, orphans, render, write};
use serde_json::{Value, json};
use world::{Plugin, assert_same, one};

const TEMPLATE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: u-1, resourceVersion: '7', generation: 2, labels: {app: web}, annotations: {note: x}}
spec: {replicas: 3}
status: {ready: 3}
";

const BINDING: &str = "
metadata: {name: web-deployment, namespace: shop, labels: {resourcebinding.karmada.io/permanent-id: b-1}}
spec:
  resource: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web, uid: u-1}
  replicas: 3
  replicaRequirements: {}
  clusters: [{name: m1, replicas: 2}, {name: m2, replicas: 1}]
";

fn clusters() -> Vec<Cluster> {
    ["m1", "m2", "m3"].map(|name| one(&format!("{{metadata: {{name: {name}}}}}"))).to_vec()
}

fn rendered<B: Binding>(template: &str, binding: &B) -> Vec<Rendered> {
    overridden(template, binding, &[])
}

fn overridden<B: Binding>(template: &str, binding: &B, overrides: &[&OverridePolicy]) -> Vec<Rendered> {
    let (template, clusters): (Object, _) = (one(template), clusters());
    render(&Input {
        binding,
        template: &template,
        cluster_overrides: &[],
        overrides,
        serves: &|_| false,
        cluster: &|name| clusters.iter().find(|cluster| cluster.name() == name),
        work_id: &|cluster| format!("w-{cluster}"),
        interpreter: &Plugin,
    })
}

/// Work by cluster, as JSON; an error as its words.
fn outcome(template: &str, binding: &str) -> Vec<(String, Value)> {
    let rendered = rendered(template, &one::<ResourceBinding>(binding));
    let outcome = rendered.into_iter().map(|rendered| match rendered.work {
        Ok(work) => (rendered.cluster, json!(work)),
        Err(error) => (rendered.cluster, json!(format!("{}: {error}", error.reason()))),
    });
    outcome.collect()
}

fn manifest(work: &Value) -> &Value {
    &work["spec"]["workload"]["manifests"][0]
}

#[test]
fn each_cluster_gets_a_work_with_its_share() {
    let works = outcome(TEMPLATE, BINDING);
    assert_eq!(works.iter().map(|(cluster, _)| cluster.as_str()).collect::<Vec<_>>(), ["m1", "m2"]);
    assert_eq!(manifest(&works[1].1)["spec"]["replicas"], 1);
    assert_same(
        &works[0].1,
        "
        apiVersion: work.karmada.io/v1alpha1
        kind: Work
        metadata:
          name: web-56d6c779bb
          namespace: karmada-es-m1
          finalizers: [karmada.io/execution-controller]
          labels: {resourcebinding.karmada.io/permanent-id: b-1, work.karmada.io/permanent-id: w-m1}
          annotations:
            resourcebinding.karmada.io/namespace: shop
            resourcebinding.karmada.io/name: web-deployment
            work.karmada.io/conflict-resolution: abort
        spec:
          suspendDispatching: false
          preserveResourcesOnDeletion: false
          workload:
            manifests:
            - apiVersion: apps/v1
              kind: Deployment
              metadata:
                name: web
                namespace: shop
                labels:
                  app: web
                  karmada.io/managed: 'true'
                  resourcebinding.karmada.io/permanent-id: b-1
                  work.karmada.io/permanent-id: w-m1
                annotations:
                  note: x
                  resourcebinding.karmada.io/namespace: shop
                  resourcebinding.karmada.io/name: web-deployment
                  resourcetemplate.karmada.io/generation: '2'
                  resourcetemplate.karmada.io/uid: u-1
                  resourcetemplate.karmada.io/managed-annotations: note,resourcebinding.karmada.io/name,resourcebinding.karmada.io/namespace,resourcetemplate.karmada.io/generation,resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels,resourcetemplate.karmada.io/uid,work.karmada.io/conflict-resolution,work.karmada.io/name,work.karmada.io/namespace
                  resourcetemplate.karmada.io/managed-labels: app,karmada.io/managed,resourcebinding.karmada.io/permanent-id,work.karmada.io/permanent-id
                  work.karmada.io/conflict-resolution: abort
                  work.karmada.io/name: web-56d6c779bb
                  work.karmada.io/namespace: karmada-es-m1
              spec: {replicas: 2}
        ",
    );
}

#[test]
fn a_cluster_scoped_binding_leaves_its_own_marks() {
    let binding: ClusterResourceBinding = one(
        "{metadata: {name: shop-namespace, labels: {clusterresourcebinding.karmada.io/permanent-id: c-1}}, spec: {clusters: [{name: m1}]}}",
    );
    let works = rendered("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}", &binding);
    let work = json!(works[0].work.as_ref().expect("a Work"));
    assert_eq!(work["metadata"]["annotations"]["clusterresourcebinding.karmada.io/name"], "shop-namespace");
    assert_eq!(manifest(&work)["metadata"]["labels"]["clusterresourcebinding.karmada.io/permanent-id"], "c-1");
    assert_eq!(manifest(&work)["metadata"]["annotations"].get("resourcetemplate.karmada.io/generation"), None);
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let bytes = || outcome(TEMPLATE, BINDING).into_iter().map(|(_, work)| work.to_string()).collect::<Vec<_>>();
    assert_eq!(bytes(), bytes());
}

#[test]
fn an_error_in_one_cluster_leaves_the_others_alone() {
    let works = outcome(TEMPLATE, &BINDING.replace("name: m2", "name: gone"));
    assert!(works[0].1.is_object());
    assert_eq!(works[1], ("gone".to_owned(), json!("NoCluster: there is no cluster `gone`")));
}

#[test]
fn override_policies_have_the_last_word() {
    let policy: OverridePolicy = one("
        metadata: {name: big, namespace: shop}
        spec: {overrideRules: [{targetCluster: {clusterNames: [m2]}, overriders: {plaintext: [{path: /spec/replicas, operator: replace, value: 9}]}}]}
        ");
    let works = overridden(TEMPLATE, &one::<ResourceBinding>(BINDING), &[&policy]);
    let works: Vec<Value> = works.into_iter().map(|rendered| json!(rendered.work.expect("a Work"))).collect();
    assert_eq!(works.iter().map(|work| manifest(work)["spec"]["replicas"].clone()).collect::<Vec<_>>(), [2, 9]);
    let noted = |work: &Value| work["metadata"]["annotations"].get("policy.karmada.io/applied-overrides").is_some();
    assert_eq!(works.iter().map(noted).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_template_that_cannot_be_revised_is_not_rendered() {
    let works = outcome(&TEMPLATE.replace("note: x", "broken: ReviseReplica"), BINDING);
    assert_eq!(works[0].1, "Trap: Deployment shop/web: plugin `test` trapped in `revision`");
}

#[test]
fn completions_of_jobs_are_divided() {
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: sum, namespace: shop}, spec: {completions: 6}}";
    let completions =
        |binding: &str| outcome(job, binding).iter().map(|(_, work)| manifest(work)["spec"]["completions"].clone()).collect::<Vec<_>>();
    let divided = format!("{BINDING}  placement: {{replicaScheduling: {{replicaSchedulingType: Divided}}}}");
    assert_eq!(completions(&divided), [4, 2]);
    assert_eq!(completions(BINDING), [6, 6]);
}

#[test]
fn clusters_of_other_bindings_follow() {
    let binding =
        format!("{BINDING}  requiredBy: [{{name: a, namespace: shop, clusters: [{{name: m2, replicas: 9}}, {{name: m3, replicas: 5}}]}}]");
    let replicas = outcome(TEMPLATE, &binding).into_iter().map(|(cluster, work)| (cluster, manifest(&work)["spec"]["replicas"].clone()));
    let want = [("m1", 2), ("m2", 1), ("m3", 5)].map(|(cluster, replicas)| (cluster.to_owned(), json!(replicas)));
    assert_eq!(replicas.collect::<Vec<_>>(), want);
}

#[test]
fn suspension_and_preservation_reach_the_work() {
    let spec = |extra: &str| {
        let works = outcome(TEMPLATE, &format!("{BINDING}  {extra}"));
        works
            .into_iter()
            .map(|(_, work)| (work["spec"]["suspendDispatching"].clone(), work["spec"]["preserveResourcesOnDeletion"].clone()))
            .collect::<Vec<_>>()
    };
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(spec("suspension: {dispatching: true}"), [(yes.clone(), no.clone()), (yes.clone(), no.clone())]);
    assert_eq!(spec("suspension: {dispatchingOnClusters: {clusterNames: [m2]}}"), [(no.clone(), no.clone()), (yes.clone(), no.clone())]);
    assert_eq!(spec("preserveResourcesOnDeletion: true"), [(no.clone(), yes.clone()), (no, yes)]);
}

#[test]
fn the_template_says_more_about_conflicts_than_the_policy() {
    let conflict = |template: &str, binding: &str| {
        outcome(template, binding)[0].1["metadata"]["annotations"]["work.karmada.io/conflict-resolution"].clone()
    };
    let overwrite = format!("{BINDING}  conflictResolution: Overwrite");
    assert_eq!(conflict(TEMPLATE, &overwrite), "overwrite");
    assert_eq!(conflict(&TEMPLATE.replace("note: x", "work.karmada.io/conflict-resolution: abort"), &overwrite), "abort");
    assert_eq!(conflict(&TEMPLATE.replace("note: x", "work.karmada.io/conflict-resolution: overwrite"), BINDING), "overwrite");
    assert_eq!(conflict(&TEMPLATE.replace("note: x", "work.karmada.io/conflict-resolution: maybe"), BINDING), "abort");
}

#[test]
fn a_work_is_written_only_where_it_differs() {
    let desired: Work = rendered(TEMPLATE, &one::<ResourceBinding>(BINDING))[0].work.clone().expect("a Work");
    assert_eq!(write(desired.clone(), None), Write::Create(desired.clone()));

    let mut existing = desired.clone();
    existing.metadata.uid = Some("w".to_owned());
    existing.metadata.resource_version = Some("9".to_owned());
    existing.metadata.labels.get_or_insert_default().insert("theirs".to_owned(), "x".to_owned());
    assert_eq!(write(desired.clone(), Some(&existing)), Write::Nothing);

    existing.metadata.annotations.get_or_insert_default().insert("policy.karmada.io/applied-overrides".to_owned(), "[]".to_owned());
    let Write::Update(update) = write(desired.clone(), Some(&existing)) else { panic!("an update") };
    assert_eq!(
        (update.metadata.resource_version.as_deref(), update.metadata.annotations),
        (Some("9"), desired.metadata.annotations.clone())
    );

    existing.metadata.deletion_timestamp = Some(world::time("2026-01-01T00:00:00Z"));
    assert_eq!(write(desired, Some(&existing)), Write::WaitUntilGone);
}

fn works_in(clusters: &[&str]) -> Vec<Work> {
    clusters.iter().map(|cluster| one(&format!("{{metadata: {{name: web, namespace: karmada-es-{cluster}}}}}"))).collect()
}

fn orphans_of(spec: &str, clusters: &[&str]) -> Vec<String> {
    let (binding, works): (ResourceBinding, _) = (one(&format!("{{spec: {spec}}}")), works_in(clusters));
    orphans(&binding.spec, &works).into_iter().filter_map(|work| work.metadata.namespace.clone()).collect()
}

#[test]
fn works_go_where_the_binding_no_longer_goes() {
    let spec = "{placement: {}, clusters: [{name: m1}], requiredBy: [{clusters: [{name: m2}]}],
      gracefulEvictionTasks: [{fromCluster: m3, reason: r, producer: p}, {fromCluster: m4, purgeMode: Directly, reason: r, producer: p}]}";
    assert_eq!(orphans_of(spec, &["m1", "m2", "m3", "m4", "m5"]), ["karmada-es-m4", "karmada-es-m5"]);
}

#[test]
fn no_work_goes_while_the_clusters_are_not_known() {
    assert_eq!(orphans_of("{placement: {}}", &["m1"]), [""; 0]);
    assert_eq!(orphans_of("{placement: {}, clusters: []}", &["m1"]), ["karmada-es-m1"]);
    assert_eq!(orphans_of("{}", &["m1"]), ["karmada-es-m1"], "nobody requires it any more");
}

#[test]
fn a_direct_eviction_is_waited_for() {
    let binding: ResourceBinding = one("{spec: {gracefulEvictionTasks: [{fromCluster: m1, purgeMode: Directly, reason: r, producer: p}]}}");
    assert!(is_purging(&binding.spec, &works_in(&["m1", "m2"])));
    assert!(!is_purging(&binding.spec, &works_in(&["m2"])));
}
