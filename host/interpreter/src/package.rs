//! From bytes to a plugin: unpack, digest, parse, contract check, compile, declare. Each step can refuse, none runs before the one
//! that makes it safe.

use crate::contract::{self, InterfaceName};
use crate::declare::{self, Functions};
use crate::load_error::{LoadError, LoadReason};
use crate::manifest::{self, Manifest};
use crate::metrics::Counters;
use crate::plugin::Plugin;
use crate::runtime::{self, Callee, Runtime};
use flotilla_api::interpretation::{Layer, Operation, Origin};
use flotilla_api::object::GroupVersionKind;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;
use wasmparser::{Parser, Payload};
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

/// Largest component, unpacked.
pub const COMPONENT_CEILING: usize = 32 << 20;
/// The custom section in which the SDK writes who a plugin is.
const SECTION: &str = "flotilla:plugin";
/// Level of zstd: packing takes milliseconds longer and is done once.
const SMALLEST: i32 = 19;
/// Unit of linear memory in bytes.
const WASM_PAGE: usize = 64 << 10;
/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// An unpacked component with its digest; not yet trusted to be one.
pub struct Package {
    wasm: Vec<u8>,
    digest: String,
}

/// What the component says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// Name of the plugin.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The kinds that it is for: `group/version/Kind`.
    pub targets: Vec<String>,
    /// The SDK that it was written with.
    #[serde(default)]
    pub sdk: String,
}

impl Package {
    /// Unpacks a payload, plain or zstd, and compares it with the digest that is expected of it.
    pub fn open(payload: &[u8], expected: Option<&str>) -> Result<Self, LoadError> {
        let wasm = if payload.starts_with(&ZSTD_MAGIC) { unpack(payload)? } else { payload.to_vec() };
        if wasm.len() > COMPONENT_CEILING {
            return Err(too_large());
        }
        let digest = digest(&wasm);
        match expected {
            Some(expected) if expected != digest => Err(LoadError::new(
                LoadReason::DigestMismatch,
                format!("the component is {digest}, the annotation says {expected}; apply the right component or correct the annotation"),
            )),
            _ => Ok(Self { wasm, digest }),
        }
    }

    /// `sha256:…` of the unpacked component.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Size of the unpacked component in bytes.
    pub fn size(&self) -> usize {
        self.wasm.len()
    }

    /// The unpacked component.
    pub fn component(&self) -> &[u8] {
        &self.wasm
    }

    /// The payload of a ConfigMap: the component, packed as small as it gets.
    pub fn pack(&self) -> Result<Vec<u8>, LoadError> {
        zstd::encode_all(self.wasm.as_slice(), SMALLEST)
            .map_err(|why| LoadError::new(LoadReason::BadPayload, format!("the component cannot be packed: {why}")))
    }

    /// Reads the identity section; `None` for a component of a toolchain that does not write it.
    pub fn identity(&self) -> Result<Option<Identity>, LoadError> {
        if Parser::is_core_wasm(&self.wasm) {
            let cure = "make a component of it with `flotilla plugin build`, or with wit-component";
            return Err(LoadError::new(LoadReason::NotAComponent, format!("this is a WebAssembly core module, not a component; {cure}")));
        }
        if !Parser::is_component(&self.wasm) {
            let cure = "put a component there, plain or packed with zstd";
            return Err(LoadError::new(LoadReason::BadPayload, format!("this is no WebAssembly; {cure}")));
        }
        let mut identity = None;
        for payload in Parser::new(0).parse_all(&self.wasm) {
            let payload = payload.map_err(damaged)?;
            if let Payload::CustomSection(section) = payload
                && section.name() == SECTION
            {
                let bad = |why| format!("the section `{SECTION}` of the component cannot be read: {why}; rebuild it with this host's SDK");
                let read = serde_json::from_slice(section.data()).map_err(|why| LoadError::new(LoadReason::BadPayload, bad(why)))?;
                identity.get_or_insert(read);
            }
        }
        Ok(identity)
    }

