//! What becomes of policies that users write: defaults, and why one is turned away.

use flotilla_api::object::Object;
use flotilla_core::admission::{Context, PolicyKind, check_deletion, review};
use serde_json::{Value, json};

const CONTEXT: Context<'static> = Context { namespace: "shop", new_id: &|| String::from("new-id") };

/// A policy in namespace `shop`.
fn policy(spec: &str) -> Object {
    let spec: Value = serde_saphyr::from_str(&format!("{{{spec}}}")).unwrap();
    Object(json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec}))
}

/// The specification of a new policy as it is stored.
#[track_caller]
fn stored(kind: PolicyKind, spec: &str, expect: &str) {
    let expect: Value = serde_saphyr::from_str(&format!("{{{expect}}}")).unwrap();
    match review(kind, None, &policy(spec), &CONTEXT) {
        Ok(policy) => assert_eq!(policy["spec"], expect),
        Err(denied) => panic!("denied: {denied}"),
    }
}

/// Why a new policy is turned away.
#[track_caller]
fn denied(kind: PolicyKind, spec: &str, expect: &str) {
    match review(kind, None, &policy(spec), &CONTEXT) {
        Ok(policy) => panic!("stored: {}", policy.0),
        Err(denied) => assert_eq!(denied.to_string(), expect),
    }
}

const WEB: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web, namespace: shop}]";

#[track_caller]
fn placement_denied(placement: &str, expect: &str) {
    denied(PolicyKind::Propagation, &format!("{WEB}, placement: {{{placement}}}"), expect);
}

#[test]
fn a_new_policy_gets_an_identity_of_its_own() {
    let mut new = policy(WEB);
    new.set_label("propagationpolicy.karmada.io/permanent-id", "copied");
    let stored = review(PolicyKind::Propagation, None, &new, &CONTEXT).unwrap();
    assert_eq!(stored.label("propagationpolicy.karmada.io/permanent-id"), Some("new-id"));
    assert_eq!(stored["metadata"]["finalizers"], json!(["karmada.io/propagation-policy-controller"]));
    let wide = review(PolicyKind::ClusterPropagation, None, &policy(WEB), &CONTEXT).unwrap();
    assert_eq!(wide.label("clusterpropagationpolicy.karmada.io/permanent-id"), Some("new-id"));
    let overrides = review(PolicyKind::Override, None, &policy(WEB), &CONTEXT).unwrap();
    assert_eq!(overrides["metadata"], policy(WEB)["metadata"]);
}

#[test]
fn the_identity_and_the_scheduler_stay() {
    let old = review(PolicyKind::Propagation, None, &policy(WEB), &CONTEXT).unwrap();
    let update = |new: &Object| review(PolicyKind::Propagation, Some(&old), new, &CONTEXT).map_err(|denied| denied.to_string());
    assert_eq!(update(&old), Ok(old.clone()));
    assert_eq!(
        update(&policy(WEB)).unwrap_err(),
        "metadata.labels[propagationpolicy.karmada.io/permanent-id]: Required value: policies are told apart by it"
    );
    let mut other = old.clone();
    other.set_label("propagationpolicy.karmada.io/permanent-id", "other");
    other["spec"]["schedulerName"] = json!("mine");
    assert_eq!(
        update(&other).unwrap_err(),
        "[metadata.labels[propagationpolicy.karmada.io/permanent-id]: Invalid value: \"other\": field is immutable, \
         spec.schedulerName: Invalid value: \"mine\": field is immutable]"
    );
    let mut same = old.clone();
    same["spec"]["schedulerName"] = json!("default-scheduler");
    assert!(update(&same).is_ok());
}

