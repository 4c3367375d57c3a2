//! What override policies change: Karmada's answers in `tests/vectors/override.ndjson`, and what users see.

use flotilla_api::cluster::Cluster;
use flotilla_api::object::Object;
use flotilla_api::policy::{self, ClusterOverridePolicy, OverridePolicy};
use flotilla_core::overrides::{apply, batch};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("../../../tests/vectors/override.ndjson");

/// Cases where we do better on purpose; `docs/compatibility.md` says why.
const DEVIATIONS: &[&str] = &["args/commandOverrider-nonstring", "args/argsOverrider-nonstring", "plaintext/namespace", "plaintext/root"];

/// Without null fields.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            fields.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), pruned(value))).collect()
        }
        Value::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

/// The document that a string holds, where it holds more than a scalar.
fn document(text: &str) -> Option<Value> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let value: Value = serde_json::from_str(text).ok().or_else(|| serde_saphyr::from_str_with_options(text, options).ok())?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// By value: numbers as numbers, documents under `data` as documents.
fn same(want: &Value, got: &Value, path: &str) -> Result<(), String> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let keys = want.keys().chain(got.keys());
            let at = |map: &serde_json::Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(json!("<absent>"));
            let mut keys: Vec<&String> = keys.collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().try_for_each(|key| same(&at(want, key), &at(got, key), &format!("{path}/{key}")))
        }
        (Value::Array(want), Value::Array(got)) if want.len() == got.len() => {
            want.iter().zip(got).enumerate().try_for_each(|(n, (want, got))| same(want, got, &format!("{path}/{n}")))
        }
        (Value::Number(want), Value::Number(got)) if want.as_f64() == got.as_f64() && want.as_i64() == got.as_i64() => Ok(()),
        (Value::String(want), Value::String(got)) if want != got && path.contains("/data/") => match (document(want), document(got)) {
            (Some(want), Some(got)) => same(&want, &got, path),
            _ => Err(format!("{path}: want {want:?}, got {got:?}")),
        },
        _ if want == got => Ok(()),
        _ => Err(format!("{path}: want {want}, got {got}")),
    }
}

fn judge(case: &Value) -> Result<(), String> {
    let answer = batch::answer(&case["in"]);
    match case["error"].as_str() {
        Some("Panic") => Ok(()),
        Some(class) if answer["error"]["class"] == class => Ok(()),
        Some(class) => Err(format!("want {class}, got {answer}")),
        None => same(&pruned(&case["out"]), &pruned(&answer), ""),
    }
}

#[test]
fn all_vectors() {
    let mut failures = Vec::new();
    let mut count = 0;
    for line in VECTORS.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        match judge(&case) {
            Ok(()) if DEVIATIONS.contains(&id) => failures.push(format!("{id}: is no deviation any more")),
            Err(why) if !DEVIATIONS.contains(&id) => failures.push(format!("{id} ({}): {why}", case["note"])),
            _ => {}
        }
        count += 1;
    }
    assert!(failures.is_empty(), "{} of {count} fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(count, 210);
}

/// What `apply` makes of documents separated by `---`: the object, then override policies. The cluster is named `a`.
fn applied(yaml: &str) -> Result<(Object, Value), String> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let mut object = Object(documents.remove(0));
    let cluster: Cluster = serde_saphyr::from_str("{metadata: {name: a}, spec: {syncMode: Push}}").unwrap();
    let (wide, namespaced): (Vec<_>, Vec<_>) = documents.iter().partition(|policy| policy["kind"] == "ClusterOverridePolicy");
    let wide: Vec<ClusterOverridePolicy> = wide.into_iter().map(|value| policy::read(value).unwrap()).collect();
    let namespaced: Vec<OverridePolicy> = namespaced.into_iter().map(|value| policy::read(value).unwrap()).collect();
    let (wide, namespaced): (Vec<_>, Vec<_>) = (wide.iter().collect(), namespaced.iter().collect());
    let applied = apply(&mut object, &cluster, &wide, &namespaced, &|_| false).map_err(|error| error.to_string())?;
    Ok((object, json!(applied.annotations())))
}

