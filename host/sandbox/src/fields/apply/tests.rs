//! What server-side apply does to objects and to who owns their fields, also as recorded.

use super::*;
use crate::fields::arbitrary;
use crate::fields::recordings::{self, Exchange};
use std::collections::HashMap;
use std::sync::Arc;

const NOW: &str = "2026-11-21T02:31:10Z";

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("the test is YAML")
}

fn deployment() -> Arc<TypeSchema> {
    TypeSchema::built_in("apps/v1", "Deployment").unwrap()
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, subresource: "", api_version: "apps/v1", now: NOW, has_status: true }
}

/// A Deployment with some fields beside its type and name.
fn web(fields: &str) -> Value {
    let mut object = yaml(fields);
    object["apiVersion"] = json!("apps/v1");
    object["kind"] = json!("Deployment");
    object["metadata"]["name"] = json!("web");
    object
}

fn applied(live: Option<&Value>, fields: &str, manager: &str) -> Value {
    apply(live, &web(fields), &writer(manager), false, &deployment()).unwrap_or_else(|refusal| panic!("{}", refusal.message))
}

fn tracked(old: Option<&Value>, fields: &str, manager: &str) -> Value {
    let mut new = web(fields);
    deployment().prune(&mut new);
    track(old, &mut new, &writer(manager), &deployment());
    new
}

/// Who owns what: `manager operation: paths`.
fn owners(object: &Value) -> Vec<String> {
    let managers = Managers::of(object).expect("well-formed entries");
    managers.entries.iter().map(|entry| format!("{} {:?}: {}", entry.manager, entry.operation, entry.fields.paths().join(" "))).collect()
}

#[test]
fn an_apply_owns_what_it_names() {
    let object =
        applied(None, "{metadata: {labels: {a: b}}, spec: {replicas: 1, template: {spec: {containers: [{name: m, image: x}]}}}}", "alice");
    assert_eq!(
        owners(&object),
        [
            r#"alice Apply: .metadata.labels.a .spec.replicas .spec.template.spec.containers[name="m"] .spec.template.spec.containers[name="m"].image .spec.template.spec.containers[name="m"].name"#
        ]
    );
    assert_eq!(object["metadata"]["managedFields"][0]["time"], NOW);
}

#[test]
fn what_an_applier_no_longer_names_goes_unless_somebody_else_owns_it() {
    let first = applied(None, "{metadata: {labels: {a: '1', b: '2'}}, spec: {replicas: 1}}", "alice");
    let both = applied(Some(&first), "{metadata: {labels: {b: '2'}}}", "bob");
    let after = applied(Some(&both), "{spec: {replicas: 1}}", "alice");
    assert_eq!(after["metadata"]["labels"], json!({"b": "2"}));
    assert_eq!(owners(&after), ["bob Apply: .metadata.labels.b", "alice Apply: .spec.replicas"]);
}

#[test]
fn another_value_of_an_owned_field_is_a_conflict() {
    let live = tracked(None, "{spec: {replicas: 1, paused: true}}", "carol");
    let refusal = apply(Some(&live), &web("{spec: {replicas: 2}}"), &writer("alice"), false, &deployment()).unwrap_err();
    let expected = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Conflict", "code": 409,
        "message": r#"Apply failed with 1 conflict: conflict with "carol" using apps/v1: .spec.replicas"#,
        "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": r#"conflict with "carol" using apps/v1"#, "field": ".spec.replicas"}]}});
    assert_eq!(refusal.to_status(), expected);
    let refusal = apply(Some(&live), &web("{spec: {replicas: 2, paused: false}}"), &writer("alice"), false, &deployment()).unwrap_err();
    assert_eq!(refusal.message, "Apply failed with 2 conflicts: conflicts with \"carol\" using apps/v1:\n- .spec.paused\n- .spec.replicas");
    let forced = apply(Some(&live), &web("{spec: {replicas: 2}}"), &writer("alice"), true, &deployment()).unwrap();
    assert_eq!(forced["spec"]["replicas"], 2);
    assert_eq!(owners(&forced), ["alice Apply: .spec.replicas", "carol Update: .spec.paused"]);
}

