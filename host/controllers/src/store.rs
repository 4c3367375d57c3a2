//! What one watch has seen: all objects of one resource in one cluster, as bytes, with indexes.
//!
//! A store that has not seen everything yet answers [`NotSynced`], never "there is none". Our own writes are entered at once
//! ([`Store::observe`]), so that the next decision never starts from a state that we ourselves made stale.

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use crate::health::Watch;
use crate::lasting;
use crate::live_object::LiveObject;
use crate::pulse::Pulse;
use crate::task::Task;
use flotilla_api::object::Object;
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// The store has not seen all objects yet, so it cannot say that one is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cache of {resource} in {cluster} is not filled yet{}", why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
pub struct NotSynced {
    /// Plural of the resource.
    pub resource: String,
    /// Name of the cluster, or `the control plane`.
    pub cluster: String,
    /// What the API server said when it was asked for a list; `None` while it has not refused.
    pub why: Option<String>,
}

/// One object in a store.
#[derive(Debug)]
pub struct Cached {
    text: Box<str>,
    /// `metadata.resourceVersion`.
    pub resource_version: Box<str>,
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// Whether it is being deleted.
    pub is_deleting: bool,
    /// Hash of everything but status, resourceVersion and managedFields.
    pub desired_hash: u64,
}

impl Cached {
    fn new(object: &Object) -> Self {
        Self {
            text: serde_json::to_string(object).expect("JSON values always print").into(),
            resource_version: object.resource_version().into(),
            uid: object.uid().into(),
            is_deleting: object.is_deleting(),
            desired_hash: desired_hash(object),
        }
    }

    /// The object, parsed anew: once a reconcile.
    pub fn parse(&self) -> Object {
        serde_json::from_str(&self.text).expect("printed by this store")
    }

    /// The object as a type.
    pub fn parse_as<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text)
    }
}

fn desired_hash(object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_without(object, &[&["status"], &["metadata", "resourceVersion"], &["metadata", "managedFields"]], &mut hasher);
    hasher.finish()
}

/// Hashes a value but for the fields at these paths.
fn hash_without(value: &Value, paths: &[&[&str]], hasher: &mut DefaultHasher) {
    let Some(map) = value.as_object().filter(|_| !paths.is_empty()) else { return value.hash(hasher) };
    for (name, value) in map {
        let below: Vec<&[&str]> = paths.iter().filter(|path| path[0] == name).map(|path| &path[1..]).collect();
        if !below.iter().any(|path| path.is_empty()) {
            name.hash(hasher);
            hash_without(value, &below, hasher);
        }
    }
}

/// One change in a store.
pub struct Change<'a> {
    /// Where.
    pub key: &'a ObjectKey,
    /// What was there.
    pub old: Option<&'a Cached>,
    /// What is there now.
    pub new: Option<(&'a Cached, &'a Object)>,
    /// Whether this is the answer to a write of our own; its echo in the watch is not reported again.
    pub is_own_write: bool,
}

impl Change<'_> {
    /// The object as it is now, or as it last was.
    pub fn object(&self) -> Cow<'_, Object> {
        match (self.new, self.old) {
            (Some((_, object)), _) => Cow::Borrowed(object),
            (None, Some(old)) => Cow::Owned(old.parse()),
            (None, None) => Cow::Owned(Object::default()),
        }
    }

    /// Whether something other than status, resourceVersion and managedFields changed.
    pub fn is_desired_changed(&self) -> bool {
        match (self.old, self.new) {
            (Some(old), Some((new, _))) => old.desired_hash != new.desired_hash || old.uid != new.uid,
            _ => true,
        }
    }
}

type Listener = Box<dyn Fn(&Change) + Send + Sync>;
type IndexBy = fn(&Object) -> Vec<String>;

/// All objects of one resource in one cluster.
pub struct Store {
    resource: Resource,
    cluster: String,
    index_by: IndexBy,
    contents: RwLock<Contents>,
    listener: Listener,
    synced: watch::Sender<bool>,
    watch: Mutex<Option<Task>>,
    heard: Pulse,
    /// What the API server said when it last refused a list.
    refused: Mutex<Option<String>>,
}

