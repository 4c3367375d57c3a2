//! One stored version of one object: its JSON text, and the few facts that are asked of it without reading the text.
//!
//! Text takes a fifth of the memory of a parsed tree, and most objects are listed and watched far more often than they are changed.

use axum::body::Bytes;
use serde_json::Value;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Where an object is: namespace (empty for cluster scope) and name.
///
/// Ordered as the real server orders paths: `a-b/x` before `a/x`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Key {
    /// From its parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The bytes of `namespace/name`, or of `name`.
    pub fn path(&self) -> impl Iterator<Item = u8> {
        let slash = (!self.namespace.is_empty()).then_some(b'/');
        self.namespace.bytes().chain(slash).chain(self.name.bytes())
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.namespace == other.namespace { self.name.cmp(&other.name) } else { self.path().cmp(other.path()) }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `apiVersion` of the owner.
    pub api_version: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
    /// `blockOwnerDeletion`.
    pub blocks: bool,
}

/// What is known of an object without reading its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// `apiVersion` in which it is stored.
    pub api_version: Box<str>,
    /// Namespace and name.
    pub key: Key,
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub is_going: bool,
    /// `metadata.finalizers`.
    pub finalizers: Box<[Box<str>]>,
    /// `metadata.ownerReferences`.
    pub owners: Box<[Owner]>,
    /// Sorted by key.
    labels: Box<[(Box<str>, Box<str>)]>,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

impl Facts {
    fn of(object: &Value) -> Self {
        let metadata = &object["metadata"];
        let owner = |owner: &Value| Owner {
            api_version: text(&owner["apiVersion"]).into(),
            kind: text(&owner["kind"]).into(),
            name: text(&owner["name"]).into(),
            uid: text(&owner["uid"]).into(),
            blocks: owner["blockOwnerDeletion"] == true,
        };
        let labels = metadata["labels"].as_object().into_iter().flatten();
        let mut labels: Vec<_> = labels.map(|(key, value)| (key.as_str().into(), text(value).into())).collect();
        labels.sort();
        Self {
            api_version: text(&object["apiVersion"]).into(),
            key: Key::new(text(&metadata["namespace"]), text(&metadata["name"])),
            uid: text(&metadata["uid"]).into(),
            is_going: !metadata["deletionTimestamp"].is_null(),
            finalizers: items(&metadata["finalizers"]).iter().map(|finalizer| text(finalizer).into()).collect(),
            owners: items(&metadata["ownerReferences"]).iter().map(owner).collect(),
            labels: labels.into(),
        }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(label, _)| (**label).cmp(key)).ok()?;
        Some(&self.labels[at].1)
    }

    /// Whether a finalizer is set.
    pub fn has_finalizer(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|one| &**one == finalizer)
    }
}

/// An object ready to be stored, but for its revision: made outside the store's lock.
#[derive(Debug)]
pub struct Draft {
    facts: Facts,
    /// Up to and with the brace that opens metadata.
    before: Vec<u8>,
    after: Vec<u8>,
    untyped: usize,
}

impl Draft {
    /// Writes the text of an object: kind and apiVersion first, so that a list can leave them out without copying the rest, then
    /// metadata, which begins with the revision.
    pub fn of(object: &Value) -> Self {
        let mut before = format!("{{\"kind\":{},\"apiVersion\":{},", object["kind"], object["apiVersion"]).into_bytes();
        let untyped = before.len();
        before.extend_from_slice(b"\"metadata\":{");
        let mut after = Vec::with_capacity(1024);
        let fields = |value: &Value, aside: &[&str], text: &mut Vec<u8>| {
            for (name, field) in value.as_object().into_iter().flatten().filter(|(name, _)| !aside.contains(&name.as_str())) {
                text.push(b',');
                serde_json::to_writer(&mut *text, name).expect("text serialises");
                text.push(b':');
                serde_json::to_writer(&mut *text, field).expect("JSON values serialise");
            }
        };
        fields(&object["metadata"], &["resourceVersion"], &mut after);
        after.push(b'}');
        fields(object, &["kind", "apiVersion", "metadata"], &mut after);
        after.push(b'}');
        Self { facts: Facts::of(object), before, after, untyped }
    }

