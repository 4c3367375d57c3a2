//! Which types an API server serves: the built-in ones and those of its CustomResourceDefinitions.
//!
//! Answers look-ups only; what a CRD turns into is decided in [`crate::definitions`], and objects are kept elsewhere.

use crate::fields::schema::TypeSchema;
use crate::kinds::{self, Behaviour, BuiltIn};
use crate::storage::TypeId;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// How `/scale` reads and writes an object; the paths are dotted, with a leading dot, as in a CRD.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalePaths {
    /// Where the wanted replicas are: `.spec.replicas`.
    pub spec_replicas: String,
    /// Where the present replicas are: `.status.replicas`.
    pub status_replicas: String,
    /// Where the selector is, as text (CRDs) or as a LabelSelector (built-in types).
    pub selector: Option<String>,
}

/// How a second view of a type is made from the form that is stored.
pub struct View {
    /// The type that is stored.
    pub kept: Arc<ResourceType>,
    /// What a client wrote, as it is kept.
    pub to_kept: fn(Value) -> Value,
    /// What is kept, as a client reads it.
    pub from_kept: fn(Value) -> Value,
}

/// One type as one version serves it.
pub struct ResourceType {
    /// API group, empty for core.
    pub group: String,
    /// Served version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Kind of the list.
    pub list_kind: String,
    /// The path segment.
    pub plural: String,
    /// For kubectl.
    pub singular: String,
    /// For kubectl.
    pub short_names: Vec<String>,
    /// For kubectl.
    pub categories: Vec<String>,
    /// Whether it lives in a namespace.
    pub namespaced: bool,
    /// Whether `/status` is served.
    pub has_status: bool,
    /// Whether and how `/scale` is served.
    pub scale: Option<ScalePaths>,
    /// Whether `metadata.generation` is kept.
    pub has_generation: bool,
    /// Under which name objects of all versions are stored.
    pub stored_as: TypeId,
    /// `apiVersion` of stored objects.
    pub storage_api_version: String,
    /// Where the objects are stored in another form than they are served in; `None` where only `apiVersion` differs.
    pub view: Option<View>,
    /// What is particular to a built-in kind.
    pub behaviour: Option<&'static dyn Behaviour>,
    /// Fields, defaults and merge keys.
    pub schema: Option<Arc<TypeSchema>>,
    /// The CRD version this comes from; `None` for a built-in type.
    pub custom: Option<CustomVersion>,
}

/// What is only known of custom types.
#[derive(Debug, Clone)]
pub struct CustomVersion {
    /// `additionalPrinterColumns`.
    pub printer_columns: Vec<Value>,
    /// Paths that field selectors may name, with a leading dot.
    pub selectable_fields: Vec<String>,
    /// `Warning:` for a deprecated version.
    pub deprecation: Option<String>,
    /// The schema as the CRD gives it, for OpenAPI.
    pub open_api: Value,
    /// The schema of the storage version, where that is another: what it does not know is not kept.
    pub storage_schema: Option<Arc<TypeSchema>>,
}

impl std::fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

impl ResourceType {
    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `deployments.apps`, `pods`: how messages name the resource.
    pub fn qualified(&self) -> String {
        qualified(&self.plural, &self.group)
    }

    /// The type of its objects in the real server's code, which some messages name.
    pub fn internal_type(&self) -> String {
        if self.custom.is_some() {
            return "*unstructured.Unstructured".to_owned();
        }
        let package = match self.group.split('.').next().unwrap_or("") {
            "" | "events" => "core",
            first => first,
        };
        format!("*{package}.{}", self.kind)
    }

    /// What everybody who asks for it is told.
    pub fn deprecation(&self) -> Option<String> {
        let of_kind = || self.behaviour.and_then(|behaviour| behaviour.deprecation()).map(str::to_owned);
        self.custom.as_ref().map_or_else(of_kind, |custom| custom.deprecation.clone())
    }

    /// The type that is stored: this one, or the one that this is a view of.
    pub fn kept(self: &Arc<Self>) -> &Arc<Self> {
        self.view.as_ref().map_or(self, |view| &view.kept)
    }

    /// A built-in type of which nothing is stored.
    pub fn unstored(built_in: &BuiltIn) -> Arc<Self> {
        Arc::new(Self::built_in(built_in, None))
    }

    fn built_in(built_in: &BuiltIn, view: Option<View>) -> Self {
        let scale = built_in.has_scale.then(|| ScalePaths {
            spec_replicas: ".spec.replicas".into(),
            status_replicas: ".status.replicas".into(),
            selector: Some(".spec.selector".into()),
        });
        let version = api_version(built_in.group, built_in.version);
        Self {
            group: built_in.group.into(),
            version: built_in.version.into(),
            kind: built_in.kind.into(),
            list_kind: format!("{}List", built_in.kind),
            plural: built_in.plural.into(),
            singular: built_in.singular.into(),
            short_names: owned(built_in.short_names),
            categories: owned(built_in.categories),
            namespaced: built_in.namespaced,
            has_status: built_in.has_status,
            scale,
            has_generation: built_in.has_generation,
            stored_as: view.as_ref().map_or_else(|| qualified(built_in.plural, built_in.group).into(), |view| view.kept.stored_as.clone()),
            schema: TypeSchema::built_in(&version, built_in.kind),
            storage_api_version: view.as_ref().map_or(version, |view| view.kept.api_version()),
            view,
            behaviour: Some(built_in.behaviour),
            custom: None,
        }
    }
}