#[test]
fn defaults() {
    let kind = PolicyKind::Propagation;
    stored(
        kind,
        "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]",
        "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, namespace: shop}]",
    );
    stored(
        kind,
        &format!("{WEB}, placement: {{spreadConstraints: [{{maxGroups: 2}}], replicaScheduling: {{}}}}"),
        &format!(
            "{WEB}, placement: {{spreadConstraints: [{{spreadByField: cluster, minGroups: 1, maxGroups: 2}}], replicaScheduling: {{replicaDivisionPreference: Weighted}}}}"
        ),
    );
    stored(
        kind,
        "resourceSelectors: [{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, namespace: shop}]",
        "resourceSelectors: [{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, namespace: shop}], propagateDeps: true",
    );
    stored(
        kind,
        &format!("{WEB}, propagateDeps: true, failover: {{application: {{decisionConditions: {{}}}}}}"),
        &format!("{WEB}, propagateDeps: true, failover: {{application: {{decisionConditions: {{}}, gracePeriodSeconds: 600}}}}"),
    );
    stored(
        kind,
        &format!("{WEB}, placement: {{replicaScheduling: {{replicaSchedulingType: Duplicated}}}}"),
        &format!("{WEB}, placement: {{replicaScheduling: {{replicaSchedulingType: Duplicated}}}}"),
    );
    stored(PolicyKind::ClusterPropagation, "resourceSelectors: [{kind: Deployment}]", "resourceSelectors: [{kind: Deployment}]");
    stored(PolicyKind::Override, "resourceSelectors: [{kind: Deployment}]", "resourceSelectors: [{kind: Deployment, namespace: shop}]");
    stored(PolicyKind::ClusterOverride, "resourceSelectors: [{kind: Deployment}]", "resourceSelectors: [{kind: Deployment}]");
}

#[test]
fn a_policy_selects_in_its_own_namespace() {
    let bank = "resourceSelectors: [{kind: Deployment, namespace: bank}]";
    let expect = "spec.resourceSelectors[0].namespace: Invalid value: \"bank\": must be the namespace of the policy";
    denied(PolicyKind::Propagation, bank, expect);
    denied(PolicyKind::Override, bank, expect);
    stored(PolicyKind::ClusterPropagation, bank, bank);
}

#[test]
fn affinities() {
    placement_denied(
        "clusterAffinity: {}, clusterAffinities: [{affinityName: a}]",
        "spec.placement.clusterAffinities: Forbidden: must not be given together with `clusterAffinity`",
    );
    placement_denied(
        "clusterAffinities: [{affinityName: a}, {affinityName: a}]",
        "spec.placement.clusterAffinities[1].affinityName: Duplicate value: \"a\"",
    );
    placement_denied(
        "clusterAffinities: [{affinityName: a b}]",
        "spec.placement.clusterAffinities[0].affinityName: Invalid value: \"a b\": must consist of letters, digits, `-`, `_` and `.`, \
         and begin and end with a letter or digit",
    );
    placement_denied(
        "clusterAffinity: {fieldSelector: {matchExpressions: [{key: planet, operator: Exists}]}}",
        "[spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].key: Unsupported value: \"planet\": supported values: \
         \"provider\", \"region\", \"zone\", spec.placement.clusterAffinity.fieldSelector.matchExpressions[0].operator: Unsupported \
         value: \"Exists\": supported values: \"In\", \"NotIn\"]",
    );
}

#[test]
fn overflow() {
    let divided = "replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}";
    let term =
        |rest: &str| format!("clusterAffinities: [{{affinityName: a, clusterNames: [x], overflowAffinities: [{{affinityName: {rest}}}]}}]");
    stored(
        PolicyKind::Propagation,
        &format!("{WEB}, placement: {{{}, {divided}}}", term("b")),
        &format!("{WEB}, placement: {{{}, {divided}}}", term("b")),
    );
    placement_denied(
        &term("b"),
        "spec.placement.clusterAffinities[0].overflowAffinities: Forbidden: needs `replicaSchedulingType: Divided` with `Aggregated`, \
         or with `Weighted` and a `dynamicWeight`",
    );
    placement_denied(
        &format!("{}, {divided}", term("a")),
        "spec.placement.clusterAffinities[0].overflowAffinities[0].affinityName: Duplicate value: \"a\"",
    );
    placement_denied(
        &format!("{}, {divided}", term("b").replace("clusterNames: [x], ", "")),
        "spec.placement.clusterAffinities[0]: Required value: a group that means every cluster has no overflow",
    );
}

