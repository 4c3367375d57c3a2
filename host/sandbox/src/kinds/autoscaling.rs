//! HorizontalPodAutoscalers, as `v2`.

use super::Behaviour;
use super::reach::{fill, given, inner, int, list, present, set, text};
use super::refusal::{forbidden, invalid, invalid_text, not_supported, required};
use crate::status::FieldError;
use serde_json::{Value, json};

/// HorizontalPodAutoscalers.
pub(super) struct HorizontalPodAutoscalers;

impl Behaviour for HorizontalPodAutoscalers {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill(spec, "minReplicas", 1);
        if present(spec, "/metrics").is_none() {
            let target = json!({"type": "Utilization", "averageUtilization": 80});
            set(spec, "metrics", json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
        }
        if let Some(behavior) = given(spec, "behavior") {
            scaling_rules(behavior);
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        let (least, most) = (int(spec, "/minReplicas").unwrap_or(1), int(spec, "/maxReplicas").unwrap_or_default());
        if least < 1 {
            errors.push(invalid("spec.minReplicas", &spec["minReplicas"], "must be greater than or equal to 1"));
        }
        let shown = json!(most);
        if most < 1 {
            errors.push(invalid("spec.maxReplicas", &shown, "must be greater than 0"));
        }
        if most < least {
            errors.push(invalid("spec.maxReplicas", &shown, "must be greater than or equal to `minReplicas`"));
        }
        for field in ["kind", "name"] {
            if text(spec, &format!("/scaleTargetRef/{field}")).is_empty() {
                errors.push(required(format!("spec.scaleTargetRef.{field}"), ""));
            }
        }
        let target = &spec["scaleTargetRef"];
        let has_group = text(target, "/apiVersion").contains('/') || text(target, "/kind") == "ReplicationController";
        if !has_group {
            let version = text(target, "/apiVersion");
            errors.push(invalid_text("spec.scaleTargetRef.apiVersion", version, "apiVersion must specify API group"));
        }
        for (index, metric) in list(spec, "/metrics").iter().enumerate() {
            errors.extend(self::metric(metric, &format!("spec.metrics[{index}]")));
        }
        for direction in ["scaleUp", "scaleDown"] {
            let rules = present(spec, &format!("/behavior/{direction}"));
            errors.extend(rules.into_iter().flat_map(|rules| scaling_errors(rules, &format!("spec.behavior.{direction}"))));
        }
        errors
    }
}

/// Where each type of metric is described.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

fn metric(metric: &Value, path: &str) -> Vec<FieldError> {
    let kind = text(metric, "/type");
    if kind.is_empty() {
        return vec![required(format!("{path}.type"), "must specify a metric source type")];
    }
    let Some((_, field)) = SOURCES.iter().find(|(known, _)| *known == kind) else {
        let known = SOURCES.map(|(known, _)| known);
        // It is looked at twice.
        let wrong = not_supported(format!("{path}.type"), &metric["type"], &known);
        return vec![wrong.clone(), wrong];
    };
    let place = format!("{path}.{field}");
    let Some(source) = present(metric, &format!("/{field}")) else {
        return vec![required(place, "must populate information for the given metric source")];
    };
    let mut errors = Vec::new();
    let is_resource = field.ends_with("esource");
    if is_resource && text(source, "/name").is_empty() {
        errors.push(required(format!("{place}.name"), "must specify a resource name"));
    }
    let target = &source["target"];
    let given = |field: &str| present(target, &format!("/{field}")).is_some();
    let place = format!("{place}.target");
    if text(target, "/type").is_empty() {
        errors.push(required(format!("{place}.type"), "must specify a metric target type"));
    } else if is_resource && !given("averageUtilization") && !given("averageValue") {
        errors.push(required(format!("{place}.averageUtilization"), "must set either a target raw value or a target utilization"));
    } else if is_resource && given("averageUtilization") && given("averageValue") {
        errors.push(forbidden(format!("{place}.averageValue"), "may not set both a target raw value and a target utilization"));
    } else if given("averageUtilization") && int(target, "/averageUtilization").is_some_and(|share| share < 1) {
        errors.push(invalid(format!("{place}.averageUtilization"), &target["averageUtilization"], "must be greater than 0"));
    }
    errors
}

fn scaling_errors(rules: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let window = int(rules, "/stabilizationWindowSeconds");
    let place = format!("{path}.stabilizationWindowSeconds");
    match window {
        Some(seconds) if seconds < 0 => errors.push(invalid(place, &json!(seconds), "must be greater than or equal to zero")),
        Some(seconds) if seconds > 3600 => errors.push(invalid(place, &json!(seconds), "must be less than or equal to 3600")),
        _ => {}
    }
    let selects = ["Disabled", "Max", "Min"];
    if let Some(select) = present(rules, "/selectPolicy").filter(|select| !selects.iter().any(|known| select == known)) {
        errors.push(not_supported(format!("{path}.selectPolicy"), select, &selects));
    }
    for (index, policy) in list(rules, "/policies").iter().enumerate() {
        let path = format!("{path}.policies[{index}]");
        let kinds = ["Percent", "Pods"];
        if !kinds.iter().any(|kind| policy["type"] == *kind) {
            errors.push(not_supported(format!("{path}.type"), &policy["type"], &kinds));
        }
        for (field, most) in [("value", i64::MAX), ("periodSeconds", 1800)] {
            let amount = int(policy, &format!("/{field}")).unwrap_or_default();
            if amount <= 0 {
                errors.push(invalid(format!("{path}.{field}"), &json!(amount), "must be greater than zero"));
            }
            if amount > most {
                errors.push(invalid(format!("{path}.{field}"), &json!(amount), format!("must be less than or equal to {most}")));
            }
        }
    }
    errors
}

/// Once one rule is given, both directions are written out.
fn scaling_rules(behavior: &mut Value) {
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let up = inner(behavior, "scaleUp");
    fill(up, "stabilizationWindowSeconds", 0);
    fill(up, "selectPolicy", "Max");
    fill(up, "policies", json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, percent]));
    let down = inner(behavior, "scaleDown");
    fill(down, "selectPolicy", "Max");
    fill(down, "policies", json!([percent]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autoscaler_has_a_target_and_bounds() {
        let mut hpa = json!({"metadata": {"name": "h"}, "spec": {"minReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment"}}});
        HorizontalPodAutoscalers.default(&mut hpa);
        assert_eq!(hpa["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
        let errors: Vec<String> = HorizontalPodAutoscalers.validate(&hpa).iter().map(FieldError::to_string).collect();
        assert_eq!(
            errors,
            [
                "spec.maxReplicas: Invalid value: 0: must be greater than 0",
                "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
                "spec.scaleTargetRef.name: Required value",
            ]
        );
    }
}
