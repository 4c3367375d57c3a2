//! HorizontalPodAutoscalers in `v1`, stored as `v2`. What `v1` has no fields for stands in annotations.

use super::reach::{fill, int, list, present};
use serde_json::{Map, Value, json};

/// What annotations begin with that hold what has no field.
const PREFIX: &str = "autoscaling.alpha.kubernetes.io/";
/// The annotations: all but these two are read back.
const METRICS: &str = "metrics";
const BEHAVIOR: &str = "behavior";
const KEPT: [&str; 4] = [METRICS, BEHAVIOR, "current-metrics", "conditions"];

/// An `autoscaling/v1` HorizontalPodAutoscaler as `v2`: the CPU target becomes a resource metric.
pub(super) fn to_v2(mut hpa: Value) -> Value {
    hpa["apiVersion"] = json!("autoscaling/v2");
    let mut said = take_annotations(&mut hpa);
    let mut metrics: Vec<Value> = said.remove(METRICS).iter().flat_map(|metrics| list(metrics, "")).map(metric_of_v1).collect();
    if let Some(target) = take(&mut hpa, "/spec", "targetCPUUtilizationPercentage") {
        let target = json!({"type": "Utilization", "averageUtilization": target});
        metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
    }
    if !metrics.is_empty() {
        hpa["spec"]["metrics"] = metrics.into();
    }
    if let Some(behavior) = said.remove(BEHAVIOR) {
        hpa["spec"]["behavior"] = in_clients_names(&behavior);
    }
    if let Some(current) = take(&mut hpa, "/status", "currentCPUUtilizationPercentage") {
        let current = json!({"averageUtilization": current, "averageValue": "0"});
        hpa["status"]["currentMetrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "current": current}}]);
    }
    hpa
}

/// An `autoscaling/v2` HorizontalPodAutoscaler as `v1`.
pub(super) fn of_v2(mut hpa: Value) -> Value {
    hpa["apiVersion"] = json!("autoscaling/v1");
    let metrics = take(&mut hpa, "/spec", "metrics").unwrap_or_default();
    let others: Vec<String> = list(&metrics, "").iter().filter(|metric| cpu_target(metric).is_none()).map(metric_as_v1).collect();
    let current = take(&mut hpa, "/status", "currentMetrics").unwrap_or_default();
    let behavior = take(&mut hpa, "/spec", "behavior").map(|behavior| behavior_text(&behavior));
    let conditions = take(&mut hpa, "/status", "conditions").unwrap_or_default();
    let texts = [
        (METRICS, in_list(&others)),
        (BEHAVIOR, behavior),
        ("current-metrics", in_list(&list(&current, "").iter().map(metric_as_v1).collect::<Vec<_>>())),
        ("conditions", in_list(&list(&conditions, "").iter().map(condition_text).collect::<Vec<_>>())),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            hpa["metadata"]["annotations"][format!("{PREFIX}{name}")] = text.into();
        }
    }
    if let Some(target) = list(&metrics, "").iter().find_map(cpu_target) {
        hpa["spec"]["targetCPUUtilizationPercentage"] = target.clone();
    }
    let used =
        |metric: &Value| (metric["resource"]["name"] == "cpu").then(|| present(metric, "/resource/current/averageUtilization").cloned());
    if let Some(used) = list(&current, "").iter().find_map(used).flatten() {
        hpa["status"]["currentCPUUtilizationPercentage"] = used;
    }
    if hpa.get("status").is_some() {
        for field in ["currentReplicas", "desiredReplicas"] {
            fill(&mut hpa["status"], field, 0);
        }
    }
    hpa
}

fn take(hpa: &mut Value, parent: &str, field: &str) -> Option<Value> {
    hpa.pointer_mut(parent)?.as_object_mut()?.remove(field).filter(|value| !value.is_null())
}

/// Takes the annotations out that stand for fields; those that are no JSON say nothing.
fn take_annotations(hpa: &mut Value) -> Map<String, Value> {
    let Some(annotations) = hpa.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return Map::new() };
    let mut taken = Map::new();
    for name in KEPT {
        let text = annotations.remove(&format!("{PREFIX}{name}"));
        if let Some(value) = text.as_ref().and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok()) {
            taken.insert(name.to_owned(), value);
        }
    }
    if annotations.is_empty() {
        take(hpa, "/metadata", "annotations");
    }
    taken
}

fn cpu_target(metric: &Value) -> Option<&Value> {
    (metric["resource"]["name"] == "cpu").then(|| present(metric, "/resource/target/averageUtilization")).flatten()
}