    /// What the component imports, for people: interfaces with their versions.
    pub fn imports(&self) -> Result<Vec<String>, LoadError> {
        let (mut imports, mut depth) = (Vec::new(), 0);
        for payload in Parser::new(0).parse_all(&self.wasm) {
            match payload.map_err(damaged)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    let names = section.into_iter().map(|import| Ok(import.map_err(damaged)?.name.name.to_owned()));
                    imports.append(&mut names.collect::<Result<_, LoadError>>()?);
                }
                _ => {}
            }
        }
        Ok(imports)
    }

    /// Compiles the component, asks its hooks what they read and write, and ties all to the manifest.
    pub fn load(&self, runtime: &Runtime, layer: Layer, manifest: &Manifest) -> Result<Plugin, LoadError> {
        let who = who(self.identity()?, manifest)?;
        let started = Instant::now();
        let component = runtime
            .compile(&self.wasm, &self.digest)
            .map_err(|why| LoadError::new(LoadReason::CompileFailed, format!("the component cannot be compiled: {why:#}; rebuild it")))?;
        let compiled_in = started.elapsed();
        let functions = hooks(runtime, &component, manifest)?;
        let instance = link(runtime, &component, manifest)?;
        let origin = Origin { layer, plugin: who.name, version: who.version, digest: self.digest.clone() };
        let settings = serde_json::to_string(&manifest.settings).expect("a map of JSON values is JSON");
        let callee = Callee { origin: Arc::new(origin), settings: settings.as_str().into(), limits: manifest.limits, instance };
        let hooks = declare::hooks(runtime, &callee, &functions)?;
        Ok(Plugin {
            callee,
            hooks,
            targets: who.targets,
            sdk: who.sdk,
            priority: manifest.priority,
            scope: manifest.scope.clone(),
            seed: declare::seed(&self.digest, &settings),
            counters: Counters::default(),
            compiled_in,
        })
    }
}

/// `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn unpack(payload: &[u8]) -> Result<Vec<u8>, LoadError> {
    let bad = |why: std::io::Error| {
        LoadError::new(LoadReason::BadPayload, format!("the payload cannot be unpacked: {why}; pack it again with `zstd`"))
    };
    let mut wasm = Vec::new();
    let frame = zstd::stream::read::Decoder::new(payload).map_err(bad)?;
    frame.take(COMPONENT_CEILING as u64 + 1).read_to_end(&mut wasm).map_err(bad)?;
    Ok(wasm)
}

fn damaged(why: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::new(LoadReason::BadPayload, format!("the component is damaged: {why}"))
}

fn too_large() -> LoadError {
    let most = runtime::bytes(COMPONENT_CEILING);
    LoadError::new(LoadReason::TooLarge, format!("the component is larger than {most}; build it with `opt-level = \"s\"` and `strip`"))
}

struct Who {
    name: String,
    version: String,
    sdk: String,
    targets: Vec<GroupVersionKind>,
}

/// Who the plugin is: the component says it, or the manifest does; where both speak they must agree, and the manifest may only
/// narrow the targets.
fn who(identity: Option<Identity>, manifest: &Manifest) -> Result<Who, LoadError> {
    let bad = |why: String| LoadError::new(LoadReason::BadManifest, why);
    let Some(identity) = identity else { return who_by_manifest(manifest) };
    for (key, written, built) in [("name", &manifest.name, &identity.name), ("version", &manifest.version, &identity.version)] {
        if written.as_ref().is_some_and(|written| written != built) {
            return Err(bad(format!("`{key}` in `plugin.yaml` differs from the component's, `{built}`; leave it out")));
        }
    }
    if !manifest.targets.is_empty() {
        return Err(bad("`targets` are in the component; narrow them with `match.targets`".to_owned()));
    }
    let declared = manifest::targets(&identity.targets).map_err(|why| LoadError::new(LoadReason::BadPayload, format!("target {why}")))?;
    let targets = narrow(&identity.name, declared, &manifest.scope.targets)?;
    Ok(Who { name: identity.name, version: identity.version, sdk: identity.sdk, targets })
}

fn who_by_manifest(manifest: &Manifest) -> Result<Who, LoadError> {
    let (Some(name), Some(version), false) = (&manifest.name, &manifest.version, manifest.targets.is_empty()) else {
        let why = "the component does not say who it is; give `name`, `version` and `targets` in `plugin.yaml`";
        return Err(LoadError::new(LoadReason::BadManifest, why));
    };
    let targets = narrow(name, manifest.targets.clone(), &manifest.scope.targets)?;
    Ok(Who { name: name.clone(), version: version.clone(), sdk: String::new(), targets })
}

fn narrow(name: &str, declared: Vec<GroupVersionKind>, wanted: &[GroupVersionKind]) -> Result<Vec<GroupVersionKind>, LoadError> {
    if let Some(foreign) = wanted.iter().find(|target| !declared.contains(target)) {
        let known = declared.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let why = format!("`match.targets` names {foreign}, plugin `{name}` is for {known}; remove it from the manifest");
        return Err(LoadError::new(LoadReason::TargetNotDeclared, why));
    }
    if declared.is_empty() {
        return Err(LoadError::new(LoadReason::TargetNotDeclared, format!("plugin `{name}` names no target; declare one in `plugin!`")));
    }
    Ok(if wanted.is_empty() { declared } else { wanted.to_vec() })
}

