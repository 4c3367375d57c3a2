//! Events as `kubectl describe` shows them: what is said, and how repeated and similar ones are folded together, as client-go's
//! correlator does. Nothing here sends anything.

use super::action::{Action, Target};
use super::kind::{EVENT, Key, Kind, Meta};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use lru::LruCache;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::num::NonZeroUsize;

/// Similar events beyond this many within [`SIMILAR_FOR`] become one.
const SIMILAR_MAX: usize = 10;
const SIMILAR_FOR: SignedDuration = SignedDuration::from_mins(10);
/// An object may have this many events from one source at once, and one more each [`REFILL`].
const BURST: f64 = 25.0;
const REFILL: SignedDuration = SignedDuration::from_mins(5);
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Something worth telling users about an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Event {
    /// About whom.
    pub about: About,
    /// Who says it: `replicaset-controller`.
    pub component: &'static str,
    /// Whether it is a `Warning`.
    pub warning: bool,
    /// `SuccessfulCreate`.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
    /// The scheduler's events belong to `events.k8s.io`: they name an action and an instance, and are not counted.
    pub action: Option<&'static str>,
}

/// The object of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct About {
    kind: &'static str,
    api_version: String,
    key: Key,
    uid: String,
    resource_version: String,
}

impl About {
    /// Names an object.
    pub fn new(kind: &'static Kind, meta: &ObjectMeta) -> Self {
        Self {
            kind: kind.kind,
            api_version: kind.api_version(),
            key: Key::of(meta),
            uid: meta.uid().to_owned(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
        }
    }

    /// A `Normal` event.
    pub fn normal(self, component: &'static str, reason: &'static str, message: impl Into<String>) -> Event {
        Event { about: self, component, warning: false, reason, message: message.into(), action: None }
    }

    /// A `Warning` event.
    pub fn warning(self, component: &'static str, reason: &'static str, message: impl Into<String>) -> Event {
        Event { about: self, component, warning: true, reason, message: message.into(), action: None }
    }

    fn reference(&self) -> Value {
        let mut reference = json!({"kind": self.kind, "name": self.key.name, "uid": self.uid, "apiVersion": self.api_version});
        if !self.key.namespace.is_empty() {
            reference["namespace"] = json!(self.key.namespace);
        }
        if !self.resource_version.is_empty() {
            reference["resourceVersion"] = json!(self.resource_version);
        }
        reference
    }

    fn event_namespace(&self) -> &str {
        if self.key.namespace.is_empty() { "default" } else { &self.key.namespace }
    }
}

impl Event {
    /// The same, as the scheduler records it.
    pub fn with_action(mut self, action: &'static str) -> Self {
        self.action = Some(action);
        self
    }

    fn type_name(&self) -> &'static str {
        if self.warning { "Warning" } else { "Normal" }
    }

    fn similarity(&self) -> Similarity {
        (self.about.uid.clone(), self.about.key.clone(), self.component, self.reason)
    }
}

type Similarity = (String, Key, &'static str, &'static str);

/// Folds events together. One for each member: it remembers what it has written.
#[derive(Debug)]
pub struct Recorder {
    similar: LruCache<Similarity, Similar>,
    written: LruCache<(Similarity, Option<String>), Written>,
    budgets: LruCache<(String, Key, &'static str), Budget>,
    last_name: i128,
}

#[derive(Debug)]
struct Similar {
    messages: HashSet<String>,
    last: Timestamp,
}

#[derive(Debug)]
struct Written {
    target: Target,
    count: i32,
}

#[derive(Debug)]
struct Budget {
    left: f64,
    at: Timestamp,
}

impl Default for Recorder {
    fn default() -> Self {
        let (similar, written, budgets) = (LruCache::new(REMEMBERED), LruCache::new(REMEMBERED), LruCache::new(REMEMBERED));
        Self { similar, written, budgets, last_name: 0 }
    }
}

impl Recorder {
    /// The write that makes `event` known: a new Event, a higher count of an old one, or none when the object has had too many.
    pub fn record(&mut self, event: &Event, now: Timestamp) -> Option<Action> {
        if event.action.is_some() {
            let name = self.name(event, now);
            return Some(Action::create(&EVENT, &scheduler_event(event, &name, now)));
        }
        let (message, similar_to) = self.fold(event, now);
        if !self.spend(event, now) {
            return None;
        }
        let key = (event.similarity(), similar_to);
        if let Some(written) = self.written.get_mut(&key) {
            written.count += 1;
            let patch = json!({"count": written.count, "lastTimestamp": seconds(now), "message": message});
            return Some(Action::patch(written.target.clone(), patch));
        }
        let name = self.name(event, now);
        let target = Target { kind: &EVENT, key: Key::new(event.about.event_namespace(), &name), uid: String::new() };
        self.written.put(key, Written { target, count: 1 });
        Some(Action::create(&EVENT, &counted_event(event, &message, &name, now)))
    }

    /// Forgets an Event that is no longer there, so that the next of its sort is written anew.
    pub fn forget(&mut self, target: &Target) {
        let gone = self.written.iter().find(|(_, written)| written.target == *target).map(|(key, _)| key.clone());
        if let Some(key) = gone {
            self.written.pop(&key);
        }
    }

