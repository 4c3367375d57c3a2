//! What one API server keeps: objects by type, namespace and name, in memory, and the recent history that watches read.
//!
//! Never blocks on anything but its own mutex, knows no HTTP, and never decides whether a write is allowed beyond the revision it expects.

pub use crate::entry::{Entry, Key};

use crate::entry::Draft;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// Names a stored type across its versions: `deployments.apps`, `pods`.
pub type TypeId = Arc<str>;

/// Events kept per type for watches; older ones answer `Expired`.
const HISTORY: usize = 4096;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Added,
    /// It was written again.
    Modified,
    /// It is gone.
    Deleted,
}

/// One write.
#[derive(Debug)]
pub struct Event {
    /// Which type.
    pub of: TypeId,
    /// Which object.
    pub key: Key,
    /// What happened.
    pub change: Change,
    /// The object after it; of a removal, the object before it at the revision of the removal.
    pub object: Arc<Entry>,
    /// The object before it, unless it was created.
    pub previous: Option<Arc<Entry>>,
}

/// Why a write was not done.
#[derive(Debug, PartialEq, Eq)]
pub enum WriteError {
    /// There is such an object already.
    Exists,
    /// There is no such object.
    Missing,
    /// The object is at another revision than the writer saw.
    Moved,
}

/// The history asked for is no longer kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Expired {
    /// The oldest revision that can be asked for.
    pub oldest: u64,
}

/// Some objects and the revision at which they were all there.
#[derive(Debug)]
pub struct Listed {
    /// In the order of namespace and name.
    pub entries: Vec<Arc<Entry>>,
    /// Revision of the list.
    pub revision: u64,
}

#[derive(Debug)]
struct OfType {
    objects: BTreeMap<Key, Arc<Entry>>,
    history: VecDeque<Arc<Event>>,
    /// Revisions up to this one are no longer in the history.
    forgotten: u64,
    latest: watch::Sender<u64>,
}

impl OfType {
    fn new(revision: u64) -> Self {
        Self { objects: BTreeMap::new(), history: VecDeque::new(), forgotten: revision, latest: watch::Sender::new(revision) }
    }

    fn after(&self, revision: u64) -> Result<impl Iterator<Item = &Arc<Event>>, Expired> {
        if revision < self.forgotten {
            return Err(Expired { oldest: self.forgotten });
        }
        let start = self.history.partition_point(|event| event.object.revision <= revision);
        Ok(self.history.range(start..))
    }
}

#[derive(Debug)]
struct Inner {
    revision: u64,
    types: HashMap<TypeId, OfType>,
}

impl Inner {
    fn of(&mut self, of: &TypeId) -> &mut OfType {
        // A type that was never written has no history to lose: watches from any revision are complete.
        self.types.entry(of.clone()).or_insert_with(|| OfType::new(0))
    }

    fn record(&mut self, event: Event) {
        let revision = event.object.revision;
        let of = self.of(&event.of.clone());
        of.history.push_back(Arc::new(event));
        if of.history.len() > HISTORY
            && let Some(oldest) = of.history.pop_front()
        {
            of.forgotten = oldest.object.revision;
        }
        of.latest.send_replace(revision);
    }
}

