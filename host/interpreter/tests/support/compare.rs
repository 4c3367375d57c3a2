//! When an answer is the answer of a behaviour vector: numbers and quantities by value, `null` is absent, and the other rules that
//! come with the vectors.

use flotilla_api::quantity::Amount;
use serde_json::{Map, Value, json};

/// Groups of kinds that Karmada answers in Go; for the others empty maps and lists are absent, too.
const NATIVE_GROUPS: [&str; 8] = ["", "apps", "batch", "networking.k8s.io", "policy", "autoscaling", "multicluster.x-k8s.io", "extensions"];
/// Errors that are the host's fault, never the right answer to a question.
const HOST_FAULTS: [&str; 7] = ["NoInterpreter", "Trap", "Deadline", "Memory", "BadOutput", "UndeclaredWrite", "NotLoaded"];
/// Parts of an answer that count.
const KEYS: [&str; 7] = ["replicas", "replicaRequirements", "object", "rawStatus", "healthy", "dependencies", "components"];

/// `Ok` when the answer is one of those that the case accepts, else why not.
pub fn judge(case: &Value, answer: &Value) -> Result<(), String> {
    let accepted = match (case.get("anyOf"), case.get("error")) {
        (Some(any), _) => any.as_array().expect("anyOf is a list").clone(),
        (None, Some(error)) => vec![json!({"error": error})],
        (None, None) => vec![case["out"].clone()],
    };
    let mut why = Err("nothing is accepted".to_owned());
    for wanted in accepted {
        why = match wanted.get("error").and_then(Value::as_str) {
            Some(class) => judge_error(class, answer),
            None => judge_answer(case, &wanted, answer),
        };
        if why.is_ok() {
            break;
        }
    }
    why
}

fn judge_error(wanted: &str, answer: &Value) -> Result<(), String> {
    let class = answer.pointer("/error/class").and_then(Value::as_str);
    match (wanted, class) {
        ("Panic", class) => (class != Some("Trap")).then_some(()).ok_or("the plugin trapped".to_owned()),
        (_, None) => Err(format!("want error {wanted}, got an answer: {}", short(answer))),
        ("NoInterpreter" | "InvalidObject", Some(class)) if class != wanted => Err(format!("want error {wanted}, got {answer}")),
        (_, Some(class)) if class != wanted && HOST_FAULTS.contains(&class) => Err(format!("want a guest's error, got {answer}")),
        _ => Ok(()),
    }
}

fn judge_answer(case: &Value, wanted: &Value, answer: &Value) -> Result<(), String> {
    if let Some(error) = answer.get("error") {
        return Err(format!("want an answer, got error {error}"));
    }
    let given = &case["in"]["request"]["object"];
    let aggregate = case["in"]["request"]["operation"] == "AggregateStatus";
    if aggregate && answer["object"].is_object() {
        let rest = |object: &Value| {
            let mut object = object.clone();
            object.as_object_mut().expect("an object").remove("status");
            prune(&object, true)
        };
        same(&rest(given), &rest(&answer["object"]), "/object").map_err(|why| format!("changed outside .status: {why}"))?;
    }
    let api_version = given["apiVersion"].as_str().unwrap_or("");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let empties = aggregate || !NATIVE_GROUPS.contains(&group);
    same(&canonical(wanted, aggregate, empties), &canonical(answer, aggregate, empties), "")
}

/// The part of an answer that counts, in comparable form.
fn canonical(answer: &Value, aggregate: bool, empties: bool) -> Value {
    let picked: Map<String, Value> = KEYS.iter().filter_map(|key| Some(((*key).to_owned(), answer.get(*key)?.clone()))).collect();
    let mut picked = prune(&Value::Object(picked), empties);
    let map = picked.as_object_mut().expect("made of a map");
    if aggregate {
        let status = map.get("object").and_then(|object| object.get("status")).cloned();
        map.insert("object".to_owned(), json!({"status": status.unwrap_or(json!({}))}));
    }
    if let Some(dependencies) = map.get_mut("dependencies").and_then(Value::as_array_mut) {
        dependencies.sort_by_key(ToString::to_string);
    }
    map.retain(|key, value| !(["dependencies", "components", "replicaRequirements"].contains(&key.as_str()) && is_empty(value)));
    picked
}

/// `null` is absent; with `empties` empty maps and lists at any depth are, too.
pub fn prune(value: &Value, empties: bool) -> Value {
    let dropped = |value: &Value| value.is_null() || empties && is_empty(value);
    match value {
        Value::Object(map) => {
            let pruned = map.iter().map(|(key, value)| (key.clone(), prune(value, empties)));
            Value::Object(pruned.filter(|(_, value)| !dropped(value)).collect())
        }
        Value::Array(items) => {
            let pruned = items.iter().map(|item| prune(item, empties));
            Value::Array(pruned.filter(|item| !(empties && dropped(item))).collect())
        }
        scalar => scalar.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// `Err` with the path of the first difference.
pub fn same(wanted: &Value, got: &Value, path: &str) -> Result<(), String> {
    match (wanted, got) {
        (Value::Object(a), Value::Object(b)) => {
            let extra = b.keys().find(|key| !a.contains_key(*key));
            if let Some(key) = extra {
                return Err(format!("{path}/{key}: unexpected {}", short(&b[key])));
            }
            a.iter().try_for_each(|(key, value)| match b.get(key) {
                Some(other) => same(value, other, &format!("{path}/{key}")),
                None => Err(format!("{path}/{key}: missing, want {}", short(value))),
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().try_for_each(|(at, (a, b))| same(a, b, &format!("{path}/{at}")))
        }
        (Value::String(a), Value::String(_)) if a == "<now>" => Ok(()),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() && (a.as_i64() == b.as_i64() || a.is_f64() || b.is_f64()) => {
            Ok(())
        }
        (a, b) if a == b => Ok(()),
        (a, b) if is_quantity(path) && amount(a).is_some() && amount(a) == amount(b) => Ok(()),
        (a, b) => Err(format!("{path}: want {}, got {}", short(a), short(b))),
    }
}

fn is_quantity(path: &str) -> bool {
    path.contains("resourceRequest") || ["/cpu", "/memory", "/storage"].iter().any(|end| path.ends_with(end))
}

fn amount(value: &Value) -> Option<Amount> {
    Amount::from_json(value).ok()
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(160).collect()
}
