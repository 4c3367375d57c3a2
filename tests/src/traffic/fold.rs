//! Examples as they are kept in a file: an answer is most often what was there or what was sent, but for a few fields.

use super::Example;
use serde_json::{Map, Value, json};

/// What differs from the object that was there or was sent, or from a list of what was there.
const OBJECT: &str = "changed";
const LIST: &str = "changedList";

/// An example as a line of a file: the object in its answer as what differs from the object that it is like.
pub fn folded(example: &Example) -> String {
    let mut line = example.clone();
    let is_list = line.answer["body"]["items"].is_array();
    if let Some(base) = base(example, is_list) {
        let change = difference(&keyed(&base), &keyed(&line.answer["body"])).unwrap_or_else(|| json!({}));
        let answer = line.answer.as_object_mut().expect("an answer is an object");
        answer.remove("body");
        answer.insert(if is_list { LIST } else { OBJECT }.to_owned(), change);
    }
    serde_json::to_string(&line).expect("an example prints")
}

/// The example of a line.
///
/// # Errors
/// When it is none.
pub fn unfolded(line: &str) -> Result<Example, String> {
    let mut example: Example = serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))?;
    for name in [LIST, OBJECT] {
        let Some(change) = example.answer.as_object_mut().and_then(|answer| answer.remove(name)) else { continue };
        let mut body = keyed(&base(&example, name == LIST).ok_or_else(|| format!("nothing to build on in {line}"))?);
        merge(&mut body, &change);
        example.answer["body"] = listed(body);
    }
    Ok(example)
}

/// What the answer is most likely like: a list of what was there, the object that was there, or the one that was sent; `None` where
/// it tells of no object.
fn base(example: &Example, is_list: bool) -> Option<Value> {
    let body = &example.answer["body"];
    if body["status"] == "Failure" || body["rows"].is_array() {
        return None;
    }
    match &example.before[..] {
        before if is_list => {
            let bare = |object: &Value| {
                let mut object = object.clone();
                ["apiVersion", "kind"].iter().for_each(|field| drop(object.as_object_mut().map(|fields| fields.remove(*field))));
                object
            };
            Some(json!({"items": before.iter().map(bare).collect::<Vec<_>>()}))
        }
        [one] => Some(one.clone()),
        [] => Some(&example.body).filter(|body| body["metadata"].is_object()).cloned(),
        _ => None,
    }
}

/// The object with its managers, and the items of a list, by their places: a list can only be replaced as a whole.
fn keyed(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(items) = object["items"].as_array() {
        object["items"] = by_place(items.iter().map(keyed));
    }
    if let Some(managers) = object["metadata"]["managedFields"].as_array() {
        object["metadata"]["managedFields"] = by_place(managers.iter().cloned());
    }
    object
}

fn by_place(values: impl Iterator<Item = Value>) -> Value {
    values.enumerate().map(|(number, value)| (format!("{number:03}"), value)).collect::<Map<_, _>>().into()
}

fn listed(mut object: Value) -> Value {
    if let Some(items) = object["items"].as_object() {
        object["items"] = items.values().cloned().map(listed).collect();
    }
    if let Some(managers) = object["metadata"]["managedFields"].as_object() {
        object["metadata"]["managedFields"] = managers.values().cloned().collect();
    }
    object
}

/// What turns `old` into `new`, by field; `{"=": value}` stands for a value that is null or replaces an object, `"-"` for one that goes.
fn difference(old: &Value, new: &Value) -> Option<Value> {
    match (old, new) {
        _ if old == new => None,
        (Value::Object(a), Value::Object(b)) => {
            let gone = a.keys().filter(|name| !b.contains_key(*name)).map(|name| (name.clone(), json!({"-": true})));
            let other = b.iter().filter_map(|(name, new)| {
                let change = match a.get(name) {
                    Some(old) => difference(old, new)?,
                    None => json!({"=": new}),
                };
                Some((name.clone(), change))
            });
            Some(gone.chain(other).collect::<Map<_, _>>().into())
        }
        _ => Some(json!({"=": new})),
    }
}

fn merge(value: &mut Value, change: &Value) {
    for (name, change) in change.as_object().into_iter().flatten() {
        if let Some(new) = change.get("=") {
            value[name] = new.clone();
        } else if change.get("-").is_some() {
            value.as_object_mut().map(|fields| fields.remove(name));
        } else {
            merge(&mut value[name], change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_reads_as_it_was_written() {
        let managers = json!([{"manager": "a", "fieldsV1": {"f:x": {}}}, {"manager": "b"}]);
        let object = json!({"metadata": {"name": "a", "labels": {"x": "y"}, "managedFields": managers}, "spec": null, "n": {"=": 1}});
        let mut after = object.clone();
        after["spec"] = json!({"a": null});
        after["metadata"]["managedFields"][1]["manager"] = json!("c");
        after["metadata"]["labels"] = json!({"z": "-"});
        let example = |before: Vec<Value>, body: Value, answer: Value| Example {
            from: "test".into(),
            ask: "GET /".into(),
            agent: "a".into(),
            media: String::new(),
            accept: String::new(),
            body,
            before,
            answer: json!({"code": 200, "body": answer}),
        };
        for example in [
            example(vec![object.clone()], Value::Null, after.clone()),
            example(vec![], object.clone(), after.clone()),
            example(vec![], Value::Null, json!({"kind": "Status"})),
            example(vec![object.clone(), after.clone()], Value::Null, json!({"metadata": {}, "items": [{"x": 1}, after]})),
        ] {
            assert_eq!(unfolded(&folded(&example)), Ok(example));
        }
        assert!(folded(&example(vec![object.clone()], Value::Null, object)).contains(r#""changed":{}"#));
    }
}
