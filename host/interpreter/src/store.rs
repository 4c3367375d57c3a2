//! All plugins that operators gave, from a folder or from ConfigMaps: loads, replaces and removes them, and says what came of each.
//!
//! A plugin that does not load never takes the place of one that serves; when no version of it serves, its objects wait. Watching,
//! Events and annotations are the caller's business; loading takes up to seconds and belongs on a thread of its own.

use crate::config_map;
use crate::layers::{Chain, Waiting};
use crate::load_error::{LoadError, LoadReason};
use crate::manifest::Manifest;
use crate::package::{Identity, Package};
use crate::plugin::Plugin;
use crate::version;
use crate::{cases, package};
use flotilla_api::interpretation::{Asked, Demand, Health, HookError, Interpreter, Layer, Operation};
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::work::{AggregatedStatusItem, Component, DependentObjectReference};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Where a version of a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A file of the plugin folder.
    File(PathBuf),
    /// A ConfigMap.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// What came of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadOutcome {
    /// The plugin is loaded.
    Loaded {
        /// Its name.
        plugin: String,
        /// Its version.
        version: String,
        /// `sha256:…` of the component.
        digest: String,
        /// Whether it answers; if not, a higher version does.
        serving: bool,
    },
    /// The plugin is not loaded.
    Refused(LoadError),
}

/// The plugins of operators over the built-in ones. Answers with whatever chain is current when asked.
pub struct PluginStore {
    state: Mutex<State>,
    chain: RwLock<Arc<Chain>>,
}

struct State {
    /// The chain without loaded plugins.
    base: Chain,
    sources: BTreeMap<Source, Known>,
}

/// One source as it was last seen.
struct Known {
    /// Digest of all that was read: an unchanged source is not loaded again.
    seen: String,
    /// Older ones come first where two plugins clash.
    since: String,
    about: About,
    loaded: Loaded,
    /// What the source held before, which serves until something better loads.
    before: Option<Arc<Plugin>>,
}

enum Loaded {
    /// Being compiled.
    Soon,
    Plugin(Arc<Plugin>),
    Refused(LoadError),
}

/// What can be said of a plugin before it is loaded.
#[derive(Default, Clone)]
struct About {
    name: Option<String>,
    targets: Vec<GroupVersionKind>,
    manifest: Manifest,
}

/// What is read of a source.
pub(crate) struct Parts {
    pub manifest: String,
    pub payload: Option<Vec<u8>>,
    pub digest: Option<String>,
    pub cases: Option<String>,
    pub since: String,
}

impl PluginStore {
    /// A store without plugins, over a chain of built-in ones.
    pub fn new(base: Chain) -> Self {
        Self { chain: RwLock::new(Arc::new(base.clone())), state: Mutex::new(State { base, sources: BTreeMap::new() }) }
    }

