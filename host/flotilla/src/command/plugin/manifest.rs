//! `flotilla plugin manifest`: the ConfigMap of a plugin, tried before it is printed.

use super::{CONFIG_MAP_CEILING, kib};
use crate::exit::{Code, Failure, bad_input};
use crate::output::{Output, print_line, print_value};
use crate::plugins::{Progress, refused, runtime};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flotilla_api::object::Object;
use flotilla_interpreter::config_map::{DIGEST_ANNOTATION, ENABLED_LABEL};
use flotilla_interpreter::package::Package;
use flotilla_interpreter::{Chain, LoadOutcome, PluginStore};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `plugin manifest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: flotilla plugin manifest my-plugin.wasm --set limits.memory=64Mi | kubectl apply --server-side -f -")]
pub struct ManifestCommand {
    /// The component, plain or packed with zstd
    file: PathBuf,
    /// Name of the ConfigMap; without it `<plugin>-<version>`
    #[arg(long)]
    name: Option<String>,
    /// Its namespace; plugins are read from `flotilla-system` only
    #[arg(long, default_value = "flotilla-system")]
    namespace: String,
    /// Higher is asked first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// A field of plugin.yaml, as in `limits.memory=64Mi` or `match.namespaces=[shop]`; repeatable
    #[arg(long, value_name = "FIELD=YAML")]
    set: Vec<String>,
    /// Cases that are run when the plugin is loaded: one that fails refuses it
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Form of the ConfigMap
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Output,
}

impl ManifestCommand {
    /// Prints the ConfigMap.
    pub fn run(self) -> Result<Code, Failure> {
        let file = format!("`{}`", self.file.display());
        let payload = crate::input::read_bytes(&self.file)?;
        let package = Package::open(&payload, None).map_err(|error| refused(&file, &error))?;
        let packed = package.pack().map_err(|error| refused(&file, &error))?;
        let mut data = Map::from_iter([("plugin.yaml".to_owned(), json!(self.plugin_yaml()?))]);
        if let Some(cases) = &self.cases {
            data.insert("cases.yaml".to_owned(), json!(crate::input::read_text(cases)?));
        }
        let size = packed.len() + data.values().filter_map(Value::as_str).map(str::len).sum::<usize>();
        if size > CONFIG_MAP_CEILING {
            let too_large = bad_input(format!("{file} needs {} in a ConfigMap, which holds {}", kib(size), kib(CONFIG_MAP_CEILING)));
            return Err(too_large.hint("build it without `--debug`, or give the file to the host with `--plugins`"));
        }
        let mut config_map = Object(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name.as_deref().unwrap_or("plugin"),
                "namespace": self.namespace,
                "labels": {ENABLED_LABEL: "true"},
                "annotations": {DIGEST_ANNOTATION: package.digest()},
            },
            "immutable": true,
            "data": data,
            "binaryData": {"plugin.wasm.zst": STANDARD.encode(packed)},
        }));
        let called = attempt(&config_map, &file)?;
        if self.name.is_none() {
            config_map.0["metadata"]["name"] = called.into();
        }
        match self.output {
            Output::Name => print_line(format!("configmap/{}", config_map.name())),
            Output::Json => print_value(&config_map, Output::Json)?,
            Output::Yaml | Output::Table => print_value(&config_map, Output::Yaml)?,
        }
        Ok(Code::Done)
    }

    fn plugin_yaml(&self) -> Result<String, Failure> {
        let mut manifest = Map::new();
        if let Some(priority) = self.priority {
            manifest.insert("priority".to_owned(), priority.into());
        }
        for assignment in &self.set {
            let wrong = |why: String| bad_input(format!("`--set {assignment}`: {why}")).hint("write it as in `--set limits.memory=64Mi`");
            let (path, text) = assignment.split_once('=').ok_or_else(|| wrong("there is no `=`".to_owned()))?;
            let mut values = crate::input::parse_documents(text).map_err(wrong)?;
            set(&mut manifest, path, values.pop().unwrap_or(Value::Null)).map_err(wrong)?;
        }
        if manifest.is_empty() {
            return Ok("{} # priority, match, hooks, limits and settings may stand here\n".to_owned());
        }
        serde_saphyr::to_string(&manifest).map_err(|error| bad_input(format!("cannot write `plugin.yaml`: {error}")))
    }
}

fn set(manifest: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), String> {
    match path.split_once('.') {
        _ if path.is_empty() || path.starts_with('.') || path.ends_with('.') => Err(format!("`{path}` is no field")),
        None => {
            manifest.insert(path.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => match manifest.entry(first).or_insert_with(|| json!({})) {
            Value::Object(inner) => set(inner, rest, value),
            _ => Err(format!("`{first}` has a value already")),
        },
    }
}

/// Loads the ConfigMap as a control plane does; the name that a ConfigMap of this plugin usually has.
fn attempt(config_map: &Object, file: &str) -> Result<String, Failure> {
    let _progress = Progress::start("loading it once");
    let store = PluginStore::new(Chain::new(Arc::new(runtime()?), Vec::new()));
    match store.apply_config_map(config_map) {
        LoadOutcome::Refused(error) => Err(refused(file, &error)),
        LoadOutcome::Loaded { plugin, version, .. } => Ok(name_of(&plugin, &version)),
    }
}

/// `<plugin>-<version>` in the letters that names of objects may have.
fn name_of(plugin: &str, version: &str) -> String {
    let allowed = |char: char| if char.is_ascii_alphanumeric() || char == '.' { char.to_ascii_lowercase() } else { '-' };
    format!("{plugin}-{version}").chars().map(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_set_by_path() {
        let mut manifest = Map::new();
        set(&mut manifest, "limits.memory", json!("64Mi")).expect("a new field");
        set(&mut manifest, "limits.deadline", json!("20ms")).expect("beside it");
        set(&mut manifest, "priority", json!(5)).expect("a field");
        assert_eq!(Value::Object(manifest.clone()), json!({"limits": {"memory": "64Mi", "deadline": "20ms"}, "priority": 5}));
        assert_eq!(set(&mut manifest, "priority.x", json!(1)), Err("`priority` has a value already".to_owned()));
        assert_eq!(set(&mut manifest, "limits.", json!(1)), Err("`limits.` is no field".to_owned()));
    }

    #[test]
    fn names_are_names_of_objects() {
        assert_eq!(name_of("My_Plugin", "1.0.0+build.7"), "my-plugin-1.0.0-build.7");
    }
}
