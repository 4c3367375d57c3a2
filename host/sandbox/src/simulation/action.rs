//! What a controller wants done: requests to the API server as plain data, each with what to say about it afterwards.
//! Nothing here sends anything.

use super::events::Event;
use super::kind::{Key, Kind, Meta};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What one reconciliation decided.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In this order; the first that fails ends the list, unless they are [`Outcome::independent`].
    pub actions: Vec<Action>,
    /// When time alone may change the decision.
    pub wake: Option<Timestamp>,
    /// Whether each action stands alone: one that fails stops no other, and is tried again later.
    pub independent: bool,
}

impl Outcome {
    /// Wakes at `time` or earlier.
    pub fn wake_at(&mut self, time: Timestamp) {
        self.wake = Some(self.wake.map_or(time, |earlier| earlier.min(time)));
    }
}

impl From<Vec<Action>> for Outcome {
    fn from(actions: Vec<Action>) -> Self {
        Self { actions, ..Self::default() }
    }
}

/// A request, and the events that tell users of its success or failure.
#[derive(Debug)]
pub struct Action {
    /// What to send.
    pub request: Request,
    /// Said when it succeeded.
    pub success: Option<Event>,
    /// Said when it failed, with the error appended to the message.
    pub failure: Option<Event>,
}

/// One write.
#[derive(Debug)]
pub enum Request {
    /// POST.
    Create {
        /// Of which kind.
        kind: &'static Kind,
        /// The object, with its namespace in its metadata.
        object: Value,
    },
    /// PATCH by JSON merge patch, or by strategic merge patch.
    Patch {
        /// Which object.
        target: Target,
        /// Which part of it.
        part: Part,
        /// RFC 7386, unless it goes to [`Part::Items`].
        patch: Value,
    },
    /// DELETE of exactly this incarnation.
    Delete {
        /// Which object.
        target: Target,
        /// Seconds; the object's own when `None`.
        grace: Option<u32>,
    },
    /// POST of a Binding.
    Bind {
        /// Which pod.
        target: Target,
        /// To which node.
        node: String,
    },
}

impl Request {
    /// The kind of object that it is about.
    pub fn kind(&self) -> &'static Kind {
        match self {
            Self::Create { kind, .. } => kind,
            Self::Patch { target, .. } | Self::Delete { target, .. } | Self::Bind { target, .. } => target.kind,
        }
    }
}

/// Which part of an object a patch writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All but the status.
    Main,
    /// `/status`: the status, and the metadata that may be written along with it.
    Status,
    /// All but the status; lists are merged by their items' names (a strategic merge patch, for built-in kinds only).
    Items,
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name.
    pub key: Key,
    /// Its uid.
    pub uid: String,
}

impl Target {
    /// Names an object.
    pub fn new(kind: &'static Kind, meta: &ObjectMeta) -> Self {
        Self { kind, key: Key::of(meta), uid: meta.uid().to_owned() }
    }
}

impl Action {
    /// Creates `object`.
    pub fn create(kind: &'static Kind, object: &impl Serialize) -> Self {
        Request::Create { kind, object: to_json(object) }.into()
    }

    /// Changes an object by a merge patch.
    pub fn patch(target: Target, patch: Value) -> Self {
        Request::Patch { target, part: Part::Main, patch }.into()
    }

    /// Changes an object by a strategic merge patch.
    pub fn patch_items(target: Target, patch: Value) -> Self {
        Request::Patch { target, part: Part::Items, patch }.into()
    }

    /// Changes an object's status by a merge patch.
    pub fn patch_status(target: Target, patch: Value) -> Self {
        Request::Patch { target, part: Part::Status, patch }.into()
    }

    /// Deletes an object, with its own grace period.
    pub fn delete(target: Target) -> Self {
        Request::Delete { target, grace: None }.into()
    }

    /// Removes an object at once.
    pub fn remove(target: Target) -> Self {
        Request::Delete { target, grace: Some(0) }.into()
    }

    /// Tells users of the success.
    pub fn saying(mut self, event: Event) -> Self {
        self.success = Some(event);
        self
    }

    /// Tells users of a failure; the error is appended to the event's message.
    pub fn complaining(mut self, event: Event) -> Self {
        self.failure = Some(event);
        self
    }
}

impl From<Request> for Action {
    fn from(request: Request) -> Self {
        Self { request, success: None, failure: None }
    }
}

/// The JSON of a Kubernetes type.
pub fn to_json(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("Kubernetes types have string keys and finite numbers")
}

/// The status patch that turns `old` into `new`; `None` when they say the same.
pub fn status_patch(old: &impl Serialize, new: &impl Serialize) -> Option<Value> {
    merge_patch(&to_json(old), &to_json(new)).map(|status| json!({"status": status}))
}

/// The RFC 7386 patch that turns `old` into `new`; `None` when they are equal. Lists are replaced whole.
pub fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Some(new.clone());
    };
    let mut patch = Map::new();
    for (key, value) in new {
        let change = old.get(key).map_or_else(|| Some(value.clone()), |before| merge_patch(before, value));
        if let Some(change) = change {
            patch.insert(key.clone(), change);
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_only_what_differs() {
        let old = json!({"a": 1, "b": {"c": [1], "d": 2}, "gone": true});
        let new = json!({"a": 1, "b": {"c": [1, 2], "d": 2}, "e": {}});
        assert_eq!(merge_patch(&old, &new), Some(json!({"b": {"c": [1, 2]}, "e": {}, "gone": null})));
        assert_eq!(merge_patch(&new, &new), None);
    }
}
