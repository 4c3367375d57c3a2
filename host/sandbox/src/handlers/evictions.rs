//! `pods/eviction`: a pod is deleted where the budget that it counts for allows it.

use super::{body, change, delete, found, key, pods};
use crate::kinds;
use crate::request::Call;
use crate::response;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::storage::Entry;
use crate::writes::{self, Ownership, Updated, Write};
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Types of budgets.
const BUDGETS: &str = "poddisruptionbudgets.policy";
/// Seconds after which to ask again, while a budget is not counted yet.
const NOT_COUNTED: u64 = 10;

/// Deletes a pod, if its budget allows it.
pub fn evict(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let eviction = body::value(call)?;
    let kind = eviction["kind"].as_str().unwrap_or("");
    if !["", "Eviction"].contains(&kind) {
        let version = eviction["apiVersion"].as_str().and_then(|version| version.rsplit('/').next()).unwrap_or("");
        let words = format!("converting ({version}.{kind}) to (policy.Eviction): unknown conversion");
        return Err(ApiError::bad_request(format!("{kind} in version {version:?} cannot be handled as a Eviction: {words}")));
    }
    if eviction["metadata"]["name"] != call.name() {
        return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = found(server, call)?;
    let wanted = |field: &str| eviction["deleteOptions"]["preconditions"][field].as_str().map(str::to_owned);
    let options = delete::DeleteOptions {
        grace: eviction["deleteOptions"]["gracePeriodSeconds"].as_i64(),
        dry_run: call.params.dry_run(),
        uid: wanted("uid"),
        resource_version: wanted("resourceVersion"),
        ..delete::DeleteOptions::default()
    };
    options.check(&call.of, &pod)?;
    spend(server, &pod, options.dry_run)?;
    if !options.dry_run {
        say_why(server, call)?;
    }
    // The mark that says why is a change of its own.
    let options = delete::DeleteOptions { resource_version: None, ..options };
    let (of, mut warnings) = (call.of.clone(), Vec::new());
    delete::delete(server, of.kept(), &key(call), &options, &call.user, &mut warnings)?;
    call.warnings.extend(warnings);
    Ok(response::json(201, crate::represent::bytes(&pods::created())))
}

/// Takes one disruption from the pod's budget.
fn spend(server: &ApiServer, pod: &Entry, dry_run: bool) -> Result<(), ApiError> {
    let seen = pod.value();
    loop {
        let Some(budget) = budget_of(server, pod, &seen)? else { return Ok(()) };
        let mut changed = budget.value();
        if counts_for_nothing(&seen, &changed["status"]) {
            return Ok(());
        }
        spent(&mut changed, &pod.facts.key.name, &server.now()).map_err(|refusal| *refusal)?;
        if dry_run {
            return Ok(());
        }
        let types = server.registry().types();
        let Some(of) = types.stored_as(&BUDGETS.into()) else { return Ok(()) };
        let user = crate::request::User::default();
        let write = Write { subresource: "status", ..Write::internal(of, Some(&pod.facts.key.namespace), &user) };
        match writes::update(server, &write, &budget, changed, &mut Vec::new())? {
            Updated::Moved => {}
            Updated::Written(_) | Updated::Removed(_) => return Ok(()),
        }
    }
}

/// The budget that a running pod counts for.
fn budget_of(server: &ApiServer, pod: &Entry, seen: &Value) -> Result<Option<Arc<Entry>>, ApiError> {
    let is_running = seen["status"]["phase"] == "Running" && seen["metadata"]["deletionTimestamp"].is_null();
    if !is_running {
        return Ok(None);
    }
    let labels = seen["metadata"].get("labels");
    let all = server.store().list(&BUDGETS.into(), Some(&pod.facts.key.namespace)).entries;
    let mut of_pod = all.into_iter().filter(|budget| selects(&budget.value()["spec"]["selector"], labels));
    match (of_pod.next(), of_pod.next()) {
        (_, Some(_)) => {
            Err(ApiError::unexplained("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."))
        }
        (budget, None) => Ok(budget),
    }
}

fn selects(selector: &Value, labels: Option<&Value>) -> bool {
    !selector.is_null() && kinds::labels::matches(selector, labels)
}

/// Whether a pod that is not ready may go whatever the budget says.
fn counts_for_nothing(pod: &Value, status: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    !is_ready && count("currentHealthy") >= count("desiredHealthy") && count("desiredHealthy") > 0
}

/// The budget with one disruption less; or why there is none.
fn spent(budget: &mut Value, pod: &str, now: &str) -> Result<(), Box<ApiError>> {
    let name = budget["metadata"]["name"].as_str().unwrap_or("").to_owned();
    let (generation, status) = (budget["metadata"]["generation"].as_i64().unwrap_or(0), &budget["status"]);
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    if count("observedGeneration") < generation {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(Box::new(ApiError::disruption(&why, Some(NOT_COUNTED))));
    }
    let left = count("disruptionsAllowed") - 1;
    if left < 0 {
        let (needed, healthy) = (count("desiredHealthy"), count("currentHealthy"));
        let why = format!("The disruption budget {name} needs {needed} healthy pods and has {healthy} currently");
        return Err(Box::new(ApiError::disruption(&why, None)));
    }
    let (answer, reason) = if left == 0 { ("False", "InsufficientPods") } else { ("True", "SufficientPods") };
    budget["status"]["disruptionsAllowed"] = left.into();
    let condition = json!({"type": "DisruptionAllowed", "status": answer, "reason": reason, "message": "",
        "observedGeneration": generation, "lastTransitionTime": now});
    match budget["status"]["conditions"].as_array_mut() {
        Some(all) => match all.iter_mut().find(|one| one["type"] == "DisruptionAllowed") {
            Some(one) if one["status"] == condition["status"] => {}
            Some(one) => *one = condition,
            None => all.push(condition),
        },
        None if left == 0 => budget["status"]["conditions"] = json!([condition]),
        None => {}
    }
    budget["status"]["disruptedPods"][pod] = now.into();
    Ok(())
}

/// The pod says why it goes.
fn say_why(server: &ApiServer, call: &mut Call) -> Result<(), ApiError> {
    let now = server.now();
    change::through(server, call, Ownership::Decided, |pod| {
        let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": now});
        match pod["status"]["conditions"].as_array_mut() {
            Some(conditions) => {
                conditions.retain(|condition| condition["type"] != "DisruptionTarget");
                conditions.push(condition);
            }
            None => pod["status"]["conditions"] = json!([condition]),
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(status: Value) -> Value {
        json!({"metadata": {"name": "b", "generation": 2}, "status": status})
    }

    #[test]
    fn a_budget_that_is_not_counted_allows_nothing() {
        let refusal = spent(&mut budget(json!({"observedGeneration": 1, "disruptionsAllowed": 5})), "p", "now").unwrap_err();
        assert_eq!(refusal.code, 429);
        assert_eq!(refusal.details.unwrap()["retryAfterSeconds"], 10);
    }

    #[test]
    fn each_disruption_is_counted_once() {
        let mut budget = budget(json!({"observedGeneration": 2, "disruptionsAllowed": 1, "desiredHealthy": 1, "currentHealthy": 2}));
        assert!(spent(&mut budget, "p", "now").is_ok());
        assert_eq!(budget["status"]["disruptedPods"], json!({"p": "now"}));
        assert_eq!(budget["status"]["conditions"][0]["status"], "False");
        let refusal = spent(&mut budget, "q", "now").unwrap_err();
        let why = "The disruption budget b needs 1 healthy pods and has 2 currently";
        assert_eq!(refusal.details.unwrap()["causes"][0]["message"], why);
    }
}
