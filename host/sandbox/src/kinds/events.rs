//! Events: the one stored form and the two groups that serve it.

use super::Behaviour;
use super::reach::{present, text};
use super::refusal::{IMMUTABLE, each_invalid, invalid_text, required};
use super::syntax;
use crate::status::{FieldError, FieldReason};
use serde_json::{Map, Value, json};

/// Events.
pub(super) struct Events;

impl Behaviour for Events {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        if present(object, "/eventTime").is_none() {
            place_errors(object, &["", "default"])
        } else {
            new_errors(object, "reportingComponent")
        }
    }

    fn select_field(&self, object: &Value, field: &str) -> Option<String> {
        if let Some(part) = field.strip_prefix("involvedObject.") {
            let is_known = matches!(part, "kind" | "namespace" | "name" | "uid" | "apiVersion" | "resourceVersion" | "fieldPath");
            return is_known.then(|| text(object, &format!("/involvedObject/{part}")).to_owned());
        }
        match field {
            "reason" | "type" | "reportingComponent" => Some(text(object, &format!("/{field}")).to_owned()),
            "source" => Some(match text(object, "/source/component") {
                "" => text(object, "/reportingComponent").to_owned(),
                component => component.to_owned(),
            }),
            _ => None,
        }
    }
}

/// What of an Event stays once it is there, in the order in which it is looked at.
const FIXED: [&str; 11] = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "action",
    "related",
    "reportingInstance",
];

/// Most letters of short texts, and of the note.
const SHORT: usize = 128;
const NOTE: usize = 1024;

/// An Event is where its object is, or in one of `homes` where that lives in no namespace.
fn place_errors(event: &Value, homes: &[&str]) -> Vec<FieldError> {
    let (of, own) = (text(event, "/involvedObject/namespace"), text(event, "/metadata/namespace"));
    let fits = if of.is_empty() { homes.contains(&own) } else { of == own };
    if fits { Vec::new() } else { vec![invalid_text("involvedObject.namespace", of, "does not match event.namespace")] }
}

/// What is wrong with an Event of the newer sort, which has an `eventTime`; `controller` is how its writer calls who reports.
fn new_errors(event: &Value, controller: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if text(event, "/involvedObject/namespace").is_empty() {
        errors.extend(place_errors(event, &["default", "kube-system"]));
    }
    let reporting = text(event, "/reportingComponent");
    if reporting.is_empty() {
        errors.push(required(controller, ""));
    }
    errors.extend(each_invalid(controller, reporting, syntax::qualified_name(reporting)));
    for field in ["reportingInstance", "action", "reason"] {
        let said = text(event, &format!("/{field}"));
        if said.is_empty() {
            errors.push(required(field, ""));
        } else if said.len() > SHORT {
            errors.push(invalid_text(field, "", format!("can have at most {SHORT} characters")));
        }
    }
    if text(event, "/message").len() > NOTE {
        errors.push(invalid_text("message", "", format!("can have at most {NOTE} characters")));
    }
    errors
}

fn series_errors(event: &Value) -> Vec<FieldError> {
    let Some(series) = present(event, "/series") else { return Vec::new() };
    let mut errors = Vec::new();
    if series["count"].as_i64().unwrap_or(0) < 2 {
        errors.push(invalid_text("series.count", "", "should be at least 2"));
    }
    if present(series, "/lastObservedTime").is_none() {
        errors.push(required("series.lastObservedTime", ""));
    }
    errors
}

