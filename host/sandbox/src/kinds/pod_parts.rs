//! What of a pod may be written through its subresources `ephemeralcontainers` and `resize`, and what is wrong with it.

use super::internal;
use super::reach::{list, present, remove, set, text};
use super::refusal::{error, forbidden};
use crate::status::{FieldError, FieldReason};
use serde_json::Value;

/// Subresource of debug containers.
const DEBUG: &str = "ephemeralcontainers";
/// Fields of a container that mean nothing in a debug container, in the order in which they are looked at.
const NOT_IN_DEBUG: [&str; 7] = ["ports", "resources", "resizePolicy", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"];

/// The pod that a subresource makes of what was sent: the old one but for the subresource's own part. `None` for any other subresource.
pub(crate) fn merged(subresource: &str, new: &Value, old: &Value) -> Option<Value> {
    let mut pod = old.clone();
    match subresource {
        DEBUG => copy(&mut pod["spec"], &new["spec"], "ephemeralContainers"),
        "resize" => {
            for field in ["containers", "initContainers"] {
                let sent = list(new, &format!("/spec/{field}"));
                for container in pod["spec"].get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                    let Some(other) = sent.iter().find(|other| other["name"] == container["name"]) else { continue };
                    for part in ["resources", "resizePolicy"] {
                        copy(container, other, part);
                    }
                }
            }
        }
        _ => return None,
    }
    Some(pod)
}

fn copy(to: &mut Value, from: &Value, field: &str) {
    match from.get(field) {
        Some(value) => set(to, field, value.clone()),
        None => drop(remove(to, field)),
    }
}

/// What is wrong with a change through one of the subresources.
pub(crate) fn errors(subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
    match subresource {
        DEBUG => debug_changes(new, old),
        "resize" => {
            let others = |pod: &Value| -> Vec<Value> { list(pod, "/spec/containers").iter().flat_map(other_amounts).collect() };
            if others(new) == others(old) { Vec::new() } else { vec![forbidden("spec", "only cpu and memory resources are mutable")] }
        }
        _ => Vec::new(),
    }
}

/// Requests and limits of what cannot be resized.
fn other_amounts(container: &Value) -> Vec<Value> {
    let amounts = ["requests", "limits"].map(|part| present(container, &format!("/resources/{part}")).cloned().unwrap_or_default());
    let mut amounts = amounts.to_vec();
    for fields in amounts.iter_mut().filter_map(Value::as_object_mut) {
        fields.retain(|name, _| !["cpu", "memory"].contains(&name.as_str()));
    }
    amounts.into_iter().filter(|amount| amount.as_object().is_some_and(|fields| !fields.is_empty())).collect()
}

/// Debug containers stay as they were.
fn debug_changes(new: &Value, old: &Value) -> Vec<FieldError> {
    let all = list(new, "/spec/ephemeralContainers");
    let change = |was: &Value| {
        let name = text(was, "/name");
        let refuse = |what: String| Some(forbidden("spec.ephemeralContainers", format!("existing ephemeral containers {name:?} {what}")));
        match all.iter().find(|is| text(is, "/name") == name) {
            None => refuse("may not be removed\n".to_owned()),
            Some(is) if is != was => refuse(format!("may not be changed{}", internal::debug_difference(was, is))),
            Some(_) => None,
        }
    };
    list(old, "/spec/ephemeralContainers").iter().filter_map(change).collect()
}

/// What is wrong with debug containers as such, in any pod.
pub(super) fn debug_errors(spec: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, container) in list(spec, "/ephemeralContainers").iter().enumerate() {
        let place = format!("spec.ephemeralContainers[{index}]");
        let target = text(container, "/targetContainerName");
        let is_there = ["containers", "initContainers"].iter().flat_map(|field| list(spec, &format!("/{field}")));
        if !target.is_empty() && is_there.clone().all(|other| text(other, "/name") != target) {
            errors.push(error(FieldReason::NotFound, format!("{place}.targetContainerName"), format!("{target:?}"), ""));
        }
        let given = |field: &&&str| present(container, &format!("/{field}")).is_some_and(|value| *value != serde_json::json!({}));
        let fields = NOT_IN_DEBUG.iter().filter(given);
        errors.extend(fields.map(|field| forbidden(format!("{place}.{field}"), "cannot be set for an Ephemeral Container")));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_part_of_the_subresource_is_written() {
        let old = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let new = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "j", "resources": {"limits": {"cpu": "1"}}}],
            "ephemeralContainers": [{"name": "d"}]}});
        assert_eq!(merged(DEBUG, &new, &old).unwrap()["spec"]["ephemeralContainers"], json!([{"name": "d"}]));
        let resized = merged("resize", &new, &old).unwrap();
        assert_eq!(resized["spec"]["containers"][0]["image"], "i");
        assert_eq!(resized["spec"]["containers"][0]["resources"]["limits"]["cpu"], "1");
        assert_eq!(merged("status", &new, &old), None);
    }

    #[test]
    fn a_debug_container_stays() {
        let pod = |names: &[&str]| {
            let all: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
            json!({"spec": {"ephemeralContainers": all}})
        };
        assert_eq!(errors(DEBUG, &pod(&["a", "b"]), &pod(&["a"])), []);
        let said = errors(DEBUG, &pod(&["b"]), &pod(&["a"]))[0].to_string();
        assert_eq!(said, "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"a\" may not be removed\n");
    }
}
