//! Strategic merge patches of built-in types: maps merge by key, lists by merge key where the type says so.
//!
//! The order of merged lists is the real server's: items named by the patch in the order of `$setElementOrder` (or of the patch), the
//! others between them where they were.

use super::{bad_request, does_not_apply};
use crate::fields::golang;
use crate::fields::schema::node::{Patch, View};
use crate::status::ApiError;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER_PREFIX: &str = "$setElementOrder";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList";

/// Merges the patch into the object, which is left as it was when the patch is refused.
pub(super) fn apply(object: &mut Value, patch: &Value, view: View) -> Result<(), ApiError> {
    let (Value::Object(original), Value::Object(patch)) = (&*object, patch) else {
        return Err(bad_request("invalid JSON document".to_owned()));
    };
    let mut merged = original.clone();
    merge_map(&mut merged, patch, Some(view))?;
    *object = Value::Object(merged);
    Ok(())
}

fn merge_map(original: &mut Object, patch: &Object, view: Option<View>) -> Result<(), ApiError> {
    match patch.get(DIRECTIVE).map(|directive| (directive.as_str(), directive)) {
        None => {}
        Some((Some("replace"), _)) => {
            *original = patch.iter().filter(|(key, _)| *key != DIRECTIVE).map(|(k, v)| (k.clone(), v.clone())).collect();
            return Ok(());
        }
        Some((Some("delete"), _)) => {
            original.clear();
            return Ok(());
        }
        Some((_, directive)) => return Err(unknown_directive(directive, patch)),
    }
    if let Some(kept) = patch.get(RETAIN_KEYS) {
        retain_keys(original, patch, kept)?;
    }
    let mut ordered = Vec::new();
    for (key, order) in patch.iter().filter(|(key, _)| key.starts_with(ORDER_PREFIX)) {
        let field = directive_field(key).ok_or_else(|| bad_request("invalid patch format of setElementOrder list".to_owned()))?;
        merge_ordered(original, patch, field, order, view)?;
        ordered.push(field);
    }
    for (key, change) in patch {
        if key == RETAIN_KEYS || key.starts_with(ORDER_PREFIX) || ordered.contains(&key.as_str()) {
            continue;
        }
        if key.starts_with(DELETE_PREFIX) {
            let field = directive_field(key).ok_or_else(|| bad_request("invalid patch format of primitive list".to_owned()))?;
            delete_values(original, field, change);
        } else {
            merge_field(original, key, change, view)?;
        }
    }
    Ok(())
}

/// What follows the slash of `$setElementOrder/containers`.
fn directive_field(key: &str) -> Option<&str> {
    key.split_once('/').map(|(_, field)| field)
}

fn merge_field(original: &mut Object, key: &str, change: &Value, view: Option<View>) -> Result<(), ApiError> {
    match (original.get_mut(key), change) {
        (_, Value::Null) => {
            original.remove(key);
        }
        (Some(Value::Object(map)), Value::Object(change))
            if view.and_then(|view| view.field(key)).is_some_and(|field| field.patch.replace) =>
        {
            *map = change.clone();
        }
        (Some(Value::Object(map)), Value::Object(change)) => {
            let below = view.map(|view| view.child(key).ok_or_else(|| unknown_field(key))).transpose()?;
            merge_map(map, change, below)?;
        }
        (Some(Value::Array(list)), Value::Array(change)) => {
            let (patch, items) = list_schema(view, key)?;
            if patch.merge { merge_list(list, change, patch, items)? } else { *list = change.clone() }
        }
        (_, change) => match without_directives(change) {
            Some(value) => {
                original.insert(key.to_owned(), value);
            }
            None => {
                original.remove(key);
            }
        },
    }
    Ok(())
}

