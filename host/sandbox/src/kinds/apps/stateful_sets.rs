//! StatefulSets.

use super::{counts, selector};
use crate::kinds::Behaviour;
use crate::kinds::core::claim_spec;
use crate::kinds::metadata::NameRule;
use crate::kinds::pod_spec::{self, defaults, validation};
use crate::kinds::reach::{each, fill, fill_zero, given, inner, int, list, present, remove, text};
use crate::kinds::refusal::{NEGATIVE, each_invalid, forbidden, invalid, invalid_printed, negative, not_supported, quoted, required};
use crate::kinds::syntax;
use crate::status::FieldError;
use serde_json::Value;

/// What may change in a StatefulSet's spec.
const MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Counts of a status that somebody wrote.
fn status_errors(status: &Value) -> Vec<FieldError> {
    const COUNTED: [&str; 4] = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    let of = |field: &str| int(status, &format!("/{field}")).unwrap_or_default();
    let error = |field: &str, detail: &str| invalid(format!("status.{field}"), &of(field).into(), detail);
    let all = ["replicas"].iter().chain(&COUNTED).chain(&["observedGeneration", "collisionCount"]);
    let negative = all.filter(|field| of(field) < 0).map(|field| error(field, NEGATIVE));
    let too_many = COUNTED.iter().filter(|field| of(field) > of("replicas"));
    let too_many = too_many.map(|field| error(field, "cannot be greater than status.replicas"));
    let unready =
        (of("availableReplicas") > of("readyReplicas")).then(|| error("availableReplicas", "cannot be greater than status.readyReplicas"));
    negative.chain(too_many).chain(unready).collect()
}

/// StatefulSets.
pub(in crate::kinds) struct StatefulSets;

impl Behaviour for StatefulSets {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill_zero(spec, "podManagementPolicy", "OrderedReady");
        update_strategy(inner(spec, "updateStrategy"));
        let retention = inner(spec, "persistentVolumeClaimRetentionPolicy");
        fill_zero(retention, "whenDeleted", "Retain");
        fill_zero(retention, "whenScaled", "Retain");
        defaults::template(inner(spec, "template"));
        each(spec, "/volumeClaimTemplates").for_each(claim_template);
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let spec = &object["spec"];
        let mut errors = Vec::new();
        if !matches!(spec["podManagementPolicy"].as_str(), Some("OrderedReady" | "Parallel")) {
            errors.push(invalid("spec.podManagementPolicy", &spec["podManagementPolicy"], "must be 'OrderedReady' or 'Parallel'"));
        }
        errors.extend(update_strategy_errors(&spec["updateStrategy"]));
        errors.extend(retention_errors(&spec["persistentVolumeClaimRetentionPolicy"]));
        errors.extend(counts(spec, &["replicas", "minReadySeconds"]));
        errors.extend(spec.get("ordinals").and_then(|ordinals| negative(ordinals, "spec.ordinals", "start")));
        let service = text(spec, "/serviceName");
        if !service.is_empty() {
            errors.extend(each_invalid("spec.serviceName", service, syntax::dns_label(service)));
        }
        errors.extend(selector(spec, "statefulset"));
        let template = &spec["template"];
        // The server does not look into the pods of StatefulSets: mounts may name claims.
        errors.extend(validation::selector_mismatch(present(spec, "/selector"), template, "spec.template"));
        errors.extend(validation::template_metadata(template, "spec.template"));
        if list(template, "/spec/containers").is_empty() {
            errors.push(required("spec.template.spec.containers", ""));
        }
        errors.extend(validation::keeps_running(template, "spec.template", "StatefulSet"));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let fixed = |object: &Value| {
            let mut spec = object["spec"].clone();
            for field in MUTABLE {
                remove(&mut spec, field);
            }
            spec
        };
        let mut errors = if new["status"] == old["status"] { Vec::new() } else { status_errors(&new["status"]) };
        if fixed(new) == fixed(old) {
            return errors;
        }
        let (last, others) = MUTABLE.split_last().expect("the list is not empty");
        let others: Vec<String> = others.iter().map(|field| format!("'{field}'")).collect();
        let detail = format!("updates to statefulset spec for fields other than {} and '{last}' are forbidden", others.join(", "));
        errors.push(forbidden("spec", detail));
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod_spec::warnings(object, "/spec/template/spec")
    }
}

fn update_strategy_errors(strategy: &Value) -> Vec<FieldError> {
    let path = "spec.updateStrategy";
    match strategy["type"].as_str().unwrap_or_default() {
        "RollingUpdate" => negative(&strategy["rollingUpdate"], &format!("{path}.rollingUpdate"), "partition").into_iter().collect(),
        "OnDelete" => present(strategy, "/rollingUpdate")
            .map(|rolling| invalid(format!("{path}.rollingUpdate"), rolling, "only allowed for updateStrategy 'RollingUpdate'"))
            .into_iter()
            .collect(),
        kind => {
            let printed = format!(r#"{{"Type":{},"RollingUpdate":null}}"#, quoted(kind));
            vec![invalid_printed(path, printed, "must be 'RollingUpdate' or 'OnDelete'")]
        }
    }
}

fn retention_errors(policy: &Value) -> Vec<FieldError> {
    let known = ["Retain", "Delete"];
    let wrong = ["whenDeleted", "whenScaled"].into_iter().filter(|field| !known.iter().any(|word| policy[*field] == *word));
    wrong.map(|field| not_supported(format!("spec.persistentVolumeClaimRetentionPolicy.{field}"), &policy[field], &known)).collect()
}

/// `rollingUpdate` is made only when the type was left out too.
fn update_strategy(strategy: &mut Value) {
    if strategy.get("type").is_none_or(|kind| kind == "") {
        fill_zero(strategy, "type", "RollingUpdate");
        inner(strategy, "rollingUpdate");
    }
    if strategy["type"] == "RollingUpdate"
        && let Some(rolling) = given(strategy, "rollingUpdate")
    {
        fill(rolling, "partition", 0);
    }
}

fn claim_template(claim: &mut Value) {
    fill(claim, "apiVersion", "v1");
    fill(claim, "kind", "PersistentVolumeClaim");
    inner(claim, "metadata");
    claim_spec(inner(claim, "spec"));
    fill_zero(inner(claim, "status"), "phase", "Pending");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn database() -> Value {
        let mut set = json!({"metadata": {"name": "db"}, "spec": {"serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "main", "image": "postgres:17"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}]}});
        StatefulSets.default(&mut set);
        set
    }

    #[test]
    fn a_plain_set_is_filled_in_and_right() {
        let set = database();
        assert_eq!(StatefulSets.validate(&set), []);
        assert_eq!(set["spec"]["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
        assert_eq!(set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "1Gi");
    }

    #[test]
    fn few_fields_may_change() {
        let old = database();
        let mut new = old.clone();
        new["spec"]["replicas"] = json!(5);
        new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("postgres:18");
        assert_eq!(StatefulSets.validate_update(&new, &old), []);
        new["spec"]["serviceName"] = json!("other");
        assert_eq!(
            StatefulSets.validate_update(&new, &old)[0].to_string(),
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        );
    }

    #[test]
    fn policies_are_words() {
        let mut set = database();
        set["spec"]["podManagementPolicy"] = json!("Random");
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete", "rollingUpdate": {"partition": 0}});
        let errors: Vec<String> = StatefulSets.validate(&set).iter().map(FieldError::to_string).collect();
        assert_eq!(errors[0], "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'");
        assert_eq!(
            errors[1],
            "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":0}: only allowed for updateStrategy 'RollingUpdate'"
        );
    }
}