    /// The chain as it is now. It stays as it is; ask again for a newer one.
    pub fn chain(&self) -> Arc<Chain> {
        Arc::clone(&self.chain.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says whether all plugins that there are have been seen. Until then nothing is answered.
    pub fn complete(&self, complete: bool) {
        let mut state = self.state();
        state.base = state.base.complete(complete);
        self.publish(&state);
    }

    /// Loads the plugin of a ConfigMap, or what it has become.
    pub fn apply_config_map(&self, config_map: &Object) -> LoadOutcome {
        let source = config_map::source(config_map);
        match config_map::parts(config_map) {
            Ok(parts) => self.apply(source, parts),
            Err(error) => self.refuse(source, error),
        }
    }

    /// Forgets the plugin of a ConfigMap that is gone.
    pub fn remove_config_map(&self, namespace: &str, name: &str) {
        let source = Source::ConfigMap { namespace: namespace.to_owned(), name: name.to_owned() };
        let mut state = self.state();
        if state.sources.remove(&source).is_some() {
            self.publish(&state);
        }
    }

    /// Loads every `*.wasm` of a folder, with the manifest `<name>.yaml` beside it when there is one, and forgets those that are gone.
    pub fn reload_folder(&self, folder: &Path) -> std::io::Result<Vec<(Source, LoadOutcome)>> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<std::io::Result<_>>()?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        files.sort();
        {
            let mut state = self.state();
            state
                .sources
                .retain(|source, _| !matches!(source, Source::File(path) if path.parent() == Some(folder) && !files.contains(path)));
            self.publish(&state);
        }
        Ok(files.into_iter().map(|path| (Source::File(path.clone()), self.apply_file(path))).collect())
    }

    fn apply_file(&self, path: PathBuf) -> LoadOutcome {
        let unread = |why| LoadError::new(LoadReason::PayloadMissing, format!("{} cannot be read: {why}", path.display()));
        let manifest = match std::fs::read_to_string(path.with_extension("yaml")) {
            Ok(manifest) => manifest,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(why) => return self.refuse(Source::File(path.clone()), unread(why)),
        };
        match std::fs::read(&path) {
            Ok(payload) => {
                let parts = Parts { manifest, payload: Some(payload), digest: None, cases: None, since: String::new() };
                self.apply(Source::File(path), parts)
            }
            Err(why) => self.refuse(Source::File(path.clone()), unread(why)),
        }
    }

    /// What came of every source.
    pub fn outcomes(&self) -> Vec<(Source, LoadOutcome)> {
        let state = self.state();
        let arranged = state.arrange();
        state.sources.keys().map(|source| (source.clone(), arranged.outcome(&state, source))).collect()
    }

    /// The name of the plugin that a source holds, as far as it can be told.
    pub fn name_of(&self, source: &Source) -> Option<String> {
        self.state().sources.get(source)?.about.name.clone()
    }

    fn apply(&self, source: Source, parts: Parts) -> LoadOutcome {
        let seen = parts.fingerprint();
        let base = {
            let mut state = self.state();
            if state.sources.get(&source).is_some_and(|known| known.seen == seen) {
                return state.arrange().outcome(&state, &source);
            }
            let about = parts.about();
            let before = state.sources.get(&source).and_then(Known::plugin).cloned();
            let known = Known { seen: seen.clone(), since: parts.since.clone(), about: about.clone(), loaded: Loaded::Soon, before };
            state.sources.insert(source.clone(), known);
            self.publish(&state); // unless something serves already, its objects wait from now on
            state.base.clone()
        };
        let loaded = parts.load(&base);
        let mut state = self.state();
        let loaded = match loaded {
            Ok(plugin) => Loaded::Plugin(Arc::new(plugin)),
            Err(error) => Loaded::Refused(error),
        };
        match state.sources.get_mut(&source) {
            Some(known) if known.seen == seen => known.settle(loaded),
            _ => {} // removed or changed while it was being compiled
        }
        self.publish(&state);
        state.arrange().outcome(&state, &source)
    }

    fn refuse(&self, source: Source, error: LoadError) -> LoadOutcome {
        let mut state = self.state();
        let (since, about, before) = match state.sources.get(&source) {
            Some(known) => (known.since.clone(), known.about.clone(), known.plugin().cloned()),
            None => Default::default(),
        };
        state.sources.insert(source, Known { seen: String::new(), since, about, loaded: Loaded::Refused(error.clone()), before });
        self.publish(&state);
        LoadOutcome::Refused(error)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the chain of what is known and puts it in place of the current one. Calls that run keep theirs.
    fn publish(&self, state: &State) {
        let arranged = state.arrange();
        let chain = state.base.with_loaded(arranged.serving.into_values().collect(), arranged.waiting);
        *self.chain.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(chain);
    }
}

/// Who serves, who waits, and who may not serve.
struct Arranged {
    serving: BTreeMap<String, Arc<Plugin>>,
    waiting: Vec<Waiting>,
    clashes: BTreeMap<Source, LoadError>,
}

impl State {
    /// Of all versions of a plugin the highest that loads serves, unless it clashes with a plugin that is older.
    fn arrange(&self) -> Arranged {
        let mut loaded: Vec<(&Source, &Arc<Plugin>)> =
            self.sources.iter().filter_map(|(source, known)| Some((source, known.plugin()?))).collect();
        loaded.sort_by(|(_, a), (_, b)| version::compare(&b.origin().version, &a.origin().version));
        loaded.sort_by_key(|&(_, plugin)| (self.since(plugin.name()), plugin.name()));
        let mut arranged = Arranged { serving: BTreeMap::new(), waiting: Vec::new(), clashes: BTreeMap::new() };
        for (source, plugin) in loaded {
            if arranged.serving.contains_key(plugin.name()) {
                continue;
            }
            match arranged.serving.values().find_map(|other| clash(plugin, other)) {
                Some(error) => drop(arranged.clashes.insert(source.clone(), error)),
                None => drop(arranged.serving.insert(plugin.name().to_owned(), Arc::clone(plugin))),
            }
        }
        let waiting = self.sources.iter().filter_map(|(source, known)| self.waiting(source, known, &arranged)).collect();
        Arranged { waiting, ..arranged }
    }

    /// When the oldest source of a plugin appeared.
    fn since(&self, plugin: &str) -> &str {
        let of = |known: &&Known| known.plugin().is_some_and(|loaded| loaded.name() == plugin);
        self.sources.values().filter(of).map(|known| known.since.as_str()).min().unwrap_or_default()
    }

    /// How a source holds its objects; `None` when a version of the plugin serves, or when nobody can tell what it is for.
    fn waiting(&self, source: &Source, known: &Known, arranged: &Arranged) -> Option<Waiting> {
        let (plugin, why) = match (&known.loaded, arranged.clashes.get(source)) {
            (Loaded::Plugin(_), None) => return None,
            (Loaded::Plugin(plugin), Some(error)) => (plugin.name().to_owned(), error.message.clone()),
            (Loaded::Soon, _) => (known.about.shown(source), "it is being compiled".to_owned()),
            (Loaded::Refused(error), _) => (known.about.shown(source), error.message.clone()),
        };
        if arranged.serving.contains_key(&plugin) || known.about.targets.is_empty() {
            return None;
        }
        Some(Waiting {
            plugin,
            targets: known.about.targets.clone(),
            scope: known.about.manifest.scope.clone(),
            operations: match &known.loaded {
                Loaded::Plugin(plugin) => Some(plugin.operations().collect()),
                _ => known.about.manifest.hooks.clone(),
            },
            priority: known.about.manifest.priority,
            why,
        })
    }
}

impl Known {
    fn settle(&mut self, loaded: Loaded) {
        if let Loaded::Plugin(_) = loaded {
            self.before = None;
        }
        self.loaded = loaded;
    }

    /// The plugin that it offers: the one that it holds now, or else the one that it held before.
    fn plugin(&self) -> Option<&Arc<Plugin>> {
        match &self.loaded {
            Loaded::Plugin(plugin) => Some(plugin),
            Loaded::Soon | Loaded::Refused(_) => self.before.as_ref(),
        }
    }
}

impl Arranged {
    fn outcome(&self, state: &State, source: &Source) -> LoadOutcome {
        let removed = || LoadOutcome::Refused(LoadError::new(LoadReason::PayloadMissing, "it was removed while it was being loaded"));
        match state.sources.get(source).map(|known| &known.loaded) {
            None | Some(Loaded::Soon) => removed(),
            Some(Loaded::Refused(error)) => LoadOutcome::Refused(error.clone()),
            Some(Loaded::Plugin(plugin)) => match self.clashes.get(source) {
                Some(error) => LoadOutcome::Refused(error.clone()),
                None => LoadOutcome::Loaded {
                    plugin: plugin.name().to_owned(),
                    version: plugin.origin().version.clone(),
                    digest: plugin.origin().digest.clone(),
                    serving: self.serving.get(plugin.name()).is_some_and(|serving| Arc::ptr_eq(serving, plugin)),
                },
            },
        }
    }
}

/// Two plugins of the same priority for the same hook and kind: who answers would be a guess.
fn clash(plugin: &Plugin, other: &Plugin) -> Option<LoadError> {
    let target = plugin.targets().iter().find(|target| other.targets().contains(target))?;
    let operation = plugin.operations().find(|operation| other.answers(*operation))?;
    (plugin.priority() == other.priority()).then(|| {
        let (hook, name, priority) = (operation.hook(), other.name(), plugin.priority());
        let why = format!("plugin `{name}` has priority {priority} for `{hook}` of {target}, too; give one of them another `priority`");
        LoadError::new(LoadReason::PriorityClash, why)
    })
}

impl About {
    fn shown(&self, source: &Source) -> String {
        self.name.clone().unwrap_or_else(|| source.to_string())
    }
}

impl Parts {
    fn fingerprint(&self) -> String {
        let payload = self.payload.as_deref().map(package::digest).unwrap_or_default();
        let text = [&self.manifest, &payload, self.digest.as_deref().unwrap_or("-"), self.cases.as_deref().unwrap_or("-")];
        package::digest(serde_json::json!(text).to_string().as_bytes())
    }

    /// Name and targets as far as they can be told without running anything.
    fn about(&self) -> About {
        let manifest = Manifest::parse(&self.manifest).unwrap_or_default();
        let package = self.payload.as_deref().and_then(|payload| Package::open(payload, self.digest.as_deref()).ok());
        let identity: Option<Identity> = package.and_then(|package| package.identity().ok().flatten());
        let name = identity.as_ref().map(|identity| identity.name.clone()).or_else(|| manifest.name.clone());
        let declared =
            identity.and_then(|identity| crate::manifest::targets(&identity.targets).ok()).unwrap_or_else(|| manifest.targets.clone());
        let targets = if manifest.scope.targets.is_empty() { declared } else { manifest.scope.targets.clone() };
        About { name, targets, manifest }
    }

    /// Component and manifest, unpacked and read.
    pub(crate) fn open(&self) -> Result<(Package, Manifest), LoadError> {
        let manifest = Manifest::parse(&self.manifest)?;
        let missing =
            || LoadError::new(LoadReason::PayloadMissing, "there is no component; add `binaryData.plugin.wasm.zst` or `plugin.wasm`");
        let payload = self.payload.as_deref().ok_or_else(missing)?;
        Ok((Package::open(payload, self.digest.as_deref())?, manifest))
    }

    /// Loads the plugin and runs the cases that came with it.
    fn load(&self, base: &Chain) -> Result<Plugin, LoadError> {
        let (package, manifest) = self.open()?;
        let plugin = package.load(&base.runtime, Layer::Loaded, &manifest)?;
        match &self.cases {
            None => Ok(plugin),
            Some(cases) => smoke(cases, base, plugin),
        }
    }
}

/// Runs the cases of a plugin through the chain that it would be in.
fn smoke(text: &str, base: &Chain, plugin: Plugin) -> Result<Plugin, LoadError> {
    let plugin = Arc::new(plugin);
    let chain = base.complete(true).with_loaded(vec![Arc::clone(&plugin)], Vec::new());
    let outcomes = cases::run_cases(text, &chain);
    drop(chain);
    let failed = |why: String| Err(LoadError::new(LoadReason::SmokeFailed, format!("{why}; correct the plugin or `cases.yaml`")));
    if outcomes.is_empty() {
        return failed("`cases.yaml` holds no case".to_owned());
    }
    if let Some(case) = outcomes.iter().find(|case| !case.passed()) {
        return failed(format!("case `{}` at line {} of `cases.yaml`: {}", case.name, case.line, case.failures.join(", ")));
    }
    Arc::try_unwrap(plugin).or_else(|_| failed("the plugin is still in use".to_owned()))
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::ConfigMap { namespace, name } => write!(f, "ConfigMap {namespace}/{name}"),
        }
    }
}

impl Interpreter for PluginStore {
    fn is_supported(&self, object: &Object, operation: Operation) -> Result<bool, HookError> {
        self.chain().is_supported(object, operation)
    }
    fn replicas(&self, template: &Object) -> Asked<Demand> {
        self.chain().replicas(template)
    }
    fn components(&self, template: &Object) -> Asked<Vec<Component>> {
        self.chain().components(template)
    }
    fn revise(&self, template: &Object, replicas: i64) -> Asked<Object> {
        self.chain().revise(template, replicas)
    }
    fn retain(&self, desired: &Object, observed: &Object) -> Asked<Object> {
        self.chain().retain(desired, observed)
    }
    fn reflect(&self, observed: &Object) -> Asked<Option<Value>> {
        self.chain().reflect(observed)
    }
    fn aggregate(&self, template: &Object, items: Option<&[AggregatedStatusItem]>) -> Asked<Object> {
        self.chain().aggregate(template, items)
    }
    fn health(&self, observed: &Object) -> Asked<Health> {
        self.chain().health(observed)
    }
    fn dependencies(&self, template: &Object) -> Asked<Vec<DependentObjectReference>> {
        self.chain().dependencies(template)
    }
}
