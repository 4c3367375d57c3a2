//! The containers of Pods and of the workloads that Kubernetes itself has, told by the name of the kind; changes to their commands and
//! arguments. Init containers are left alone.

use super::Cause;
use flotilla_api::object::Object;
use flotilla_api::policy::{CommandArgsOverrider, OverriderOperator};
use serde_json::Value;

/// The containers of the object; `None`: its kind is not one of those that are known to have any, or it has none.
pub fn of(object: &mut Object) -> Result<Option<&mut Vec<Value>>, Cause> {
    let path: &[&str] = match object.kind() {
        "Pod" => &["spec", "containers"],
        "ReplicaSet" | "Deployment" | "DaemonSet" | "StatefulSet" | "Job" => &["spec", "template", "spec", "containers"],
        _ => return Ok(None),
    };
    let (last, parents) = path.split_last().expect("a path of one key at least");
    let wrong = |key: &str, wanted: &str| Cause::Shape(format!("`{key}` on the way to the containers is no {wanted}"));
    let mut value = &mut object.0;
    for key in parents {
        match value.get_mut(*key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(_)) => value = value.get_mut(*key).expect("looked at above"),
            Some(_) => return Err(wrong(key, "object")),
        }
    }
    match value.get_mut(*last) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(containers)) => Ok(Some(containers)),
        Some(_) => Err(wrong(last, "list")),
    }
}

/// Appends values to the list at `field` of each container of the name, or removes them from it. Any other operator changes nothing.
pub fn apply(object: &mut Object, field: &str, overrider: &CommandArgsOverrider) -> Result<(), Cause> {
    let containers = of(object)?.into_iter().flatten().filter_map(Value::as_object_mut);
    for container in containers.filter(|container| container.get("name").and_then(Value::as_str) == Some(&overrider.container_name)) {
        let list = container.entry(field).or_insert(Value::Null);
        if list.is_null() {
            *list = Value::Array(Vec::new());
        }
        let wrong = || Cause::Shape(format!("`{field}` of container `{}` is no list", overrider.container_name));
        let list = list.as_array_mut().ok_or_else(wrong)?;
        match overrider.operator {
            OverriderOperator::Add => list.extend(overrider.value.iter().cloned().map(Value::String)),
            OverriderOperator::Remove => list.retain(|item| !overrider.value.iter().any(|value| item.as_str() == Some(value))),
            OverriderOperator::Replace | OverriderOperator::Other(_) => {}
        }
    }
    Ok(())
}