/// The built-in types in their order; views of other types find those wherever they stand.
fn built_in_types(table: &[BuiltIn]) -> Vec<Arc<ResourceType>> {
    let kept: HashMap<_, _> = table
        .iter()
        .filter(|entry| entry.kept_as.is_none())
        .map(|entry| ((entry.group, entry.version, entry.plural), Arc::new(ResourceType::built_in(entry, None))))
        .collect();
    let find = |group, version, plural| kept.get(&(group, version, plural)).expect("views are of types in the table").clone();
    let of = |entry: &BuiltIn| match &entry.kept_as {
        None => find(entry.group, entry.version, entry.plural),
        Some(conversion) => {
            let kept = find(conversion.group, conversion.version, entry.plural);
            let view = View { kept, to_kept: conversion.to_kept, from_kept: conversion.from_kept };
            Arc::new(ResourceType::built_in(entry, Some(view)))
        }
    };
    table.iter().map(of).collect()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// `apps/v1` from its parts; the core group has none.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// `deployments.apps` from its parts; the core group has none.
pub fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

/// All served types at one moment.
#[derive(Debug, Default)]
pub struct Types {
    /// In the order of discovery.
    pub all: Vec<Arc<ResourceType>>,
    by_path: HashMap<(String, String, String), Arc<ResourceType>>,
    by_kind: HashMap<(String, String, String), Arc<ResourceType>>,
    by_storage: HashMap<TypeId, Arc<ResourceType>>,
}

impl Types {
    fn new(all: Vec<Arc<ResourceType>>) -> Self {
        let mut types = Self::default();
        for of in &all {
            let (group, version) = (of.group.clone(), of.version.clone());
            types.by_path.insert((group.clone(), version.clone(), of.plural.clone()), of.clone());
            types.by_kind.insert((group, version, of.kind.clone()), of.clone());
            if of.api_version() == of.storage_api_version || !types.by_storage.contains_key(&of.stored_as) {
                types.by_storage.insert(of.stored_as.clone(), of.clone());
            }
        }
        types.all = all;
        types
    }

    /// By group, version and plural.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<ResourceType>> {
        self.by_path.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// By apiVersion and kind, as owner references name types.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<ResourceType>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.by_kind.get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
    }

    /// The type whose objects are stored under a name, in its storage version where that is served.
    pub fn stored_as(&self, id: &TypeId) -> Option<&Arc<ResourceType>> {
        self.by_storage.get(id)
    }

    /// Each stored type once.
    pub fn stored(&self) -> impl Iterator<Item = &Arc<ResourceType>> {
        self.by_storage.values()
    }

    /// Whether a group and version are served.
    pub fn serves(&self, group: &str, version: &str) -> bool {
        self.all.iter().any(|of| of.group == group && of.version == version)
    }

    /// Whether a group belongs to the built-in types, whose API server answers unknown resources with a Status.
    pub fn is_built_in(&self, group: &str) -> bool {
        self.all.iter().any(|of| of.custom.is_none() && of.group == group)
    }
}

/// The types of one server, replaced as a whole when a CRD changes.
#[derive(Debug)]
pub struct Registry {
    built_in: Vec<Arc<ResourceType>>,
    custom: RwLock<HashMap<String, Vec<Arc<ResourceType>>>>,
    types: RwLock<Arc<Types>>,
}

impl Registry {
    /// A registry of the built-in types of [`kinds::built_ins`].
    pub fn new() -> Self {
        Self::with(built_in_types(kinds::built_ins()))
    }

    /// A registry of some built-in types.
    pub fn with(built_in: Vec<Arc<ResourceType>>) -> Self {
        let types = RwLock::new(Arc::new(Types::new(built_in.clone())));
        Self { built_in, custom: RwLock::default(), types }
    }

    /// The types as they are now.
    pub fn types(&self) -> Arc<Types> {
        self.types.read().expect("no code panics while it holds the types").clone()
    }

    /// Replaces the types that come from a CRD (named `plural.group`) by `served`; an empty list takes them away.
    pub fn set_custom(&self, definition: &str, served: Vec<Arc<ResourceType>>) {
        let mut custom = self.custom.write().expect("no code panics while it holds the types");
        if served.is_empty() {
            custom.remove(definition);
        } else {
            custom.insert(definition.to_owned(), served);
        }
        let mut definitions: Vec<_> = custom.iter().collect();
        definitions.sort_by_key(|(name, served)| (served[0].group.clone(), (*name).clone()));
        let all = self.built_in.iter().cloned().chain(definitions.into_iter().flat_map(|(_, served)| served.iter().cloned()));
        *self.types.write().expect("no code panics while it holds the types") = Arc::new(Types::new(all.collect()));
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}
