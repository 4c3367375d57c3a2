//! From a manifest and the member's object to what is asked of the member.

mod world;

use flotilla_api::object::Object;
use flotilla_core::apply::{Agreed, Apply, Known, Removal, apply, remove};
use serde_json::json;
use world::{Plugin, assert_same, one};

const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web, karmada.io/managed: 'true'}
  annotations: {note: x, resourcetemplate.karmada.io/managed-labels: 'app,karmada.io/managed', resourcetemplate.karmada.io/managed-annotations: 'note'}
spec: {replicas: 2}
";

/// The manifest as the member's API server returns it.
const OBSERVED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  uid: m-1
  resourceVersion: '41'
  generation: 3
  creationTimestamp: '2026-01-01T00:00:00Z'
  labels: {app: web, karmada.io/managed: 'true'}
  annotations: {note: x, resourcetemplate.karmada.io/managed-labels: 'app,karmada.io/managed', resourcetemplate.karmada.io/managed-annotations: 'note'}
spec: {replicas: 2}
status: {ready: 2}
";

fn applied(manifest: &str, observed: &str) -> Apply {
    apply(&one(manifest), Some(&one(observed)), Known::Nothing, &Plugin).expect("a decision")
}

/// Whether the object is left alone, `known` being known.
fn is_left(manifest: &str, observed: &str, known: Known) -> bool {
    matches!(apply(&one(manifest), Some(&one(observed)), known, &Plugin).expect("a decision"), Apply::Unchanged(_))
}

#[track_caller]
fn update(manifest: &str, observed: &str) -> Object {
    match applied(manifest, observed) {
        Apply::Update(body) => body,
        other => panic!("an update, not {other:?}"),
    }
}

#[test]
fn what_is_not_there_is_created() {
    assert_eq!(apply(&one(MANIFEST), None, Known::Nothing, &Plugin).expect("a decision"), Apply::Create);
}

#[test]
fn what_says_the_same_is_left_alone() {
    assert!(is_left(MANIFEST, OBSERVED, Known::Nothing));
    let with_theirs =
        OBSERVED.replace("{app: web,", "{app: web, theirs: y,").replace("uid: m-1", "uid: m-1\n  finalizers: [their/finalizer]");
    assert!(is_left(MANIFEST, &with_theirs, Known::Nothing));
    assert!(is_left(&MANIFEST.replace("spec: {replicas: 2}", "spec: {replicas: 2, strategy: null}"), OBSERVED, Known::Nothing));
}

/// The member as its API server completes it.
fn defaulted() -> String {
    OBSERVED.replace("spec: {replicas: 2}", "spec: {replicas: 2, progressDeadlineSeconds: 600}")
}

#[test]
fn what_the_members_api_server_fills_in_is_no_change() {
    let agreed = Known::Agreed(Agreed::new(&one(MANIFEST), &one(&defaulted())));
    assert!(is_left(MANIFEST, &defaulted(), agreed));
    assert!(!is_left(MANIFEST, &defaulted(), Known::Nothing), "not known whose it is");
    for (edited, why) in [("progressDeadlineSeconds: 9", "edited"), ("progressDeadlineSeconds: 600, minReadySeconds: 3", "added")] {
        assert!(!is_left(MANIFEST, &defaulted().replace("progressDeadlineSeconds: 600", edited), agreed), "{why}");
    }
    assert!(!is_left(MANIFEST, &defaulted().replace("replicas: 2", "replicas: 3"), agreed), "edited");
    assert!(!is_left(&MANIFEST.replace("replicas: 2", "replicas: 3"), &defaulted(), agreed), "wanted otherwise");
}

#[test]
fn what_a_webhook_of_the_member_changes_is_written_once() {
    let observed = OBSERVED.replace("replicas: 2", "replicas: 1");
    assert!(!is_left(MANIFEST, &observed, Known::Nothing));
    assert!(is_left(MANIFEST, &observed, Known::Agreed(Agreed::new(&one(MANIFEST), &one(&observed)))));
}

#[test]
fn after_a_restart_the_works_status_tells_whether_it_was_applied() {
    assert!(is_left(MANIFEST, &defaulted(), Known::AppliedBefore));
    assert!(!is_left(MANIFEST, &defaulted().replace("replicas: 2", "replicas: 3"), Known::AppliedBefore));
    assert!(!is_left(MANIFEST, &defaulted().replace("{app: web,", "{app: edited,"), Known::AppliedBefore));
}

