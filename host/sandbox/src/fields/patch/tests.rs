//! What the four kinds of patch do to objects.

use super::*;
use crate::fields::arbitrary::{Dice, values};
use crate::fields::recordings;
use std::sync::Arc;

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("the test is YAML")
}

fn schema(api_version: &str, kind: &str) -> Arc<TypeSchema> {
    TypeSchema::built_in(api_version, kind).unwrap()
}

fn check(object: &str, patch: &str, expected: &str) {
    let mut patched = yaml(object);
    strategic(&mut patched, &yaml(patch), &schema("v1", "Pod")).unwrap();
    assert_eq!(patched, yaml(expected), "{object} patched by {patch}");
}

fn refusal(object: &str, patch: &str) -> ApiError {
    let before = yaml(object);
    let mut patched = before.clone();
    let refusal = strategic(&mut patched, &yaml(patch), &schema("v1", "Pod")).unwrap_err();
    assert_eq!(patched, before, "a refused patch changes nothing");
    refusal
}

#[test]
fn lists_merge_by_their_key_and_keep_their_order() {
    check(
        "spec: {containers: [{name: a, image: x}, {name: b, image: y}]}",
        "spec: {containers: [{name: b, image: z}, {name: c}]}",
        "spec: {containers: [{name: a, image: x}, {name: b, image: z}, {name: c}]}",
    );
    check(
        "spec: {containers: [{name: a, args: [x, y]}]}",
        "spec: {containers: [{name: a, args: [z]}]}",
        "spec: {containers: [{name: a, args: [z]}]}",
    );
    check("spec: {nodeSelector: {a: b}}", "spec: {nodeSelector: {c: d}, hostname: null}", "spec: {nodeSelector: {a: b, c: d}}");
}

#[test]
fn directives_delete_and_replace() {
    check(
        "spec: {containers: [{name: a}, {name: b}], hostname: h}",
        "spec: {containers: [{name: a, $patch: delete}]}",
        "spec: {containers: [{name: b}], hostname: h}",
    );
    check(
        "spec: {containers: [{name: a}, {name: b}]}",
        "spec: {containers: [{$patch: replace}, {name: c}]}",
        "spec: {containers: [{name: c}]}",
    );
    check(
        "spec: {securityContext: {fsGroup: 1, runAsUser: 2}}",
        "spec: {securityContext: {$patch: replace, fsGroup: 3}}",
        "spec: {securityContext: {fsGroup: 3}}",
    );
    check("spec: {securityContext: {fsGroup: 1}}", "spec: {securityContext: {$patch: delete}}", "spec: {securityContext: {}}");
    check(
        "spec: {volumes: [{name: a, emptyDir: {}, hostPath: {path: /}}]}",
        "spec: {volumes: [{name: a, $retainKeys: [name, emptyDir], emptyDir: {medium: Memory}}]}",
        "spec: {volumes: [{name: a, emptyDir: {medium: Memory}}]}",
    );
}

#[test]
fn primitive_lists_merge_by_value_and_lose_values_by_directive() {
    check("metadata: {finalizers: [a, b]}", "metadata: {finalizers: [c, a]}", "metadata: {finalizers: [c, a, b]}");
    check("metadata: {finalizers: [a, b]}", "metadata: {$deleteFromPrimitiveList/finalizers: [a]}", "metadata: {finalizers: [b]}");
    check(
        "metadata: {finalizers: [a, b]}",
        "metadata: {$setElementOrder/finalizers: [c, b, a], finalizers: [c]}",
        "metadata: {finalizers: [c, b, a]}",
    );
}

#[test]
fn the_order_list_orders_what_it_names_and_leaves_the_others_between() {
    check(
        "spec: {containers: [{name: a}, {name: server}, {name: b}]}",
        "spec: {$setElementOrder/containers: [{name: b}, {name: a}], containers: [{name: b, image: x}]}",
        "spec: {containers: [{name: server}, {name: b, image: x}, {name: a}]}",
    );
    check(
        "spec: {containers: [{name: a}, {name: b}]}",
        "spec: {$setElementOrder/containers: [{name: b}], containers: [{name: a, $patch: delete}]}",
        "spec: {containers: [{name: b}]}",
    );
}

#[test]
fn malformed_strategic_patches_are_refused() {
    let keyless = refusal("spec: {containers: [{name: a}]}", "spec: {containers: [{image: x}]}");
    assert_eq!((keyless.code, &*keyless.message), (500, "map: map[image:x] does not contain declared merge key: name"));
    let unknown = refusal("spec: {}", "spec: {$patch: mix}");
    assert_eq!(unknown.message, "unknown patch type: mix in map: map[$patch:mix]");
    let retain = refusal("spec: {}", "spec: {$retainKeys: [a], hostname: b}");
    assert_eq!((retain.code, &*retain.message), (400, "invalid patch format of retainKeys"));
}

#[test]
fn custom_resources_refuse_strategic_patches() {
    let schema = TypeSchema::from_crd(&yaml("{type: object}")).unwrap();
    let refusal = strategic(&mut yaml("{}"), &yaml("{}"), &schema).unwrap_err();
    assert_eq!((refusal.code, refusal.reason), (415, "UnsupportedMediaType"));
}

