//! The way back: member objects to Works, Works to the binding, the binding to the template.

mod world;

use flotilla_api::object::Object;
use flotilla_api::work::{ManifestStatus, ResourceBinding, Work, WorkStatus};
use flotilla_core::collect::{Report, binding_status, reflect, template_status, work_status};
use serde_json::json;
use world::{Plugin, assert_same, documents, one, time};

const NOW: &str = "2026-01-01T00:00:00Z";

#[track_caller]
fn check_reflected(observed: &str, status: &str, unwell: Option<&str>) {
    let reflected = reflect(&one(observed), "deployments", &Plugin).expect("an answer");
    assert_same(&json!(reflected.status), status);
    let words = reflected.unwell.map(|unwell| unwell.unwrap_or_else(|error| error.to_string()));
    assert_eq!(words.as_deref(), unwell);
}

#[test]
fn status_and_health_are_carried_back() {
    check_reflected(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {replicas: 2}, status: {ready: 1}}",
        "
        identifier: {ordinal: 0, group: apps, version: v1, kind: Deployment, resource: deployments, namespace: shop, name: web}
        status: {ready: 1}
        health: Unhealthy
        ",
        Some("1 of 2 are ready"),
    );
}

#[test]
fn what_nobody_can_judge_is_healthy() {
    check_reflected(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}",
        "{identifier: {ordinal: 0, version: v1, kind: ConfigMap, resource: deployments, name: web}, health: Healthy}",
        None,
    );
}

#[test]
fn health_that_cannot_be_asked_is_unknown_and_no_error() {
    check_reflected(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, annotations: {broken: InterpretHealth}}, status: {ready: 1}}",
        "
        identifier: {ordinal: 0, group: apps, version: v1, kind: Deployment, resource: deployments, name: web}
        status: {ready: 1}
        health: Unknown
        ",
        Some("plugin `test` trapped in `health`"),
    );
}

#[test]
fn a_status_that_cannot_be_asked_is_an_error() {
    let observed = one("{kind: Deployment, metadata: {annotations: {broken: InterpretStatus}}}");
    assert_eq!(reflect(&observed, "deployments", &Plugin).expect_err("an error").to_string(), "plugin `test` trapped in `reflection`");
}

