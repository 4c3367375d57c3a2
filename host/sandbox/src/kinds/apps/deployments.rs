//! Deployments.

use super::{count_or_percentage, counts, is_zero, running_template, selector};
use crate::kinds::Behaviour;
use crate::kinds::pod_spec::{self, defaults};
use crate::kinds::reach::{fill, fill_zero, inner, int, present};
use crate::kinds::refusal::{forbidden, immutable, invalid, not_supported_printed, quoted};
use crate::status::FieldError;
use serde_json::Value;

/// Deployments.
pub(in crate::kinds) struct Deployments;

impl Behaviour for Deployments {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "progressDeadlineSeconds", 600);
        let strategy = inner(spec, "strategy");
        fill_zero(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            let rolling = inner(strategy, "rollingUpdate");
            fill(rolling, "maxUnavailable", "25%");
            fill(rolling, "maxSurge", "25%");
        }
        defaults::template(inner(spec, "template"));
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        errors.extend(counts(spec, &["replicas"]));
        errors.extend(selector(spec, "deployment"));
        errors.extend(running_template(spec, "ReplicaSet"));
        errors.extend(strategy(&spec["strategy"]));
        errors.extend(counts(spec, &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"]));
        let (deadline, ready) = (int(spec, "/progressDeadlineSeconds"), int(spec, "/minReadySeconds").unwrap_or_default());
        if deadline.is_some_and(|deadline| deadline <= ready) {
            errors.push(invalid("spec.progressDeadlineSeconds", &spec["progressDeadlineSeconds"], "must be greater than minReadySeconds"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let status = if new["status"] == old["status"] { Vec::new() } else { status_errors(&new["status"]) };
        immutable(new, old, "/spec/selector").into_iter().chain(status).collect()
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod_spec::warnings(object, "/spec/template/spec")
    }
}

/// Counts of a status that somebody wrote.
fn status_errors(status: &Value) -> Vec<FieldError> {
    const COUNTED: [&str; 3] = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    let of = |field: &str| int(status, &format!("/{field}")).unwrap_or_default();
    let error = |field: &str, detail: &str| invalid(format!("status.{field}"), &of(field).into(), detail);
    let all = ["replicas"].iter().chain(&COUNTED).chain(&["unavailableReplicas"]);
    let negative = all.filter(|field| of(field) < 0).map(|field| error(field, "must be greater than or equal to 0"));
    let too_many =
        COUNTED.iter().filter(|field| of(field) > of("replicas")).map(|field| error(field, "cannot be greater than status.replicas"));
    let unready = of("availableReplicas") > of("readyReplicas");
    let unready = unready.then(|| error("availableReplicas", "cannot be greater than readyReplicas"));
    negative.chain(too_many).chain(unready).collect()
}

fn strategy(strategy: &Value) -> Vec<FieldError> {
    let path = "spec.strategy.rollingUpdate";
    match strategy["type"].as_str().unwrap_or_default() {
        "Recreate" => present(strategy, "/rollingUpdate")
            .map(|_| forbidden(path, "may not be specified when strategy `type` is 'Recreate'"))
            .into_iter()
            .collect(),
        "RollingUpdate" => rolling_update(&strategy["rollingUpdate"], path),
        kind => {
            let printed = format!(r#"{{"Type":{},"RollingUpdate":null}}"#, quoted(kind));
            vec![not_supported_printed("spec.strategy", printed, &["Recreate", "RollingUpdate"])]
        }
    }
}

fn rolling_update(rolling: &Value, path: &str) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> =
        ["maxUnavailable", "maxSurge"].iter().filter_map(|field| count_or_percentage(rolling, path, field)).collect();
    let unavailable = &rolling["maxUnavailable"];
    if is_zero(rolling, "maxUnavailable") && is_zero(rolling, "maxSurge") {
        errors.push(invalid(format!("{path}.maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0"));
    }
    let percentage = unavailable.as_str().and_then(|text| text.strip_suffix('%')?.parse::<u64>().ok());
    if percentage.is_some_and(|percentage| percentage > 100) {
        errors.push(invalid(format!("{path}.maxUnavailable"), unavailable, "must not be greater than 100%"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(yaml: &str) -> Value {
        let mut object: Value = serde_saphyr::from_str(yaml).expect("yaml");
        Deployments.default(&mut object);
        object
    }

    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let errors: Vec<String> = Deployments.validate(&deployment(yaml)).iter().map(FieldError::to_string).collect();
        assert_eq!(errors, expected);
    }

    const WEB: &str = "
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: nginx}]}}
";

    #[test]
    fn a_plain_deployment_is_filled_in_and_right() {
        let object = deployment(WEB);
        assert_eq!(object["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
        assert_eq!(object["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "Always");
        check(WEB, &[]);
    }

    #[test]
    fn the_selector_must_select_the_template() {
        let mismatch = r#"spec.template.metadata.labels: Invalid value: {"app":"db"}: `selector` does not match template `labels`"#;
        check(&WEB.replace("labels: {app: web}", "labels: {app: db}"), &[mismatch]);
        check(
            &WEB.replace("selector: {matchLabels: {app: web}}", "paused: false").replace("metadata: {labels: {app: web}}, ", ""),
            &[
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
            ],
        );
        check(
            &WEB.replace("{matchLabels: {app: web}}", "{}"),
            &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
        );
    }

    #[test]
    fn counts_and_strategies_make_sense() {
        check(
            &WEB.replace(
                "spec:\n",
                "spec:\n  replicas: -1\n  minReadySeconds: 600\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}\n",
            ),
            &[
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
                "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
            ],
        );
        check(
            &WEB.replace("spec:\n", "spec:\n  strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}\n"),
            &["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
        );
        check(
            &WEB.replace("spec: {containers", "spec: {restartPolicy: Never, containers"),
            &["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""],
        );
    }

    #[test]
    fn the_selector_stays() {
        let (new, old) = (deployment(&WEB.replace("{app: web}", "{app: db}")), deployment(WEB));
        let errors: Vec<String> = Deployments.validate_update(&new, &old).iter().map(FieldError::to_string).collect();
        assert_eq!(errors, [r#"spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable"#]);
    }
}