#[test]
fn json_patches_apply_or_are_refused_as_a_whole() {
    let mut object = yaml("{spec: {replicas: 1}}");
    json(&mut object, &yaml("[{op: replace, path: /spec/replicas, value: 2}]")).unwrap();
    assert_eq!(object, yaml("{spec: {replicas: 2}}"));
    let refusal = json(&mut object, &yaml("[{op: add, path: /a, value: 1}, {op: remove, path: /spec/nope}]")).unwrap_err();
    assert_eq!((refusal.code, &*refusal.message), (422, "the server rejected our request due to an error in our request"));
    assert_eq!(object, yaml("{spec: {replicas: 2}}"));
    let refusal = json(&mut object, &yaml("{op: add}")).unwrap_err();
    assert_eq!(
        (refusal.code, &*refusal.message),
        (400, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")
    );
}

#[test]
fn a_patch_with_an_unknown_field_is_quoted_as_in_the_recording() {
    for exchange in recordings::exchanges("control-plane").iter().filter(|exchange| exchange.method == "PATCH" && exchange.status == 422) {
        if exchange.content_type.contains("strategic") {
            let refusal = undecodable(&shown_patch(&exchange.body), r#"strict decoding error: unknown field "spec.replicaz""#);
            assert_eq!(refusal.to_status(), exchange.answer, "{}", exchange.step);
        }
    }
}

/// What the recorded server made of every patch, from what it had answered before.
#[test]
fn patches_of_the_recording_give_what_they_gave_there() {
    let mut seen = 0;
    for server in ["control-plane", "member"] {
        let mut live: std::collections::HashMap<String, Value> = std::collections::HashMap::new();
        for exchange in recordings::exchanges(server) {
            let resource = exchange.resource().to_owned();
            if let Some(before) = live.get(&resource).filter(|_| exchange.method == "PATCH" && exchange.answer["kind"] == "Deployment") {
                let schema = schema("apps/v1", "Deployment");
                let mut patched = before.clone();
                let applied = match exchange.content_type.as_str() {
                    "application/json-patch+json" => json(&mut patched, &exchange.body),
                    "application/strategic-merge-patch+json" => strategic(&mut patched, &exchange.body, &schema),
                    "application/merge-patch+json" => {
                        merge(&mut patched, &exchange.body).unwrap();
                        Ok(())
                    }
                    _ => {
                        live.insert(resource, exchange.answer);
                        continue;
                    }
                };
                applied.unwrap_or_else(|refusal| panic!("{}: {}", exchange.step, refusal.message));
                schema.prune(&mut patched);
                // Defaults are not filled in here; the port's protocol is the only one that a recorded patch touches.
                assert_eq!(patched["spec"], exchange.answer["spec"], "{}", exchange.step);
                assert_eq!(patched["metadata"]["labels"], exchange.answer["metadata"]["labels"], "{}", exchange.step);
                seen += 1;
            }
            if exchange.status == 200 && exchange.answer["kind"] == "Deployment" && exchange.parameter("dryRun").is_none() {
                live.insert(resource, exchange.answer);
            }
        }
        assert!(seen >= 5 || live.is_empty(), "the recording has patches");
    }
}

/// The RFC 7386 patch that makes `to` of `from`.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = serde_json::Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in to.iter().filter(|(key, value)| from.get(*key) != Some(*value)) {
        patch.insert(key.clone(), from.get(key).map_or_else(|| value.clone(), |from| difference(from, value)));
    }
    Value::Object(patch)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), without_nulls(value))).collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[test]
fn merging_the_difference_gives_the_other_object() {
    for seed in 0..2_000 {
        let mut dice = Dice::new(seed);
        let from = without_nulls(&Value::Object(dice.map(4)));
        let to = without_nulls(&Value::Object(dice.map(4)));
        let mut patched = from.clone();
        merge(&mut patched, &difference(&from, &to)).unwrap();
        assert_eq!(patched, to, "from {from}");
    }
}

#[test]
fn nothing_that_is_json_makes_a_patch_panic() {
    let pod = schema("v1", "Pod");
    values(2_000, |value| {
        let mut dice = Dice::new(value.to_string().len() as u64);
        let patch = Value::Object(dice.map(6));
        let mut object = value.clone();
        let _ = strategic(&mut object, &patch, &pod);
        let _ = json(&mut object, &patch);
        merge(&mut object, &patch).unwrap();
    });
}

#[test]
fn a_strategic_patch_without_directives_changes_nothing_the_second_time() {
    let pod = schema("v1", "Pod");
    values(2_000, |patch| {
        if patch.to_string().contains('$') {
            return;
        }
        let mut once = yaml("{metadata: {finalizers: [a], labels: {a: b}}, spec: {containers: [{name: main, image: x}]}}");
        if strategic(&mut once, patch, &pod).is_ok() {
            let mut twice = once.clone();
            if strategic(&mut twice, patch, &pod).is_ok() {
                assert_eq!(twice, once, "patched by {patch}");
            }
        }
    });
}
