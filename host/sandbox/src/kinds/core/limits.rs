//! LimitRanges.

use crate::kinds::Behaviour;
use crate::kinds::reach::{each, fill, inner, list, text};
use crate::kinds::refusal::{duplicate, forbidden, invalid};
use crate::status::FieldError;
use flotilla_api::quantity::Amount;
use serde_json::Value;
use std::collections::BTreeSet;

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

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut kinds = Vec::new();
        for (index, item) in list(object, "/spec/limits").iter().enumerate() {
            let path = format!("spec.limits[{index}]");
            let kind = text(item, "/type");
            if kinds.contains(&kind) {
                errors.push(duplicate(format!("{path}.type"), &item["type"]));
            }
            kinds.push(kind);
            for field in ["default", "defaultRequest"] {
                if kind == "Pod" && item.get(field).is_some() {
                    errors.push(forbidden(format!("{path}.{field}"), "may not be specified when `type` is 'Pod'"));
                }
            }
            let given = ORDER.iter().filter_map(|field| item.get(field)?.as_object());
            let names: BTreeSet<&str> = given.flat_map(|amounts| amounts.keys().map(String::as_str)).collect();
            errors.extend(names.into_iter().flat_map(|name| amounts(item, name, kind, &path)));
        }
        errors
    }
}

/// The amounts of a limit, smallest first.
const ORDER: [&str; 4] = ["min", "defaultRequest", "default", "max"];

fn amounts(item: &Value, name: &str, kind: &str, path: &str) -> Vec<FieldError> {
    let of = |field: &str| Some((item.get(field)?.get(name)?, Amount::from_json(item.get(field)?.get(name)?).ok()?));
    let above = |place: &str, shown: &str, (less, less_words): (&str, &str), (more, more_words): (&str, &str)| {
        let ((value, amount), (limit, most)) = (of(less)?, of(more)?);
        let detail = format!("{less_words} value {} is greater than {more_words} value {}", plain(value), plain(limit));
        let shown = of(shown)?.0;
        (amount > most).then(|| invalid(format!("{path}.{place}[{name}]"), shown, detail))
    };
    let (min, max, default) = (("min", "min"), ("max", "max"), ("default", "default"));
    let request = ("defaultRequest", "default request");
    let mut errors = vec![above("min", "min", min, max)];
    if kind == "Container" {
        errors.push(above("defaultRequest", "defaultRequest", min, request));
        errors.push(above("defaultRequest", "defaultRequest", request, max));
        errors.push(above("defaultRequest", "defaultRequest", request, ("default", "default limit")));
        errors.push(above("default", "min", min, default));
        errors.push(above("default", "max", default, max));
    }
    errors.into_iter().flatten().collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
