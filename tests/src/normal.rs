//! Answers without what differs from run to run: times, uids, revisions, generated names, addresses, tokens.

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// What is replaced in every text, first to last.
static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r"\b(gen-|Gen_)[a-z0-9]{5}\b", "$1<random>"),
        (r"\b(x{58})[a-z0-9]{5}\b", "$1<random>"),
        (r"kube-api-access-[a-z0-9]{5}\b", "kube-api-access-<random>"),
        (r"\b127\.0\.0\.1(:\d+)?\b", "<address>"),
        (r"\b10\.\d+\.\d+\.\d+\b", "<ip>"),
        (r"eyJ[\w-]+\.[\w.-]+", "<token>"),
        (r"(old resource version|large resource version|current): \d+( \(\d+\))?", "$1: <revision>"),
        (r"Key: /\w+/", "Key: /registry/"),
        (r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n", "<certificate>"),
        (
            r"precondition \((\d+|[a-z]+)\) does not match the ResourceVersion in record \(\d+\)",
            "precondition <revision> does not match <revision>",
        ),
        (r#"\\?"resourceVersion\\?":\\?"\d+\\?""#, "<revision>"),
    ];
    patterns.map(|(pattern, by)| (Regex::new(pattern).expect("written here"), by)).into()
});

static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\d+[dhms])+$").expect("written here"));

/// A text without what differs from run to run.
pub fn text(text: &str) -> String {
    PATTERNS.iter().fold(sorted(text), |text, (pattern, by)| pattern.replace_all(&text, *by).into_owned())
}

/// A quoted object with its fields in order: the real server sorts some and not others.
fn sorted(text: &str) -> String {
    const BEFORE: &str = "Invalid value: ";
    let Some((start, quoted)) = text.split_once(BEFORE) else { return text.to_owned() };
    let mut values = serde_json::Deserializer::from_str(quoted).into_iter::<Value>();
    let Some(Ok(value)) = values.next() else { return text.to_owned() };
    let rest = &quoted[values.byte_offset()..];
    let inner = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
    let mut shown = inner.unwrap_or(value);
    if let Some(managers) = shown.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
        // Their order hangs on the second in which each was written.
        managers.sort_by_key(|entry| ["manager", "operation", "apiVersion", "subresource"].map(|field| entry[field].to_string()));
    }
    format!("{start}{BEFORE}{shown}{rest}")
}

/// An answer without what differs from run to run.
pub fn value(value: &mut Value) {
    match value {
        Value::String(found) => *found = text(found),
        Value::Array(items) => items.iter_mut().for_each(self::value),
        Value::Object(fields) => {
            generated_name(fields);
            if let Some(Value::Array(cells)) = fields.get_mut("cells") {
                cells.iter_mut().for_each(age);
            }
            if let Some(Value::Array(columns)) = fields.get_mut("columnDefinitions") {
                // The explanations of columns are in our own words.
                columns.iter_mut().filter_map(Value::as_object_mut).for_each(|column| drop(column.remove("description")));
            }
            if let Some(Value::Array(resources)) = fields.get_mut("resources") {
                // Which custom resource is listed first changes from start to start.
                resources.sort_by_key(|resource| resource["name"].to_string());
            }
            if let Some(managers) = fields.get_mut("managedFields") {
                shorten(managers);
            }
            errors_in_order(fields);
            for (name, field) in fields {
                match (name.as_str(), field.as_str()) {
                    ("resourceVersion", Some(revision)) if !revision.is_empty() => *field = "<revision>".into(),
                    ("continue", Some(token)) if !token.is_empty() => *field = "<continue>".into(),
                    ("expirationTimestamp" | "creationTimestamp" | "deletionTimestamp", Some(_)) => *field = "<time>".into(),
                    _ => self::value(field),
                }
            }
        }
        _ => {}
    }
}