#[test]
fn the_status_of_a_work_is_written_once() {
    let reflected: ManifestStatus = one("{identifier: {ordinal: 0, version: v1, kind: Pod, resource: pods, name: a}, health: Healthy}");
    let report = Report { is_dispatching: Some(true), applied: Some(Ok(())), generation: Some(3), reflected: Some(reflected) };
    let status = work_status(None, &report, &time(NOW)).expect("a status");
    assert_same(
        &json!(status),
        "
        conditions:
        - {type: Dispatching, status: 'True', reason: Dispatching, message: changes are sent to the member, lastTransitionTime: '2026-01-01T00:00:00Z'}
        - {type: Applied, status: 'True', reason: AppliedSuccessful, message: the member has what the Work says, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z'}
        manifestStatuses:
        - {identifier: {ordinal: 0, version: v1, kind: Pod, resource: pods, name: a}, health: Healthy}
        ",
    );
    assert_eq!(work_status(Some(&status), &report, &time("2026-01-01T00:01:00Z")), None);
}

#[test]
fn what_a_report_does_not_say_stays() {
    let before: WorkStatus =
        one("{manifestStatuses: [{identifier: {ordinal: 0, version: v1, kind: Pod, resource: pods, name: a}, status: {x: 1}}]}");
    let report = Report { applied: Some(Err("the member does not answer".to_owned())), ..Report::default() };
    let status = work_status(Some(&before), &report, &time(NOW)).expect("a status");
    assert_eq!(status.manifest_statuses, before.manifest_statuses);
    assert_eq!((status.conditions[0].reason.as_str(), status.conditions[0].status.as_str()), ("AppliedFailed", "False"));
    assert_eq!(work_status(None, &Report::default(), &time(NOW)), None);
}

const BINDING: &str = "
metadata: {name: web-deployment, namespace: shop}
spec:
  resource: {apiVersion: apps/v1, kind: Deployment, namespace: shop, name: web}
  clusters: [{name: m1}, {name: m2}]
";

/// Two Works, the later cluster first.
const WORKS: &str = "
metadata: {name: web, namespace: karmada-es-m2}
status:
  conditions: [{type: Applied, status: 'False', reason: AppliedFailed, message: no such namespace, lastTransitionTime: '2026-01-01T00:00:00Z'}]
  manifestStatuses: [{identifier: {ordinal: 0, group: apps, version: v1, kind: Deployment, resource: deployments, namespace: shop, name: web}, status: {ready: 9}, health: Healthy}]
---
metadata: {name: web, namespace: karmada-es-m1}
status:
  conditions: [{type: Applied, status: 'True', reason: AppliedSuccessful, message: '', lastTransitionTime: '2026-01-01T00:00:00Z'}]
  manifestStatuses: [{identifier: {ordinal: 0, group: apps, version: v1, kind: Deployment, resource: deployments, namespace: shop, name: web}, status: {ready: 2}, health: Healthy}]
";

fn works(yaml: &str) -> Vec<Work> {
    documents(yaml).into_iter().map(|work| serde_json::from_value(work).expect("a Work")).collect()
}

#[test]
fn a_binding_sums_up_its_works() {
    let mut binding: ResourceBinding = one(BINDING);
    let status = binding_status(&binding, &works(WORKS), &time(NOW)).expect("a status");
    assert_same(
        &json!(status),
        "
        aggregatedStatus:
        - {clusterName: m1, applied: true, status: {ready: 2}, health: Healthy}
        - {clusterName: m2, appliedMessage: no such namespace, health: Unknown}
        conditions: [{type: FullyApplied, status: 'False', reason: FullyAppliedFailed, message: 1 of 2 clusters have the object, lastTransitionTime: '2026-01-01T00:00:00Z'}]
        ",
    );
    binding.status = Some(status);
    assert_eq!(binding_status(&binding, &works(WORKS), &time("2026-01-01T00:01:00Z")), None);
}

fn is_fully_applied(binding: &str, works_yaml: &str) -> bool {
    let status = binding_status(&one::<ResourceBinding>(binding), &works(works_yaml), &time(NOW)).expect("a status");
    flotilla_core::conditions::is_true(&status.conditions, "FullyApplied")
}

#[test]
fn fully_applied_takes_every_cluster_and_no_other() {
    let applied = WORKS.replace("'False'", "'True'");
    assert!(is_fully_applied(BINDING, &applied));
    assert!(!is_fully_applied(BINDING, &applied.replace("karmada-es-m2", "karmada-es-m3")), "in another cluster");
    assert!(!is_fully_applied(&BINDING.replace(", {name: m2}", ""), &applied), "in one more");
    let nowhere = binding_status(&one::<ResourceBinding>("{spec: {clusters: []}}"), &[], &time(NOW)).expect("a status");
    assert!(!flotilla_core::conditions::is_true(&nowhere.conditions, "FullyApplied"), "nowhere");
}

#[test]
fn the_status_of_another_object_does_not_count() {
    let status =
        binding_status(&one::<ResourceBinding>(BINDING), &works(&WORKS.replace("name: web}, status", "name: other}, status")), &time(NOW))
            .expect("a status");
    let items = status.aggregated_status.expect("items");
    assert_eq!((items[0].applied, &items[0].status, items[0].health.as_deref()), (true, &None, Some("Unknown")));
}

#[test]
fn the_template_gets_the_sum_once() {
    let items = [one("{clusterName: m1, applied: true, status: {ready: 2}}"), one("{clusterName: m2, applied: true, status: {ready: 1}}")];
    let mut template: Object = one("{kind: Deployment, metadata: {name: web}, status: {ready: 1, stale: true}}");
    let patch = template_status(&template, &items, &Plugin).expect("an answer").expect("a patch");
    assert_eq!(patch, json!({"status": {"ready": 3, "stale": null}}));
    json_patch::merge(&mut template.0, &patch);
    assert_eq!(template_status(&template, &items, &Plugin).expect("an answer"), None);
}

#[test]
fn a_sum_that_cannot_be_asked_changes_nothing() {
    let template: Object = one("{kind: Deployment, metadata: {name: web, annotations: {broken: AggregateStatus}}}");
    assert!(template_status(&template, &[], &Plugin).is_err());
    let other: Object = one("{kind: ConfigMap, metadata: {name: web}}");
    assert_eq!(template_status(&other, &[], &Plugin).expect("an answer"), None);
}
