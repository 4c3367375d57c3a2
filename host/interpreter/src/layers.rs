//! Who answers: plugins that operators loaded, then the built-in ones, then the generic default. The first that has the operation
//! answers, and its error is final.
//!
//! A [`Chain`] is one unchanging arrangement; loading and unloading makes a new one (see [`crate::store`]), so that calls that run
//! are never disturbed. A plugin that is known but not loaded holds its objects: nothing below it answers in its place.

use crate::manifest::Scope;
use crate::memo::Memo;
use crate::plugin::{Handing, Plugin};
use crate::runtime::Runtime;
use flotilla_api::interpretation::{ErrorClass, HookError, Layer, Operation, Origin};
use flotilla_api::object::{GroupVersionKind, Object};
use std::collections::HashMap;
use std::sync::Arc;

/// All versions in which a resource of this group and kind is served; empty when it is not known.
pub type ServedVersions = Arc<dyn Fn(&str, &str) -> Vec<String> + Send + Sync>;

/// A plugin that is known but does not answer: its objects wait.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Name of the plugin.
    pub plugin: String,
    /// Kinds that it is for.
    pub targets: Vec<GroupVersionKind>,
    /// Which of their objects.
    pub scope: Scope,
    /// Operations that it would answer; all of them when `None`: it is not known which.
    pub operations: Option<Vec<Operation>>,
    /// Its place among the loaded plugins.
    pub priority: i32,
    /// Why it does not answer.
    pub why: String,
}

/// The layers, ready to be asked.
#[derive(Clone)]
pub struct Chain {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) memo: Arc<Memo>,
    pub(crate) handing: Handing,
    generic: Arc<Origin>,
    loaded: Kinds,
    built_in: Kinds,
    served: Option<ServedVersions>,
    /// Until all that is known was seen, nobody can say that no plugin answers.
    complete: bool,
}

/// Entries by kind, in the order in which they are asked.
type Kinds = HashMap<String, Vec<Entry>>;

#[derive(Clone)]
enum Entry {
    Plugin(Arc<Plugin>),
    Waiting(Arc<Waiting>),
}

/// Who would answer.
pub(crate) enum Responder {
    Plugin(Arc<Plugin>),
    Generic,
    Nobody,
}

impl Chain {
    /// A chain of built-in plugins only.
    pub fn new(runtime: Arc<Runtime>, built_in: Vec<Arc<Plugin>>) -> Self {
        let generic = Origin { layer: Layer::Generic, plugin: "generic".to_owned(), version: String::new(), digest: String::new() };
        Self {
            runtime,
            memo: Arc::new(Memo::default()),
            handing: Handing::Declared,
            generic: Arc::new(generic),
            loaded: Kinds::new(),
            built_in: kinds(built_in.into_iter().map(Entry::Plugin)),
            served: None,
            complete: true,
        }
    }

    /// The same chain with these loaded plugins, and those that wait.
    pub fn with_loaded(&self, plugins: Vec<Arc<Plugin>>, waiting: Vec<Waiting>) -> Self {
        let waiting = waiting.into_iter().map(|waiting| Entry::Waiting(Arc::new(waiting)));
        Self { loaded: kinds(plugins.into_iter().map(Entry::Plugin).chain(waiting)), ..self.clone() }
    }

    /// The same chain, which knows in which versions resources are served: a plugin for one version answers for all of them.
    pub fn with_served_versions(&self, served: ServedVersions) -> Self {
        Self { served: Some(served), ..self.clone() }
    }

    /// The same chain, which answers nothing until it is complete: before all loaded plugins were seen, it cannot be known who
    /// answers.
    pub fn complete(&self, complete: bool) -> Self {
        Self { complete, ..self.clone() }
    }

    /// The same chain, which hands over this much of objects, with a memory of its own.
    pub fn handing(&self, handing: Handing) -> Self {
        Self { handing, memo: Arc::new(Memo::default()), ..self.clone() }
    }

    /// The same chain with another memory; see [`Memo::with_budget`].
    pub fn with_memo(&self, memo: Memo) -> Self {
        Self { memo: Arc::new(memo), ..self.clone() }
    }

    /// The same chain with another plugin in the place of one.
    pub(crate) fn with_instead(&self, old: &Arc<Plugin>, new: Arc<Plugin>) -> Self {
        let mut chain = self.clone();
        for entry in [&mut chain.loaded, &mut chain.built_in].into_iter().flat_map(Kinds::values_mut).flatten() {
            if entry.plugin().is_some_and(|plugin| Arc::ptr_eq(plugin, old)) {
                *entry = Entry::Plugin(Arc::clone(&new));
            }
        }
        chain
    }

