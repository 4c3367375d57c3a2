//! `plugin.yaml`: what an operator decides about a plugin, beside what the component says of itself.
//!
//! Keys that are unknown or not built yet are refused by name; nothing is guessed.

use crate::glob;
use crate::load_error::{LoadError, LoadReason};
use crate::runtime::{DEADLINE_CEILING, Limits, MEMORY_CEILING, OUTPUT_CEILING};
use flotilla_api::interpretation::Operation;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::selector;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

/// A manifest, read and checked.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// For components that do not say it themselves.
    pub name: Option<String>,
    /// For components that do not say it themselves.
    pub version: Option<String>,
    /// For components that do not say it themselves.
    pub targets: Vec<GroupVersionKind>,
    /// Higher is asked first.
    pub priority: i32,
    /// Narrows what the plugin is asked about.
    pub scope: Scope,
    /// Hooks that are used; all that the component has when absent.
    pub hooks: Option<Vec<Operation>>,
    /// What a call may use.
    pub limits: Limits,
    /// What the plugin is told when it asks for its settings.
    pub settings: Map<String, Value>,
}

/// Which objects a plugin is asked about.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Kinds; all of the component when empty.
    pub targets: Vec<GroupVersionKind>,
    /// Names of namespaces, `*` stands for any text; all when empty.
    pub namespaces: Vec<String>,
    /// Labels of the object.
    pub labels: Option<LabelSelector>,
}

impl Scope {
    /// Whether an object of a right kind is in scope.
    pub fn covers(&self, object: &Object) -> bool {
        let in_namespace = self.namespaces.is_empty()
            || object.namespace().is_some_and(|namespace| self.namespaces.iter().any(|pattern| glob::matches(pattern, namespace)));
        // A selector that is not valid was refused when the manifest was read.
        in_namespace && self.labels.as_ref().is_none_or(|labels| selector::matches(labels, |key| object.label(key)).unwrap_or(false))
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Written {
    name: Option<String>,
    version: Option<String>,
    targets: Vec<String>,
    priority: i32,
    r#match: WrittenMatch,
    hooks: Option<Vec<String>>,
    limits: WrittenLimits,
    settings: Option<Value>,
    source: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WrittenMatch {
    targets: Vec<String>,
    namespaces: Vec<String>,
    label_selector: Option<LabelSelector>,
}

/// Limits as they are written in manifests and cases.
#[derive(Deserialize, Default, Debug, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct WrittenLimits {
    deadline: Option<String>,
    memory: Option<String>,
    output: Option<String>,
}

impl Manifest {
    /// Reads `plugin.yaml`. An empty document is a manifest of defaults.
    pub fn parse(yaml: &str) -> Result<Self, LoadError> {
        let bad = |why: String| LoadError::new(LoadReason::BadManifest, format!("`plugin.yaml`: {why}"));
        let document: Value = crate::yaml::document(yaml).map_err(bad)?;
        let written: Written = match document {
            Value::Null => Written::default(),
            document => serde_path_to_error::deserialize(document).map_err(|why| bad(format!("`{}`: {}", why.path(), why.inner())))?,
        };
        written.check().map_err(bad)
    }
}

impl Written {
    fn check(self) -> Result<Manifest, String> {
        if let Some(source) = self.source {
            return Err(format!("`source: {source}` is not supported yet; put the component into `binaryData.plugin.wasm.zst`"));
        }
        let settings = match self.settings.unwrap_or(Value::Null) {
            Value::Null => Map::new(),
            Value::Object(settings) => settings,
            other => return Err(format!("`settings` is {}, not a map", crate::changes::type_of(&other))),
        };
        if let Some(labels) = &self.r#match.label_selector {
            selector::check(labels).map_err(|why| format!("`match.labelSelector`: {why}"))?;
        }
        let hook = |name: &String| {
            let known = Operation::ALL.map(Operation::hook).join(", ");
            Operation::of_hook(name).ok_or_else(|| format!("`hooks`: `{name}` is no hook, known are {known}"))
        };
        let hooks = self.hooks.map(|names| names.iter().map(hook).collect::<Result<Vec<_>, _>>()).transpose()?;
        if hooks.as_ref().is_some_and(Vec::is_empty) {
            return Err("`hooks` is empty; leave it out to use all hooks of the component".to_owned());
        }
        Ok(Manifest {
            name: self.name,
            version: self.version,
            targets: targets(&self.targets).map_err(|why| format!("`targets`: {why}"))?,
            priority: self.priority,
            scope: Scope {
                targets: targets(&self.r#match.targets).map_err(|why| format!("`match.targets`: {why}"))?,
                namespaces: self.r#match.namespaces,
                labels: self.r#match.label_selector,
            },
            hooks,
            limits: self.limits.read()?,
            settings,
        })
    }
}

impl WrittenLimits {
    /// These limits where they are written, and the others as they were. A limit may not be loosened.
    pub fn tighten(&self, limits: &Limits) -> Result<Limits, String> {
        let written = self.read()?;
        let tighter = Limits {
            deadline: if self.deadline.is_some() { written.deadline } else { limits.deadline },
            memory: if self.memory.is_some() { written.memory } else { limits.memory },
            output: if self.output.is_some() { written.output } else { limits.output },
        };
        if tighter.deadline > limits.deadline || tighter.memory > limits.memory || tighter.output > limits.output {
            return Err("`limits` of a case may be tighter than the plugin's, not looser".to_owned());
        }
        Ok(tighter)
    }

    /// The limits with defaults for what is not written.
    pub fn read(&self) -> Result<Limits, String> {
        let default = Limits::default();
        let deadline = self.deadline.as_deref().map(duration).transpose()?.unwrap_or(default.deadline);
        let size = |written: &Option<String>, default| written.as_deref().map(size).transpose().map(|size| size.unwrap_or(default));
        let limits = Limits { deadline, memory: size(&self.memory, default.memory)?, output: size(&self.output, default.output)? };
        if limits.deadline > DEADLINE_CEILING || limits.deadline.is_zero() {
            return Err(format!("`limits.deadline` must be above 0 and at most {DEADLINE_CEILING:?}"));
        }
        if limits.memory > MEMORY_CEILING {
            return Err(format!("`limits.memory` must be at most {}", crate::runtime::bytes(MEMORY_CEILING)));
        }
        if limits.output > OUTPUT_CEILING {
            return Err(format!("`limits.output` must be at most {}", crate::runtime::bytes(OUTPUT_CEILING)));
        }
        Ok(limits)
    }
}

/// `group/version/Kind`, or `version/Kind` for the core group.
pub(crate) fn target(text: &str) -> Result<GroupVersionKind, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (group, version, kind) = match parts[..] {
        [version, kind] => ("", version, kind),
        [group, version, kind] if !group.is_empty() => (group, version, kind),
        _ => return Err(format!("`{text}` must be `group/version/Kind`, or `version/Kind` for the core group")),
    };
    if version.is_empty() || kind.is_empty() {
        return Err(format!("`{text}` lacks a version or a kind"));
    }
    Ok(GroupVersionKind { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() })
}

pub(crate) fn targets(texts: &[String]) -> Result<Vec<GroupVersionKind>, String> {
    texts.iter().map(|text| target(text)).collect()
}

/// `50ms`, `2s`, `500us`.
fn duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let count: Option<u64> = number.parse().ok();
    let duration = count.and_then(|count| match &text[number.len()..] {
        "us" => Some(Duration::from_micros(count)),
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        _ => None,
    });
    duration.ok_or_else(|| format!("`{text}` is no duration such as `50ms`"))
}

