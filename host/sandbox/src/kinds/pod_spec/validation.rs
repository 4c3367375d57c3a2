//! Errors of a PodSpec and of templates of pods, in the real server's words and order.

use super::{containers, scheduling, volumes};
use crate::kinds::labels;
use crate::kinds::metadata;
use crate::kinds::reach::{int, list, text};
use crate::kinds::refusal::{
    each_invalid, forbidden, invalid, invalid_json, invalid_printed, invalid_text, not_supported, one_of, required,
};
use crate::kinds::syntax;
use crate::status::FieldError;
use serde_json::Value;

/// `selector` and the labels of the template disagree.
const MISMATCH: &str = "`selector` does not match template `labels`";

/// Errors of a pod template.
pub(in crate::kinds) fn template(template: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = template_metadata(template, path);
    errors.extend(pod_spec(template.get("spec").unwrap_or(&Value::Null), &format!("{path}.spec")));
    if !list(template, "/spec/ephemeralContainers").is_empty() {
        errors.push(forbidden(format!("{path}.spec.ephemeralContainers"), "ephemeral containers not allowed in pod template"));
    }
    errors
}

/// Errors of a template's labels and annotations. The server leaves `metadata` out of the path.
pub(in crate::kinds) fn template_metadata(template: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = labels::validate(template.pointer("/metadata/labels"), &format!("{path}.labels"));
    errors.extend(metadata::annotations(template.pointer("/metadata/annotations"), &format!("{path}.annotations")));
    errors
}

/// The error of a selector that does not select the template's pods. No selector selects nothing.
pub(in crate::kinds) fn selector_mismatch(selector: Option<&Value>, template: &Value, path: &str) -> Option<FieldError> {
    let labels = template.pointer("/metadata/labels");
    if let Some(selector) = selector.filter(|selector| !labels::is_readable(selector)) {
        let place = path.strip_suffix("template").unwrap_or(path);
        let fields =
            ["matchLabels", "matchExpressions"].into_iter().filter_map(|field| Some(format!("\"{field}\":{}", selector.get(field)?)));
        let printed = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        return Some(invalid_printed(format!("{place}selector"), printed, "invalid label selector"));
    }
    let is_match = selector.is_some_and(|selector| labels::matches(selector, labels));
    (!is_match).then(|| invalid_json(format!("{path}.metadata.labels"), labels, MISMATCH))
}

/// What holds for templates of pods that are kept running: they restart, and have no deadline. `kind` is named in the message.
pub(in crate::kinds) fn keeps_running(template: &Value, path: &str, kind: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let policy = template.pointer("/spec/restartPolicy").unwrap_or(&Value::Null);
    if policy != "Always" {
        errors.push(not_supported(format!("{path}.spec.restartPolicy"), policy, &["Always"]));
    }
    if int(template, "/spec/activeDeadlineSeconds").is_some() {
        errors.push(forbidden(format!("{path}.spec.activeDeadlineSeconds"), format!("activeDeadlineSeconds in {kind} is not Supported")));
    }
    errors
}