/// The objects of one API server. Cheap operations behind one mutex that is never held across an await.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    latest: watch::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { revision: 1, types: HashMap::new() }), latest: watch::Sender::new(1) }
    }
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code panics while it holds the store")
    }

    /// The revision of the last write.
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// One object.
    pub fn get(&self, of: &TypeId, key: &Key) -> Option<Arc<Entry>> {
        self.lock().types.get(of)?.objects.get(key).cloned()
    }

    /// The objects of a type, of one namespace or of all, as they are now.
    pub fn list(&self, of: &TypeId, namespace: Option<&str>) -> Listed {
        let inner = self.lock();
        let entries = inner.types.get(of).map(|of| in_namespace(&of.objects, namespace)).unwrap_or_default();
        Listed { entries, revision: inner.revision }
    }

    /// Whether there is any object of a type in a namespace.
    pub fn has_any(&self, of: &TypeId, namespace: &str) -> bool {
        let inner = self.lock();
        let first = inner.types.get(of).and_then(|of| of.objects.range(Key::new(namespace, "")..).next());
        first.is_some_and(|(key, _)| &*key.namespace == namespace)
    }

    /// The objects as they were at a revision, by undoing what happened since.
    pub fn list_at(&self, of: &TypeId, namespace: Option<&str>, revision: u64) -> Result<Listed, Expired> {
        let inner = self.lock();
        let Some(found) = inner.types.get(of) else { return Ok(Listed { entries: Vec::new(), revision }) };
        let mut objects = found.objects.clone();
        let since: Vec<_> = found.after(revision)?.collect();
        for event in since.into_iter().rev() {
            match &event.previous {
                Some(previous) => objects.insert(event.key.clone(), previous.clone()),
                None => objects.remove(&event.key),
            };
        }
        Ok(Listed { entries: in_namespace(&objects, namespace), revision })
    }

    /// Stores a new object.
    pub fn create(&self, of: &TypeId, key: Key, value: &Value) -> Result<Arc<Entry>, WriteError> {
        let draft = Draft::of(value);
        let mut inner = self.lock();
        if inner.of(of).objects.contains_key(&key) {
            return Err(WriteError::Exists);
        }
        Ok(self.write(&mut inner, of, key, draft, None))
    }

    /// Replaces the object that is at revision `expected`.
    pub fn update(&self, of: &TypeId, key: Key, expected: u64, value: &Value) -> Result<Arc<Entry>, WriteError> {
        let draft = Draft::of(value);
        let mut inner = self.lock();
        let previous = at_revision(inner.of(of), &key, expected)?;
        Ok(self.write(&mut inner, of, key, draft, Some(previous)))
    }

    /// Removes the object that is at revision `expected`; answers its last state, at the revision of the removal. `last` replaces that
    /// state in the answer where the removal itself changed the object (its finalizers); watchers see the one before.
    pub fn delete(&self, of: &TypeId, key: &Key, expected: u64, last: Option<&Value>) -> Result<Arc<Entry>, WriteError> {
        let draft = last.map(Draft::of);
        let mut inner = self.lock();
        let previous = at_revision(inner.of(of), key, expected)?;
        inner.revision += 1;
        let object = previous.moved_to(inner.revision);
        let answer = draft.map_or_else(|| object.clone(), |draft| draft.at(Some(inner.revision)));
        inner.of(of).objects.remove(key);
        inner.record(Event { of: of.clone(), key: key.clone(), change: Change::Deleted, object, previous: Some(previous) });
        self.latest.send_replace(inner.revision);
        Ok(answer)
    }

    fn write(&self, inner: &mut Inner, of: &TypeId, key: Key, draft: Draft, previous: Option<Arc<Entry>>) -> Arc<Entry> {
        inner.revision += 1;
        let object = draft.at(Some(inner.revision));
        inner.of(of).objects.insert(key.clone(), object.clone());
        let change = if previous.is_some() { Change::Modified } else { Change::Added };
        inner.record(Event { of: of.clone(), key, change, object: object.clone(), previous });
        self.latest.send_replace(inner.revision);
        object
    }

    /// Forgets what happened to a type until now: it is served for the first time, or again.
    pub fn begin_history(&self, of: &TypeId) {
        let mut inner = self.lock();
        let revision = inner.revision;
        let of = inner.of(of);
        of.history.clear();
        of.forgotten = revision;
    }

    /// What happened to a type after a revision, oldest first, and the revision up to which that is all.
    pub fn events_after(&self, of: &TypeId, revision: u64) -> Result<(Vec<Arc<Event>>, u64), Expired> {
        let inner = self.lock();
        match inner.types.get(of) {
            Some(of) => Ok((of.after(revision)?.cloned().collect(), inner.revision)),
            None => Ok((Vec::new(), inner.revision)),
        }
    }

    /// What happened to all types after a revision, oldest first.
    pub fn all_events_after(&self, revision: u64) -> Result<Vec<Arc<Event>>, Expired> {
        let inner = self.lock();
        let mut events = Vec::new();
        for of in inner.types.values().filter(|of| *of.latest.borrow() > revision) {
            events.extend(of.after(revision)?.cloned());
        }
        events.sort_by_key(|event: &Arc<Event>| event.object.revision);
        Ok(events)
    }

    /// Every object with its type, and the revision at which they were all there.
    pub fn everything(&self) -> (Vec<(TypeId, Key, Arc<Entry>)>, u64) {
        let inner = self.lock();
        let all = inner.types.iter().flat_map(|(id, of)| of.objects.iter().map(|(key, entry)| (id.clone(), key.clone(), entry.clone())));
        (all.collect(), inner.revision)
    }

    /// Wakes when an object of the type is written; the value is the revision of that write. Events are then read with
    /// [`Store::events_after`], so that none is lost or reordered however slow the reader is.
    pub fn subscribe(&self, of: &TypeId) -> watch::Receiver<u64> {
        self.lock().of(of).latest.subscribe()
    }

    /// Wakes when any object is written.
    pub fn subscribe_all(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }
}

