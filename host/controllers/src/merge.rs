//! The merge patch (RFC 7386) from one JSON value to another: pure.

use serde_json::{Map, Value};

/// What to merge into `old` to get `new`: only what differs, `null` for what is to go. Lists are replaced whole.
pub fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            Some(known) if known == value => {}
            Some(known) => drop(patch.insert(key.clone(), difference(known, value))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_sent() {
        let old = json!({"a": 1, "b": {"c": [1], "d": 2}, "e": 3});
        let new = json!({"a": 1, "b": {"c": [1, 2], "d": 2}, "f": 4});
        let patch = difference(&old, &new);
        assert_eq!(patch, json!({"b": {"c": [1, 2]}, "e": null, "f": 4}));
        let mut merged = old;
        json_patch::merge(&mut merged, &patch);
        assert_eq!(merged, new);
    }
}
