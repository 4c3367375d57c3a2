//! What becomes of Clusters that users write: defaults, and why one is turned away.

use flotilla_api::object::Object;
use flotilla_core::admission::review_cluster;
use serde_json::{Value, json};

const NOW: &str = "2026-11-27T20:00:00Z";

fn cluster(spec: &str) -> Object {
    let spec: Value = serde_saphyr::from_str(&format!("{{syncMode: Push, {spec}}}")).expect("test YAML");
    Object(json!({"metadata": {"name": "member1"}, "spec": spec}))
}

#[track_caller]
fn stored(spec: &str) -> Value {
    review_cluster(None, &cluster(spec), NOW).unwrap_or_else(|denied| panic!("denied: {denied}"))["spec"].clone()
}

#[track_caller]
fn denied(spec: &str, expect: &str) {
    match review_cluster(None, &cluster(spec), NOW) {
        Ok(cluster) => panic!("stored: {}", cluster.0),
        Err(denied) => assert_eq!(denied.to_string(), expect),
    }
}

#[test]
fn the_older_field_for_zones_becomes_the_newer_one() {
    let spec = stored("zone: a");
    assert_eq!((&spec["zones"], spec.get("zone")), (&json!(["a"]), None));
    assert_eq!(stored("zones: [a, b]")["zones"], json!(["a", "b"]));
    denied("zone: a, zones: [b]", "spec.zone: Invalid value: \"a\": cannot be given together with `zones`");
}

#[test]
fn a_new_cluster_gets_nine_sizes_of_nodes() {
    let models = stored("id: x")["resourceModels"].clone();
    assert_eq!(models.as_array().map(Vec::len), Some(9));
    let range = |name: &str, min: &str, max: &str| json!({"name": name, "min": min, "max": max});
    assert_eq!(models[1], json!({"grade": 1, "ranges": [range("cpu", "1", "2"), range("memory", "4Gi", "16Gi")]}));
    let end = "9223372036854775807";
    assert_eq!(models[8], json!({"grade": 8, "ranges": [range("cpu", "128", end), range("memory", "1Ti", end)]}));
    // Whoever takes them away later does not get them back.
    let without = review_cluster(Some(&cluster("id: x")), &cluster("id: x"), NOW).expect("it may be stored");
    assert_eq!(without["spec"].get("resourceModels"), None);
}

#[test]
fn sizes_are_sorted_and_open_at_both_ends() {
    let models = stored(
        "resourceModels: [{grade: 2, ranges: [{name: cpu, min: '4', max: '8'}]}, {grade: 1, ranges: [{name: cpu, min: '1', max: '4'}]}]",
    )["resourceModels"]
        .clone();
    let range = |min: &str, max: &str| json!([{"name": "cpu", "min": min, "max": max}]);
    assert_eq!(models[0]["ranges"], range("0", "4"));
    assert_eq!(models[1]["ranges"], range("4", "9223372036854775807"));
    denied(
        "resourceModels: [{grade: 1, ranges: [{name: cpu, min: 0, max: '4'}]}, {grade: 2, ranges: [{name: cpu, min: '5', max: '8'}]}]",
        "spec.resourceModels[0].ranges[0].max: Invalid value: \"4\": must be the `min` of the next size",
    );
    denied(
        "resourceModels: [{grade: 1, ranges: [{name: cpu, min: 0, max: '4'}]}, {grade: 1, ranges: [{name: memory, min: '4', max: '8'}]}]",
        "[spec.resourceModels[0].grade: Duplicate value: \"1\", spec.resourceModels[0].ranges: Invalid value: [\"cpu\"]: every size names the same resources in the same order]",
    );
}

#[test]
fn eviction_counts_from_when_the_taint_came() {
    let taints = stored("taints: [{key: a, effect: NoExecute}, {key: b, effect: NoSchedule}]")["taints"].clone();
    assert_eq!(taints, json!([{"key": "a", "effect": "NoExecute", "timeAdded": NOW}, {"key": "b", "effect": "NoSchedule"}]));
    denied("taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]", "spec.taints[1]: Duplicate value: \"a:NoSchedule\"");
}

#[test]
fn ways_that_lead_nowhere_are_refused() {
    let url = "must be a URL with a host, without user, query and fragment";
    for endpoint in ["10.0.0.1:6443", "https://", "https://us:secret@10.0.0.1", "https://a?b=c"] {
        denied(&format!("apiEndpoint: '{endpoint}'"), &format!("spec.apiEndpoint: Invalid value: \"{endpoint}\": {url}"));
    }
    denied("secretRef: {name: a}", "spec.secretRef.namespace: Required value: a Secret is named by both");
    denied(
        "proxyURL: 'ftp://us:secret@10.0.0.1'",
        "spec.proxyURL: Unsupported value: \"ftp\": supported values: \"http\", \"https\", \"socks5\"",
    );
    stored("apiEndpoint: 'https://10.0.0.1:6443', proxyURL: 'socks5://10.0.0.2:1080', secretRef: {namespace: a, name: b}, region: eu");
    denied("region: 'e u'", &stored_value_error());
    let mut long = cluster("id: x");
    long["metadata"]["name"] = "a".repeat(49).into();
    let told = review_cluster(None, &long, NOW).expect_err("it is too long").to_string();
    assert!(told.ends_with("must be no more than 48 characters"), "{told}");
}

fn stored_value_error() -> String {
    let why = flotilla_api::selector::check_value("e u").expect_err("no blanks").to_string();
    format!("spec.region: Invalid value: \"e u\": {why}")
}