#[derive(Default)]
struct Contents {
    objects: HashMap<ObjectKey, Entry>,
    index: HashMap<String, BTreeSet<ObjectKey>>,
    /// Newest resourceVersion that the watch has delivered; older states are not news.
    delivered: u64,
    /// What our own writes entered while a list was under way: the list may be older than they are.
    observed_while_listing: HashSet<ObjectKey>,
    is_listing: bool,
}

struct Entry {
    cached: Arc<Cached>,
    index_keys: Vec<String>,
}

impl Store {
    /// An empty store. `index_by` names the index entries under which an object is found; `listener` hears of every change, on the
    /// thread that brings it: it must only enqueue.
    pub fn new(resource: Resource, cluster: &str, index_by: IndexBy, listener: impl Fn(&Change) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            resource,
            cluster: cluster.to_owned(),
            index_by,
            contents: RwLock::default(),
            listener: Box::new(listener),
            synced: watch::Sender::new(false),
            watch: Mutex::default(),
            heard: Pulse::default(),
            refused: Mutex::default(),
        })
    }

    /// What it holds.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The object, or `None` if there is none. An error while that cannot be known.
    pub fn get(&self, key: &ObjectKey) -> Result<Option<Arc<Cached>>, NotSynced> {
        self.ensure_synced()?;
        Ok(self.read().objects.get(key).map(|entry| entry.cached.clone()))
    }

    /// All objects.
    pub fn list(&self) -> Result<Vec<(ObjectKey, Arc<Cached>)>, NotSynced> {
        self.ensure_synced()?;
        Ok(self.read().objects.iter().map(|(key, entry)| (key.clone(), entry.cached.clone())).collect())
    }

    /// All keys, sorted.
    pub fn keys(&self) -> Result<Vec<ObjectKey>, NotSynced> {
        self.ensure_synced()?;
        let mut keys: Vec<ObjectKey> = self.read().objects.keys().cloned().collect();
        keys.sort();
        Ok(keys)
    }

    /// The objects under an index entry, sorted by key.
    pub fn indexed(&self, entry: &str) -> Result<Vec<(ObjectKey, Arc<Cached>)>, NotSynced> {
        self.ensure_synced()?;
        let contents = self.read();
        let keys = contents.index.get(entry).into_iter().flatten();
        Ok(keys.map(|key| (key.clone(), contents.objects[key].cached.clone())).collect())
    }

    /// Whether everything has been seen at least once.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits until everything has been seen once.
    pub async fn wait_synced(&self) {
        let mut synced = self.synced.subscribe();
        // The sender lives in self, so this cannot fail while self is borrowed.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    /// Enters an object that the API server returned from our own write. One whose last finalizer that write took is gone.
    pub fn observe(&self, object: &Object) {
        if is_gone(object) {
            return self.remove_own(object);
        }
        let version = version_of(object);
        if self.is_synced() {
            self.put(object, true, |known, delivered| version > delivered && known.is_none_or(|known| known < version));
        }
    }

    /// Follows all objects of the resource in the cluster until the store is dropped or stopped. Reconnects by itself; what was known
    /// stays known meanwhile.
    pub fn follow(self: &Arc<Self>, api: &ClusterApi) {
        let kube_api = kube::Api::all_with(self.heard.listen(api.client()), &self.resource.to_kube());
        self.follow_in(api, kube_api, watcher::Config::default());
    }

    /// Follows only objects with this label, of one namespace where one is given.
    pub fn follow_labelled(self: &Arc<Self>, api: &ClusterApi, namespace: Option<&str>, label: &str) {
        let (client, resource) = (self.heard.listen(api.client()), self.resource.to_kube());
        let kube_api = match namespace {
            Some(namespace) => kube::Api::namespaced_with(client, namespace, &resource),
            None => kube::Api::all_with(client, &resource),
        };
        self.follow_in(api, kube_api, watcher::Config::default().labels(label));
    }

    fn follow_in(self: &Arc<Self>, api: &ClusterApi, kube_api: kube::Api<LiveObject>, config: watcher::Config) {
        // The task must not keep the store: it ends with it.
        let (role, metrics) = (api.role(), api.metrics().clone());
        let failed = move |resource: &Resource| metrics.watch_failed(role, resource);
        let events = lasting::events(api, &self.resource, &self.heard, kube_api, config);
        let watch = Task::spawn(run(Arc::downgrade(self), events, failed));
        self.heard.beat();
        *self.watch() = Some(watch);
    }

    /// Ends [`Store::follow`].
    pub fn stop(&self) {
        *self.watch() = None;
    }

    /// Its watch, for [`crate::health`].
    pub fn observe_watch(&self, is_required: bool) -> Watch {
        Watch {
            resource: self.resource.label(false),
            is_followed: self.watch().as_ref().is_some_and(|task| !task.is_finished()),
            is_synced: self.is_synced(),
            is_required,
            heard: self.heard.last(),
        }
    }

    fn watch(&self) -> MutexGuard<'_, Option<Task>> {
        self.watch.lock().expect("no code panics while it holds the watch")
    }

    fn take(&self, event: Event<LiveObject>, listed: &mut Option<HashSet<ObjectKey>>) {
        match event {
            Event::Init => {
                self.write().is_listing = true;
                *listed = Some(HashSet::new());
            }
            Event::InitApply(live) => {
                let mut object = live.object;
                self.name_kind(&mut object);
                if let Some(listed) = listed {
                    listed.insert(ObjectKey::of(&object));
                }
                self.deliver(&object);
            }
            Event::InitDone => {
                let listed = listed.take().unwrap_or_default();
                self.not_listed(&listed).iter().for_each(|key| self.remove(key));
                {
                    let mut contents = self.write();
                    contents.is_listing = false;
                    contents.observed_while_listing.clear();
                }
                self.synced.send_replace(true);
            }
            Event::Apply(live) => self.deliver(&live.object),
            Event::Delete(live) => {
                self.note_delivered(&live.object);
                self.remove(&ObjectKey::of(&live.object));
            }
        }
    }

    fn not_listed(&self, listed: &HashSet<ObjectKey>) -> Vec<ObjectKey> {
        let contents = self.read();
        let is_gone = |key: &&ObjectKey| !listed.contains(*key) && !contents.observed_while_listing.contains(*key);
        contents.objects.keys().filter(is_gone).cloned().collect()
    }

    /// The items of a list do not say what they are: the list does.
    fn name_kind(&self, object: &mut Object) {
        if let Some(map) = object.as_object_mut() {
            map.entry("apiVersion").or_insert_with(|| self.resource.api_version().into());
            map.entry("kind").or_insert_with(|| self.resource.kind.clone().into());
        }
    }

    fn deliver(&self, object: &Object) {
        let version = version_of(object);
        self.put(object, false, |known, _| known.is_none_or(|known| known < version));
        // Not before: what is delivered is there.
        self.note_delivered(object);
    }

    fn note_delivered(&self, object: &Object) {
        let mut contents = self.write();
        contents.delivered = contents.delivered.max(version_of(object));
    }

    /// Enters the object if that is news, compared with the version that is there and the newest one that the watch has delivered.
    fn put(&self, object: &Object, is_own_write: bool, is_news: impl Fn(Option<u64>, u64) -> bool) {
        let key = ObjectKey::of(object);
        let is_news = |contents: &Contents| {
            let known = contents.objects.get(&key).map(|entry| parse_version(&entry.cached.resource_version));
            is_news(known, contents.delivered)
        };
        // Most are echoes of own writes, which need not be printed to be dropped.
        if !is_news(&self.read()) {
            return;
        }
        let cached = Arc::new(Cached::new(object));
        let index_keys = (self.index_by)(object);
        let old = {
            let mut contents = self.write();
            // The watch and an own write may bring the same at the same time.
            if !is_news(&contents) {
                return;
            }
            if is_own_write && contents.is_listing {
                contents.observed_while_listing.insert(key.clone());
            }
            for entry in &index_keys {
                contents.index.entry(entry.clone()).or_default().insert(key.clone());
            }
            let old = contents.objects.insert(key.clone(), Entry { cached: cached.clone(), index_keys: index_keys.clone() });
            if let Some(old) = &old {
                contents.unindex(&key, old.index_keys.iter().filter(|entry| !index_keys.contains(entry)));
            }
            old
        };
        (self.listener)(&Change { key: &key, old: old.as_ref().map(|entry| &*entry.cached), new: Some((&cached, object)), is_own_write });
    }

    fn remove(&self, key: &ObjectKey) {
        let old = {
            let mut contents = self.write();
            let old = contents.objects.remove(key);
            if let Some(old) = &old {
                contents.unindex(key, old.index_keys.iter());
            }
            old
        };
        if let Some(old) = old {
            (self.listener)(&Change { key, old: Some(&old.cached), new: None, is_own_write: false });
        }
    }

    fn remove_own(&self, object: &Object) {
        let key = ObjectKey::of(object);
        let is_known = self.read().objects.get(&key).is_some_and(|entry| *entry.cached.uid == *object.uid());
        if is_known {
            self.remove(&key);
        }
    }

    /// An error while not everything has been seen.
    pub fn ensure_synced(&self) -> Result<(), NotSynced> {
        if self.is_synced() {
            return Ok(());
        }
        let why = self.refused.lock().expect("no code panics while it holds the refusal").clone();
        Err(NotSynced { resource: self.resource.plural.clone(), cluster: self.cluster.clone(), why })
    }

    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().expect("no code panics while it holds the store")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents.write().expect("no code panics while it holds the store")
    }
}

