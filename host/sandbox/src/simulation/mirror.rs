//! What the simulation has seen of one kind: the objects of a watch, with its own writes put in as soon as they are answered, so that no
//! decision is taken on a view older than the last one. Nothing here watches or writes.

use super::kind::{Key, Kind, Meta};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The objects of one kind, by name and by the owner that controls them.
#[derive(Debug)]
pub struct Mirror<K> {
    /// Where they are read and written.
    pub kind: &'static Kind,
    /// Whether decisions have to wait for the first list.
    pub is_awaited: bool,
    /// Drops what nobody looks at: there may be many.
    pub slim: fn(&mut K),
    objects: HashMap<Key, Arc<K>>,
    owned: HashMap<String, BTreeSet<Key>>,
    orphans: HashMap<String, BTreeSet<Key>>,
    /// Deleted by us, and not yet seen to go: they count as being deleted.
    doomed: HashSet<String>,
    /// The newest resource version that the watch has delivered.
    seen: u64,
    /// How often the watch has listed; a write begun before the last list is not put in.
    lists: u64,
    relisted: Option<HashSet<Key>>,
    synced: bool,
}

/// An object that came, changed or went.
#[derive(Debug)]
pub struct Change<K> {
    /// Its name.
    pub key: Key,
    /// As it was known before.
    pub old: Option<Arc<K>>,
    /// As it is; `None` when it is gone.
    pub new: Option<Arc<K>>,
}

impl<K: kube::Resource + Clone> Mirror<K> {
    /// Empty, until a watch fills it.
    pub fn new(kind: &'static Kind) -> Self {
        Self {
            kind,
            is_awaited: false,
            slim: |_| {},
            objects: HashMap::new(),
            owned: HashMap::new(),
            orphans: HashMap::new(),
            doomed: HashSet::new(),
            seen: 0,
            lists: 0,
            relisted: None,
            synced: false,
        }
    }