/// A reference to an object, as the server's own type prints it.
fn reference(object: &Value) -> String {
    let fields = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
    let own = ["Kind", "Namespace", "Name", "UID", "APIVersion", "ResourceVersion", "FieldPath"];
    let shown = fields.iter().zip(own).map(|(field, own)| format!("\"{own}\":{}", json!(text(object, &format!("/{field}")))));
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

/// `events.k8s.io/v1` name, core `v1` name.
const RENAMED: &[(&str, &str)] = &[
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// An `events.k8s.io/v1` Event as core `v1`.
pub(super) fn to_core(mut event: Value) -> Value {
    event["apiVersion"] = json!("v1");
    rename(&mut event, RENAMED.iter().copied());
    event
}

/// A core `v1` Event as `events.k8s.io/v1`.
pub(super) fn from_core(mut event: Value) -> Value {
    event["apiVersion"] = json!("events.k8s.io/v1");
    rename(&mut event, RENAMED.iter().map(|(new, old)| (*old, *new)));
    if let Some(fields) = event.as_object_mut() {
        fields.retain(|name, value| !(name.starts_with("reporting") && value == ""));
    }
    event
}

/// Events as `events.k8s.io` takes them.
pub(super) struct NewEvents;

impl Behaviour for NewEvents {
    fn select_field(&self, event: &Value, field: &str) -> Option<String> {
        let name = match field.strip_prefix("regarding.") {
            Some(part) => format!("involvedObject.{part}"),
            None if field == "reportingController" => "reportingComponent".to_owned(),
            None if ["reason", "type"].contains(&field) => field.to_owned(),
            None => return None,
        };
        Events.select_field(&to_core(event.clone()), &name)
    }

    fn validate_view(&self, event: &Value) -> Vec<FieldError> {
        let mut errors = series_errors(event);
        if present(event, "/eventTime").is_none() {
            errors.push(required("eventTime", ""));
        }
        let kind = text(event, "/type");
        if !["Normal", "Warning"].contains(&kind) {
            errors.push(invalid_text("type", "", format!("has invalid value: {kind}")));
        }
        for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
            if present(event, &format!("/{field}")).is_some_and(|value| *value != 0 && *value != json!({})) {
                errors.push(invalid_text(field, "", "needs to be unset"));
            }
        }
        errors
    }

    fn validate_view_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors = if new["series"] == old["series"] { Vec::new() } else { series_errors(new) };
        for field in FIXED {
            let empty = |value: &Value| value.is_null() || value == "" || *value == json!({}) || value == 0;
            if new[field] != old[field] && !(empty(&new[field]) && empty(&old[field])) {
                let value = match field {
                    "involvedObject" => reference(&new[field]),
                    "source" | "firstTimestamp" | "lastTimestamp" | "count" | "related" => new[field].to_string(),
                    _ => json!(text(new, &format!("/{field}"))).to_string(),
                };
                errors.push(FieldError { reason: FieldReason::Invalid, field: field.into(), value, detail: IMMUTABLE.into() });
            }
        }
        errors
    }

    fn renames(&self, error: &mut FieldError) {
        if error.field == "reportingComponent" {
            error.field = "reportingController".into();
        }
    }
}

fn rename(event: &mut Value, names: impl Iterator<Item = (&'static str, &'static str)>) {
    let Some(fields) = event.as_object_mut() else {
        return;
    };
    let mut renamed = Map::new();
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            renamed.insert(to.to_owned(), value);
        }
    }
    fields.extend(renamed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_where_its_object_is() {
        let event = |own: &str, of: &str| json!({"metadata": {"name": "e", "namespace": own}, "involvedObject": {"namespace": of}});
        assert_eq!(Events.validate(&event("shop", "shop")), []);
        assert_eq!(Events.validate(&event("default", "")), []);
        let said = Events.validate(&event("shop", "other"))[0].to_string();
        assert_eq!(said, "involvedObject.namespace: Invalid value: \"other\": does not match event.namespace");
    }

    #[test]
    fn both_groups_show_the_same_event() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"name": "a"}, "message": "m", "source": {"component": "c"},
            "reportingComponent": "", "count": 1, "reason": "R"});
        let new = from_core(core.clone());
        assert_eq!(new["regarding"]["name"], "a");
        assert_eq!(new["note"], "m");
        assert_eq!(new["deprecatedCount"], 1);
        assert!(new.get("message").is_none());
        assert!(new.get("reportingController").is_none());
        let mut core = core;
        core.as_object_mut().unwrap().remove("reportingComponent");
        assert_eq!(to_core(new), core);
    }
}
