//! Operations of JSON patch, one at a time, as the library does them that Kubernetes' own tools use: a negative index counts from the
//! end of a list.

use flotilla_api::policy::OverriderOperator;
use serde_json::Value;

/// Why an operation does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The path does not begin with a slash.
    #[error("path `{0}` does not begin with `/`")]
    NoPointer(String),
    /// There is no object or list to change at the path.
    #[error("nothing at `{0}`")]
    Missing(String),
    /// The list is shorter, or what should be an index is none.
    #[error("no list item at `{0}`")]
    NoItem(String),
    /// `test` found something else.
    #[error("test of `{path}` failed")]
    TestFailed {
        /// The path.
        path: String,
    },
    /// The operation is not one of add, remove, replace, test.
    #[error("operator `{0}` is unknown")]
    UnknownOperator(String),
}

/// Applies an operation to a document.
pub fn apply(document: &mut Value, path: &str, operator: &OverriderOperator, value: &Value) -> Result<(), PatchError> {
    let Some((parent, key)) = path.rsplit_once('/') else {
        return match path {
            "" => apply_to_root(document, operator, value),
            _ => Err(PatchError::NoPointer(path.to_owned())),
        };
    };
    let missing = || PatchError::Missing(path.to_owned());
    let key = unescape(key);
    match find(document, parent).ok_or_else(missing)? {
        Value::Object(fields) => match operator {
            OverriderOperator::Add => drop(fields.insert(key, value.clone())),
            OverriderOperator::Replace => *fields.get_mut(&key).ok_or_else(missing)? = value.clone(),
            OverriderOperator::Remove => drop(fields.remove(&key).ok_or_else(missing)?),
            OverriderOperator::Other(word) => test(word, fields.get(&key), path, value)?,
        },
        Value::Array(items) => {
            let is_add = *operator == OverriderOperator::Add;
            let places = items.len() + usize::from(is_add);
            let place = if is_add && key == "-" { Some(items.len()) } else { index(&key, places) };
            let place = place.ok_or_else(|| PatchError::NoItem(path.to_owned()))?;
            match operator {
                OverriderOperator::Add => items.insert(place, value.clone()),
                OverriderOperator::Replace => items[place] = value.clone(),
                OverriderOperator::Remove => drop(items.remove(place)),
                OverriderOperator::Other(word) => test(word, items.get(place), path, value)?,
            }
        }
        _ => return Err(missing()),
    }
    Ok(())
}

fn apply_to_root(document: &mut Value, operator: &OverriderOperator, value: &Value) -> Result<(), PatchError> {
    match operator {
        OverriderOperator::Add | OverriderOperator::Replace => *document = value.clone(),
        OverriderOperator::Remove => return Err(PatchError::Missing(String::new())),
        OverriderOperator::Other(word) => test(word, Some(document), "", value)?,
    }
    Ok(())
}

fn test(word: &str, found: Option<&Value>, path: &str, value: &Value) -> Result<(), PatchError> {
    match word {
        "test" if found.unwrap_or(&Value::Null) == value => Ok(()),
        "test" => Err(PatchError::TestFailed { path: path.to_owned() }),
        word => Err(PatchError::UnknownOperator(word.to_owned())),
    }
}

/// What is at a pointer.
pub fn find<'a>(document: &'a mut Value, pointer: &str) -> Option<&'a mut Value> {
    if pointer.is_empty() {
        return Some(document);
    }
    let keys = pointer.strip_prefix('/')?.split('/').map(unescape);
    keys.into_iter().try_fold(document, |value, key| match value {
        Value::Object(fields) => fields.get_mut(&key),
        Value::Array(items) => index(&key, items.len()).and_then(|index| items.get_mut(index)),
        _ => None,
    })
}

/// The place that a key means in a list of so many places.
fn index(key: &str, length: usize) -> Option<usize> {
    let number: i64 = key.parse().ok()?;
    let place = if number < 0 { number.checked_add(i64::try_from(length).ok()?)? } else { number };
    usize::try_from(place).ok().filter(|place| *place < length)
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(operation: (&str, &str, Value), expect: Result<Value, &str>) {
        let mut document = json!({"a": {"b": 1, "x/y": 2, "m~n": 3}, "list": [1, 2, 3], "null": null});
        let (operator, path, value) = operation;
        let answer = apply(&mut document, path, &OverriderOperator::from(operator), &value);
        let answer = answer.map(|()| document).map_err(|error| error.to_string());
        assert_eq!(answer, expect.map_err(str::to_owned));
    }

    #[test]
    fn fields() {
        let rest = json!([1, 2, 3]);
        let with = |a: Value| Ok(json!({"a": a, "list": rest, "null": null}));
        check(("add", "/a/c", json!(9)), with(json!({"b": 1, "x/y": 2, "m~n": 3, "c": 9})));
        check(("replace", "/a/x~1y", json!(9)), with(json!({"b": 1, "x/y": 9, "m~n": 3})));
        check(("remove", "/a/m~0n", json!(null)), with(json!({"b": 1, "x/y": 2})));
        check(("replace", "/a/c", json!(9)), Err("nothing at `/a/c`"));
        check(("remove", "/a/c", json!(null)), Err("nothing at `/a/c`"));
        check(("add", "/ghost/c", json!(9)), Err("nothing at `/ghost/c`"));
        check(("add", "/null/c", json!(9)), Err("nothing at `/null/c`"));
        check(("add", "/a/b/c", json!(9)), Err("nothing at `/a/b/c`"));
        check(("replace", "a/b", json!(9)), Err("nothing at `a/b`"));
        check(("replace", "a", json!(9)), Err("path `a` does not begin with `/`"));
    }

    #[test]
    fn list_items() {
        let with = |list: Value| Ok(json!({"a": {"b": 1, "x/y": 2, "m~n": 3}, "list": list, "null": null}));
        check(("add", "/list/-", json!(9)), with(json!([1, 2, 3, 9])));
        check(("add", "/list/0", json!(9)), with(json!([9, 1, 2, 3])));
        check(("add", "/list/3", json!(9)), with(json!([1, 2, 3, 9])));
        check(("add", "/list/4", json!(9)), Err("no list item at `/list/4`"));
        check(("add", "/list/-1", json!(9)), with(json!([1, 2, 3, 9])));
        check(("replace", "/list/-1", json!(9)), with(json!([1, 2, 9])));
        check(("remove", "/list/-3", json!(null)), with(json!([2, 3])));
        check(("remove", "/list/-4", json!(null)), Err("no list item at `/list/-4`"));
        check(("replace", "/list/-", json!(9)), Err("no list item at `/list/-`"));
        check(("replace", "/list/3", json!(9)), Err("no list item at `/list/3`"));
        check(("add", "/list/x", json!(9)), Err("no list item at `/list/x`"));
    }

    #[test]
    fn the_whole_document() {
        check(("replace", "", json!({})), Ok(json!({})));
        check(("remove", "", json!(null)), Err("nothing at ``"));
    }

    #[test]
    fn tests() {
        let same = Ok(json!({"a": {"b": 1, "x/y": 2, "m~n": 3}, "list": [1, 2, 3], "null": null}));
        check(("test", "/list", json!([1, 2, 3])), same.clone());
        check(("test", "/a/ghost", json!(null)), same);
        check(("test", "/a/b", json!(2)), Err("test of `/a/b` failed"));
        check(("move", "/a/b", json!(2)), Err("operator `move` is unknown"));
    }
}