/// How a list field merges, and what its items are. Fields of maps that are not described are replaced.
fn list_schema<'a>(view: Option<View<'a>>, key: &str) -> Result<(&'a Patch, Option<View<'a>>), ApiError> {
    static REPLACED: Patch = Patch { merge: false, key: None, retain: false, replace: false };
    let Some(view) = view else {
        return Ok((&REPLACED, None));
    };
    let items = view.child(key).ok_or_else(|| unknown_field(key))?.items();
    Ok((view.field(key).map_or(&REPLACED, |field| &field.patch), Some(items)))
}

fn retain_keys(original: &mut Object, patch: &Object, kept: &Value) -> Result<(), ApiError> {
    let malformed = || bad_request("invalid patch format of retainKeys".to_owned());
    let kept: Vec<&str> = kept.as_array().ok_or_else(malformed)?.iter().filter_map(Value::as_str).collect();
    let is_change = |key: &str, value: &Value| {
        !value.is_null() && key != RETAIN_KEYS && !key.starts_with(DELETE_PREFIX) && !key.starts_with(ORDER_PREFIX)
    };
    if patch.iter().any(|(key, value)| is_change(key, value) && !kept.contains(&key.as_str())) {
        return Err(malformed());
    }
    original.retain(|key, _| kept.contains(&key.as_str()));
    Ok(())
}

fn delete_values(original: &mut Object, field: &str, values: &Value) {
    if let (Some(Value::Array(list)), Some(values)) = (original.get_mut(field), values.as_array()) {
        list.retain(|value| !values.contains(value));
    }
}

/// A list together with its `$setElementOrder`.
fn merge_ordered(original: &mut Object, patch: &Object, field: &str, order: &Value, view: Option<View>) -> Result<(), ApiError> {
    let order = order.as_array().ok_or_else(|| refused("expected a []interface {}, but received something else".to_owned()))?;
    let (strategy, items) = list_schema(view, field)?;
    let key = strategy.key.as_deref();
    let before = original.get(field).and_then(Value::as_array).cloned();
    let change = patch.get(field).and_then(Value::as_array);
    check_order(change.map_or(&[], Vec::as_slice), order, key)?;
    let merged = match (&before, change) {
        (Some(before), Some(change)) if strategy.merge => {
            let mut merged = before.clone();
            merge_list(&mut merged, change, strategy, items)?;
            merged
        }
        (_, Some(change)) => change.iter().filter_map(without_directives).collect(),
        (Some(before), None) => before.clone(),
        (None, None) => return Ok(()),
    };
    let sorted = in_order(merged, order, before.as_deref().unwrap_or_default(), key)?;
    original.insert(field.to_owned(), Value::Array(sorted));
    Ok(())
}

/// The items of the patch must appear in the order list, in its order; items to delete need not.
fn check_order(change: &[Value], order: &[Value], key: Option<&str>) -> Result<(), ApiError> {
    if order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for item in change.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let identity = identity(item, key)?;
        let mut found = false;
        for next in rest.by_ref() {
            if self::identity(next, key)? == identity {
                found = true;
                break;
            }
        }
        if !found {
            let (change, order) = (golang::plain(&change.into()), golang::plain(&order.into()));
            return Err(refused(format!("The order in patch list:\n{change}\n doesn't match {ORDER_PREFIX} list:\n{order}\n")));
        }
    }
    Ok(())
}

fn merge_list(list: &mut Vec<Value>, change: &[Value], strategy: &Patch, items: Option<View>) -> Result<(), ApiError> {
    if list.is_empty() && change.is_empty() {
        return Ok(());
    }
    let key = strategy.key.as_deref();
    let are_maps = list.iter().chain(change).all(Value::is_object);
    if list.iter().chain(change).any(Value::is_array) {
        return Err(does_not_apply());
    }
    let (before, change) = if are_maps {
        let key = key.ok_or_else(|| refused("cannot merge lists without merge key".to_owned()))?;
        let change = special_items(list, change, key)?;
        let before = list.clone();
        for item in &change {
            merge_item(list, item, key, items)?;
        }
        (before, change)
    } else {
        let before = list.clone();
        for value in change {
            if !list.contains(value) {
                list.push(value.clone());
            }
        }
        (before, change.to_vec())
    };
    *list = in_order(std::mem::take(list), &change, &before, key)?;
    Ok(())
}

