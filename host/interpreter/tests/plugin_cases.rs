//! The cases beside each plugin, `plugins/*/tests/*.yaml`, asked of the built plugin as the host asks it.
//!
//! A case has Karmada's keys (name, description, operation, desiredObj, observedObj, statusItems, inputReplicas, output) and ours: `error`
//! for a refusal, `settings`, and `because` in an `output` for the words of an unhealthy verdict. Every case is asked twice, with
//! the declared fields and with the whole object: a field that a plugin forgot to declare would make the answers differ.

mod support;

use flotilla_api::interpretation::{Answer, Health, HookError, Interpreter, Layer, Operation};
use flotilla_api::object::Object;
use flotilla_api::work::AggregatedStatusItem;
use flotilla_interpreter::plugin::Handing;
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use flotilla_interpreter::{Chain, Plugin};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default, rename = "description")]
    _description: String,
    operation: String,
    desired_obj: Option<Object>,
    observed_obj: Option<Object>,
    status_items: Option<Vec<AggregatedStatusItem>>,
    #[serde(default)]
    input_replicas: i64,
    settings: Option<Value>,
    /// Keys of the answer that must have these values; `null` for what must not be there.
    output: Option<Map<String, Value>>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    class: String,
    /// A part of the message.
    message: String,
}

/// Keys that an `output` may have.
const KEYS: [&str; 10] =
    ["replica", "requires", "components", "revised", "retained", "status", "aggregatedStatus", "healthy", "because", "dependencies"];

/// A plugin's folder and what `make plugins` built of it.
fn plugins() -> Vec<(PathBuf, PathBuf)> {
    let root = support::root();
    let built = |name: &str| root.join(format!("plugins/built/{name}.wasm"));
    let folders = std::fs::read_dir(root.join("plugins")).expect("the folder of plugins").map(|entry| entry.expect("an entry").path());
    let mut plugins: Vec<_> = folders
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| {
            let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
            (folder, built(&name))
        })
        .collect();
    let sample = root.join("deploy/samples/webshop-plugin");
    plugins.push((sample.clone(), sample.join("webshop.wasm")));
    plugins.sort();
    plugins
}

fn load(wasm: &Path, settings: Option<&Value>) -> Arc<Plugin> {
    let payload = std::fs::read(wasm).unwrap_or_else(|_| panic!("{} is missing: run `make plugins`", wasm.display()));
    let manifest = settings.map(|settings| Manifest::parse(&json!({"settings": settings}).to_string()).expect("a manifest"));
    let package = Package::open(&payload, None).expect("a package");
    Arc::new(package.load(&support::runtime(), Layer::Loaded, &manifest.unwrap_or_default()).unwrap_or_else(|why| panic!("{why}")))
}

fn cases(folder: &Path) -> Vec<(String, Case)> {
    let files = std::fs::read_dir(folder.join("tests")).unwrap_or_else(|_| panic!("{} has no cases", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        let documents: Vec<Case> = serde_saphyr::from_multiple(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        let shown = file.strip_prefix(support::root()).unwrap_or(&file).display().to_string();
        cases.extend(documents.into_iter().map(|case| (shown.clone(), case)));
    }
    cases
}

/// The answer as the keys of an `output`.
fn ask(chain: &Chain, case: &Case) -> Result<Map<String, Value>, HookError> {
    let operation: Operation = case.operation.parse().expect("an operation");
    let object = case.desired_obj.as_ref().or(case.observed_obj.as_ref()).expect("a case has an object");
    let answer = match operation {
        Operation::InterpretReplica => {
            let demand = given(chain.replicas(object))?;
            json!({"replica": demand.replicas, "requires": demand.requirements})
        }
        Operation::InterpretComponent => json!({"components": given(chain.components(object))?}),
        Operation::ReviseReplica => json!({"revised": given(chain.revise(object, case.input_replicas))?}),
        Operation::Retain => {
            let observed = case.observed_obj.as_ref().expect("a case of Retain has `observedObj`");
            json!({"retained": given(chain.retain(object, observed))?})
        }
        Operation::InterpretStatus => json!({"status": given(chain.reflect(object))?}),
        Operation::AggregateStatus => json!({"aggregatedStatus": given(chain.aggregate(object, case.status_items.as_deref()))?}),
        Operation::InterpretHealth => match given(chain.health(object))? {
            Health::Healthy => json!({"healthy": true}),
            Health::Unhealthy(why) => json!({"healthy": false, "because": why}),
            Health::Unknown(why) => json!({"because": why}),
        },
        Operation::InterpretDependency => json!({"dependencies": given(chain.dependencies(object))?}),
    };
    Ok(answer.as_object().expect("made above").clone())
}

fn given<T>(asked: Result<Option<Answer<T>>, HookError>) -> Result<T, HookError> {
    asked.map(|answer| answer.expect("the plugin has this hook for this kind").value)
}

fn judge(chain: &Chain, case: &Case) -> Result<(), String> {
    match (ask(chain, case), &case.output, &case.error) {
        (Ok(answer), Some(output), None) if !output.is_empty() => output.iter().try_for_each(|(key, wanted)| {
            let found = answer.get(key).unwrap_or(&Value::Null);
            match (KEYS.contains(&key.as_str()), wanted == found) {
                (false, _) => Err(format!("unknown key `{key}` in `output`")),
                (true, false) => Err(format!("{key}: want {wanted}, got {found}")),
                (true, true) => Ok(()),
            }
        }),
        (Err(error), None, Some(wanted)) => match error.class.as_str() == wanted.class && error.message.contains(&wanted.message) {
            true => Ok(()),
            false => Err(format!("want {} `{}`, got {} `{}`", wanted.class, wanted.message, error.class, error.message)),
        },
        (Ok(answer), None, Some(_)) => Err(format!("want a refusal, got {}", Value::Object(answer))),
        (Err(error), Some(_), None) => Err(format!("want an answer, got {} `{}`", error.class, error.message)),
        _ => Err("a case has either an `output` or an `error`".to_owned()),
    }
}

/// Failures of one plugin's cases.
fn failures(folder: &Path, wasm: &Path) -> Vec<String> {
    let mut failures = Vec::new();
    let mut asked = BTreeSet::new();
    for (file, case) in cases(folder) {
        let plugin = load(wasm, case.settings.as_ref());
        let chain = support::chain(vec![plugin]);
        for (handing, handed) in [(Handing::Declared, "declared fields"), (Handing::Whole, "whole object")] {
            if let Err(why) = judge(&chain.handing(handing), &case) {
                failures.push(format!("{file} › {} ({handed}): {why}", case.name));
            }
        }
        asked.extend(case.operation.parse::<Operation>());
    }
    let plugin = load(wasm, None);
    let unasked = plugin.operations().filter(|operation| !asked.contains(operation));
    failures.extend(unasked.map(|operation| format!("{}: no case asks for {operation}", folder.display())));
    failures
}

#[test]
fn every_plugin_answers_its_cases() {
    let failures: Vec<_> = plugins().iter().flat_map(|(folder, wasm)| failures(folder, wasm)).collect();
    assert!(failures.is_empty(), "{} failed\n{}", failures.len(), failures.join("\n"));
}