#[test]
fn the_same_value_is_shared() {
    let live = tracked(None, "{spec: {replicas: 1}}", "carol");
    let after = applied(Some(&live), "{spec: {replicas: 1}}", "alice");
    assert_eq!(owners(&after), ["alice Apply: .spec.replicas", "carol Update: .spec.replicas"]);
    assert_eq!(after["metadata"]["managedFields"][0].get("time"), None, "nothing changed but who owns it");
}

#[test]
fn fields_that_nobody_tracked_belong_to_before_first_apply() {
    let mut live = web("{spec: {replicas: 1}}");
    live["metadata"]["uid"] = json!("u");
    let refusal = apply(Some(&live), &web("{spec: {replicas: 2}}"), &writer("alice"), false, &deployment()).unwrap_err();
    assert!(refusal.message.contains("\"before-first-apply\" using apps/v1: .spec.replicas"), "{}", refusal.message);
}

#[test]
fn kubectl_takes_over_what_it_applied_on_the_clients_side() {
    let annotation =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1}}).to_string();
    let mut first = web("{spec: {replicas: 1}}");
    first["metadata"]["annotations"] = json!({LAST_APPLIED: annotation});
    track(None, &mut first, &writer("kubectl-client-side-apply"), &deployment());
    let after = applied(Some(&first), "{spec: {replicas: 2}}", "kubectl");
    assert_eq!(after["spec"]["replicas"], 2);
    let expected = "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":2}}\n";
    assert_eq!(after["metadata"]["annotations"][LAST_APPLIED], expected);
    let refusal = apply(Some(&first), &web("{spec: {replicas: 2}}"), &writer("alice"), false, &deployment()).unwrap_err();
    assert_eq!(refusal.code, 409);
}

#[test]
fn what_the_type_does_not_have_cannot_be_applied() {
    let refusal = |fields: &str| apply(None, &web(fields), &writer("alice"), false, &deployment()).unwrap_err().message;
    assert_eq!(
        refusal("{metadata: {namespace: shop}, spec: {replicaz: 2}}"),
        "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replicaz: field not declared in schema"
    );
    assert_eq!(
        refusal("{spec: {replicas: two}}"),
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string"
    );
    assert_eq!(
        refusal("{spec: {template: {spec: {containers: [{name: a}, {name: a}]}}}}"),
        "failed to create typed patch object (/web; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key \
         [name=\"a\"]"
    );
    assert_eq!(refusal("{metadata: {managedFields: []}}"), "metadata.managedFields must be nil");
}

#[test]
fn an_update_owns_what_it_changes_and_takes_it_from_others() {
    let first = tracked(None, "{metadata: {labels: {a: b}}, spec: {replicas: 1, paused: true}}", "alice");
    let mut second = first.clone();
    second["spec"]["replicas"] = json!(2);
    second["metadata"]["labels"]["c"] = json!("d");
    second["spec"].as_object_mut().unwrap().remove("paused");
    track(Some(&first), &mut second, &writer("bob"), &deployment());
    assert_eq!(owners(&second), ["alice Update: .metadata.labels .metadata.labels.a", "bob Update: .metadata.labels.c .spec.replicas"]);
}

#[test]
fn an_update_that_changes_nothing_leaves_the_entries_alone() {
    let first = tracked(None, "{spec: {replicas: 1}}", "alice");
    let mut second = first.clone();
    second["metadata"]["resourceVersion"] = json!("7");
    track(Some(&first), &mut second, &Writer { now: "2027-01-01T00:00:00Z", ..writer("bob") }, &deployment());
    assert_eq!(second["metadata"]["managedFields"], first["metadata"]["managedFields"]);
}