    /// All plugins, loaded ones first, each once.
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        let mut plugins: Vec<Arc<Plugin>> = Vec::new();
        for kinds in [&self.loaded, &self.built_in] {
            let mut layer: Vec<&Arc<Plugin>> = kinds.values().flatten().filter_map(Entry::plugin).collect();
            layer.sort_by_key(|plugin| (-plugin.priority(), plugin.name().to_owned()));
            layer.dedup_by(|a, b| Arc::ptr_eq(a, b));
            plugins.extend(layer.into_iter().cloned());
        }
        plugins
    }

    /// The plugin that would answer, `None` for the generic default or nobody.
    pub fn plugin_for(&self, object: &Object, operation: Operation) -> Result<Option<Arc<Plugin>>, HookError> {
        match self.responder(object, operation)? {
            Responder::Plugin(plugin) => Ok(Some(plugin)),
            Responder::Generic | Responder::Nobody => Ok(None),
        }
    }

    /// The generic default as an origin.
    pub(crate) fn generic(&self) -> &Arc<Origin> {
        &self.generic
    }

    /// Who answers an operation for an object.
    pub(crate) fn responder(&self, object: &Object, operation: Operation) -> Result<Responder, HookError> {
        if !self.complete {
            let message = format!("{}: plugins are still being loaded, `{}` waits for them", object.display(), operation.hook());
            return Err(HookError { class: ErrorClass::NotLoaded, plugin: None, operation, message });
        }
        for kinds in [&self.loaded, &self.built_in] {
            let entries = kinds.get(object.kind()).map_or(&[][..], Vec::as_slice);
            match entries.iter().find(|entry| entry.answers(object, operation, self.served.as_ref())) {
                Some(Entry::Plugin(plugin)) => return Ok(Responder::Plugin(Arc::clone(plugin))),
                Some(Entry::Waiting(waiting)) => return Err(waiting.error(object, operation)),
                None => {}
            }
        }
        Ok(if operation == Operation::InterpretStatus { Responder::Generic } else { Responder::Nobody })
    }
}

impl Waiting {
    fn error(&self, object: &Object, operation: Operation) -> HookError {
        let message =
            format!("{}: plugin `{}` is not loaded, `{}` waits for it: {}", object.display(), self.plugin, operation.hook(), self.why);
        HookError { class: ErrorClass::NotLoaded, plugin: None, operation, message }
    }
}

impl Entry {
    fn plugin(&self) -> Option<&Arc<Plugin>> {
        match self {
            Self::Plugin(plugin) => Some(plugin),
            Self::Waiting(_) => None,
        }
    }

    fn targets(&self) -> &[GroupVersionKind] {
        match self {
            Self::Plugin(plugin) => &plugin.targets,
            Self::Waiting(waiting) => &waiting.targets,
        }
    }

    /// Place in the order: by priority, then by name. One that waits comes after its equals: it must not silence one that serves.
    fn order(&self) -> (i32, bool, &str) {
        match self {
            Self::Plugin(plugin) => (-plugin.priority, false, plugin.name()),
            Self::Waiting(waiting) => (-waiting.priority, true, &waiting.plugin),
        }
    }

    fn answers(&self, object: &Object, operation: Operation, served: Option<&ServedVersions>) -> bool {
        let (has, scope) = match self {
            Self::Plugin(plugin) => (plugin.answers(operation), &plugin.scope),
            Self::Waiting(waiting) => {
                (waiting.operations.as_ref().is_none_or(|operations| operations.contains(&operation)), &waiting.scope)
            }
        };
        let version = object.api_version();
        has && self.targets().iter().any(|target| is_of(version, object.kind(), target, served)) && scope.covers(object)
    }
}

/// Whether an object is of a kind: of the very version, or of another in which the same resource is served.
fn is_of(api_version: &str, kind: &str, target: &GroupVersionKind, served: Option<&ServedVersions>) -> bool {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    if kind != target.kind || group != target.group {
        return false;
    }
    version == target.version
        || served.is_some_and(|served| {
            let versions = served(group, kind);
            [version, &target.version].iter().all(|wanted| versions.iter().any(|known| known == wanted))
        })
}

fn kinds(entries: impl Iterator<Item = Entry>) -> Kinds {
    let mut kinds = Kinds::new();
    for entry in entries {
        let mut names: Vec<&str> = entry.targets().iter().map(|target| target.kind.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            kinds.entry(name.to_owned()).or_default().push(entry.clone());
        }
    }
    kinds.values_mut().for_each(|entries| entries.sort_by(|a, b| a.order().cmp(&b.order())));
    kinds
}
