//! Whether the options of a request are ones that the real server takes, and its words where they are not.

use crate::fields::golang::{nanoseconds, quoted};
use crate::request::{Call, Verb};
use crate::status::{ApiError, FieldError, FieldReason};
use serde_json::{Value, json};
use std::num::IntErrorKind;

/// Bytes that a field manager's name may have.
const MANAGER_MAX: usize = 128;

/// An error of one option.
pub fn error(reason: FieldReason, field: &str, value: String, detail: &str) -> FieldError {
    FieldError { reason, field: field.into(), value, detail: detail.into() }
}

/// 422 for wrong options of a kind: `PatchOptions.meta.k8s.io "" is invalid: …`.
pub fn refuse(kind: &str, errors: &[FieldError]) -> Result<(), ApiError> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid("meta.k8s.io", kind, "", errors)) }
}

/// Checks the options of a create, update or patch.
pub fn of_write(call: &Call) -> Result<(), ApiError> {
    let kind = match call.verb {
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch => "PatchOptions",
        _ => return Ok(()),
    };
    let mut errors = Vec::new();
    if call.verb == Verb::Patch {
        let applies = call.content_type == "application/apply-patch+yaml";
        if applies && call.params.get("fieldManager").is_none() {
            errors.push(error(FieldReason::Required, "fieldManager", String::new(), "is required for apply patch"));
        } else if !applies && call.params.flag("force") {
            errors.push(error(FieldReason::Forbidden, "force", String::new(), "may not be specified for non-apply patch"));
        }
    }
    errors.extend(manager(call.params.get("fieldManager").unwrap_or("")));
    errors.extend(dry_run(&call.params.all("dryRun")));
    if let Some(validation) = call.params.get("fieldValidation").filter(|value| !["Ignore", "Strict", "Warn"].contains(value)) {
        let supported = "supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
        errors.push(error(FieldReason::NotSupported, "fieldValidation", quoted(validation), supported));
    }
    refuse(kind, &errors)
}

fn manager(name: &str) -> Option<FieldError> {
    if name.len() > MANAGER_MAX {
        let detail = format!("may not be more than {MANAGER_MAX} bytes");
        return Some(error(FieldReason::TooLong, "fieldManager", String::new(), &detail));
    }
    let (at, letter) = name.chars().enumerate().find(|(_, letter)| letter.is_control())?;
    let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(letter));
    Some(error(FieldReason::Invalid, "fieldManager", quoted(name), &detail))
}

/// What is wrong with values of `dryRun`.
pub fn dry_run(values: &[&str]) -> Option<FieldError> {
    let wrong = values.iter().any(|value| *value != "All");
    wrong.then(|| error(FieldReason::NotSupported, "dryRun", json!(values).to_string(), "supported values: \"All\""))
}

/// Checks `resourceVersion`, `resourceVersionMatch`, `continue` and `sendInitialEvents` of a list.
pub fn of_list(call: &Call) -> Result<(), ApiError> {
    let (field, forbidden) = ("resourceVersionMatch", FieldReason::Forbidden);
    let mut errors = Vec::new();
    if let Some(matching) = call.params.get(field) {
        let revision = call.params.get("resourceVersion").unwrap_or("");
        if revision.is_empty() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(error(forbidden, field, String::new(), detail));
        }
        if call.params.get("continue").is_some() {
            errors.push(error(forbidden, field, String::new(), "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !["Exact", "NotOlderThan"].contains(&matching) {
            let supported = "supported values: \"Exact\", \"NotOlderThan\", \"\"";
            errors.push(error(FieldReason::NotSupported, field, quoted(matching), supported));
        }
        if matching == "Exact" && revision == "0" {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(error(forbidden, field, String::new(), detail));
        }
    }
    if call.params.get("sendInitialEvents").is_some() {
        errors.push(error(forbidden, "sendInitialEvents", String::new(), "sendInitialEvents is forbidden for list"));
    }
    refuse("ListOptions", &errors)
}

/// Checks `resourceVersionMatch`, `continue` and `sendInitialEvents` of a watch. One that begins with all there is, because it names no
/// revision, is taken as one that asked for just that.
pub fn of_watch(call: &Call, names_no_revision: bool) -> Result<(), ApiError> {
    let (field, forbidden) = ("resourceVersionMatch", FieldReason::Forbidden);
    let refused = |detail: &str| error(forbidden, field, String::new(), detail);
    let asks = call.params.get("sendInitialEvents").is_some();
    let given = call.params.get(field);
    let matching = given.or((names_no_revision && !asks).then_some("NotOlderThan"));
    let mut errors = Vec::new();
    if asks && matching != Some("NotOlderThan") {
        errors.push(refused("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if !asks && given.is_some() {
        errors.push(refused("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    }
    if let Some(found) = matching.filter(|found| *found != "NotOlderThan") {
        errors.push(error(FieldReason::NotSupported, field, quoted(found), "supported values: \"NotOlderThan\""));
    }
    if matching.is_some() && call.params.get("continue").is_some() {
        errors.push(refused("resourceVersionMatch is forbidden when continue is provided"));
    }
    refuse("ListOptions", &errors)
}

/// How long a request may take must be a Go duration.
pub fn timeout(call: &Call) -> Result<(), ApiError> {
    let text = call.params.get("timeout").filter(|_| call.verb != Verb::Watch).unwrap_or("0");
    if nanoseconds(text).is_some() {
        return Ok(());
    }
    let has_no_unit = text.parse::<f64>().is_ok();
    let problem = if has_no_unit { "missing unit in duration" } else { "invalid duration" };
    Err(ApiError::bad_request(format!("invalid timeout specified in the request URL - time: {problem} {}", quoted(text))))
}

/// Numbers in the query must be numbers.
pub fn numbers(call: &Call) -> Result<(), ApiError> {
    for name in ["limit", "timeoutSeconds", "gracePeriodSeconds"] {
        if let Some(text) = call.params.get(name)
            && let Err(error) = text.parse::<i64>()
        {
            let is_large = matches!(error.kind(), IntErrorKind::PosOverflow | IntErrorKind::NegOverflow);
            let problem = if is_large { "value out of range" } else { "invalid syntax" };
            return Err(ApiError::bad_request(format!("strconv.ParseInt: parsing {}: {problem}", quoted(text))));
        }
    }
    Ok(())
}

/// Checks the options of a delete: its body, or the query where there is none.
pub fn of_delete(call: &Call, sent: &Value) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let asked = |name: &str| call.params.get(name).filter(|_| call.body.is_empty());
    let named = sent["propagationPolicy"].as_str().or(asked("propagationPolicy"));
    let orphans = !sent["orphanDependents"].is_null() || asked("orphanDependents").is_some();
    if let Some(named) = named {
        if orphans {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(error(FieldReason::Invalid, "propagationPolicy", quoted(named), detail));
        }
        if !["Foreground", "Background", "Orphan"].contains(&named) {
            let supported = "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            errors.push(error(FieldReason::NotSupported, "propagationPolicy", quoted(named), supported));
        }
    }
    let mut dry_runs = if call.body.is_empty() { call.params.all("dryRun") } else { Vec::new() };
    dry_runs.extend(sent["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str));
    errors.extend(dry_run(&dry_runs));
    refuse("DeleteOptions", &errors)
}