/// `32Mi`, `512Ki`, `65536`.
fn size(text: &str) -> Result<usize, String> {
    let number = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit: Option<usize> = match &text[number.len()..] {
        "" => Some(1),
        "Ki" => Some(1 << 10),
        "Mi" => Some(1 << 20),
        "Gi" => Some(1 << 30),
        _ => None,
    };
    let size = unit.and_then(|unit| number.parse::<usize>().ok()?.checked_mul(unit));
    size.ok_or_else(|| format!("`{text}` is no size such as `32Mi`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn refused(yaml: &str, because: &str) {
        let error = Manifest::parse(yaml).expect_err(yaml);
        assert_eq!(error.reason, LoadReason::BadManifest);
        assert!(error.message.contains(because), "{}", error.message);
    }

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(
            r#"
            priority: 100
            match:
              targets: [apps.kruise.io/v1alpha1/CloneSet, v1/Pod]
              namespaces: [shop, "team-*"]
              labelSelector: {matchLabels: {tier: web}}
            hooks: [replicas, health]
            limits: {deadline: 20ms, memory: 64Mi, output: 512Ki}
            settings: {countSidecars: false}
            "#,
        )
        .expect("a manifest");
        assert_eq!(manifest.priority, 100);
        assert_eq!(manifest.scope.targets[1].to_string(), "v1 Pod");
        assert_eq!(manifest.hooks, Some(vec![Operation::InterpretReplica, Operation::InterpretHealth]));
        assert_eq!(manifest.limits, Limits { deadline: Duration::from_millis(20), memory: 64 << 20, output: 512 << 10 });
        assert_eq!(Value::from(manifest.settings), json!({"countSidecars": false}));
    }

    #[test]
    fn an_empty_manifest_has_defaults() {
        let manifest = Manifest::parse("").expect("a manifest");
        assert_eq!((manifest.limits, manifest.settings), (Limits::default(), Map::new()));
    }

    #[test]
    fn a_scope_narrows() {
        let scope = Scope { namespaces: vec!["team-*".to_owned()], ..Scope::default() };
        let object = |namespace: &str| Object(json!({"metadata": {"namespace": namespace}}));
        assert!(scope.covers(&object("team-a")) && !scope.covers(&object("shop")));
        assert!(!scope.covers(&Object(json!({"metadata": {}}))), "a cluster-scoped object is in no namespace");
        assert!(Scope::default().covers(&Object(json!({}))));
    }

    #[test]
    fn what_is_unknown_or_wrong_is_refused_by_name() {
        refused("limits: {cpu: 5}", "`limits.cpu`: unknown field `cpu`");
        refused("prioritty: 5", "unknown field `prioritty`");
        refused("source: oci://x", "`source: oci://x` is not supported yet");
        refused("hooks: [replica]", "`replica` is no hook");
        refused("hooks: []", "`hooks` is empty");
        refused("match: {targets: [CloneSet]}", "`CloneSet` must be `group/version/Kind`");
        refused("limits: {deadline: 1h}", "`1h` is no duration");
        refused("limits: {memory: 2Gi}", "`limits.memory` must be at most 1024 MiB");
        refused("settings: [1]", "`settings` is a list");
        refused("match: {labelSelector: {matchLabels: {a: b c}}}", "value `b c` of key `a` must consist of letters");
        refused("priority: [", "plugin.yaml");
    }
}
