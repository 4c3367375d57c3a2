//! An applied configuration laid over an object.

use super::field_set::Step;
use super::typed::{Kind, item_step, kind};
use crate::fields::schema::node::{Identity, View};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The object with the values of the configuration. Items of lists keep the order of the object; those that the configuration orders
/// otherwise, and new ones, follow its order.
pub(super) fn merge(view: View, live: &Value, applied: &Value) -> Value {
    match kind(view, Some(applied)) {
        Kind::Leaf => applied.clone(),
        Kind::Keys => match (live.as_object(), applied.as_object()) {
            (Some(live), Some(applied)) if !live.is_empty() || !applied.is_empty() => merge_keys(view, live, applied),
            (Some(live), None) if !live.is_empty() => Value::Object(live.clone()),
            _ => applied.clone(),
        },
        Kind::Items(identity) => match (live.as_array(), applied.as_array()) {
            (Some(live), Some(applied)) if !live.is_empty() || !applied.is_empty() => {
                Value::Array(merge_items(view, identity, live, applied))
            }
            (Some(live), None) if !live.is_empty() => Value::Array(live.clone()),
            _ => applied.clone(),
        },
    }
}

fn merge_keys(view: View, live: &Map<String, Value>, applied: &Map<String, Value>) -> Value {
    let mut merged = live.clone();
    for (key, value) in applied {
        let value = match (live.get(key), view.child(key)) {
            (Some(live), Some(child)) => merge(child, live, value),
            _ => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    Value::Object(merged)
}

/// Walks both lists; an item of both is taken where both walks meet it, or where the configuration has it when the object has it too early.
fn merge_items(view: View, identity: &Identity, live: &[Value], applied: &[Value]) -> Vec<Value> {
    let steps = |items: &[Value]| -> Vec<Step> {
        items.iter().map(|item| item_step(view, identity, item).unwrap_or(Step::Index(usize::MAX))).collect()
    };
    let (live_steps, applied_steps) = (steps(live), steps(applied));
    let mut of_live: BTreeMap<&Step, Option<&Value>> = BTreeMap::new();
    for (step, item) in live_steps.iter().zip(live) {
        // Items that occur twice do not merge.
        of_live.entry(step).and_modify(|item| *item = None).or_insert(Some(item));
    }
    let of_applied: BTreeSet<&Step> = applied_steps.iter().collect();
    let merged_item = |at: usize| match of_live.get(&applied_steps[at]) {
        Some(Some(live)) => merge(view.items(), live, &applied[at]),
        _ => applied[at].clone(),
    };
    let mut shared = applied_steps.iter().filter(|step| of_live.contains_key(step));
    let mut next_shared = shared.next();
    let mut taken: BTreeSet<&Step> = BTreeSet::new();
    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    let (mut l, mut a) = (0, 0);
    while l < live.len() || a < applied.len() {
        if l < live.len() && a < applied.len() {
            let step = &live_steps[l];
            if *step == applied_steps[a] {
                taken.insert(step);
                merged.push(merged_item(a));
                (l, a) = (l + 1, a + 1);
                next_shared = shared.next();
                continue;
            }
            if of_applied.contains(step) && next_shared.is_some_and(|next| next != step) {
                l += 1;
                continue;
            }
        }
        if l < live.len() {
            let step = &live_steps[l];
            if !of_applied.contains(step) {
                merged.push(live[l].clone());
                l += 1;
                continue;
            }
            if taken.contains(step) {
                l += 1;
            }
        }
        if a < applied.len() {
            let step = &applied_steps[a];
            taken.insert(step);
            merged.push(merged_item(a));
            a += 1;
            if next_shared == Some(step) {
                next_shared = shared.next();
            }
        }
    }
    merged
}
