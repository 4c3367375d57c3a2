//! What is declared and what is read, in an author's terms.

use crate::{Error, Fields, Item, Json, Presence, Result, Shape, hooks};
use std::collections::BTreeMap;

#[derive(Fields, Debug, PartialEq)]
struct Shop {
    api_version: String,
    #[fields(path = "/metadata/annotations/shop.example.com~1zone")]
    zone: Option<String>,
    spec: Spec,
    #[fields(flatten)]
    more: More,
}

#[derive(Fields, Debug, PartialEq)]
struct Spec {
    replicas: i64,
    #[fields(rename = "clusterIP")]
    address: Presence<String>,
    pools: Vec<Pool>,
    #[fields(default)]
    limits: BTreeMap<String, i32>,
    #[fields(default)]
    paused: bool,
}

#[derive(Fields, Debug, PartialEq)]
struct Pool {
    name: String,
    #[fields(path = "/pods/spec")]
    pods: Option<Json>,
}

#[derive(Fields, Debug, PartialEq)]
struct More {
    #[fields(path = "/status/shape")]
    shape: Option<Shape>,
    #[fields(path = "/status/ready", default)]
    ready: i64,
}

fn read<T: Fields>(json: &str) -> Result<T> {
    super::read(json)
}

#[track_caller]
fn refused<T: Fields>(json: &str, message: &str) {
    match read::<T>(json) {
        Err(Error::InvalidObject(found)) => assert_eq!(found, message),
        Err(other) => panic!("not the object's fault: {other}"),
        Ok(_) => panic!("accepted: {json}"),
    }
}