    /// The object at a revision; `None` for one that is answered but not stored.
    pub fn at(self, revision: Option<u64>) -> Arc<Entry> {
        let mut text = self.before;
        let start = text.len();
        if let Some(revision) = revision {
            text.extend_from_slice(format!("\"resourceVersion\":\"{revision}\"").as_bytes());
        }
        let end = text.len();
        // What follows begins with a comma, which only belongs behind something.
        let rest = if revision.is_none() { self.after.strip_prefix(b",").unwrap_or(&self.after) } else { &self.after };
        text.extend_from_slice(rest);
        let entry = Entry {
            facts: self.facts,
            revision: revision.unwrap_or(0),
            text: Bytes::from(text),
            untyped: self.untyped,
            revised: start..end,
        };
        Arc::new(entry)
    }
}

/// One stored version of one object.
#[derive(Debug)]
pub struct Entry {
    /// What is known without reading the text.
    pub facts: Facts,
    /// The revision that wrote it.
    pub revision: u64,
    text: Bytes,
    /// Where the fields behind kind and apiVersion begin.
    untyped: usize,
    /// Where the revision stands.
    revised: Range<usize>,
}

impl Entry {
    /// An object that is answered but not stored: that of a dry run.
    pub fn unstored(object: &Value, revision: Option<u64>) -> Arc<Self> {
        Draft::of(object).at(revision)
    }

    /// The same object at another revision: the last state of one that is removed.
    pub fn moved_to(&self, revision: u64) -> Arc<Self> {
        let revised = format!("\"resourceVersion\":\"{revision}\"");
        let text = [&self.text[..self.revised.start], revised.as_bytes(), &self.text[self.revised.end..]].concat();
        let end = self.revised.start + revised.len();
        let revised = self.revised.start..end;
        Arc::new(Self { facts: self.facts.clone(), revision, text: Bytes::from(text), untyped: self.untyped, revised })
    }

    /// The object, parsed.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.text).expect("written by this file")
    }

    /// The object as JSON.
    pub fn json(&self) -> Bytes {
        self.text.clone()
    }

    /// The fields of the object behind its kind and apiVersion, as JSON without the opening brace.
    pub fn json_untyped(&self) -> Bytes {
        self.text.slice(self.untyped..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Value {
        json!({"apiVersion": "v1", "data": {"a": "\"b"}, "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "x", "labels": {"l": "m", "b": "c"},
            "finalizers": ["f"], "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "blockOwnerDeletion": true}]}})
    }

    #[test]
    fn an_object_reads_as_it_was_written_with_its_revision() {
        let mut expected = object();
        assert_eq!(Entry::unstored(&expected, None).value(), expected);
        expected["metadata"]["resourceVersion"] = "7".into();
        let entry = Draft::of(&object()).at(Some(7));
        assert_eq!(entry.value(), expected);
        expected["metadata"]["resourceVersion"] = "12345".into();
        assert_eq!(entry.moved_to(12345).value(), expected);
        assert_eq!(Draft::of(&json!({"kind": "A", "apiVersion": "v1"})).at(Some(1)).value()["metadata"], json!({"resourceVersion": "1"}));
    }

    #[test]
    fn a_list_item_is_the_object_without_its_type() {
        let text = Entry::unstored(&json!({"apiVersion": "v1", "data": 1, "kind": "A", "metadata": {"name": "a"}}), Some(3)).json_untyped();
        assert_eq!(&text[..], b"\"metadata\":{\"resourceVersion\":\"3\",\"name\":\"a\"},\"data\":1}");
    }

    #[test]
    fn facts_are_known_without_reading() {
        let facts = Facts::of(&object());
        assert_eq!((facts.label("l"), facts.label("b"), facts.label("x")), (Some("m"), Some("c"), None));
        assert!(facts.has_finalizer("f") && !facts.is_going && facts.owners[0].blocks);
        assert_eq!(facts.key, Key::new("x", "a"));
    }
}
