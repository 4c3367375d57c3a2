//! From the status of a binding to the status of its template.

use flotilla_api::interpretation::{HookError, Interpreter};
use flotilla_api::object::Object;
use flotilla_api::work::AggregatedStatusItem;
use serde_json::{Map, Value, json};

/// The merge patch that brings the template's `status` to what `items` add up to; `None` when it is that, or when no layer adds up
/// statuses of this kind. `template` must be fresh: what it says now is what the patch starts from.
///
/// # Errors
/// When the plugin gives no answer: then the status stays.
pub fn template_status(
    template: &Object,
    items: &[AggregatedStatusItem],
    interpreter: &dyn Interpreter,
) -> Result<Option<Value>, HookError> {
    let Some(answer) = interpreter.aggregate(template, Some(items))? else { return Ok(None) };
    let status = |object: &Object| object.get("status").filter(|status| !status.is_null()).cloned();
    let before = status(template).unwrap_or_else(|| json!({}));
    let patch = merge_patch(&before, &status(&answer.value).unwrap_or_else(|| json!({})));
    Ok(patch.map(|patch| json!({"status": patch})))
}

/// The JSON merge patch (RFC 7396) that makes `after` of `before`; `None` when they are equal, `null` being absent.
fn merge_patch(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let removed = old.iter().filter(|(key, value)| !new.contains_key(*key) && !value.is_null());
    let removed = removed.map(|(key, _)| (key.clone(), Value::Null));
    let changed = new.iter().filter_map(|(key, value)| {
        let patch = merge_patch(old.get(key).unwrap_or(&Value::Null), value)?;
        Some((key.clone(), patch))
    });
    let patch: Map<String, Value> = removed.chain(changed).collect();
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: Value, after: Value, patch: Option<Value>) {
        assert_eq!(merge_patch(&before, &after), patch);
        let mut patched = before;
        if let Some(patch) = &patch {
            json_patch::merge(&mut patched, patch);
        }
        assert_eq!(merge_patch(&patched, &after), None, "after the patch");
    }

    #[test]
    fn patches_hold_what_differs() {
        check(json!({"a": 1, "b": {"c": 2, "d": 3}}), json!({"a": 1, "b": {"c": 2, "d": 4}}), Some(json!({"b": {"d": 4}})));
        check(json!({"a": 1, "b": 2}), json!({"a": 1}), Some(json!({"b": null})));
        check(json!({"list": [1, 2]}), json!({"list": [1]}), Some(json!({"list": [1]})));
        check(json!({}), json!({"b": {"c": 1}}), Some(json!({"b": {"c": 1}})));
    }

    #[test]
    fn equal_values_need_no_patch() {
        check(json!({"a": 1, "b": null}), json!({"a": 1, "c": null}), None);
        check(json!({}), json!({}), None);
    }
}
