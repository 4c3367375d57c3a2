//! Whether a member's object says what we want, although its API server has filled in more: told by what was found before.
//!
//! An API server defaults fields that the manifest does not name, and an admission webhook may change those that it does. So equality
//! alone would replace such an object for ever. Remembered is what was written and what came of it, as hashes; after a restart the
//! Work's own status takes the place of the memory. Metadata is not looked at here.

use crate::render::prune::prune;
use flotilla_api::object::Object;
use flotilla_api::quantity::Amount;
use serde_json::{Map, Value};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is known of a manifest and a member's object from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: only what is equal is right.
    Nothing,
    /// The Work's status says that this very manifest was applied, by a process that is no more: what the member's object says
    /// besides was made of it by the member.
    AppliedBefore,
    /// This process wrote or saw both.
    Agreed(Agreed),
}

/// A body that was written, or found to be there, and the member's object as it was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    body: u64,
    observed: u64,
    /// What the object says besides the body; `None` where it does not even say what the body does.
    besides: Option<u64>,
}

impl Agreed {
    /// `observed` is what the member made of `body`.
    pub fn new(body: &Object, observed: &Object) -> Self {
        Self::of_pruned(&essence(body), &essence(observed))
    }

    fn of_pruned(body: &Value, observed: &Value) -> Self {
        Self { body: hash(body), observed: hash(observed), besides: besides(body, observed, "").as_ref().map(hash) }
    }

    /// Whether nobody changed either since: both are what they were, or the object says all of the body and nothing else besides
    /// than it did then.
    fn still_holds(self, now: Self) -> bool {
        (self.body, self.observed) == (now.body, now.observed) || (now.besides.is_some() && self.besides == now.besides)
    }
}

/// Whether the member's object is what `body` wants it to be, metadata apart; if so, what to remember.
pub(super) fn agree(body: &Object, observed: &Object, known: Known) -> Option<Agreed> {
    let (body, observed) = (essence(body), essence(observed));
    let now = Agreed::of_pruned(&body, &observed);
    let is_right = match known {
        Known::Nothing => now.besides == Some(hash(&Value::Null)),
        Known::AppliedBefore => now.besides.is_some(),
        Known::Agreed(before) => before.still_holds(now),
    };
    is_right.then_some(now)
}

/// What of an object is for its user to say, metadata apart.
fn essence(object: &Object) -> Value {
    let mut value = object.0.clone();
    prune(&mut value);
    value.as_object_mut().map(|object| object.remove("metadata"));
    value
}

/// Fields whose values are quantities: the API server writes them its own way.
const QUANTITIES: [&str; 6] = ["capacity", "hard", "limits", "overhead", "requests", "allocatable"];

/// What `observed` says besides `wanted`, `null` for nothing; `None` when it does not say what is wanted. `field` is where both are.
fn besides(wanted: &Value, observed: &Value, field: &str) -> Option<Value> {
    match (wanted, observed) {
        (Value::Object(wanted), Value::Object(observed)) => {
            let absent = wanted.iter().filter(|(key, _)| !observed.contains_key(*key));
            if !absent.into_iter().all(|(_, value)| is_nothing(value)) {
                return None;
            }
            let mut rest = Map::new();
            for (key, value) in observed {
                let beside = match wanted.get(key) {
                    Some(wanted) if QUANTITIES.contains(&field) && is_same_amount(wanted, value) => Value::Null,
                    Some(wanted) => besides(wanted, value, key)?,
                    None => nothing_or(value),
                };
                if !beside.is_null() {
                    rest.insert(key.clone(), beside);
                }
            }
            Some(if rest.is_empty() { Value::Null } else { Value::Object(rest) })
        }
        (Value::Array(wanted), Value::Array(observed)) if wanted.len() == observed.len() => {
            let rest = wanted.iter().zip(observed).map(|(wanted, observed)| besides(wanted, observed, field));
            let rest: Vec<Value> = rest.collect::<Option<_>>()?;
            Some(if rest.iter().all(Value::is_null) { Value::Null } else { Value::Array(rest) })
        }
        (wanted, observed) if is_nothing(wanted) && !observed.is_array() => Some(nothing_or(observed)),
        _ => (wanted == observed).then_some(Value::Null),
    }
}

/// API servers drop maps and lists that hold nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        _ => false,
    }
}

fn nothing_or(value: &Value) -> Value {
    if is_nothing(value) { Value::Null } else { value.clone() }
}

fn is_same_amount(one: &Value, other: &Value) -> bool {
    match (Amount::from_json(one), Amount::from_json(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(wanted: Value, observed: Value, expected: Option<Value>) {
        assert_eq!(besides(&wanted, &observed, ""), expected);
    }

    #[test]
    fn what_an_api_server_fills_in_is_besides() {
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), Some(json!({"b": 2})));
        check(
            json!({"list": [{"a": 1}, {"a": 2}]}),
            json!({"list": [{"a": 1}, {"a": 2, "b": 3}]}),
            Some(json!({"list": [null, {"b": 3}]})),
        );
        check(json!({"a": {"b": null}}), json!({}), Some(Value::Null));
        check(json!({"a": {"b": null}, "c": []}), json!({"a": {"b": {"d": 1}}}), Some(json!({"a": {"b": {"d": 1}}})));
        check(json!({"a": 1}), json!({"a": 1, "b": {}}), Some(Value::Null));
    }

    #[test]
    fn what_differs_or_is_missing_is_not() {
        check(json!({"a": 1}), json!({"a": 2}), None);
        check(json!({"a": 1}), json!({}), None);
        check(json!({"a": false}), json!({}), None);
        check(json!({"list": [1]}), json!({"list": [1, 2]}), None);
        check(json!({"list": []}), json!({"list": [1]}), None);
    }

    #[test]
    fn quantities_are_compared_by_value() {
        let wanted = json!({"limits": {"cpu": "1000m", "memory": "1024Mi"}});
        check(wanted.clone(), json!({"limits": {"cpu": "1", "memory": "1Gi"}}), Some(Value::Null));
        check(wanted.clone(), json!({"limits": {"cpu": "1", "memory": "2Gi"}}), None);
        check(json!({"cpu": "1000m"}), json!({"cpu": "1"}), None);
        check(json!({"limits": {"cpu": 1}}), json!({"limits": {"cpu": "1"}}), Some(Value::Null));
    }
}
