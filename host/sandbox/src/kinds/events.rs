//! Events: the one stored form and the two groups that serve it.

use serde_json::{Map, Value, json};

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
    event
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
    fn both_groups_show_the_same_event() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"name": "a"}, "message": "m", "source": {"component": "c"},
            "reportingComponent": "", "count": 1, "reason": "R"});
        let new = from_core(core.clone());
        assert_eq!(new["regarding"]["name"], "a");
        assert_eq!(new["note"], "m");
        assert_eq!(new["deprecatedCount"], 1);
        assert!(new.get("message").is_none());
        assert_eq!(to_core(new), core);
    }
}
