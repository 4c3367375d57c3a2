//! What changed between two versions of an object, as sets of fields.

use super::field_set::{FieldSet, Step};
use super::typed::{Kind, item_step, kind};
use crate::fields::schema::node::{Identity, Scalar, Shape, View, Written};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The fields that differ.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub added: FieldSet,
    pub modified: FieldSet,
    pub removed: FieldSet,
}

/// Compares two objects. A field that its server never leaves out (`status` of a Deployment) counts as empty where it is absent.
pub(super) fn compare(view: View, old: &Value, new: &Value) -> Comparison {
    let mut walk = Walk { path: Vec::new(), found: Comparison::default() };
    walk.compare(view, Some(old), Some(new));
    walk.found
}

struct Walk {
    path: Vec<Step>,
    found: Comparison,
}

impl Walk {
    fn compare(&mut self, view: View, old: Option<&Value>, new: Option<&Value>) {
        let (old_kind, new_kind) = (kind(view, old), kind(view, new));
        let mut is_leaf = false;
        let same_kind = match (old, new) {
            (None, _) => true,
            (_, None) => {
                is_leaf = self.compare_as(view, old_kind, old, new);
                self.finish(old, new, is_leaf);
                return;
            }
            _ => std::mem::discriminant(&old_kind) == std::mem::discriminant(&new_kind),
        };
        if !same_kind {
            self.compare_as(view, old_kind, old, new);
        }
        is_leaf |= self.compare_as(view, new_kind, old, new);
        self.finish(old, new, is_leaf);
    }

    /// A map or list that comes or goes is a field of its own.
    fn finish(&mut self, old: Option<&Value>, new: Option<&Value>, is_leaf: bool) {
        match (old, new) {
            (None, _) if !is_leaf => self.found.added.insert(&self.path),
            (_, None) if !is_leaf => self.found.removed.insert(&self.path),
            _ => {}
        }
    }

    /// Whether the values were compared as a whole.
    fn compare_as(&mut self, view: View, kind: Kind, old: Option<&Value>, new: Option<&Value>) -> bool {
        match kind {
            Kind::Leaf => self.leaf(old, new),
            Kind::Items(identity) => {
                let (old_items, new_items) = (items(old), items(new));
                if old_items.is_empty() && new_items.is_empty() {
                    return self.leaf(old, new);
                }
                self.items(view, identity, old_items, new_items);
                false
            }
            Kind::Keys => {
                let (old_map, new_map) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
                if old_map.is_none_or(Map::is_empty) && new_map.is_none_or(Map::is_empty) {
                    return self.leaf(old, new);
                }
                self.keys(view, old_map, new_map);
                false
            }
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) -> bool {
        match (old, new) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            (Some(old), Some(new)) if !equal(old, new) => self.found.modified.insert(&self.path),
            _ => {}
        }
        true
    }

    fn keys(&mut self, view: View, old: Option<&Map<String, Value>>, new: Option<&Map<String, Value>>) {
        let names = old.into_iter().flat_map(Map::keys);
        let more = new.into_iter().flat_map(Map::keys).filter(|key| !old.is_some_and(|old| old.contains_key(*key)));
        for key in names.chain(more) {
            let Some(child) = view.child(key) else {
                continue;
            };
            let (old, new) = (present(view, key, child, old), present(view, key, child, new));
            self.path.push(Step::field(key));
            self.compare(child, old, new);
            self.path.pop();
        }
    }

    fn items(&mut self, view: View, identity: &Identity, old: &[Value], new: &[Value]) {
        let mut steps: BTreeMap<Step, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in old {
            if let Ok(step) = item_step(view, identity, item) {
                steps.entry(step).or_default().0.push(item);
            }
        }
        for item in new {
            if let Ok(step) = item_step(view, identity, item) {
                steps.entry(step).or_default().1.push(item);
            }
        }
        for (step, (old, new)) in steps {
            self.path.push(step);
            self.item(view.items(), &old, &new);
            self.path.pop();
        }
    }

    /// Items that occur twice are owned as one value.
    fn item(&mut self, view: View, old: &[&Value], new: &[&Value]) {
        match (old, new) {
            ([] | [_], [] | [_]) => self.compare(view, old.first().copied(), new.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                if old.len() != new.len() || old.iter().zip(new).any(|(old, new)| !equal(old, new)) {
                    self.found.modified.insert(&self.path);
                }
            }
            ([_, _, ..], _) => {
                if let Some(new) = new.first() {
                    self.compare(view, None, Some(new));
                }
                self.found.removed.insert(&self.path);
            }
            (_, _) => {
                if let Some(old) = old.first() {
                    self.compare(view, Some(old), None);
                }
                self.found.added.insert(&self.path);
            }
        }
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The value of a key; what a server writes for it where it is absent from a map that is there.
fn present<'a>(view: View, key: &str, child: View, map: Option<&'a Map<String, Value>>) -> Option<&'a Value> {
    static NULL: Value = Value::Null;
    static FALSE: Value = Value::Bool(false);
    static EMPTY: LazyLock<(Value, Value, Value)> =
        LazyLock::new(|| (Value::Object(Map::new()), Value::String(String::new()), Value::from(0)));
    let map = map?;
    map.get(key).or_else(|| match (view.field(key)?.written, &child.node.shape) {
        (Written::OrNull, _) => Some(&NULL),
        (Written::Always, Shape::Map(_)) => Some(&EMPTY.0),
        (Written::Always, Shape::Scalar(Scalar::Text | Scalar::Bytes)) => Some(&EMPTY.1),
        (Written::Always, Shape::Scalar(Scalar::Boolean)) => Some(&FALSE),
        (Written::Always, Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Number)) => Some(&EMPTY.2),
        _ => None,
    })
}

/// Numbers are equal whatever their form.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (a, b) => a == b,
    }
}
