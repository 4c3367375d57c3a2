//! Which policy a template follows: Karmada's answers in `tests/vectors/match.ndjson`, and our own words about them.

use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy;
use flotilla_core::matching::{Context, Policy, PolicyIndex, batch, decide, explain, is_skipped_by_default};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/match.ndjson");

/// The part of an answer that counts; null is absent.
fn canonical(answer: &Value) -> Value {
    let mut kept = json!({});
    for field in ["policy", "binding", "considered"] {
        if let Some(value) = answer.get(field).filter(|value| !value.is_null()) {
            kept[field] = value.clone();
        }
    }
    kept
}

#[test]
fn all_vectors() {
    let mut failures = Vec::new();
    let mut count = 0;
    for line in VECTORS.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let answer = batch::answer(&case["in"]);
        if canonical(&answer) != canonical(&case["out"]) {
            failures.push(format!("{} ({}): want {}, got {answer}", case["id"], case["note"], case["out"]));
        }
        count += 1;
    }
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(count, 146);
}

/// Documents separated by `---`: the template, then policies.
fn world(yaml: &str) -> (Object, Vec<Policy>) {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let template = Object(documents.remove(0));
    let read = |document: &Value| match document["kind"].as_str() {
        Some("ClusterPropagationPolicy") => policy::read::<policy::ClusterPropagationPolicy>(document).unwrap().into(),
        _ => policy::read::<policy::PropagationPolicy>(document).unwrap().into(),
    };
    (template, documents.iter().map(read).collect())
}

/// What is decided, and why not otherwise.
#[track_caller]
fn check(yaml: &str, serves: &dyn Fn(&GroupVersionKind) -> bool, expect: &str) {
    let (template, policies) = world(yaml);
    let context = Context {
        policies: &PolicyIndex::new(policies),
        serves,
        has_override: &|_, name| name == "there",
        skips_namespace: &is_skipped_by_default,
    };
    let verdict = decide(&template, &context);
    let mut text = format!("{verdict}\n");
    for (policy, why) in explain(&template, &verdict, &context) {
        text += &format!("- {policy}: {why}\n");
    }
    assert_eq!(text, expect.trim_start());
}

const WEB: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {app: web}}}";

fn pp(name: &str, spec: &str) -> String {
    format!("\n---\n{{kind: PropagationPolicy, metadata: {{name: {name}, namespace: shop}}, spec: {{{spec}}}}}")
}

fn cpp(name: &str, spec: &str) -> String {
    format!("\n---\n{{kind: ClusterPropagationPolicy, metadata: {{name: {name}}}, spec: {{{spec}}}}}")
}

const BY_NAME: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]";
const BY_LABEL: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {app: web}}}]";
const BY_KIND: &str = "resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]";

#[test]
fn each_policy_that_is_passed_over_has_a_reason() {
    let policies = [
        pp("by-name", BY_NAME),
        pp("by-name-too", BY_NAME),
        pp("by-label", BY_LABEL),
        pp("later", &format!("{BY_NAME}, priority: -1")),
        pp("other", "resourceSelectors: [{apiVersion: v1, kind: Secret}, {apiVersion: apps/v1, kind: Deployment, name: api}]"),
        cpp("wide", &format!("{BY_NAME}, priority: 9")),
    ];
    let elsewhere = format!("\n---\n{{kind: PropagationPolicy, metadata: {{name: far, namespace: bank}}, spec: {{{BY_NAME}}}}}");
    check(
        &format!("{WEB}{}{elsewhere}", policies.concat()),
        &|_| false,
        "
follows PropagationPolicy shop/by-name
- ClusterPropagationPolicy wide: cluster-wide, and a PropagationPolicy matches
- PropagationPolicy bank/far: of another namespace
- PropagationPolicy shop/by-label: selects by labels, which is weaker
- PropagationPolicy shop/by-name-too: as good, but its name sorts later
- PropagationPolicy shop/later: priority -1 is lower
- PropagationPolicy shop/other: selects v1 Secret; selects name `api`
",
    );
}

#[test]
fn a_claim_is_kept() {
    let web = WEB.replace(
        "labels: {",
        "annotations: {clusterpropagationpolicy.karmada.io/name: wide}, labels: {clusterpropagationpolicy.karmada.io/permanent-id: i, ",
    );
    let expect = "
follows ClusterPropagationPolicy wide
- PropagationPolicy shop/by-name: ClusterPropagationPolicy wide has the claim
";
    check(&format!("{web}{}{}", cpp("wide", BY_KIND), pp("by-name", BY_NAME)), &|_| false, expect);
    check(
        &format!("{web}{}", pp("by-name", BY_NAME)),
        &|_| false,
        "
claim of ClusterPropagationPolicy wide is void: there is no such policy
- PropagationPolicy shop/by-name: would match, but the template is not propagated now
",
    );
}

#[test]
fn a_policy_waits_for_override_policies() {
    check(
        &format!("{WEB}{}", pp("a", &format!("{BY_NAME}, dependentOverrides: [there]"))),
        &|_| false,
        "follows PropagationPolicy shop/a\n",
    );
    check(
        &format!("{WEB}{}", pp("a", &format!("{BY_NAME}, dependentOverrides: [there, missing]"))),
        &|_| false,
        "waiting: PropagationPolicy shop/a waits for override policies missing\n",
    );
}

#[test]
fn any_served_version_selects() {
    let other_version = BY_KIND.replace("apps/v1", "apps/v1beta1");
    let yaml = format!("{WEB}{}", pp("a", &other_version));
    check(&yaml, &|gvk| gvk.version == "v1beta1", "follows PropagationPolicy shop/a\n");
    check(&yaml, &|_| false, "no policy selects it\n- PropagationPolicy shop/a: selects apps/v1beta1 Deployment\n");
}

#[test]
fn an_index_that_grows_and_shrinks_answers_like_a_new_one() {
    let (template, policies) = world(&format!("{WEB}{}{}{}", pp("b", BY_NAME), pp("a", BY_KIND), cpp("c", BY_NAME)));
    let best = |index: &PolicyIndex| index.best(&template, &|_| false).map(|policy| policy.name.to_string());
    let mut index = PolicyIndex::default();
    policies.iter().for_each(|policy| index.insert(policy.clone()));
    assert_eq!(best(&index).as_deref(), Some("PropagationPolicy shop/b"));
    index.remove(&policies[0].name);
    assert_eq!(best(&index).as_deref(), Some("PropagationPolicy shop/a"));
    index.insert(Policy { is_deleting: true, ..policies[1].clone() });
    assert_eq!(best(&index).as_deref(), Some("ClusterPropagationPolicy c"));
    index.remove(&policies[1].name);
    index.remove(&policies[2].name);
    assert_eq!(best(&index), None);
}