#[test]
fn a_client_may_rewrite_or_forget_the_entries() {
    let mut first = tracked(None, "{spec: {replicas: 1}}", "alice");
    first["metadata"]["uid"] = json!("u");
    for forgotten in [json!([]), json!([{}])] {
        let mut second = first.clone();
        second["metadata"]["managedFields"] = forgotten;
        track(Some(&first), &mut second, &writer("bob"), &deployment());
        assert_eq!(second["metadata"].get("managedFields"), None);
    }
    let mut second = first.clone();
    second["metadata"]["managedFields"][0]["manager"] = json!("renamed");
    track(Some(&first), &mut second, &writer("bob"), &deployment());
    assert_eq!(owners(&second), ["renamed Update: .spec.replicas"]);
    second["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Steal", "apiVersion": "apps/v1"}]);
    track(Some(&first), &mut second, &writer("bob"), &deployment());
    assert_eq!(owners(&second), ["alice Update: .spec.replicas"], "nonsense is ignored");
}

#[test]
fn many_updaters_become_ancient_changes() {
    let mut object = tracked(None, "{spec: {replicas: 1}}", "m00");
    for index in 1..13 {
        let before = object.clone();
        object["metadata"]["labels"][format!("l{index}")] = json!("x");
        let (manager, now) = (format!("m{index:02}"), format!("2026-11-21T02:32:{index:02}Z"));
        track(Some(&before), &mut object, &Writer { manager: &manager, now: &now, ..writer("") }, &deployment());
    }
    let owners = owners(&object);
    assert_eq!(owners.len(), 10);
    assert!(owners[0].starts_with("ancient-changes Update: "), "{owners:?}");
}

#[test]
fn scaling_hands_the_replicas_to_the_scaler() {
    let first = tracked(None, "{spec: {replicas: 1, paused: true}}", "alice");
    let mut second = first.clone();
    second["spec"]["replicas"] = json!(3);
    track_scale(&first, &mut second, &writer("kubectl"), &["spec", "replicas"]);
    let expected = yaml(
        "[{manager: kubectl, operation: Update, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {'f:spec': {'f:replicas': {}}},
           subresource: scale},
          {manager: alice, operation: Update, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {'f:spec': {'f:paused': {}}},
           time: '2026-11-21T02:31:10Z'}]",
    );
    assert_eq!(second["metadata"]["managedFields"], expected);
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let schemas = [deployment(), Arc::new(TypeSchema::from_crd(&yaml(THING)).unwrap())];
    let mut seen = 0;
    for seed in 0..2_000 {
        let mut dice = arbitrary::Dice::new(seed);
        let fields = Value::Object(dice.map(6)).to_string();
        let config = web(&fields.replace("\"metadata\":", "\"meta\":"));
        for schema in &schemas {
            let Ok(once) = apply(None, &config, &writer("alice"), false, schema) else { continue };
            let later = Writer { now: "2027-01-01T00:00:00Z", ..writer("alice") };
            let twice = apply(Some(&once), &config, &later, false, schema).expect("what was applied can be applied");
            assert_eq!(twice, once, "{config}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} configurations fit a type");
}

const THING: &str = "{type: object, x-kubernetes-preserve-unknown-fields: true, properties: {
    spec: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {containers: {type: array, items: {type: object,
        x-kubernetes-preserve-unknown-fields: true}}}}}}";

#[test]
fn nothing_that_is_json_makes_tracking_panic() {
    let schema = deployment();
    arbitrary::values(1_000, |value| {
        let mut dice = arbitrary::Dice::new(value.to_string().len() as u64);
        let mut new = Value::Object(dice.map(6));
        track(Some(value), &mut new, &writer("alice"), &schema);
        let _ = apply(Some(value), &new, &writer("alice"), true, &schema);
    });
}

/// The entries without their times, and so in another order.
fn without_times(object: &Value) -> Vec<Value> {
    let mut entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    entries.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("time")));
    entries.sort_by_key(|entry| (entry["manager"].to_string(), entry["operation"].to_string()));
    entries
}

/// The schema of a recorded object.
fn schema_for(object: &Value, definitions: &[Value]) -> Option<Arc<TypeSchema>> {
    let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    if let Some(schema) = TypeSchema::built_in(api_version, kind) {
        return Some(schema);
    }
    let (group, version) = api_version.split_once('/')?;
    let definition = definitions.iter().find(|of| of["spec"]["group"] == group && of["spec"]["names"]["kind"] == kind)?;
    TypeSchema::from_crd(recordings::schema_of(definition, version)).ok().map(Arc::new)
}

