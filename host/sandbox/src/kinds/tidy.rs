//! What a real API server's encoder leaves out of an object: nulls, and empty lists and maps. Knows no kind.

use serde_json::Value;

/// Maps (as opposed to structs, which are kept when they are empty).
const MAPS: &[&str] =
    &["labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests", "data", "binaryData", "stringData", "parameters"];

/// Lists that are written even when they are empty.
const KEPT_LISTS: &[&str] = &["rules", "endpoints", "containers", "ingress", "egress"];

/// Parts whose meaning is not ours: left as they are.
const OPAQUE: &[&str] = &["managedFields", "status"];

/// Removes nulls, empty lists and empty maps, all the way down.
pub(super) fn tidy(object: &mut Value) {
    match object {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                if OPAQUE.contains(&name.as_str()) {
                    return true;
                }
                tidy(value);
                !is_left_out(name, value)
            });
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn is_left_out(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty() && !KEPT_LISTS.contains(&name),
        Value::Object(fields) => fields.is_empty() && MAPS.contains(&name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_kubectl_create_writes_without_saying_anything_is_dropped() {
        let mut object = json!({"metadata": {"creationTimestamp": null, "labels": {}}, "spec": {"args": [], "emptyDir": {}, "x": [null]}});
        tidy(&mut object);
        assert_eq!(object, json!({"metadata": {}, "spec": {"emptyDir": {}, "x": [null]}}));
    }
}
