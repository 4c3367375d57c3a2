//! `metadata.managedFields` as entries: who owns which fields. Compares no objects.

use super::Writer;
use super::field_set::FieldSet;
use crate::fields::golang::quoted;
use serde_json::{Map, Value, json};

/// More update entries than these are merged, oldest first, into one of [`ANCIENT`].
const MAX_UPDATE_ENTRIES: usize = 10;
const ANCIENT: &str = "ancient-changes";

/// How fields came to be owned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

/// One entry: a manager and its fields.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub manager: String,
    pub operation: Operation,
    pub api_version: String,
    pub subresource: String,
    pub time: Option<String>,
    pub fields: FieldSet,
}

impl Entry {
    /// An entry for a writer, owning nothing yet.
    pub(super) fn of(writer: &Writer, operation: Operation) -> Self {
        let manager = if writer.manager.is_empty() { "unknown" } else { writer.manager };
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: None,
            fields: FieldSet::default(),
        }
    }

    /// Whether both are entries of the same manager: appliers have one entry whatever the version.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As conflicts print it.
    pub(super) fn display(&self) -> String {
        let mut text = quoted(&self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {}", quoted(&self.subresource)));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn from_value(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).map_or(Some(""), Value::as_str).map(str::to_owned);
        let operation = match value["operation"].as_str()? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        let api_version = text("apiVersion").filter(|version| !version.is_empty())?;
        (value["fieldsType"] == "FieldsV1").then_some(())?;
        let fields = value.get("fieldsV1").map_or(Some(FieldSet::default()), FieldSet::from_value)?;
        let time = value.get("time").and_then(Value::as_str).map(str::to_owned);
        Some(Self { manager: text("manager")?, operation, api_version, subresource: text("subresource")?, time, fields })
    }

    fn to_value(&self) -> Value {
        let operation = if self.operation == Operation::Apply { "Apply" } else { "Update" };
        let mut entry = json!({
            "manager": self.manager, "operation": operation, "apiVersion": self.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_value(),
        });
        if let Some(time) = &self.time {
            entry["time"] = json!(time);
        }
        if !self.subresource.is_empty() {
            entry["subresource"] = json!(self.subresource);
        }
        entry
    }
}

/// All entries of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Managers {
    pub entries: Vec<Entry>,
}

impl Managers {
    /// The entries of an object; `None` when it has malformed ones.
    pub(super) fn of(object: &Value) -> Option<Self> {
        let mut managers = Self::default();
        for value in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
            let entry = Entry::from_value(value)?;
            managers.entries.retain(|other| !other.is_same(&entry));
            managers.entries.push(entry);
        }
        Some(managers)
    }

    /// Those that an update starts from: what the new object says, unless it says nothing or nonsense, or comes through a subresource.
    pub(super) fn for_update(old: Option<&Value>, new: &Value, subresource: &str) -> Self {
        let of_old = || old.and_then(Self::of).unwrap_or_default();
        if !subresource.is_empty() {
            return of_old();
        }
        if is_reset(&new["metadata"]["managedFields"]) {
            return Self::default();
        }
        Self::of(new).filter(|managers| !managers.entries.is_empty()).unwrap_or_else(of_old)
    }

    /// The entry of the same manager, made if there is none.
    pub(super) fn entry(&mut self, like: &Entry) -> &mut Entry {
        let at = self.entries.iter().position(|entry| entry.is_same(like)).unwrap_or_else(|| {
            self.entries.push(like.clone());
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }

    /// Drops entries that own nothing.
    pub(super) fn drop_empty(&mut self) {
        self.entries.retain(|entry| !entry.fields.is_empty());
    }

    /// Merges the oldest update entries of a version into one while there are too many.
    pub(super) fn cap(&mut self) {
        let mut updates = self.entries.iter().filter(|entry| entry.operation == Operation::Update).count();
        if updates <= MAX_UPDATE_ENTRIES {
            return;
        }
        self.sort();
        let mut at = 0;
        while updates > MAX_UPDATE_ENTRIES && at < self.entries.len() {
            let bucket = &self.entries[at];
            let version = bucket.api_version.clone();
            let next = self.entries[at + 1..]
                .iter()
                .position(|entry| entry.operation == Operation::Update && entry.api_version == version)
                .filter(|_| bucket.operation == Operation::Update);
            let Some(next) = next else {
                at += 1;
                continue;
            };
            let younger = self.entries.remove(at + 1 + next);
            let bucket = &mut self.entries[at];
            bucket.fields.add(&younger.fields);
            bucket.manager = ANCIENT.to_owned();
            bucket.subresource = String::new();
            bucket.time = younger.time;
            updates -= 1;
        }
    }

    /// Writes the entries into an object: appliers first, then by time, manager, version and subresource.
    pub(super) fn write_to(mut self, object: &mut Value) {
        self.sort();
        let entries: Vec<Value> = self.entries.iter().map(Entry::to_value).collect();
        if let Some(metadata) = object.as_object_mut().map(metadata_of) {
            if entries.is_empty() {
                metadata.remove("managedFields");
            } else {
                metadata.insert("managedFields".to_owned(), Value::Array(entries));
            }
        }
    }

    fn sort(&mut self) {
        let key = |entry: &Entry| {
            let Entry { manager, operation, api_version, subresource, time, .. } = entry.clone();
            (operation, time.unwrap_or_default(), manager, api_version, subresource)
        };
        self.entries.sort_by_cached_key(key);
    }
}

fn metadata_of(object: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    if !metadata.is_object() {
        *metadata = json!({});
    }
    metadata.as_object_mut().expect("made an object above")
}

/// An empty list, or a list of one empty entry: the client wants managed fields to be forgotten.
fn is_reset(managed: &Value) -> bool {
    match managed.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([entry]) => entry.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}