/// Carries out `$patch` items (delete, replace) and returns the others.
fn special_items(list: &mut Vec<Value>, change: &[Value], key: &str) -> Result<Vec<Value>, ApiError> {
    let mut plain = Vec::new();
    let mut replaced = false;
    for item in change {
        let map = item.as_object().expect("checked by the caller");
        match map.get(DIRECTIVE).map(|directive| (directive.as_str(), directive)) {
            None => plain.push(item.clone()),
            Some((Some("delete"), _)) => {
                let value = map.get(key).ok_or_else(|| no_merge_key(item, key))?;
                list.retain(|existing| existing.get(key) != Some(value));
            }
            Some((Some("replace"), _)) => replaced = true,
            Some((Some("merge"), _)) => {
                return Err(refused("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some((_, directive)) => return Err(unknown_directive(directive, map)),
        }
    }
    if replaced {
        *list = std::mem::take(&mut plain);
    }
    Ok(plain)
}

fn merge_item(list: &mut Vec<Value>, item: &Value, key: &str, items: Option<View>) -> Result<(), ApiError> {
    let value = item.get(key).ok_or_else(|| no_merge_key(item, key))?;
    match list.iter_mut().find(|existing| existing.get(key) == Some(value)) {
        Some(Value::Object(existing)) => merge_map(existing, item.as_object().expect("checked by the caller"), items),
        _ => {
            list.push(item.clone());
            Ok(())
        }
    }
}

/// The list with the items of `order` in that order, and the others before the first of them that followed them in `before`.
fn in_order(list: Vec<Value>, order: &[Value], before: &[Value], key: Option<&str>) -> Result<Vec<Value>, ApiError> {
    let place = |of: &[Value], item: &Value| of.iter().position(|other| same(item, other, key));
    for item in &list {
        identity(item, key)?;
    }
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = list.into_iter().partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(before, item).unwrap_or(usize::MAX));
    let mut sorted = Vec::with_capacity(named.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in named {
        let limit = place(before, &item);
        while let Some(other) = others.next_if(|other| place(before, other).is_some_and(|at| limit.is_some_and(|limit| at < limit))) {
            sorted.push(other);
        }
        sorted.push(item);
    }
    sorted.extend(others);
    Ok(sorted)
}

fn same(left: &Value, right: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) => left.get(key) == right.get(key),
        None => left == right,
    }
}

/// What identifies an item: the value of its merge key, or itself.
fn identity<'a>(item: &'a Value, key: Option<&str>) -> Result<&'a Value, ApiError> {
    match key {
        Some(key) => item.get(key).ok_or_else(|| no_merge_key(item, key)),
        None => Ok(item),
    }
}

/// A value that is new to the object: without nulls and without what only says what to do; `None` when that is all it says.
fn without_directives(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let fields = map.iter().filter(|(_, value)| !value.is_null());
            Some(Value::Object(fields.filter_map(|(key, value)| Some((key.clone(), without_directives(value)?))).collect()))
        }
        Value::Array(items) => Some(Value::Array(items.iter().filter_map(without_directives).collect())),
        scalar => Some(scalar.clone()),
    }
}

fn unknown_field(field: &str) -> ApiError {
    refused(format!("unable to find api field {}", golang::quoted(field)))
}

fn no_merge_key(item: &Value, key: &str) -> ApiError {
    refused(format!("map: {} does not contain declared merge key: {key}", golang::plain(item)))
}

fn unknown_directive(directive: &Value, map: &Object) -> ApiError {
    let map = golang::plain(&Value::Object(map.clone()));
    refused(format!("unknown patch type: {} in map: {map}", golang::plain(directive)))
}

/// The server has no better answer to a malformed strategic patch than 500 with the reason.
fn refused(message: String) -> ApiError {
    ApiError { code: 500, reason: "", message, details: None }
}