#[test]
fn a_work_notes_what_was_applied() {
    let (object, annotations) = applied(
        r#"
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}}
---
{kind: OverridePolicy, metadata: {name: b, namespace: shop}, spec: {overrideRules: [{overriders: {labelsOverrider: [{operator: add, value: {x: b}}]}}]}}
---
{kind: OverridePolicy, metadata: {name: a, namespace: shop}, spec: {resourceSelectors: [{apiVersion: v1, kind: ConfigMap, name: c}], overrideRules: [{overriders: {labelsOverrider: [{operator: add, value: {x: a}}]}}]}}
---
{kind: ClusterOverridePolicy, metadata: {name: wide}, spec: {overriders: {labelsOverrider: [{operator: add, value: {x: wide}}]}}}
---
{kind: ClusterOverridePolicy, metadata: {name: elsewhere}, spec: {targetCluster: {clusterNames: [b]}}}
"#,
    )
    .unwrap();
    assert_eq!(object.label("x"), Some("a"), "the policy that describes the object more closely comes last");
    assert_eq!(
        annotations,
        json!({
            "policy.karmada.io/applied-cluster-overrides":
                r#"[{"overriders":{"labelsOverrider":[{"operator":"add","value":{"x":"wide"}}]},"policyName":"wide"}]"#,
            "policy.karmada.io/applied-overrides":
                r#"[{"overriders":{"labelsOverrider":[{"operator":"add","value":{"x":"a"}}]},"policyName":"a"},{"overriders":{"labelsOverrider":[{"operator":"add","value":{"x":"b"}}]},"policyName":"b"}]"#,
        })
    );
}

#[track_caller]
fn check_error(object: &str, overriders: &str, expect: &str) {
    let yaml =
        format!("{object}\n---\n{{kind: OverridePolicy, metadata: {{name: p, namespace: shop}}, spec: {{overriders: {{{overriders}}}}}}}");
    assert_eq!(applied(&yaml).unwrap_err(), expect);
}

#[test]
fn an_error_names_the_policy_and_the_place() {
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}, data: {a: 'x: [', b: '1'}}";
    check_error(
        map,
        "plaintext: [{path: /data/c, operator: add, value: x}, {path: /data/d, operator: remove}]",
        "OverridePolicy shop/p: plaintext[1]: nothing at `/data/d`",
    );
    check_error(
        map,
        "fieldOverrider: [{fieldPath: /data/ghost, json: [{subPath: /x, operator: remove}]}]",
        "OverridePolicy shop/p: fieldOverrider[0]: there is no field `/data/ghost`",
    );
    check_error(
        map,
        "fieldOverrider: [{fieldPath: /data/b, yaml: [{subPath: /x, operator: remove}]}]",
        "OverridePolicy shop/p: fieldOverrider[0]: `/data/b` is a document without fields",
    );
    check_error(
        map,
        "imageOverrider: [{predicate: {path: /data/image}, component: Tag, operator: remove}]",
        "OverridePolicy shop/p: imageOverrider[0]: there is nothing at `/data/image`",
    );
    check_error(
        map,
        "plaintext: [{path: /kind, operator: remove}]",
        "OverridePolicy shop/p: plaintext: what is left is no object: `kind` is missing",
    );
}

#[test]
fn a_field_overrider_without_operations_changes_nothing() {
    let (object, _) = applied(
        r#"
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}, data: {a: text}}
---
{kind: OverridePolicy, metadata: {name: p, namespace: shop}, spec: {overriders: {fieldOverrider: [{fieldPath: /data/a}]}}}
"#,
    )
    .unwrap();
    assert_eq!(object["data"]["a"], "text");
}

#[test]
fn yaml_stays_yaml() {
    let (object, _) = applied(
        r#"
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}, data: {a: "z: 'yes'\nlist:\n- 0644\n- on\nwhen: 2026-01-02\n"}}
---
{kind: OverridePolicy, metadata: {name: p, namespace: shop}, spec: {overriders: {fieldOverrider: [{fieldPath: /data/a, yaml: [{subPath: /b, operator: add, value: 'no'}]}]}}}
"#,
    )
    .unwrap();
    assert_eq!(object["data"]["a"], "b: \"no\"\nlist:\n- 420\n- true\nwhen: \"2026-01-02\"\nz: \"yes\"\n");
}
