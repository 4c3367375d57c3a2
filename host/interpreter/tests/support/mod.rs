//! What several test files need: components made of text, plugins made of components, chains made of plugins.
//!
//! A `.wat` file is a core module with a header of comments: its first line says what must come out, `;; world:` lines name the
//! worlds of the contract that it implements, `;; wit:` and `;; import:` what else it imports.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod compare;

use flotilla_api::interpretation::Layer;
use flotilla_api::object::Object;
use flotilla_interpreter::cache::ArtefactCache;
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use flotilla_interpreter::{Chain, LoadError, Plugin, Runtime};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// One runtime for all tests of a file: an engine's pool is large. Compiled plugins are kept beside the other build products.
pub fn runtime() -> Arc<Runtime> {
    static RUNTIME: LazyLock<Arc<Runtime>> = LazyLock::new(|| {
        let cache = ArtefactCache::in_directory(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache"));
        Arc::new(Runtime::with_cache(cache).expect("an engine"))
    });
    Arc::clone(&RUNTIME)
}

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An object from YAML.
pub fn object(yaml: &str) -> Object {
    serde_saphyr::from_str(yaml).expect("an object in YAML")
}

/// The built-in plugins as `make plugins` leaves them.
pub fn built_in() -> Vec<Arc<Plugin>> {
    let folder = root().join("plugins/built");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing: run `make plugins`", folder.display()));
    let mut files: Vec<PathBuf> =
        files.map(|file| file.expect("a file").path()).filter(|path| path.extension().is_some_and(|it| it == "wasm")).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty: run `make plugins`", folder.display());
    let load = |path: &PathBuf| {
        let package = Package::open(&std::fs::read(path).expect("a file"), None)?;
        package.load(&runtime(), Layer::BuiltIn, &Manifest::default()).map(Arc::new)
    };
    files.iter().map(|path| load(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))).collect()
}

/// A chain of these loaded plugins.
pub fn chain(plugins: Vec<Arc<Plugin>>) -> Chain {
    Chain::new(runtime(), Vec::new()).with_loaded(plugins, Vec::new())
}

/// A plugin from `tests/wat/<file>.wat`.
pub fn plugin(file: &str) -> Arc<Plugin> {
    Arc::new(load(file, "").unwrap_or_else(|why| panic!("{file}.wat: {why}")))
}

/// Loads `tests/wat/<file>.wat` with a manifest.
pub fn load(file: &str, manifest: &str) -> Result<Plugin, LoadError> {
    load_payload(&component(file), None, manifest)
}

/// Loads a payload with a manifest.
pub fn load_payload(payload: &[u8], digest: Option<&str>, manifest: &str) -> Result<Plugin, LoadError> {
    Package::open(payload, digest)?.load(&runtime(), Layer::Loaded, &Manifest::parse(manifest)?)
}

/// The text of `tests/wat/<file>.wat`.
pub fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/wat/{file}.wat"));
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The component of `tests/wat/<file>.wat`, for `tests/v1/Thing` under the file's name.
pub fn component(file: &str) -> Vec<u8> {
    let identity = format!(r#"{{"name": "{file}", "version": "1.0.0", "targets": ["tests/v1/Thing"], "sdk": "text"}}"#);
    component_of(&text(file), &identity)
}

/// A component of text, with an identity section unless that is empty.
pub fn component_of(text: &str, identity: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).expect("text wasm");
    let header = |key: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(&format!(";; {key}: "))).map(str::to_owned).collect()
    };
    let (resolve, world) = world(&header("world"), &header("import"), &header("wit"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the world fits");
    if !identity.is_empty() {
        custom_section(&mut module, "flotilla:plugin", identity.as_bytes());
    }
    ComponentEncoder::default().module(&module).expect("a module").validate(true).encode().expect("a component")
}

/// A world of the contract's worlds and, for plugins that import what they should not, further imports.
fn world(worlds: &[String], imports: &[String], packages: &[String]) -> (Resolve, wit_parser::WorldId) {
    let mut resolve = Resolve::default();
    let contract = resolve.push_dir(root().join("sdk/wit/v1")).expect("the contract").0;
    let version = resolve.packages[contract].name.version.clone().expect("the contract has a version");
    let include: String = worlds.iter().map(|world| format!("include flotilla:interpreter/{world}@{version};")).collect();
    let import: String = imports.iter().map(|import| format!("import {import};")).collect();
    let package = resolve
        .push_str("world.wit", &format!("package tests:plugin; {} world w {{ {include} {import} }}", packages.concat()))
        .expect("a world");
    let world = resolve.select_world(&[package], Some("w")).expect("the world");
    (resolve, world)
}

fn custom_section(module: &mut Vec<u8>, name: &str, data: &[u8]) {
    let leb = |mut number: usize| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let name = [leb(name.len()), name.as_bytes().to_vec()].concat();
    module.push(0);
    module.extend(leb(name.len() + data.len()));
    module.extend(name);
    module.extend(data);
}
