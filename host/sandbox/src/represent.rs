//! How stored objects look in an answer: in the version asked for, as objects, Tables or metadata only. Reads only.

use crate::kinds::table;
use crate::negotiation::{Form, Include, MetaVersion};
use crate::registry::ResourceType;
use crate::storage::Entry;
use axum::body::Bytes;
use serde_json::{Map, Value, json};

/// The object as this type serves it.
pub fn served(of: &ResourceType, entry: &Entry) -> Value {
    let mut object = entry.value();
    match &of.view {
        Some(view) => (view.from_kept)(object),
        None if is_as_stored(of, entry) => object,
        None => {
            object["apiVersion"] = of.api_version().into();
            if let Some(schema) = &of.schema {
                schema.prune(&mut object);
            }
            object
        }
    }
}

/// Whether the type serves the entry's text as it is.
fn is_as_stored(of: &ResourceType, entry: &Entry) -> bool {
    of.view.is_none() && *entry.facts.api_version == *of.api_version()
}

/// The object in the version in which it is stored.
pub fn stored(of: &ResourceType, mut object: Value) -> Value {
    object["apiVersion"] = of.storage_api_version.as_str().into();
    if let Some(schema) = of.custom.as_ref().and_then(|custom| custom.storage_schema.as_ref()) {
        schema.prune(&mut object);
        schema.default(&mut object);
    }
    object
}

/// The stored entry as JSON in the version that this type serves.
pub fn json_of(of: &ResourceType, entry: &Entry) -> Bytes {
    if is_as_stored(of, entry) { entry.json() } else { bytes(&served(of, entry)) }
}

/// An item of a list: the lists of built-in types say the type once, at the top.
fn item_of(of: &ResourceType, entry: &Entry) -> Bytes {
    if of.custom.is_some() {
        return json_of(of, entry);
    }
    let fields = if is_as_stored(of, entry) {
        entry.json_untyped()
    } else {
        Entry::unstored(&served(of, entry), Some(entry.revision)).json_untyped()
    };
    Bytes::from([b"{", &fields[..]].concat())
}

/// A value as JSON.
pub fn bytes(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("JSON values serialise"))
}

/// One object in a form.
pub fn object(of: &ResourceType, entry: &Entry, form: Form, now: i64) -> Bytes {
    match form {
        Form::Object => json_of(of, entry),
        Form::Partial(meta) => bytes(&partial(&entry.value(), meta)),
        Form::PartialList(_) => bytes(&Value::Null),
        Form::Table(include, meta) => {
            let metadata = json!({"resourceVersion": entry.revision.to_string()});
            bytes(&table_of(of, &[&served(of, entry)], (include, meta), metadata, now))
        }
    }
}

/// Some objects in a form. `metadata` is that of the list.
pub fn list(of: &ResourceType, entries: &[&Entry], form: Form, metadata: Value, now: i64) -> Bytes {
    match form {
        Form::Object => {
            let items = entries.iter().map(|entry| item_of(of, entry));
            joined(&of.list_kind, &of.api_version(), &metadata, items)
        }
        Form::Partial(meta) => {
            if entries.is_empty() {
                let kind = "PartialObjectMetadataList";
                return bytes(&json!({"kind": kind, "apiVersion": meta, "metadata": metadata, "items": null}));
            }
            let items = entries.iter().map(|entry| bytes(&partial(&entry.value(), meta)));
            joined("PartialObjectMetadataList", meta, &metadata, items)
        }
        Form::PartialList(_) => bytes(&Value::Null),
        Form::Table(include, meta) => {
            let objects: Vec<_> = entries.iter().map(|entry| served(of, entry)).collect();
            let objects: Vec<&Value> = objects.iter().collect();
            bytes(&table_of(of, &objects, (include, meta), metadata, now))
        }
    }
}

fn joined(kind: &str, api_version: &str, metadata: &Value, items: impl Iterator<Item = Bytes>) -> Bytes {
    let mut text = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{metadata},\"items\":[").into_bytes();
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&item);
    }
    text.extend_from_slice(b"]}");
    Bytes::from(text)
}

fn partial(object: &Value, meta: MetaVersion) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": meta, "metadata": object["metadata"]})
}

/// The server's own form of a DaemonSet, of which rows are made, has the annotation as a field of its spec.
fn without_generation(mut object: Value) -> Value {
    let metadata = &mut object["metadata"];
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
        && annotations.remove("deprecated.daemonset.template.generation").is_some()
        && annotations.is_empty()
    {
        metadata.as_object_mut().expect("it has annotations").remove("annotations");
    }
    object
}

/// A Table of objects in their served version.
pub fn table_of(of: &ResourceType, objects: &[&Value], (include, meta): (Include, MetaVersion), metadata: Value, now: i64) -> Value {
    let table = match &of.custom {
        Some(custom) => table::custom(&custom.printer_columns, objects, now),
        None => table::built_in(&of.group, &of.plural, objects, now),
    };
    let rows: Vec<Value> = objects
        .iter()
        .zip(table.rows)
        .map(|(object, cells)| {
            let mut row = Map::from_iter([("cells".to_owned(), Value::Array(cells))]);
            match include {
                Include::None => drop(row.insert("object".into(), Value::Null)),
                Include::Metadata => drop(row.insert("object".into(), without_generation(partial(object, meta)))),
                Include::Object => drop(row.insert("object".into(), (*object).clone())),
            }
            if let Some(condition) = table::row_condition(object).filter(|_| of.qualified() == "pods") {
                row.insert("conditions".into(), json!([condition]));
            }
            Value::Object(row)
        })
        .collect();
    json!({"kind": "Table", "apiVersion": meta, "metadata": metadata, "columnDefinitions": table.columns, "rows": rows})
}
