//! What decoding does to a custom resource: unknown fields and nulls go, defaults come.

use super::node::{Shape, View};
use crate::fields::schema::decode;
use serde_json::Value;

/// Fields that every resource has, at its root and where one is embedded.
const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes unknown fields and returns their paths: those of `metadata` first, the others sorted. Nulls that the schema does not allow and
/// has no default for are removed without a word.
pub(super) fn custom(root: View, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut paths = Vec::new();
    if let (Some(metadata), Some(view)) = (object.get_mut("metadata"), root.child("metadata")) {
        unknown.extend(decode::normalize(view, metadata).into_iter().map(|path| format!("metadata.{path}")));
    }
    Pruner { path: String::new(), unknown: &mut paths }.prune(root, object, true);
    paths.sort();
    unknown.extend(paths);
    remove_nulls(root, object);
    unknown
}

struct Pruner<'a> {
    path: String,
    unknown: &'a mut Vec<String>,
}

impl Pruner<'_> {
    fn prune(&mut self, view: View, value: &mut Value, resource: bool) {
        let resource = resource || view.node.embedded;
        match value {
            Value::Object(object) => object.retain(|key, value| {
                let known = view.map().and_then(|map| map.fields.get(key.as_str()).map(|field| field.node).or(map.values));
                if resource && META_FIELDS.contains(&key.as_str()) {
                    if key == "metadata" && !self.path.is_empty() {
                        let unknown = view.child("metadata").map(|metadata| decode::normalize(metadata, value)).unwrap_or_default();
                        self.unknown.extend(unknown.into_iter().map(|field| format!("{}.metadata.{field}", self.path)));
                    }
                    return true;
                }
                self.under(&format!("{}{key}", if self.path.is_empty() { "" } else { "." }), |pruner| match known {
                    Some(known) => {
                        pruner.prune(view.at(known), value, false);
                        true
                    }
                    None if view.node.preserve => true,
                    None => {
                        pruner.unknown.push(pruner.path.clone());
                        false
                    }
                })
            }),
            Value::Array(list) => {
                for (index, item) in list.iter_mut().enumerate() {
                    self.under(&format!("[{index}]"), |pruner| pruner.prune_item(view, item));
                }
            }
            _ => {}
        }
    }

    /// Items of a list that the schema does not describe keep nothing, unless unknown fields are preserved.
    fn prune_item(&mut self, list: View, item: &mut Value) {
        match &list.node.shape {
            Shape::List { items, .. } => self.prune(list.at(*items), item, false),
            _ if list.node.preserve => {}
            _ => self.prune(list, item, false),
        }
    }

    fn under<R>(&mut self, step: &str, then: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        self.path.push_str(step);
        let result = then(self);
        self.path.truncate(length);
        result
    }
}

fn remove_nulls(view: View, value: &mut Value) {
    match value {
        Value::Object(object) => object.retain(|key, value| {
            let Some(child) = described(view, key) else {
                return true;
            };
            let keep = !value.is_null() || child.node.nullable || child.node.default.is_some();
            remove_nulls(child, value);
            keep
        }),
        Value::Array(list) => list.iter_mut().for_each(|item| remove_nulls(view.items(), item)),
        _ => {}
    }
}

/// Fills in defaults: of fields that are absent or null where null is no value, in the objects and lists that there are.
pub(super) fn default(view: View, value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, field) in view.map().into_iter().flat_map(|map| &map.fields) {
                let node = view.at(field.node).node;
                if let Some(default) = &node.default
                    && object.get(&**name).is_none_or(|value| value.is_null() && !node.nullable)
                {
                    object.insert(name.to_string(), default.clone());
                }
            }
            for (key, value) in object.iter_mut() {
                if let Some(child) = described(view, key) {
                    default_item(child, value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| default_item(view.items(), item)),
        _ => {}
    }
}

fn default_item(view: View, value: &mut Value) {
    if value.is_null()
        && !view.node.nullable
        && let Some(default) = &view.node.default
    {
        *value = default.clone();
    }
    default(view, value);
}

/// The schema of a key, where there is one.
fn described<'a>(view: View<'a>, key: &str) -> Option<View<'a>> {
    let map = view.map()?;
    map.fields.get(key).map(|field| field.node).or(map.values).map(|id| view.at(id))
}