/// An answer in which it does not count in which order errors are told: a real server goes through maps to find them, and through each
/// of them in another order every time. What is told counts, word by word.
pub fn without_order_of_errors(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_order_of_errors),
        Value::Object(fields) => {
            for (name, field) in fields {
                without_order_of_errors(field);
                match (name.as_str(), field) {
                    ("message", Value::String(message)) => {
                        let mut words: Vec<&str> = message.split_whitespace().map(|word| word.trim_matches(['[', ']', ',', ';'])).collect();
                        words.sort_unstable();
                        *message = words.join(" ");
                    }
                    ("causes" | "warnings", Value::Array(told)) => told.sort_by_key(Value::to_string),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn generated_name(metadata: &mut serde_json::Map<String, Value>) {
    let Some(prefix) = metadata.get("generateName").and_then(Value::as_str).map(str::to_owned) else { return };
    if let Some(Value::String(name)) = metadata.get_mut("name")
        && name.len() == prefix.len() + 5
        && name.starts_with(&prefix)
    {
        *name = format!("{prefix}<random>");
    }
}

fn age(cell: &mut Value) {
    if cell.as_str().is_some_and(|text| AGE.is_match(text)) {
        *cell = "<age>".into();
    }
}

/// Errors in the order of their texts where the real server finds them in none: it goes through the fields of custom resources, and
/// through the keys of maps such as `labels` and `resources.requests`, in an order that changes from request to request.
fn errors_in_order(status: &mut serde_json::Map<String, Value>) {
    let group = status.get("details").and_then(|details| details["group"].as_str()).unwrap_or_default();
    let is_custom = group.contains('.') && (!group.ends_with(".k8s.io") || group == "apiextensions.k8s.io");
    let causes = status.get("details").and_then(|details| details["causes"].as_array()).filter(|causes| causes.len() > 1);
    let Some(mut causes) = causes.cloned() else { return };
    let field = |cause: &Value| cause["field"].as_str().unwrap_or_default().to_owned();
    let line = |cause: &Value| format!("{}: {}", field(cause), cause["message"].as_str().unwrap_or_default());
    for errors in causes.chunk_by_mut(|a, b| is_custom || in_one_map(&field(a), &field(b))) {
        // What is said of one key comes in its order.
        if is_custom { errors.sort_by_key(line) } else { errors.sort_by_key(field) }
    }
    let message = status.get("message").and_then(Value::as_str).unwrap_or_default();
    if let Some((start, _)) = message.split_once(" is invalid: [") {
        let mut lines: Vec<String> = causes.iter().map(line).collect();
        lines.dedup();
        let ordered = format!("{start} is invalid: [{}]", lines.join(", "));
        // Only where the message is these causes and nothing else.
        if ordered.len() == message.len() {
            status.insert("message".to_owned(), ordered.into());
        }
    }
    status["details"]["causes"] = causes.into();
}

/// Whether two fields are keys of one map: `spec.limits[cpu]` and `spec.limits[memory]`, not places in one list.
fn in_one_map(a: &str, b: &str) -> bool {
    fn map_of(field: &str) -> Option<&str> {
        let (map, key) = field.strip_suffix(']')?.rsplit_once('[')?;
        key.parse::<usize>().is_err().then_some(map)
    }
    map_of(a).is_some() && map_of(a) == map_of(b)
}

/// `managedFields` as a line each: they are half of what a server answers.
fn shorten(managers: &mut Value) {
    let Some(entries) = managers.as_array_mut() else { return };
    for entry in entries.iter_mut().filter(|entry| entry.is_object()) {
        let text = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
        let fields = short_fields(&entry["fieldsV1"]);
        let line = format!("{} {} {} {}: {fields}", text("manager"), text("operation"), text("apiVersion"), text("subresource"));
        *entry = line.into();
    }
    // Their order hangs on the second in which each was written.
    entries.sort_by_key(Value::to_string);
}

/// `f:data{f:a f:b}` for `{"f:data": {"f:a": {}, "f:b": {}}}`.
fn short_fields(fields: &Value) -> String {
    let Some(fields) = fields.as_object() else { return fields.to_string() };
    let mut shown: Vec<String> = fields
        .iter()
        .map(|(name, below)| match below.as_object() {
            Some(below) if below.is_empty() => name.clone(),
            _ => format!("{name}{{{}}}", short_fields(below)),
        })
        .collect();
    shown.sort();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_of_custom_resources_come_in_no_order() {
        let cause = |field: &str| json!({"field": field, "message": "Required value"});
        let status = |first: &str, second: &str| {
            let message = format!("A.b.io \"x\" is invalid: [{first}: Required value, {second}: Required value]");
            json!({"message": message, "details": {"group": "b.io", "causes": [cause(first), cause(second)]}})
        };
        let (mut one, mut other) = (status("c", "d"), status("d", "c"));
        value(&mut one);
        value(&mut other);
        assert_eq!(one, other);
    }

    #[test]
    fn errors_are_the_same_in_any_order_and_others_are_not() {
        let told = |message: &str, causes: [&str; 2]| {
            let mut status = json!({"message": message, "details": {"causes": causes.map(|field| json!({"field": field}))}});
            without_order_of_errors(&mut status);
            status
        };
        let one = told("errors:\n  .b: expected string\n  .num: expected string", ["b", "num"]);
        assert_eq!(one, told("errors:\n  .num: expected string\n  .b: expected string", ["num", "b"]));
        assert_ne!(one, told("errors:\n  .b: expected string\n  .c: expected string", ["b", "num"]));
        assert_eq!(told("[a: no, b: no]", ["a", "b"]), told("[b: no, a: no]", ["b", "a"]));
    }

    #[test]
    fn errors_in_a_map_come_in_no_order_and_all_others_in_theirs() {
        let status = |fields: [&str; 4]| {
            let causes = fields.map(|field| json!({"field": field, "message": "Invalid value"}));
            let lines = fields.map(|field| format!("{field}: Invalid value")).join(", ");
            let mut status = json!({"message": format!("Pod \"x\" is invalid: [{lines}]"), "details": {"causes": causes}});
            value(&mut status);
            status
        };
        let one = status(["b[1]", "b[0]", "a.limits[x]", "a.limits[cpu]"]);
        assert_eq!(one, status(["b[1]", "b[0]", "a.limits[cpu]", "a.limits[x]"]));
        assert_ne!(one, status(["b[0]", "b[1]", "a.limits[cpu]", "a.limits[x]"]));
    }

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let mut answer = json!({"metadata": {"name": "a-x7b2k", "generateName": "a-", "resourceVersion": "12",
            "uid": "00000000-1111-2222-3333-444444444444", "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "m", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
                "fieldsV1": {"f:data": {"f:b": {}, "f:a": {".": {}}}}}]},
            "rows": [{"cells": ["a", "3m20s", 1]}]});
        value(&mut answer);
        assert_eq!(
            answer,
            json!({"metadata": {"name": "a-<random>", "generateName": "a-", "resourceVersion": "<revision>", "uid": "<uid>",
                "creationTimestamp": "<time>", "managedFields": ["m Apply v1 -: f:data{f:a{.} f:b}"]},
                "rows": [{"cells": ["a", "<age>", 1]}]})
        );
    }
}
