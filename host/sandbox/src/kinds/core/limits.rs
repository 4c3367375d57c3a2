//! LimitRanges.

use crate::kinds::Behaviour;
use crate::kinds::reach::{each, fill, inner};
use serde_json::Value;

/// LimitRanges: a container's default limit is the maximum, its default request the limit or the minimum.
pub(in crate::kinds) struct LimitRanges;

impl Behaviour for LimitRanges {
    fn default(&self, object: &mut Value) {
        for item in each(object, "/spec/limits") {
            if item.get("type").is_some_and(|kind| kind == "Container") {
                fill_from(item, "default", "max");
                fill_from(item, "defaultRequest", "default");
                fill_from(item, "defaultRequest", "min");
            }
        }
    }
}

fn fill_from(item: &mut Value, to: &str, from: &str) {
    let Some(amounts) = item.get(from).and_then(Value::as_object).cloned() else {
        return;
    };
    let target = inner(item, to);
    for (name, amount) in amounts {
        fill(target, &name, amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_containers_defaults_follow_its_limits() {
        let mut range = json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "64Mi"}}]}});
        LimitRanges.default(&mut range);
        let item = &range["spec"]["limits"][0];
        assert_eq!(item["default"], json!({"cpu": "2"}));
        assert_eq!(item["defaultRequest"], json!({"cpu": "2", "memory": "64Mi"}));
    }
}
