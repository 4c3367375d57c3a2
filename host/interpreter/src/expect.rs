//! When an answer is the expected one: by value, not by spelling. Empty and absent are the same, quantities are numbers, lists of named
//! things have no order, and what is marked `{{EXCLUDE}}` does not count. The rules of Karmada's own test runner.

use flotilla_api::quantity::Amount;
use serde_json::{Map, Value};

/// Stands for any value.
const EXCLUDE: &str = "{{EXCLUDE}}";

/// The differences between what one key of `output` expects and the answer, one line each.
pub(crate) fn differences(key: &str, expected: &Value, got: &Value) -> Vec<String> {
    let (mut expected, mut got) = (expected.clone(), got.clone());
    if key == "dependencies" || key == "components" {
        [&mut expected, &mut got].into_iter().for_each(sort);
    }
    let mut found = Vec::new();
    compare(key, &expected, &got, &mut found);
    found
}

fn sort(list: &mut Value) {
    let order = |item: &Value| {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        (text("apiVersion"), text("kind"), text("namespace"), text("name"))
    };
    if let Some(items) = list.as_array_mut() {
        items.sort_by_key(order);
    }
}

fn compare(path: &str, expected: &Value, got: &Value, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::String(any), _) if any == EXCLUDE => {}
        (a, b) if is_nothing(a) && is_nothing(b) => {}
        (Value::Object(a), Value::Object(b)) => compare_maps(path, a, b, found),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(at, (a, b))| compare(&format!("{path}[{at}]"), a, b, found));
        }
        (a, b) if a == b || same_number(a, b) || same_quantity(path, a, b) => {}
        (a, b) => found.push(format!("`{path}`: expected {a}, got {b}")),
    }
}

fn compare_maps(path: &str, expected: &Map<String, Value>, got: &Map<String, Value>, found: &mut Vec<String>) {
    for (key, value) in expected {
        compare(&format!("{path}.{key}"), value, got.get(key).unwrap_or(&Value::Null), found);
    }
    for (key, value) in got.iter().filter(|(key, value)| !expected.contains_key(*key) && !is_nothing(value)) {
        found.push(format!("`{path}.{key}`: expected nothing, got {value}"));
    }
}

/// Whether a value says nothing: `null`, or a list or map of nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_nothing),
        _ => false,
    }
}

/// 2 and 2.0 are the same; integers that a double cannot tell apart are not.
fn same_number(a: &Value, b: &Value) -> bool {
    let (Value::Number(a), Value::Number(b)) = (a, b) else { return false };
    (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
}

fn same_quantity(path: &str, a: &Value, b: &Value) -> bool {
    let quantity = path.contains("resourceRequest") || path.contains(".requests.") || path.contains(".limits.");
    match (Amount::from_json(a), Amount::from_json(b)) {
        (Ok(a), Ok(b)) => quantity && a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn same(key: &str, expected: Value, got: Value) {
        assert_eq!(differences(key, &expected, &got), Vec::<String>::new());
    }

    #[test]
    fn values_count_not_spellings() {
        same(
            "requires",
            json!({"resourceRequest": {"cpu": 1, "memory": "1Gi"}}),
            json!({"resourceRequest": {"cpu": "1000m", "memory": "1024Mi"}}),
        );
        same("status", json!({"a": 2.0, "b": [], "c": {}}), json!({"a": 2, "d": null}));
        same("dependencies", json!([{"kind": "B"}, {"kind": "A"}]), json!([{"kind": "A"}, {"kind": "B"}]));
        same("aggregatedStatus", json!({"status": {"time": "{{EXCLUDE}}"}}), json!({"status": {"time": "2026-01-01T00:00:00Z"}}));
    }

    #[test]
    fn differences_are_named() {
        assert_eq!(differences("replica", &json!(3), &json!(2)), ["`replica`: expected 3, got 2"]);
        assert_eq!(
            differences("status", &json!({"a": [1]}), &json!({"a": [2], "b": 1})),
            ["`status.a[0]`: expected 1, got 2", "`status.b`: expected nothing, got 1",]
        );
        assert_eq!(differences("status", &json!({"a": "2"}), &json!({"a": 2})).len(), 1);
        assert_eq!(differences("status", &json!(9007199254740993_i64), &json!(9007199254740992_i64)).len(), 1);
    }
}
