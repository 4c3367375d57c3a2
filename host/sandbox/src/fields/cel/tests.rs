//! What the rules of a schema say of objects.

use super::*;
use serde_json::json;

fn said(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(FieldError::to_string).collect()
}

#[track_caller]
fn check(schema: &Value, object: &Value, old: Option<&Value>, expected: &[&str]) {
    let rules = rules(schema).unwrap_or_else(|faults| panic!("{:?}", said(&faults))).expect("rules");
    assert_eq!(said(&rules.errors(object, old)), expected);
}

fn of_field(name: &str, field: Value) -> Value {
    json!({"type": "object", "properties": {name: field}})
}

#[test]
fn a_broken_rule_is_said_where_it_stands() {
    let schema = of_field(
        "spec",
        json!({"type": "object", "properties": {"min": {"type": "integer"}, "max": {"type": "integer"}},
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "message": "min is above max", "fieldPath": ".min", "reason": "FieldValueForbidden"},
                {"rule": "self.max < 5", "messageExpression": "'at most ' + string(self.max - 1)"}]}),
    );
    let object = json!({"spec": {"min": 9, "max": 8}});
    check(&schema, &object, None, &["spec.min: Forbidden: min is above max", "spec: Invalid value: at most 7"]);
    check(
        &schema,
        &json!({"spec": {"min": 1}}),
        None,
        &[
            r#"spec: Invalid value: "object": no such key: max evaluating rule: min is above max"#,
            r#"spec: Invalid value: "object": no such key: max evaluating rule: self.max < 5"#,
        ],
    );
}

#[test]
fn what_compares_waits_for_something_to_compare_with() {
    let schema = of_field("a", json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}));
    check(&schema, &json!({"a": "x"}), None, &[]);
    check(&schema, &json!({"a": "x"}), Some(&json!({"a": "y"})), &[r#"a: Invalid value: "x": failed rule: self == oldSelf"#]);
    let rule = json!({"rule": "oldSelf.hasValue() && oldSelf.value() == self", "optionalOldSelf": true});
    let schema = of_field("a", json!({"type": "integer", "x-kubernetes-validations": [rule]}));
    check(&schema, &json!({"a": 1}), None, &["a: Invalid value: 1: failed rule: oldSelf.hasValue() && oldSelf.value() == self"]);
    check(&schema, &json!({"a": 1}), Some(&json!({"a": 1})), &[]);
}

#[test]
fn an_item_of_a_keyed_list_finds_the_one_it_was() {
    let item = json!({"type": "object", "properties": {"id": {"type": "string"},
        "n": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}});
    let list = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"], "items": item});
    let old = json!({"list": [{"id": "a", "n": 1}, {"id": "b", "n": 5}]});
    let new = json!({"list": [{"id": "b", "n": 4}, {"id": "a", "n": 2}]});
    check(&of_field("list", list), &new, Some(&old), &["list[0].n: Invalid value: 4: failed rule: self >= oldSelf"]);
}

#[test]
fn functions_of_kubernetes() {
    for (rule, value, holds) in [
        ("quantity(self).isGreaterThan(quantity('100Mi'))", "1Gi", true),
        ("isQuantity(self)", "much", false),
        ("isIP(self) && ip(self).family() == 6", "::1", true),
        ("cidr('10.0.0.0/8').containsIP(self)", "11.0.0.1", false),
        ("url(self).getHost() == 'a.b:1' && url(self).getPort() == '1'", "https://a.b:1/c?d", true),
        ("duration(self) < duration('1h')", "59m", true),
        ("self.find('[0-9]+') == '12' && self.split('-').size() == 2", "a-12", true),
        ("sets.contains(['a', 'b'], [self]) && [1, 2].sum() == 3 && ['a', 'b'].isSorted()", "b", true),
    ] {
        let schema = of_field("a", json!({"type": "string", "x-kubernetes-validations": [{"rule": rule, "message": "no"}]}));
        let broken = format!("a: Invalid value: {value:?}: no");
        let expected: &[&str] = if holds { &[] } else { &[&broken] };
        check(&schema, &json!({"a": value}), None, expected);
    }
}

#[test]
fn rules_that_are_none() {
    let faults = |rule: Value| {
        let spec = json!({"type": "object", "properties": {"min": {"type": "integer"}}, "x-kubernetes-validations": [rule]});
        let faults = rules(&of_field("spec", spec)).expect_err("faults");
        faults.into_iter().map(|fault| (fault.field, fault.detail)).collect::<Vec<_>>()
    };
    let place = |field: &str| format!("properties[spec].x-kubernetes-validations[0].{field}");
    assert_eq!(faults(json!({"rule": " "})), [(place("rule"), "rule is not specified".to_owned())]);
    let undefined = "compilation failed: ERROR: <input>:1:5: undefined field 'nosuch'\n | self.nosuch > 1\n | ....^";
    assert_eq!(faults(json!({"rule": "self.nosuch > 1"})), [(place("rule"), undefined.to_owned())]);
    let no_boolean = "cel expression must evaluate to a bool";
    assert_eq!(faults(json!({"rule": "self.min + 1"})), [(place("rule"), no_boolean.to_owned())]);
    assert_eq!(faults(json!({"rule": "true", "fieldPath": ".other"})), [(place("fieldPath"), "must be a valid path".to_owned())]);
}
