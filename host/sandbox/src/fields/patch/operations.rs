//! JSON patches as the library of the real server applies them, which is looser than RFC 6902: `replace` of a missing member of an
//! object adds it, a value that is missing is `null`, what precedes the first slash of a path is ignored.

use serde_json::Value;

/// Applies one operation; `None` where it does not apply.
pub(super) fn apply(object: &mut Value, operation: &Value) -> Option<()> {
    let path = operation["path"].as_str()?;
    let value = || operation.get("value").cloned().unwrap_or_default();
    match operation["op"].as_str()? {
        "add" => add(object, path, value()),
        "remove" => remove(object, path).map(drop),
        "replace" if path.is_empty() => {
            let value = value();
            *object = Some(value).filter(|value| value.is_object() || value.is_array())?;
            Some(())
        }
        "replace" => replace(object, path, value()),
        "move" => {
            let moved = remove(object, operation["from"].as_str()?)?;
            add(object, path, moved)
        }
        "copy" => {
            let copied = get(object, operation["from"].as_str()?)?.cloned().unwrap_or_default();
            add(object, path, copied)
        }
        "test" => test(object, path, operation.get("value")),
        _ => None,
    }
}

/// The container that a path ends in, and the key there.
fn container<'a>(object: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let mut keys: Vec<String> = path.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    let last = keys.pop()?;
    let mut place = object;
    for key in keys {
        place = match place {
            Value::Object(fields) => fields.get_mut(&key)?,
            Value::Array(items) => {
                let at = index(&key, items.len())?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    (place.is_object() || place.is_array()).then_some((place, last))
}

/// Negative indices count from the end.
fn index(key: &str, length: usize) -> Option<usize> {
    let at: i64 = key.parse().ok()?;
    let at = if at < 0 { at + i64::try_from(length).ok()? } else { at };
    usize::try_from(at).ok()
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    let (place, key) = container(object, path)?;
    match place {
        Value::Object(fields) => drop(fields.insert(key, value)),
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(&key, items.len() + 1).filter(|at| *at <= items.len())?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (place, key) = container(object, path)?;
    match place {
        Value::Object(fields) => fields.remove(&key),
        Value::Array(items) => index(&key, items.len()).filter(|at| *at < items.len()).map(|at| items.remove(at)),
        _ => None,
    }
}

fn replace(object: &mut Value, path: &str, value: Value) -> Option<()> {
    let (place, key) = container(object, path)?;
    match place {
        Value::Object(fields) => drop(fields.insert(key, value)),
        Value::Array(items) => {
            let at = index(&key, items.len())?;
            *items.get_mut(at)? = value;
        }
        _ => return None,
    }
    Some(())
}

/// `Some(None)` for a member of an object that is missing.
fn get<'a>(object: &'a mut Value, path: &str) -> Option<Option<&'a Value>> {
    if path.is_empty() {
        return Some(Some(object));
    }
    let (place, key) = container(object, path)?;
    match place {
        Value::Object(fields) => Some(fields.get(&key)),
        Value::Array(items) => {
            let at = index(&key, items.len())?;
            items.get(at).map(Some)
        }
        _ => None,
    }
}

fn test(object: &mut Value, path: &str, wanted: Option<&Value>) -> Option<()> {
    let found = get(object, path)?.cloned().unwrap_or_default();
    (found == wanted.cloned().unwrap_or_default()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(object: Value, operation: Value) -> Option<Value> {
        let mut object = object;
        apply(&mut object, &operation).map(|()| object)
    }

    #[test]
    fn operations_apply_as_loosely_as_on_the_real_server() {
        let object = json!({"a": {"b": 1}, "l": [1, 2]});
        let done = |operation: Value| patched(object.clone(), operation);
        assert_eq!(done(json!({"op": "replace", "path": "/a/none", "value": 2})), Some(json!({"a": {"b": 1, "none": 2}, "l": [1, 2]})));
        assert_eq!(done(json!({"op": "add", "path": "/a/c"})), Some(json!({"a": {"b": 1, "c": null}, "l": [1, 2]})));
        assert_eq!(done(json!({"op": "add", "path": "/l/-1", "value": 3})), Some(json!({"a": {"b": 1}, "l": [1, 2, 3]})));
        assert_eq!(done(json!({"op": "move", "from": "/l/0", "path": "/a/b"})), Some(json!({"a": {"b": 1}, "l": [2]})));
        assert_eq!(done(json!({"op": "remove", "path": "/a/none"})), None);
        assert_eq!(done(json!({"op": "replace", "path": "/l/2", "value": 3})), None);
        assert_eq!(done(json!({"op": "test", "path": "/a/b", "value": 2})), None);
        assert_eq!(done(json!({"op": "frob", "path": "/a/b"})), None);
    }
}