#[test]
fn what_is_kept_of_the_member_is_no_change_when_it_changes() {
    let paused =
        |paused| OBSERVED.replace("spec: {replicas: 2}", &format!("spec: {{replicas: 2, paused: {paused}, progressDeadlineSeconds: 600}}"));
    let body = one(&MANIFEST.replace("replicas: 2", "replicas: 2, paused: true"));
    let agreed = Known::Agreed(Agreed::new(&body, &one(&paused(true))));
    assert!(is_left(MANIFEST, &paused(false), agreed));
}

#[test]
fn an_update_keeps_what_is_the_members() {
    let observed = OBSERVED
        .replace("{app: web,", "{app: web, theirs: y,")
        .replace("{note: x,", "{note: edited, theirs: z,")
        .replace("uid: m-1", "uid: m-1\n  finalizers: [their/finalizer]\n  ownerReferences: [{name: o}]");
    let body = update(&MANIFEST.replace("replicas: 2", "replicas: 5"), &observed);
    assert_same(
        &body.0,
        "
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: web
          namespace: shop
          resourceVersion: '41'
          finalizers: [their/finalizer]
          ownerReferences: [{name: o}]
          labels: {app: web, karmada.io/managed: 'true', theirs: y}
          annotations: {note: x, theirs: z, resourcetemplate.karmada.io/managed-labels: 'app,karmada.io/managed', resourcetemplate.karmada.io/managed-annotations: 'note'}
        spec: {replicas: 5}
        ",
    );
}

#[test]
fn what_the_template_no_longer_has_goes() {
    let observed = OBSERVED
        .replace("{app: web,", "{app: web, old: y,")
        .replace("managed-labels: 'app,", "managed-labels: 'app,old,")
        .replace("{note: x,", "{note: x, old: z,")
        .replace("managed-annotations: 'note'", "managed-annotations: 'note,old'");
    let body = update(MANIFEST, &observed);
    assert_eq!((body.label("old"), body.annotation("old")), (None, None));
    assert_eq!(body.label("app"), Some("web"));
}

#[test]
fn the_plugin_says_what_else_is_kept() {
    let body = update(
        &MANIFEST.replace("replicas: 2", "replicas: 5"),
        &OBSERVED.replace("spec: {replicas: 2}", "spec: {replicas: 2, paused: true}"),
    );
    assert_eq!(body["spec"], json!({"replicas": 5, "paused": true}));
    assert!(is_left(MANIFEST, &OBSERVED.replace("spec: {replicas: 2}", "spec: {replicas: 2, paused: true}"), Known::Nothing));
}

#[test]
fn a_plugin_that_gives_no_answer_holds_the_object_still() {
    let refused =
        apply(&one(&MANIFEST.replace("note: x", "broken: Retain")), Some(&one(OBSERVED)), Known::Nothing, &Plugin).expect_err("an error");
    assert_eq!(refused.reason(), "Trap");
    assert_eq!(refused.to_string(), "Deployment shop/web: plugin `test` trapped in `retention`");
}

#[test]
fn what_is_not_ours_is_not_taken_over_unless_told_so() {
    let theirs = OBSERVED.replace(", karmada.io/managed: 'true'}", "}");
    let refused = apply(&one(MANIFEST), Some(&one(&theirs)), Known::Nothing, &Plugin).expect_err("an error");
    assert_eq!(refused.reason(), "NotManaged");
    let overwrite = MANIFEST.replace("note: x,", "note: x, work.karmada.io/conflict-resolution: overwrite,");
    assert_eq!(update(&overwrite, &theirs).label("karmada.io/managed"), Some("true"));
}

#[test]
fn addresses_that_the_member_gave_are_no_difference() {
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web, labels: {karmada.io/managed: 'true'}}, spec: {type: ClusterIP}}";
    let observed = "{apiVersion: v1, kind: Service, metadata: {name: web, labels: {karmada.io/managed: 'true'}}, spec: {type: ClusterIP, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]}}";
    assert!(is_left(service, observed, Known::Nothing));
}

#[test]
fn only_what_is_ours_is_deleted() {
    let (ours, theirs): (Object, Object) = (one(OBSERVED), one(&OBSERVED.replace(", karmada.io/managed: 'true'}", "}")));
    assert_eq!(remove(false, Some(&ours)), Removal::Delete);
    for observed in [None, Some(&theirs)] {
        assert_eq!(remove(false, observed), Removal::Nothing);
        assert_eq!(remove(true, observed), Removal::Nothing);
    }
}

#[test]
fn what_is_preserved_bears_no_mark_of_ours() {
    let Removal::Release(body) = remove(true, Some(&one(OBSERVED))) else { panic!("a release") };
    assert_eq!(json!(body.labels()), json!({"app": "web"}));
    assert_eq!(json!(body.annotations()), json!({"note": "x"}));
    assert_eq!(body.resource_version(), "41");
}
