//! Changes to the labels and the annotations of an object; those of its pods are left alone.

use super::Cause;
use flotilla_api::object::Object;
use flotilla_api::policy::{LabelAnnotationOverrider, OverriderOperator};
use serde_json::{Map, Value};

/// Adds, replaces or removes keys. Only what is there is replaced or removed.
pub fn apply(object: &mut Object, field: &str, overrider: &LabelAnnotationOverrider) -> Result<(), Cause> {
    let no_metadata = || Cause::Shape("the object has no `metadata`".to_owned());
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut).ok_or_else(no_metadata)?;
    let values = overrider.value.iter().flatten();
    if overrider.operator == OverriderOperator::Add && values.clone().next().is_some() {
        let entries = metadata.entry(field).or_insert(Value::Null);
        if !entries.is_object() {
            *entries = Value::Object(Map::new());
        }
    }
    let Some(entries) = metadata.get_mut(field).and_then(Value::as_object_mut) else { return Ok(()) };
    for (key, value) in values {
        match &overrider.operator {
            OverriderOperator::Add => drop(entries.insert(key.clone(), Value::String(value.clone()))),
            OverriderOperator::Remove => drop(entries.remove(key)),
            OverriderOperator::Replace => {
                if let Some(present) = entries.get_mut(key) {
                    *present = Value::String(value.clone());
                }
            }
            OverriderOperator::Other(word) => return Err(Cause::Shape(format!("operator `{word}` is unknown"))),
        }
    }
    Ok(())
}
