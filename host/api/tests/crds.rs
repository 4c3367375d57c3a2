//! The CRDs that we install are those that the types make, and what Karmada's clients expect.
//!
//! `deploy/crds` is written by these tests. `karmada-fields.txt` lists the fields of Karmada's API; where Karmada's own CRDs lie
//! beside the repository (`../shared/fixtures`), it is checked against them, and so is everything else that a client can tell.

use flotilla_api::crd::crds;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Karmada's own definitions of the kinds that we have; `None`, said aloud, where they are not at hand.
fn karmadas() -> Option<Vec<Value>> {
    let folder = repository().join("../shared/fixtures/karmada-crds");
    if !folder.is_dir() {
        println!("skipped: no CRDs of Karmada in {}", folder.display());
        return None;
    }
    let ours: Vec<String> = crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = files.map(|file| serde_saphyr::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap());
    Some(all.filter(|crd| ours.iter().any(|name| crd["metadata"]["name"] == name.as_str())).collect())
}

/// Writes the file where it differs; `false` then.
fn is_current(path: &Path, contents: &str) -> bool {
    let is_current = fs::read_to_string(path).is_ok_and(|present| present == contents);
    if !is_current {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    is_current
}

fn storage_version(crd: &Value) -> &Value {
    let versions = crd["spec"]["versions"].as_array().expect("a definition has versions");
    versions.iter().find(|version| version["storage"] == true).expect("one version is stored")
}

fn schema(crd: &Value) -> &Value {
    &storage_version(crd)["schema"]["openAPIV3Schema"]
}

/// `kind version path type`, one for each field.
fn fields(crd: &Value) -> BTreeMap<String, String> {
    fn visit(schema: &Value, path: &str, found: &mut BTreeMap<String, String>) {
        let kind = schema["type"].as_str().unwrap_or(match schema["x-kubernetes-int-or-string"].as_bool() {
            Some(true) => "int-or-string",
            _ => "any",
        });
        let kind = schema["format"].as_str().map_or(kind.to_owned(), |format| format!("{kind}({format})"));
        found.insert(path.to_owned(), kind);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            visit(property, &format!("{path}.{name}"), found);
        }
        schema.get("items").inspect(|items| visit(items, &format!("{path}[]"), found));
        schema.get("additionalProperties").inspect(|values| visit(values, &format!("{path}{{}}"), found));
    }
    let mut found = BTreeMap::new();
    let prefix = format!("{} {} ", crd["spec"]["names"]["kind"].as_str().unwrap(), storage_version(crd)["name"].as_str().unwrap());
    visit(schema(crd), &prefix, &mut found);
    found
}

fn ours() -> Vec<Value> {
    crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap()).collect()
}

#[test]
fn crds_are_current() {
    let mut stale = Vec::new();
    for crd in crds() {
        let name = crd.metadata.name.clone().expect("a definition has a name");
        let text = serde_saphyr::to_string(&crd).unwrap();
        assert_eq!(serde_saphyr::from_str::<CustomResourceDefinition>(&text).unwrap(), crd, "{name}");
        if !is_current(&repository().join(format!("deploy/crds/{name}.yaml")), &text) {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "`deploy/crds` was not current and has been written; commit it: {stale:?}");
}

#[test]
fn every_field_of_karmada_is_there() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/karmada-fields.txt");
    if let Some(karmadas) = karmadas() {
        let mut lines: Vec<String> = karmadas.iter().flat_map(fields).map(|(path, kind)| format!("{path} {kind}\n")).collect();
        lines.sort();
        assert!(is_current(&file, &lines.concat()), "{} has been written; commit it", file.display());
    }
    let ours: BTreeMap<String, String> = ours().iter().flat_map(fields).collect();
    let listed = fs::read_to_string(&file).unwrap();
    for line in listed.lines() {
        let (path, kind) = line.rsplit_once(' ').unwrap();
        assert_eq!(ours.get(path).map(String::as_str), Some(kind), "{path}");
    }
    assert!(listed.lines().count() > 800, "`karmada-fields.txt` lists next to nothing");
}