/// The hooks that the component exports and the manifest uses, learned from the component's type.
fn hooks(runtime: &Runtime, component: &Component, manifest: &Manifest) -> Result<Vec<Functions>, LoadError> {
    let of = component.component_type();
    let exported = of.exports(runtime.engine()).map(|(name, _)| name);
    let ours: Vec<InterfaceName<'_>> = exported.filter_map(InterfaceName::parse).filter(InterfaceName::is_ours).collect();
    if let Some(newer) = ours.iter().find(|name| name.major > contract::MAJOR) {
        return Err(too_new(newer.major, newer.minor));
    }
    let mut found = Vec::new();
    for operation in Operation::ALL {
        let wanted = manifest.hooks.as_ref().is_none_or(|hooks| hooks.contains(&operation));
        let name = format!("{}/{}@{}.{}.0", contract::PACKAGE, operation.hook(), contract::MAJOR, contract::MINOR);
        let interface = component.get_export_index(None, name.as_str());
        match interface {
            Some(interface) if wanted => {
                let function = |name| component.get_export_index(Some(&interface), name).ok_or_else(|| lacks(operation, name));
                found.push(Functions { operation, declare: function("declare")?, answer: function(contract::function(operation))? });
            }
            None if manifest.hooks.as_ref().is_some_and(|_| wanted) => {
                let why = format!("`hooks` names `{}`, which the component does not export; remove it from the manifest", operation.hook());
                return Err(LoadError::new(LoadReason::BadManifest, why));
            }
            _ => {}
        }
    }
    if found.is_empty() {
        let known = Operation::ALL.map(Operation::hook).join(", ");
        let package = contract::PACKAGE;
        return Err(LoadError::new(LoadReason::NoHooks, format!("the component exports none of {known} of `{package}`; implement one")));
    }
    Ok(found)
}

fn lacks(operation: Operation, function: &str) -> LoadError {
    let why = format!("hook `{}` has no function `{function}`; rebuild it with the contract of this host", operation.hook());
    LoadError::new(LoadReason::DeclareFailed, why)
}

fn too_new(major: u64, minor: u64) -> LoadError {
    let (package, host) = (contract::PACKAGE, format!("{}.{}", contract::MAJOR, contract::MINOR));
    let cure = format!("rebuild with flotilla-sdk {}.x or upgrade to Flotilla {major}.{minor}", contract::MAJOR);
    LoadError::new(LoadReason::ContractTooNew, format!("needs {package}@{major}.{minor}, this host has {host}; {cure}"))
}

/// Checks the imports, ties the component to the host, and checks that an instance fits its limits.
fn link(runtime: &Runtime, component: &Component, manifest: &Manifest) -> Result<runtime::Linked, LoadError> {
    let engine = runtime.engine();
    for (name, import) in component.component_type().imports(engine) {
        check_import(engine, name, &import.ty)?;
    }
    let pages = component.resources_required().and_then(|needs| needs.max_initial_memory_size).unwrap_or(0);
    let memory = usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(WASM_PAGE);
    if memory > manifest.limits.memory {
        let (needs, has) = (runtime::bytes(memory), runtime::bytes(manifest.limits.memory));
        let why = format!("the component starts with {needs} of memory, its limit is {has}; raise `limits.memory`");
        return Err(LoadError::new(LoadReason::TooLarge, why));
    }
    runtime
        .link(component)
        .map_err(|why| LoadError::new(LoadReason::UnknownImport, format!("the imports do not fit this host: {why:#}; rebuild it")))
}

fn check_import(engine: &wasmtime::Engine, name: &str, import: &ComponentItem) -> Result<(), LoadError> {
    let unknown = || {
        let offered = "the host offers `log`, `settings`, `now`, `say` and `kube` only";
        LoadError::new(LoadReason::UnknownImport, format!("the component imports `{name}`; {offered}, build it without"))
    };
    let Some(interface) = InterfaceName::parse(name) else { return Err(unknown()) };
    let functions = match interface.interface {
        _ if !interface.is_ours() => return if runtime::is_wasi(name) { Ok(()) } else { Err(unknown()) },
        _ if interface.major > contract::MAJOR => return Err(too_new(interface.major, interface.minor)),
        "types" => &[][..],
        "host" => &["log", "settings", "now"],
        "last-words" => &["say"],
        "kube" => &["pod-requirements", "pod-dependencies", "quantity-sum", "quantity-compare", "quantity-value"],
        _ => return Err(unknown()),
    };
    let ComponentItem::ComponentInstance(instance) = import else { return Err(unknown()) };
    let mut wanted = instance.exports(engine).filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
    match wanted.find(|(wanted, _)| !functions.contains(wanted)) {
        Some(_) if interface.minor > contract::MINOR => Err(too_new(interface.major, interface.minor)),
        Some((function, _)) => {
            let why = format!("the component imports `{function}` of `{name}`, which this host does not offer; build it without");
            Err(LoadError::new(LoadReason::UnknownImport, why))
        }
        None => Ok(()),
    }
}