    /// Whether the first list is complete: before that, what is not here may well be there.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// Which list the view builds on, to hand back to [`Mirror::put`].
    pub fn lists(&self) -> u64 {
        self.lists
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<&Arc<K>> {
        self.objects.get(key)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<K>> {
        self.objects.values()
    }

    /// Those that the owner with this uid controls, by name.
    pub fn owned_by(&self, uid: &str) -> Vec<Arc<K>> {
        self.find(self.owned.get(uid))
    }

    /// Those of a namespace that nobody controls, by name.
    pub fn orphans(&self, namespace: &str) -> Vec<Arc<K>> {
        self.find(self.orphans.get(namespace))
    }

    fn find(&self, keys: Option<&BTreeSet<Key>>) -> Vec<Arc<K>> {
        keys.into_iter().flatten().filter_map(|key| self.objects.get(key).cloned()).collect()
    }

    /// Takes in what a watch delivered.
    pub fn observe(&mut self, event: watcher::Event<K>) -> Vec<Change<K>> {
        match event {
            watcher::Event::Init => {
                self.lists += 1;
                self.relisted = Some(HashSet::new());
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                if let Some(listed) = &mut self.relisted {
                    listed.insert(Key::of(object.meta()));
                }
                self.apply(object)
            }
            watcher::Event::InitDone => self.end_list(),
            watcher::Event::Apply(object) => self.apply(object),
            watcher::Event::Delete(object) => {
                self.seen = self.seen.max(version(object.meta()));
                self.remove(&Key::of(object.meta()), object.meta().uid())
            }
        }
    }

    /// Forgets everything: the kind is no longer served.
    pub fn clear(&mut self) -> Vec<Change<K>> {
        let known: Vec<(Key, String)> = self.objects.iter().map(|(key, object)| (key.clone(), object.meta().uid().to_owned())).collect();
        known.into_iter().flat_map(|(key, uid)| self.remove(&key, &uid)).collect()
    }

    fn end_list(&mut self) -> Vec<Change<K>> {
        self.synced = true;
        let listed = self.relisted.take().unwrap_or_default();
        let gone: Vec<(Key, String)> = self
            .objects
            .iter()
            .filter(|(key, _)| !listed.contains(key))
            .map(|(key, object)| (key.clone(), object.meta().uid().to_owned()))
            .collect();
        gone.into_iter().flat_map(|(key, uid)| self.remove(&key, &uid)).collect()
    }

    fn apply(&mut self, object: K) -> Vec<Change<K>> {
        let delivered = version(object.meta());
        self.seen = self.seen.max(delivered);
        let key = Key::of(object.meta());
        let newer_known =
            self.objects.get(&key).is_some_and(|known| known.meta().uid() == object.meta().uid() && version(known.meta()) > delivered);
        if newer_known { Vec::new() } else { self.insert(object) }
    }

    /// Takes in the answer to a write that was begun when [`Mirror::lists`] was `lists`. Ignored when the watch is already past it.
    pub fn put(&mut self, object: K, lists: u64) -> Vec<Change<K>> {
        if lists == self.lists && version(object.meta()) > self.seen { self.insert(object) } else { Vec::new() }
    }

    /// Takes in that our deletion of an object was accepted.
    pub fn doom(&mut self, key: &Key, uid: &str) -> Vec<Change<K>> {
        match self.objects.get(key) {
            Some(known) if known.meta().uid() == uid => {
                let object = K::clone(known);
                self.doomed.insert(uid.to_owned());
                self.insert(object)
            }
            _ => Vec::new(),
        }
    }

    fn insert(&mut self, mut object: K) -> Vec<Change<K>> {
        (self.slim)(&mut object);
        let meta = object.meta_mut();
        meta.managed_fields = None;
        if meta.deletion_timestamp.is_none() && self.doomed.contains(meta.uid()) {
            meta.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        }
        let key = Key::of(meta);
        let replaced = self.objects.get(&key).filter(|known| known.meta().uid() != object.meta().uid());
        let mut changes = match replaced.map(|known| known.meta().uid().to_owned()) {
            Some(uid) => self.remove(&key, &uid),
            None => Vec::new(),
        };
        let new = Arc::new(object);
        let old = self.objects.insert(key.clone(), new.clone());
        if let Some(old) = &old {
            self.unindex(&key, old.meta());
        }
        self.index_of(new.meta()).insert(key.clone());
        changes.push(Change { key, old, new: Some(new) });
        changes
    }

    fn remove(&mut self, key: &Key, uid: &str) -> Vec<Change<K>> {
        self.doomed.remove(uid);
        if self.objects.get(key).is_none_or(|known| known.meta().uid() != uid) {
            return Vec::new();
        }
        let old = self.objects.remove(key).expect("looked up above");
        self.unindex(key, old.meta());
        vec![Change { key: key.clone(), old: Some(old), new: None }]
    }

    fn index_of(&mut self, meta: &ObjectMeta) -> &mut BTreeSet<Key> {
        match meta.controller() {
            Some(owner) => self.owned.entry(owner.uid.clone()).or_default(),
            None => self.orphans.entry(meta.namespace().to_owned()).or_default(),
        }
    }

    fn unindex(&mut self, key: &Key, meta: &ObjectMeta) {
        let (index, entry) = match meta.controller() {
            Some(owner) => (&mut self.owned, owner.uid.as_str()),
            None => (&mut self.orphans, meta.namespace()),
        };
        if let Some(keys) = index.get_mut(entry) {
            keys.remove(key);
            if keys.is_empty() {
                index.remove(entry);
            }
        }
    }
}

/// Resource versions are numbers that grow (guaranteed since Kubernetes 1.35, true of etcd before).
fn version(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::super::kind::POD;
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use watcher::Event;

    fn pod(name: &str, version: u64, owner: Option<&str>) -> Pod {
        let owners = owner
            .map(|uid| serde_json::json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": uid, "controller": true}]));
        serde_json::from_value(serde_json::json!({"metadata": {
            "name": name, "namespace": "shop", "uid": name, "resourceVersion": version.to_string(), "ownerReferences": owners,
        }}))
        .unwrap()
    }

    fn names(pods: &[Arc<Pod>]) -> Vec<&str> {
        pods.iter().map(|pod| pod.metadata.name()).collect()
    }

    #[test]
    fn own_writes_count_until_the_watch_is_past_them() {
        let mut pods = Mirror::new(&POD);
        pods.observe(Event::Apply(pod("a", 5, None)));
        assert_eq!(pods.put(pod("b", 7, None), 0).len(), 1);
        assert_eq!(pods.put(pod("c", 5, None), 0).len(), 0, "the watch would have shown it, were it still there");
        assert_eq!(pods.observe(Event::Apply(pod("b", 6, None))).len(), 0, "older than what is known");
        assert!(pods.get(&Key::new("shop", "b")).is_some());
    }

    #[test]
    fn a_deleted_object_counts_as_deleted_whatever_the_watch_still_delivers() {
        let mut pods = Mirror::new(&POD);
        pods.observe(Event::Apply(pod("a", 5, None)));
        pods.doom(&Key::new("shop", "a"), "a");
        pods.observe(Event::Apply(pod("a", 6, None)));
        assert!(pods.get(&Key::new("shop", "a")).unwrap().metadata.is_deleting());
        pods.observe(Event::Delete(pod("a", 8, None)));
        assert!(pods.get(&Key::new("shop", "a")).is_none());
    }

    #[test]
    fn objects_are_found_by_owner_and_move_when_they_are_released() {
        let mut pods = Mirror::new(&POD);
        pods.observe(Event::Apply(pod("a", 1, Some("set"))));
        pods.observe(Event::Apply(pod("b", 2, Some("set"))));
        assert_eq!(names(&pods.owned_by("set")), ["a", "b"]);
        pods.observe(Event::Apply(pod("a", 3, None)));
        assert_eq!(names(&pods.owned_by("set")), ["b"]);
        assert_eq!(names(&pods.orphans("shop")), ["a"]);
    }

    #[test]
    fn a_new_list_removes_what_it_does_not_hold() {
        let mut pods = Mirror::new(&POD);
        pods.observe(Event::Apply(pod("a", 1, None)));
        pods.observe(Event::Init);
        pods.observe(Event::InitApply(pod("b", 2, None)));
        assert!(!pods.is_synced());
        let gone = pods.observe(Event::InitDone);
        assert_eq!(gone.len(), 1);
        assert!(gone[0].new.is_none() && pods.is_synced());
    }
}