/// Where a metric of `v2` has what one of `v1` has: name there, pointer here. `@` is what is wanted or found.
const FIELDS: [(&str, &[(&str, &str)]); 5] = [
    ("resource", &[("name", "/name"), ("@AverageUtilization", "/@/averageUtilization"), ("@AverageValue", "/@/averageValue")]),
    (
        "containerResource",
        &[
            ("name", "/name"),
            ("@AverageUtilization", "/@/averageUtilization"),
            ("@AverageValue", "/@/averageValue"),
            ("container", "/container"),
        ],
    ),
    ("pods", &[("metricName", "/metric/name"), ("@AverageValue", "/@/averageValue"), ("selector", "/metric/selector")]),
    (
        "object",
        &[
            ("target", "/describedObject"),
            ("metricName", "/metric/name"),
            ("@Value", "/@/value"),
            ("selector", "/metric/selector"),
            ("averageValue", "/@/averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "/metric/name"),
            ("metricSelector", "/metric/selector"),
            ("@Value", "/@/value"),
            ("@AverageValue", "/@/averageValue"),
        ],
    ),
];

/// A metric in the order in which `v1` writes it.
fn metric_as_v1(metric: &Value) -> String {
    let Some((source, fields)) = FIELDS.iter().find(|(source, _)| present(metric, &format!("/{source}")).is_some()) else {
        return metric.to_string();
    };
    let amount = if present(&metric[source], "/target").is_some() { "target" } else { "current" };
    let fields = fields.iter().filter_map(|(name, pointer)| {
        let value = present(&metric[source], &pointer.replace('@', amount))?;
        Some(format!("\"{}\":{value}", name.replace('@', amount)))
    });
    format!("{{\"type\":{},\"{source}\":{{{}}}}}", metric["type"], fields.collect::<Vec<_>>().join(","))
}

fn metric_of_v1(metric: &Value) -> Value {
    let Some((source, fields)) = FIELDS.iter().find(|(source, _)| present(metric, &format!("/{source}")).is_some()) else {
        return metric.clone();
    };
    let mut made = json!({"target": {"type": "Value"}});
    for (name, pointer) in *fields {
        let Some(value) = present(&metric[source], &format!("/{}", name.replace('@', "target"))) else { continue };
        let mut place = &mut made;
        for key in pointer.replace('@', "target").split('/').skip(1) {
            place = &mut place[key];
        }
        *place = value.clone();
    }
    for (field, kind) in [("averageUtilization", "Utilization"), ("averageValue", "AverageValue")] {
        if present(&made["target"], &format!("/{field}")).is_some() {
            made["target"]["type"] = kind.into();
        }
    }
    json!({"type": metric["type"], *source: made})
}

fn in_list(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| format!("[{}]", texts.join(",")))
}

fn condition_text(condition: &Value) -> String {
    let fields = ["type", "status", "lastTransitionTime", "reason", "message"];
    let shown = |name: &&str| format!("\"{name}\":{}", condition[*name]);
    let given = fields.iter().filter(|name| **name == "lastTransitionTime" || condition.get(**name).is_some());
    format!("{{{}}}", given.map(shown).collect::<Vec<_>>().join(","))
}

/// The rules of scaling, in the server's own names for the fields.
fn behavior_text(behavior: &Value) -> String {
    let rules = |rules: &Value| {
        if rules.is_null() {
            return "null".to_owned();
        }
        let policy = |policy: &Value| {
            let number = |field: &str| int(policy, &format!("/{field}")).unwrap_or_default();
            format!("{{\"Type\":{},\"Value\":{},\"PeriodSeconds\":{}}}", policy["type"], number("value"), number("periodSeconds"))
        };
        let policies: Vec<String> = list(rules, "/policies").iter().map(policy).collect();
        format!(
            "{{\"StabilizationWindowSeconds\":{},\"SelectPolicy\":{},\"Policies\":{},\"Tolerance\":{}}}",
            rules["stabilizationWindowSeconds"],
            rules["selectPolicy"],
            in_list(&policies).unwrap_or_else(|| "null".to_owned()),
            rules["tolerance"]
        )
    };
    format!("{{\"ScaleUp\":{},\"ScaleDown\":{}}}", rules(&behavior["scaleUp"]), rules(&behavior["scaleDown"]))
}

/// Fields with a small first letter, without those that hold nothing.
fn in_clients_names(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            given.map(|(name, value)| (name[..1].to_lowercase() + &name[1..], in_clients_names(value))).collect()
        }
        Value::Array(items) => items.iter().map(in_clients_names).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_target_is_one_metric() {
        let v1 = json!({"apiVersion": "autoscaling/v1", "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 70}});
        let v2 = to_v2(v1.clone());
        assert_eq!(v2["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70);
        assert!(v2["spec"].get("targetCPUUtilizationPercentage").is_none());
        assert_eq!(of_v2(v2), v1);
    }

    #[test]
    fn what_the_old_version_cannot_say_is_kept() {
        let target = |kind: &str, field: &str, amount: Value| json!({"type": kind, field: amount});
        let v2 = json!({"apiVersion": "autoscaling/v2", "metadata": {}, "spec": {
            "metrics": [
                {"type": "Resource", "resource": {"name": "memory", "target": target("Utilization", "averageUtilization", 50.into())}},
                {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": target("AverageValue", "averageValue", "1k".into())}}],
            "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}}});
        let v1 = of_v2(v2.clone());
        let annotation = |name: &str| v1["metadata"]["annotations"][format!("{PREFIX}{name}")].as_str().unwrap().to_owned();
        assert_eq!(
            annotation("metrics"),
            r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":50}},{"type":"Pods","pods":{"metricName":"hits","targetAverageValue":"1k"}}]"#
        );
        assert_eq!(
            annotation("behavior"),
            r#"{"ScaleUp":null,"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":null,"Policies":[{"Type":"Pods","Value":1,"PeriodSeconds":60}],"Tolerance":null}}"#
        );
        assert_eq!(to_v2(v1), v2);
    }
}