    /// The message to write and, unless it was combined with others, the message that tells it from similar ones.
    fn fold(&mut self, event: &Event, now: Timestamp) -> (String, Option<String>) {
        let similar = self.similar.get_or_insert_mut(event.similarity(), || Similar { messages: HashSet::new(), last: now });
        if now.duration_since(similar.last) > SIMILAR_FOR {
            similar.messages.clear();
        }
        similar.last = now;
        similar.messages.insert(event.message.clone());
        if similar.messages.len() < SIMILAR_MAX {
            return (event.message.clone(), Some(event.message.clone()));
        }
        let forgotten = similar.messages.iter().find(|message| **message != event.message).cloned();
        if let Some(forgotten) = forgotten {
            similar.messages.remove(&forgotten);
        }
        (format!("(combined from similar events): {}", event.message), None)
    }

    fn spend(&mut self, event: &Event, now: Timestamp) -> bool {
        let key = (event.about.uid.clone(), event.about.key.clone(), event.component);
        let budget = self.budgets.get_or_insert_mut(key, || Budget { left: BURST, at: now });
        let refilled = now.duration_since(budget.at).as_secs_f64() / REFILL.as_secs_f64();
        budget.left = (budget.left + refilled.max(0.0)).min(BURST);
        budget.at = now;
        let affordable = budget.left >= 1.0;
        if affordable {
            budget.left -= 1.0;
        }
        affordable
    }

    fn name(&mut self, event: &Event, now: Timestamp) -> String {
        self.last_name = now.as_nanosecond().max(self.last_name + 1);
        format!("{}.{:x}", event.about.key.name, self.last_name)
    }
}

fn counted_event(event: &Event, message: &str, name: &str, now: Timestamp) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": event.about.event_namespace()},
        "involvedObject": event.about.reference(),
        "reason": event.reason,
        "message": message,
        "source": {"component": event.component},
        "firstTimestamp": seconds(now),
        "lastTimestamp": seconds(now),
        "count": 1,
        "type": event.type_name(),
        "eventTime": null,
        "reportingComponent": event.component,
        "reportingInstance": "",
    })
}

fn scheduler_event(event: &Event, name: &str, now: Timestamp) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": event.about.event_namespace()},
        "involvedObject": event.about.reference(),
        "reason": event.reason,
        "message": event.message,
        "source": {},
        "firstTimestamp": null,
        "lastTimestamp": null,
        "type": event.type_name(),
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "action": event.action,
        "reportingComponent": event.component,
        "reportingInstance": format!("{}-sandbox", event.component),
    })
}

/// A time as Kubernetes writes it.
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::kind::REPLICA_SET;
    use super::*;

    fn created(pod: &str) -> Event {
        let meta =
            ObjectMeta { name: Some("web-1".into()), namespace: Some("shop".into()), uid: Some("u".into()), ..ObjectMeta::default() };
        About::new(&REPLICA_SET, &meta).normal("replicaset-controller", "SuccessfulCreate", format!("Created pod: {pod}"))
    }

    fn told(action: Option<Action>) -> String {
        match action.map(|action| action.request) {
            Some(Request::Create { object, .. }) => object["message"].as_str().unwrap().to_owned(),
            Some(Request::Patch { patch, .. }) => format!("{} (x{})", patch["message"].as_str().unwrap(), patch["count"]),
            Some(other) => panic!("{other:?}"),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn the_same_event_is_counted() {
        let (mut recorder, now) = (Recorder::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(told(recorder.record(&created("a"), now)), "Created pod: a");
        assert_eq!(told(recorder.record(&created("a"), now)), "Created pod: a (x2)");
        assert_eq!(told(recorder.record(&created("b"), now)), "Created pod: b");
    }

    #[test]
    fn the_tenth_similar_event_is_combined_and_the_twenty_sixth_dropped() {
        let (mut recorder, now) = (Recorder::default(), Timestamp::UNIX_EPOCH);
        let said: Vec<String> = (1..=26).map(|pod| told(recorder.record(&created(&pod.to_string()), now))).collect();
        assert_eq!(said[8], "Created pod: 9");
        assert_eq!(said[9], "(combined from similar events): Created pod: 10");
        assert_eq!(said[10], "(combined from similar events): Created pod: 11 (x2)");
        assert_eq!(said[25], "nothing");
        let later = now + REFILL;
        assert_eq!(told(recorder.record(&created("27"), later)), "(combined from similar events): Created pod: 27 (x17)");
    }

    #[test]
    fn a_forgotten_event_is_written_anew() {
        let (mut recorder, now) = (Recorder::default(), Timestamp::UNIX_EPOCH);
        recorder.record(&created("a"), now);
        let Some(Action { request: Request::Patch { target, .. }, .. }) = recorder.record(&created("a"), now) else { panic!("counted") };
        recorder.forget(&target);
        assert_eq!(told(recorder.record(&created("a"), now)), "Created pod: a");
    }
}