/// Errors of a PodSpec.
pub(in crate::kinds) fn pod_spec(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = volumes::validate(list(spec, "/volumes"), &format!("{path}.volumes"));
    errors.extend(containers::validate(spec, path));
    errors.extend(one_of(spec, path, "restartPolicy", &["Always", "OnFailure", "Never"]));
    errors.extend(one_of(spec, path, "dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]));
    errors.extend(labels::validate(spec.get("nodeSelector"), &format!("{path}.nodeSelector")));
    errors.extend(names(spec, path, &[("serviceAccountName", syntax::dns_subdomain), ("nodeName", syntax::dns_subdomain)]));
    errors.extend(deadline(spec, path));
    let later: [Named; 4] = [
        ("hostname", syntax::dns_label),
        ("subdomain", syntax::dns_label),
        ("priorityClassName", syntax::dns_subdomain),
        ("runtimeClassName", syntax::dns_subdomain),
    ];
    errors.extend(names(spec, path, &later));
    errors.extend(scheduling::affinity(spec.get("affinity").unwrap_or(&Value::Null), &format!("{path}.affinity")));
    errors.extend(scheduling::addresses(spec, path));
    for (index, toleration) in list(spec, "/tolerations").iter().enumerate() {
        errors.extend(self::toleration(toleration, &format!("{path}.tolerations[{index}]")));
    }
    for (index, spread) in list(spec, "/topologySpreadConstraints").iter().enumerate() {
        errors.extend(spread_constraint(spread, &format!("{path}.topologySpreadConstraints[{index}]")));
    }
    errors
}

/// A field, and what its text may look like.
type Named = (&'static str, fn(&str) -> Vec<String>);

fn names(spec: &Value, path: &str, named: &[Named]) -> Vec<FieldError> {
    let given = named.iter().filter_map(|(field, rule)| Some((field, rule, spec.get(*field)?.as_str().filter(|name| !name.is_empty())?)));
    given.flat_map(|(field, rule, name)| each_invalid(&format!("{path}.{field}"), name, rule(name))).collect()
}

fn deadline(spec: &Value, path: &str) -> Option<FieldError> {
    let value = spec.get("activeDeadlineSeconds").filter(|value| !value.is_null())?;
    let is_right = value.as_i64().is_some_and(|seconds| (1..=i64::from(i32::MAX)).contains(&seconds));
    let detail = format!("must be between 1 and {}, inclusive", i32::MAX);
    (!is_right).then(|| invalid(format!("{path}.activeDeadlineSeconds"), value, detail))
}

fn toleration(toleration: &Value, path: &str) -> Vec<FieldError> {
    let (key, operator, effect) = (text(toleration, "/key"), text(toleration, "/operator"), text(toleration, "/effect"));
    let mut errors = Vec::new();
    if !key.is_empty() {
        errors.extend(each_invalid(&format!("{path}.key"), key, syntax::qualified_name(key)));
    } else if operator != "Exists" {
        let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(invalid_text(format!("{path}.operator"), operator, detail));
    }
    if int(toleration, "/tolerationSeconds").is_some() && effect != "NoExecute" {
        errors.push(invalid_text(format!("{path}.effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    let value = text(toleration, "/value");
    match operator {
        "" | "Equal" => errors.extend(each_invalid(&format!("{path}.operator"), value, syntax::label_value(value))),
        "Exists" if !value.is_empty() => {
            errors.push(invalid_text(format!("{path}.operator"), value, "value must be empty when `operator` is 'Exists'"));
        }
        "Exists" => {}
        _ => errors.push(not_supported(format!("{path}.operator"), &toleration["operator"], &["Equal", "Exists"])),
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !effect.is_empty() && !effects.contains(&effect) {
        errors.push(not_supported(format!("{path}.effect"), &toleration["effect"], &effects));
    }
    errors
}

fn spread_constraint(spread: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let skew = spread.get("maxSkew").unwrap_or(&Value::Null);
    if skew.as_i64().unwrap_or_default() <= 0 {
        errors.push(invalid(format!("{path}.maxSkew"), skew, "must be greater than zero"));
    }
    if text(spread, "/topologyKey").is_empty() {
        errors.push(required(format!("{path}.topologyKey"), "can not be empty"));
    }
    let unsatisfiable = spread.get("whenUnsatisfiable").unwrap_or(&Value::Null);
    let actions = ["DoNotSchedule", "ScheduleAnyway"];
    if !actions.iter().any(|action| unsatisfiable == action) {
        errors.push(not_supported(format!("{path}.whenUnsatisfiable"), unsatisfiable, &actions));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pod_spec::defaults;

    /// What the server says of a PodSpec in YAML, once defaulted.
    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let mut spec: Value = serde_saphyr::from_str(yaml).expect("yaml");
        defaults::pod_spec(&mut spec);
        let errors: Vec<String> = pod_spec(&spec, "spec").iter().map(FieldError::to_string).collect();
        assert_eq!(errors, expected);
    }

    #[test]
    fn a_minimal_pod_is_right() {
        check("containers: [{name: a, image: x}]", &[]);
    }

    #[test]
    fn containers_are_required() {
        check("containers: []", &["spec.containers: Required value"]);
        check("containers: [{}]", &["spec.containers[0].name: Required value", "spec.containers[0].image: Required value"]);
        check(
            "containers: [{name: a, image: x}, {name: a, image: ' x'}]",
            &[
                "spec.containers[1].image: Invalid value: \" x\": must not have leading or trailing whitespace",
                "spec.containers[1].name: Duplicate value: \"a\"",
            ],
        );
    }

    #[test]
    fn policies_are_words() {
        check(
            "{restartPolicy: Sometimes, containers: [{name: a, image: x, imagePullPolicy: Now}]}",
            &[
                "spec.containers[0].imagePullPolicy: Unsupported value: \"Now\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
                "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\"",
            ],
        );
    }

    #[test]
    fn ports_are_numbers_and_names() {
        check(
            "containers: [{name: a, image: x, ports: [{containerPort: 0}, {containerPort: 70000}, {name: h, containerPort: 1}, {name: h, containerPort: 2, protocol: ICMP}]}]",
            &[
                "spec.containers[0].ports[0].containerPort: Required value",
                "spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
                "spec.containers[0].ports[3].name: Duplicate value: \"h\"",
                "spec.containers[0].ports[3].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            ],
        );
    }

    #[test]
    fn mounts_name_volumes() {
        check(
            "{volumes: [{name: v}, {name: v}, {name: c, configMap: {}}], containers: [{name: a, image: x, volumeMounts: [
               {name: v, mountPath: /a}, {name: nope, mountPath: /a}, {name: v}]}]}",
            &[
                "spec.volumes[1].name: Duplicate value: \"v\"",
                "spec.volumes[2].configMap.name: Required value",
                "spec.containers[0].volumeMounts[1].name: Not found: \"nope\"",
                "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique",
                "spec.containers[0].volumeMounts[2].mountPath: Required value",
            ],
        );
        check(
            "{volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}], containers: [{name: a, image: x}]}",
            &["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
        );
    }

    #[test]
    fn requests_stay_below_limits() {
        check(
            "containers: [{name: a, image: x, resources: {limits: {cpu: '1', memory: -1Gi, gpu: 1}, requests: {cpu: 1500m}}}]",
            &[
                "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified",
                "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource for containers",
                "spec.containers[0].resources.limits[memory]: Invalid value: \"-1Gi\": must be greater than or equal to 0",
                "spec.containers[0].resources.requests: Invalid value: \"1500m\": must be less than or equal to cpu limit of 1",
            ],
        );
    }

    #[test]
    fn variables_have_one_source() {
        check(
            "containers: [{name: a, image: x, env: [{value: x}, {name: A, value: x, valueFrom: {configMapKeyRef: {name: c, key: k}}},
               {name: B, valueFrom: {secretKeyRef: {name: s}}}]}]",
            &[
                "spec.containers[0].env[0].name: Required value",
                "spec.containers[0].env[1].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty",
                "spec.containers[0].env[2].valueFrom.secretKeyRef.key: Required value",
            ],
        );
    }

    #[test]
    fn probes_ask_in_one_way() {
        check(
            "containers: [{name: a, image: x, livenessProbe: {successThreshold: 2}, readinessProbe: {exec: {}, tcpSocket: {port: http}}}]",
            &[
                "spec.containers[0].livenessProbe: Required value: must specify a handler type",
                "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
                "spec.containers[0].readinessProbe.exec.command: Required value",
                "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            ],
        );
    }

    #[test]
    fn tolerations_and_spreading() {
        check(
            "{tolerations: [{}, {key: a, operator: Exists, tolerationSeconds: 1}], topologySpreadConstraints: [{}], containers: [{name: a, image: x}]}",
            &[
                "spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
                "spec.tolerations[1].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: null: must be greater than zero",
                "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
                "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: null: supported values: \"DoNotSchedule\", \"ScheduleAnyway\"",
            ],
        );
    }
}