#[test]
fn spreading() {
    placement_denied(
        "spreadConstraints: [{spreadByField: region, minGroups: 1}]",
        "spec.placement.spreadConstraints: Required value: spreading by a field needs a constraint with `spreadByField: cluster` too",
    );
    placement_denied(
        "spreadConstraints: [{spreadByField: cluster, spreadByLabel: a}]",
        "spec.placement.spreadConstraints[0].spreadByLabel: Forbidden: must not be given together with `spreadByField`",
    );
    placement_denied(
        "spreadConstraints: [{spreadByField: cluster, minGroups: 3, maxGroups: 2}, {spreadByField: cluster, minGroups: -1, maxGroups: -2}]",
        "[spec.placement.spreadConstraints[0].maxGroups: Invalid value: 2: must not be less than `minGroups`, \
         spec.placement.spreadConstraints[1].minGroups: Invalid value: -1: must not be negative, \
         spec.placement.spreadConstraints[1].maxGroups: Invalid value: -2: must not be negative, \
         spec.placement.spreadConstraints[1].spreadByField: Duplicate value: \"cluster\"]",
    );
}

#[test]
fn the_rest_of_a_placement() {
    placement_denied(
        "clusterTolerations: [{key: k, operator: Gt, value: '1'}]",
        "spec.placement.clusterTolerations[0].operator: Unsupported value: \"Gt\": supported values: \"Equal\", \"Exists\"",
    );
    placement_denied(
        "workloadAffinity: {affinity: {groupByLabelKey: app}, antiAffinity: {groupByLabelKey: app}}",
        "spec.placement.workloadAffinity.antiAffinity.groupByLabelKey: Invalid value: \"app\": must differ from that of `affinity`",
    );
    placement_denied(
        "workloadAffinity: {affinity: {groupByLabelKey: ''}}",
        "spec.placement.workloadAffinity.affinity.groupByLabelKey: Invalid value: \"\": must have 1 to 63 characters",
    );
}

#[test]
fn failover() {
    let check = |failover: &str, expect: &str| {
        denied(PolicyKind::Propagation, &format!("{WEB}, propagateDeps: true, failover: {{application: {{{failover}}}}}"), expect);
    };
    denied(
        PolicyKind::Propagation,
        &format!("{WEB}, failover: {{application: {{decisionConditions: {{}}}}}}"),
        "spec.propagateDeps: Invalid value: false: must be true with `failover.application`: what it needs moves with it",
    );
    check(
        "decisionConditions: {tolerationSeconds: -1}, purgeMode: Never, gracePeriodSeconds: 1",
        "[spec.failover.application.decisionConditions.tolerationSeconds: Invalid value: -1: must not be negative, \
         spec.failover.application.gracePeriodSeconds: Forbidden: only `purgeMode: Gracefully` has it]",
    );
    check(
        "gracePeriodSeconds: 0, statePreservation: {rules: [{aliasLabelName: '-', jsonPath: x}]}",
        "[spec.failover.application.gracePeriodSeconds: Invalid value: 0: must be greater than 0, \
         spec.failover.application.statePreservation.rules[0].aliasLabelName: Invalid value: \"-\": must consist of letters, digits, \
         `-`, `_` and `.`, and begin and end with a letter or digit]",
    );
}

#[test]
fn preemption_and_suspension() {
    denied(
        PolicyKind::ClusterPropagation,
        "resourceSelectors: [{kind: Deployment}], preemption: Always",
        "spec.resourceSelectors[0].name: Required value: `preemption: Always` takes over named objects only",
    );
    denied(
        PolicyKind::Propagation,
        &format!("{WEB}, suspension: {{dispatching: true, dispatchingOnClusters: {{clusterNames: [a]}}}}"),
        "spec.suspension.dispatchingOnClusters: Forbidden: `dispatching: true` suspends all clusters",
    );
}

