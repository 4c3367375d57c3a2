//! Events: the one stored form and the two groups that serve it.

use super::Behaviour;
use super::reach::{present, text};
use super::refusal::{invalid_text, required};
use crate::status::FieldError;
use serde_json::{Map, Value, json};

/// Events.
pub(super) struct Events;

impl Behaviour for Events {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let (of, own) = (text(object, "/involvedObject/namespace"), text(object, "/metadata/namespace"));
        // Events about what lives in no namespace are in the default one.
        let fits = if of.is_empty() { matches!(own, "" | "default") } else { of == own };
        if fits { Vec::new() } else { vec![invalid_text("involvedObject.namespace", of, "does not match event.namespace")] }
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
        let mut errors = Vec::new();
        if present(event, "/eventTime").is_none() {
            errors.push(required("eventTime", ""));
        }
        let kind = text(event, "/type");
        if !["Normal", "Warning"].contains(&kind) {
            errors.push(invalid_text("type", kind, format!("has invalid value: {kind}")));
        }
        errors
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