/// What is created is owned as the recorded server says.
#[test]
fn creations_of_the_recording_are_owned_as_there() {
    let definitions = recordings::definitions();
    let mut seen = 0;
    for exchange in recordings::exchanges("control-plane").iter().filter(|exchange| exchange.method == "POST" && exchange.status == 201) {
        let Some(schema) = schema_for(&exchange.answer, &definitions) else { continue };
        let Some(manager) = exchange.parameter("fieldManager") else { continue };
        // What is stored of a custom resource may have lost fields that the stored version does not have.
        let mut object = if schema.is_custom() { exchange.body.clone() } else { exchange.answer.clone() };
        schema.prune(&mut object);
        schema.default(&mut object);
        remove_managed_fields(&mut object);
        if let Some(object) = object.as_object_mut() {
            object.remove("status");
        }
        let api_version = exchange.answer["apiVersion"].as_str().unwrap();
        track(None, &mut object, &Writer { api_version, ..writer(manager) }, &schema);
        assert_eq!(without_times(&object), without_times(&exchange.answer), "{}", exchange.step);
        seen += 1;
    }
    assert!(seen >= 5 || definitions.is_empty(), "the recording has creations");
}

/// Every recorded patch of the control plane's Deployment, one after the other, leaves the recorded managers.
#[test]
fn patches_of_the_recording_are_owned_as_there() {
    let exchanges = recordings::exchanges("control-plane");
    let is_deployment = |exchange: &&Exchange| exchange.resource().contains("/deployments") && exchange.answer["kind"] != "DeploymentList";
    let mut live: HashMap<String, Value> = HashMap::new();
    let mut seen = 0;
    for exchange in exchanges.iter().filter(is_deployment) {
        let name = exchange.answer["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let before = live.get(&name).cloned();
        let manager = exchange.parameter("fieldManager").unwrap_or("kubectl");
        match (exchange.method.as_str(), exchange.content_type.as_str(), before) {
            ("PATCH", "application/apply-patch+yaml", before) => {
                let before = before.or_else(|| live.get("web").cloned()).expect("the recording creates before it patches");
                let force = exchange.parameter("force") == Some("true");
                match apply(Some(&before), &exchange.body, &writer(manager), force, &deployment()) {
                    Ok(mut after) => {
                        let kind = crate::kinds::built_ins().iter().find(|kind| kind.kind == "Deployment").expect("it is built in");
                        kind.behaviour.default(&mut after);
                        assert_eq!(without_times(&after), without_times(&exchange.answer), "{}", exchange.step);
                        assert_eq!(after["spec"], exchange.answer["spec"], "{}", exchange.step);
                    }
                    Err(refusal) => assert_eq!(refusal.to_status(), exchange.answer, "{}", exchange.step),
                }
                seen += 1;
            }
            ("PATCH", _, Some(before)) if exchange.status == 200 && exchange.answer["kind"] == "Deployment" => {
                let mut after = exchange.answer.clone();
                // What a JSON patch writes into the entries is part of what it sends.
                let rewritten =
                    exchange.body.as_array().and_then(|operations| operations.iter().find(|o| o["path"] == "/metadata/managedFields"));
                after["metadata"]["managedFields"] = rewritten.map_or(before["metadata"]["managedFields"].clone(), |o| o["value"].clone());
                track(Some(&before), &mut after, &writer(manager), &deployment());
                assert_eq!(without_times(&after), without_times(&exchange.answer), "{}", exchange.step);
                seen += 1;
            }
            ("PATCH", _, _) if exchange.answer["kind"] == "Scale" => {
                let before = live["web"].clone();
                let mut after = before.clone();
                after["spec"]["replicas"] = exchange.answer["spec"]["replicas"].clone();
                track_scale(&before, &mut after, &writer(manager), &["spec", "replicas"]);
                live.insert("web".to_owned(), after);
                seen += 1;
            }
            _ => {}
        }
        if exchange.status < 300 && exchange.answer["kind"] == "Deployment" && exchange.parameter("dryRun").is_none() {
            live.insert(name, exchange.answer.clone());
        }
    }
    assert!(seen >= 10 || exchanges.is_empty(), "the recording has patches");
}