/// Everything but descriptions.
fn bare(schema: &Value) -> Value {
    let Some(keywords) = schema.as_object() else {
        return schema.clone();
    };
    let bare = keywords.iter().filter(|(keyword, _)| *keyword != "description").map(|(keyword, value)| {
        let value = match keyword.as_str() {
            "properties" => value.as_object().unwrap().iter().map(|(name, field)| (name.clone(), bare(field))).collect(),
            "items" | "additionalProperties" => bare(value),
            "required" | "enum" => sorted(value),
            _ => value.clone(),
        };
        (keyword.clone(), value)
    });
    bare.collect()
}

fn sorted(list: &Value) -> Value {
    let mut list = list.as_array().unwrap().clone();
    list.sort_by_key(Value::to_string);
    Value::Array(list)
}

/// The first place where two values differ.
fn difference(want: &Value, got: &Value, path: &str) -> Option<String> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let keys = want.keys().chain(got.keys().filter(|key| !want.contains_key(*key)));
            let at = |map: &serde_json::Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or_default();
            { keys }.find_map(|key| difference(&at(want, key), &at(got, key), &format!("{path}/{key}")))
        }
        (Value::Number(want), Value::Number(got)) if want.as_f64() == got.as_f64() => None,
        _ => (want != got).then(|| format!("{path}: Karmada has {want}, we have {got}")),
    }
}

#[test]
fn clients_see_no_difference_from_karmada() {
    let ours: BTreeMap<String, Value> = ours().into_iter().map(|crd| (crd["metadata"]["name"].to_string(), crd)).collect();
    for karmadas in karmadas().into_iter().flatten() {
        let name = karmadas["metadata"]["name"].to_string();
        let ours = &ours[&name];
        for part in ["names", "scope", "group"] {
            assert_eq!(difference(&karmadas["spec"][part], &ours["spec"][part], part), None, "{name}");
        }
        let (theirs, version) = (storage_version(&karmadas), storage_version(ours));
        for part in ["name", "additionalPrinterColumns"] {
            assert_eq!(difference(&theirs[part], &version[part], part), None, "{name}");
        }
        assert_eq!(theirs["subresources"].get("status"), version["subresources"].get("status"), "{name}");
        assert_eq!(difference(&bare(schema(&karmadas)), &bare(schema(ours)), ""), None, "{name}");
    }
}

#[test]
fn every_field_is_explained() {
    fn visit(schema: &Value, path: &str) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let is_explained = property["description"].as_str().is_some_and(|text| text.ends_with(['.', '`']));
            assert!(is_explained || name == "metadata", "{path} has no description");
            visit(property, &path);
        }
        schema.get("items").inspect(|items| visit(items, &format!("{path}[]")));
    }
    for crd in ours() {
        visit(schema(&crd), crd["spec"]["names"]["kind"].as_str().unwrap());
    }
}

#[test]
fn schemas_are_structural() {
    fn visit(schema: &Value, path: &str) {
        for keyword in ["$ref", "$schema", "title", "oneOf", "allOf", "definitions", "nullable"] {
            assert!(schema.get(keyword).is_none(), "{path} has `{keyword}`");
        }
        let is_any = schema["x-kubernetes-preserve-unknown-fields"] == true;
        let is_int_or_string = schema["x-kubernetes-int-or-string"] == true;
        assert!(schema["type"].is_string() || is_any || is_int_or_string, "{path} has no type: {schema}");
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            visit(property, &format!("{path}.{name}"));
        }
        for keyword in ["items", "additionalProperties"] {
            schema.get(keyword).inspect(|inner| visit(inner, &format!("{path}[]")));
        }
    }
    for crd in ours() {
        // API servers refuse a definition that says more of it.
        assert_eq!(schema(&crd)["properties"]["metadata"], serde_json::json!({"type": "object"}));
        visit(schema(&crd), crd["spec"]["names"]["kind"].as_str().unwrap());
    }
}