/// A shop with this spec.
fn shop(spec: &str) -> String {
    format!(r#"{{"apiVersion":"v1","spec":{spec}}}"#)
}

#[test]
fn the_fields_of_a_struct_are_its_declaration() {
    let declared = super::declared::<Shop>();
    let expected = [
        "/apiVersion",
        "/metadata/annotations/shop.example.com~1zone",
        "/spec/replicas",
        "/spec/clusterIP",
        "/spec/pools/*/name",
        "/spec/pools/*/pods/spec",
        "/spec/limits/*",
        "/spec/paused",
        "/status/shape/",
        "/status/ready",
    ];
    assert_eq!(declared, expected);
    assert!(super::declared::<()>().is_empty());
    assert_eq!(super::declared::<Json>(), [""]);
}

#[test]
fn an_object_is_read_into_the_struct() {
    let shop: Shop = read(
        r#"{"apiVersion":"shop.example.com/v1","kind":"Shop","metadata":{"annotations":{"shop.example.com/zone":"eu"}},
            "spec":{"replicas":3.0,"clusterIP":"10.0.0.1","pools":[{"name":"a","pods":{"spec":{"x":1.50}}},{"name":"b\u00e9"}],
                    "limits":{"a/b":7},"unknown":{"deep":[1,2]}},
            "status":{"shape":{},"ready":null}}"#,
    )
    .unwrap();
    assert_eq!(shop.zone.as_deref(), Some("eu"));
    assert_eq!(shop.spec.replicas, 3);
    assert_eq!(shop.spec.address, Presence::Value("10.0.0.1".to_owned()));
    assert_eq!(shop.spec.pools[0].pods.as_ref().map(Json::as_text), Some(r#"{"x":1.50}"#));
    assert_eq!(shop.spec.pools[1], Pool { name: "bé".to_owned(), pods: None });
    assert_eq!(shop.spec.limits["a/b"], 7);
    assert_eq!(shop.more, More { shape: Some(Shape), ready: 0 });
}

#[test]
fn absent_null_and_zero_are_three_things() {
    let address = |spec: &str| read::<Shop>(&shop(spec)).map(|shop| shop.spec.address);
    assert_eq!(address(r#"{"replicas":0,"pools":[]}"#), Ok(Presence::Absent));
    assert_eq!(address(r#"{"replicas":0,"pools":[],"clusterIP":null}"#), Ok(Presence::Null));
    assert_eq!(address(r#"{"replicas":0,"pools":[],"clusterIP":""}"#), Ok(Presence::Value(String::new())));
    refused::<Shop>(&shop(r#"{"pools":[]}"#), "spec.replicas is missing");
    refused::<Shop>(&shop(r#"{"pools":[],"replicas":null}"#), "spec.replicas: expected an integer, found null");
}

#[test]
fn an_object_on_the_way_may_be_absent_or_null_but_nothing_else() {
    let zone = |metadata: &str| read::<Zone>(&format!(r#"{{"metadata":{metadata}}}"#)).map(|zone| zone.zone);
    assert_eq!(read::<Zone>("{}").map(|zone| zone.zone), Ok(None));
    assert_eq!(zone("null"), Ok(None));
    assert_eq!(zone(r#"{"annotations":null}"#), Ok(None));
    refused::<Zone>(r#"{"metadata":{"annotations":"x"}}"#, "metadata.annotations: expected an object, found \"x\"");
    refused::<Zone>(r#"{"metadata":[]}"#, "metadata: expected an object, found a list");
    refused::<Zone>("7", "the object: expected an object, found 7");
}

#[derive(Fields)]
struct Zone {
    #[fields(path = "/metadata/annotations/shop.example.com~1zone")]
    zone: Option<String>,
}

#[test]
fn a_refusal_names_the_field_and_what_was_found() {
    let replicas = |value: &str| shop(&format!(r#"{{"pools":[],"replicas":{value}}}"#));
    refused::<Shop>(&replicas("\"three\""), "spec.replicas: expected an integer, found \"three\"");
    refused::<Shop>(&replicas("2.5"), "spec.replicas: expected an integer, found 2.5");
    refused::<Shop>(&replicas("{}"), "spec.replicas: expected an integer, found an object");
    refused::<Shop>(&replicas("9223372036854775808"), "spec.replicas: expected an integer, found 9223372036854775808");
    refused::<Shop>(&shop(r#"{"replicas":1,"pools":[{"name":"a"},{"name":5}]}"#), "spec.pools[1].name: expected text, found 5");
    refused::<Shop>(
        &shop(r#"{"replicas":1,"pools":[],"limits":{"a.b/c":2147483648}}"#),
        "spec.limits[\"a.b/c\"]: expected an integer of 32 bits, found 2147483648",
    );
    refused::<Zone>(
        r#"{"metadata":{"annotations":{"shop.example.com/zone":true}}}"#,
        "metadata.annotations[\"shop.example.com/zone\"]: expected text, found true",
    );
    let long = "é".repeat(30);
    refused::<Shop>(&replicas(&format!("\"{long}\"")), &format!("spec.replicas: expected an integer, found \"{}…\"", "é".repeat(20)));
}

#[test]
fn whole_numbers_are_integers_to_the_last_digit() {
    let integer = |text: &str| read::<i64>(text);
    assert_eq!(integer("-3"), Ok(-3));
    assert_eq!(integer("3.00"), Ok(3));
    assert_eq!(integer("9007199254740993"), Ok(9_007_199_254_740_993));
    assert_eq!(integer("-9223372036854775808"), Ok(i64::MIN));
    assert!(integer("1e3").is_err());
}

#[test]
fn an_error_can_wait_until_the_hook_wants_the_value() {
    #[derive(Fields)]
    struct Observed {
        spec: Result<Scale>,
        status: Result<Scale>,
    }
    #[derive(Fields, Debug, PartialEq)]
    struct Scale {
        replicas: i64,
    }
    let observed: Observed = read(r#"{"spec":{"replicas":"2"}}"#).unwrap();
    assert_eq!(observed.spec, Err(Error::invalid("spec.replicas: expected an integer, found \"2\"")));
    assert_eq!(observed.status, Err(Error::invalid("status is missing")));
}

#[test]
fn no_status_items_and_none_asked_are_different() {
    let items = |text: Option<&str>| hooks::items::<Zone>(text).map(|items| items.map(|items| items.len()));
    assert_eq!(items(None), Ok(None));
    assert_eq!(items(Some("[]")), Ok(Some(0)));
    let two = r#"[{"clusterName":"a","applied":true,"status":null,"health":"Healthy"},{"clusterName":"b","status":{}}]"#;
    let read: Vec<Item<Zone>> = hooks::items(Some(two)).unwrap().unwrap();
    assert!(read[0].applied && read[0].status.is_none() && read[1].status.is_some());
    assert_eq!(
        items(Some(r#"[{"clusterName":"a","status":"x"}]"#)),
        Err(Error::invalid("cluster `a`: status: expected an object, found \"x\""))
    );
}

#[test]
fn what_is_no_json_is_not_the_objects_fault() {
    assert!(matches!(read::<Shop>("{"), Err(Error::Failed(_))));
    assert!(matches!(read::<i64>("3 4"), Err(Error::Failed(_))));
    assert!(matches!(read::<Json>(&"[".repeat(200)), Err(Error::Failed(_))));
}