fn at_revision(of: &OfType, key: &Key, expected: u64) -> Result<Arc<Entry>, WriteError> {
    let current = of.objects.get(key).ok_or(WriteError::Missing)?;
    if current.revision == expected { Ok(current.clone()) } else { Err(WriteError::Moved) }
}

fn in_namespace(objects: &BTreeMap<Key, Arc<Entry>>, namespace: Option<&str>) -> Vec<Arc<Entry>> {
    let Some(namespace) = namespace else { return objects.values().cloned().collect() };
    let from = Key::new(namespace, "");
    objects.range(from..).take_while(|(key, _)| &*key.namespace == namespace).map(|(_, entry)| entry.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of() -> TypeId {
        "configmaps".into()
    }

    fn object(value: u64) -> Value {
        json!({"metadata": {"name": "a"}, "data": value})
    }

    #[test]
    fn a_write_at_an_old_revision_is_refused() {
        let store = Store::default();
        let first = store.create(&of(), Key::new("x", "a"), &object(1)).unwrap();
        store.update(&of(), Key::new("x", "a"), first.revision, &object(2)).unwrap();
        assert_eq!(store.update(&of(), Key::new("x", "a"), first.revision, &object(3)).unwrap_err(), WriteError::Moved);
        assert_eq!(store.create(&of(), Key::new("x", "a"), &object(3)).unwrap_err(), WriteError::Exists);
        assert_eq!(store.delete(&of(), &Key::new("x", "b"), 1, None).unwrap_err(), WriteError::Missing);
        assert_eq!(store.get(&of(), &Key::new("x", "a")).unwrap().value()["data"], 2);
    }

    #[test]
    fn a_list_can_be_taken_at_an_earlier_revision() {
        let store = Store::default();
        let a = store.create(&of(), Key::new("x", "a"), &object(1)).unwrap();
        let then = store.create(&of(), Key::new("x", "b"), &object(1)).unwrap().revision;
        store.update(&of(), Key::new("x", "a"), a.revision, &object(2)).unwrap();
        store.delete(&of(), &Key::new("x", "b"), then, None).unwrap();
        store.create(&of(), Key::new("x", "c"), &object(1)).unwrap();
        let listed = store.list_at(&of(), Some("x"), then).unwrap();
        let data: Vec<_> = listed.entries.iter().map(|entry| entry.value()["data"].clone()).collect();
        assert_eq!((data, listed.revision), (vec![json!(1), json!(1)], then));
        assert_eq!(store.list(&of(), Some("x")).entries.len(), 2);
        assert_eq!(store.list(&of(), Some("y")).entries.len(), 0);
        assert!(store.has_any(&of(), "x") & !store.has_any(&of(), "w") & !store.has_any(&of(), "y"));
    }

    #[test]
    fn every_write_is_one_event_in_order_and_old_ones_expire() {
        let store = Store::default();
        let mut revision = store.create(&of(), Key::new("", "a"), &object(0)).unwrap().revision;
        let first = revision;
        for value in 0..HISTORY as u64 {
            revision = store.update(&of(), Key::new("", "a"), revision, &object(value)).unwrap().revision;
        }
        let revisions: Vec<_> = store.events_after(&of(), first).unwrap().0.iter().map(|event| event.object.revision).collect();
        assert_eq!(revisions, (first + 1..=revision).collect::<Vec<_>>());
        assert_eq!(store.events_after(&of(), first - 1).unwrap_err(), Expired { oldest: first });
    }

    #[tokio::test]
    async fn a_subscriber_is_woken_by_its_own_type_only() {
        let store = Store::default();
        let mut mine = store.subscribe(&of());
        store.create(&"secrets".into(), Key::new("x", "a"), &object(1)).unwrap();
        assert!(!mine.has_changed().unwrap());
        let revision = store.create(&of(), Key::new("x", "a"), &object(1)).unwrap().revision;
        mine.changed().await.unwrap();
        assert_eq!(*mine.borrow(), revision);
    }
}