#[test]
fn override_policies() {
    let check = |spec: &str, expect: &str| denied(PolicyKind::ClusterOverride, spec, expect);
    let rule = |overriders: &str| format!("overrideRules: [{{overriders: {{{overriders}}}}}]");
    let both = "must not be given together with `overrideRules`";
    check(
        &format!("{}, targetCluster: {{}}, overriders: {{argsOverrider: [{{containerName: a, operator: add}}]}}", rule("")),
        &format!("[spec.targetCluster: Forbidden: {both}, spec.overriders: Forbidden: {both}]"),
    );
    check(
        &rule("labelsOverrider: [{operator: add, value: {a: b c}}]"),
        "spec.overrideRules[0].overriders.labelsOverrider[0].value: Invalid value: \"b c\": must consist of letters, digits, `-`, `_` \
         and `.`, and begin and end with a letter or digit",
    );
    check(
        &rule("imageOverrider: [{predicate: {path: spec}, component: Tag, operator: remove}]"),
        "spec.overrideRules[0].overriders.imageOverrider[0].predicate.path: Invalid value: \"spec\": must be a JSON pointer: empty, or \
         beginning with `/`",
    );
    check(
        &rule("fieldOverrider: [{fieldPath: /a}]"),
        "spec.overrideRules[0].overriders.fieldOverrider[0]: Required value: one of `json` and `yaml` must be given",
    );
    check(
        &rule("fieldOverrider: [{fieldPath: /a, json: [{subPath: x, operator: add}], yaml: [{subPath: /x, operator: remove, value: 1}]}]"),
        "[spec.overrideRules[0].overriders.fieldOverrider[0].yaml: Forbidden: must not be given together with `json`, \
         spec.overrideRules[0].overriders.fieldOverrider[0].json[0].subPath: Invalid value: \"x\": must be a JSON pointer: empty, or \
         beginning with `/`, \
         spec.overrideRules[0].overriders.fieldOverrider[0].json[0].value: Required value: `add` and `replace` need it, \
         spec.overrideRules[0].overriders.fieldOverrider[0].yaml[0].value: Forbidden: `remove` has none]",
    );
    stored(
        PolicyKind::ClusterOverride,
        &rule("labelsOverrider: [{operator: add, value: {a: b}}]"),
        &rule("labelsOverrider: [{operator: add, value: {a: b}}]"),
    );
}

#[test]
fn what_cannot_be_read_is_turned_away() {
    denied(PolicyKind::Propagation, "resourceSelectors: 5", "spec: Invalid value: invalid type: integer `5`, expected a sequence");
}

#[test]
fn protected_objects_are_not_deleted() {
    let object = |value: &str| Object(json!({"metadata": {"labels": {"resourcetemplate.karmada.io/deletion-protected": value}}}));
    assert!(check_deletion(&object("Sometimes")).is_ok());
    assert_eq!(
        check_deletion(&object("Always")).unwrap_err().to_string(),
        "metadata.labels[resourcetemplate.karmada.io/deletion-protected]: Forbidden: this object is protected, remove the label before \
         deleting it"
    );
}

#[test]
fn label_selectors_that_select_nothing_for_a_mistake_are_turned_away() {
    denied(
        PolicyKind::Propagation,
        "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchExpressions: [{key: app, operator: Is, values: [web]}]}}]",
        r#"spec.resourceSelectors[0].labelSelector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Is","values":["web"]}]}: operator `Is` of key `app` is not one of In, NotIn, Exists, DoesNotExist"#,
    );
    placement_denied(
        "clusterAffinity: {labelSelector: {matchLabels: {zone: a b}}}",
        r#"spec.placement.clusterAffinity.labelSelector: Invalid value: {"matchLabels":{"zone":"a b"}}: value `a b` of key `zone` must consist of letters, digits, `-`, `_` and `.`, and begin and end with a letter or digit"#,
    );
}