/// Hands events to a store as long as somebody has it.
async fn run(store: Weak<Store>, events: impl Stream<Item = watcher::Result<Event<LiveObject>>>, failed: impl Fn(&Resource)) {
    let mut events = std::pin::pin!(events);
    let mut listed: Option<HashSet<ObjectKey>> = None;
    let mut failures = 0u32;
    while let Some(event) = events.next().await {
        let Some(store) = store.upgrade() else { return };
        match event {
            Ok(event) => {
                failures = 0;
                store.take(event, &mut listed);
            }
            Err(error) => {
                failures += 1;
                failed(&store.resource);
                if let watcher::Error::InitialListFailed(kube::Error::Api(status)) = &error {
                    *store.refused.lock().expect("no code panics while it holds the refusal") = Some(status.message.clone());
                }
                if failures.is_power_of_two() {
                    tracing::warn!(cluster = store.cluster, resource = store.resource.plural, failures, %error, "watch failed");
                }
                drop(store);
                tokio::time::sleep(Duration::from_millis(100 * u64::from(failures.min(100)))).await;
            }
        }
    }
}

impl Contents {
    fn unindex<'a>(&mut self, key: &ObjectKey, entries: impl Iterator<Item = &'a String>) {
        for entry in entries {
            if let Some(keys) = self.index.get_mut(entry) {
                keys.remove(key);
                if keys.is_empty() {
                    self.index.remove(entry);
                }
            }
        }
    }
}

/// Whether the API server has removed what it returned: nothing holds it back any more.
fn is_gone(object: &Object) -> bool {
    let is_empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
    object.is_deleting()
        && object.at(&["metadata", "finalizers"]).is_none_or(is_empty)
        && object.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64).unwrap_or(0) == 0
}

fn version_of(object: &Object) -> u64 {
    parse_version(object.resource_version())
}

/// Resource versions are comparable integers (Kubernetes 1.35 guarantees it for all its APIs).
fn parse_version(version: &str) -> u64 {
    version.parse().unwrap_or(0)
}

/// An index for stores that need none.
pub fn no_index(_: &Object) -> Vec<String> {
    Vec::new()
}
