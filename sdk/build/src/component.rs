//! From a module to a component, and what a component says about itself.

use crate::BuildError;
use crate::cargo::Request;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use wasmparser::{ComponentExternalKind, Parser, Payload};
use wit_component::ComponentEncoder;

/// The custom section with a plugin's identity.
const SECTION: &str = "flotilla:plugin";

/// The package of the contract's interfaces.
const CONTRACT: &str = "flotilla:interpreter/";

/// The eight interfaces that a plugin may export.
const HOOKS: [&str; 8] = ["replicas", "components", "revision", "retention", "reflection", "aggregation", "health", "dependencies"];

/// Who a plugin is: the JSON in its custom section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// Name of the plugin.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The kinds that it serves, `group/version/Kind`.
    pub targets: Vec<String>,
    /// What it was built with.
    pub sdk: String,
}

/// A component and what it says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Who it is.
    pub identity: Identity,
    /// Where it is.
    pub file: PathBuf,
    /// Bytes.
    pub size: usize,
    /// The hooks that it exports, in the contract's order.
    pub hooks: Vec<&'static str>,
    /// What it imports beside types, for instance `flotilla:interpreter/kube@1.0.0`.
    pub imports: Vec<String>,
    /// Whether the file was written; it is left alone when it holds these bytes already.
    pub written: bool,
}

/// Makes a component of a module, checks it and writes it where the request says.
pub(crate) fn write(module: &Path, request: &Request) -> Result<Plugin, BuildError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Io { path, source }
    };
    let bytes = std::fs::read(module).map_err(io(module))?;
    let component = componentize(&module.display().to_string(), &bytes)?;
    let mut plugin = inspect(module, &component)?;
    plugin.file = match request.output_file() {
        Some(file) => file.to_owned(),
        None => request.output.join(format!("{}.wasm", plugin.identity.name)),
    };
    if let Some(directory) = plugin.file.parent() {
        std::fs::create_dir_all(directory).map_err(io(directory))?;
    }
    plugin.written = std::fs::read(&plugin.file).ok().as_deref() != Some(&component);
    if plugin.written {
        std::fs::write(&plugin.file, &component).map_err(io(&plugin.file))?;
    }
    Ok(plugin)
}

fn componentize(file: &str, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encoder = ComponentEncoder::default().validate(true).module(module);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|error| BuildError::NotAComponent {
        file: file.to_owned(),
        reason: error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": "),
    })
}

/// Reads what a component says about itself; refuses one that no host would load.
pub fn inspect(file: &Path, component: &[u8]) -> Result<Plugin, BuildError> {
    let refuse = |problem: String| BuildError::NotAPlugin { file: file.display().to_string(), problem };
    let faces = Faces::read(component).map_err(|error| refuse(format!("is no WebAssembly: {error}")))?;
    let identity = faces.identity.ok_or_else(|| refuse(format!("has no section `{SECTION}`, call `flotilla_sdk::plugin!`")))?;
    let identity = serde_json::from_slice(identity).map_err(|error| refuse(format!("has a broken section `{SECTION}`: {error}")))?;
    if let Some(import) = faces.imports.iter().find(|import| !import.starts_with(CONTRACT)) {
        return Err(refuse(format!("imports `{import}`, a plugin has nothing but `{CONTRACT}host` and `{CONTRACT}kube`")));
    }
    let exported = |hook: &&str| faces.exports.iter().any(|export| interface(export) == Some(hook));
    let hooks: Vec<_> = HOOKS.into_iter().filter(exported).collect();
    if hooks.is_empty() {
        return Err(refuse("exports no hook, name some in `flotilla_sdk::plugin!`".to_owned()));
    }
    let imports = faces.imports.into_iter().filter(|import| interface(import) != Some("types")).map(str::to_owned).collect();
    Ok(Plugin { identity, file: file.to_owned(), size: component.len(), hooks, imports, written: false })
}

/// `replicas` of `flotilla:interpreter/replicas@1.0.0`.
fn interface(name: &str) -> Option<&str> {
    name.strip_prefix(CONTRACT)?.split('@').next()
}

/// The outside of a component.
#[derive(Default)]
struct Faces<'a> {
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
    identity: Option<&'a [u8]>,
}

impl<'a> Faces<'a> {
    fn read(component: &'a [u8]) -> wasmparser::Result<Self> {
        let mut res = Self::default();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::CustomSection(section) if section.name() == SECTION => res.identity = Some(section.data()),
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        res.imports.push(import?.name.name);
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        let export = export?;
                        if export.kind == ComponentExternalKind::Instance {
                            res.exports.push(export.name.name);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(res)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str =
        r#"(@custom "flotilla:plugin" "{\"name\":\"web\",\"version\":\"1.0.0\",\"targets\":[\"x/v1/Web\"],\"sdk\":\"s\"}")"#;
    const HOOKS: &str = r#"(instance $i)
        (export "flotilla:interpreter/health@1.0.0" (instance $i))
        (export "flotilla:interpreter/replicas@1.0.0" (instance $i))"#;

    fn look(fields: &[&str]) -> Result<Plugin, String> {
        let component = wat::parse_str(format!("(component {})", fields.join("\n"))).expect("a component in text");
        inspect(Path::new("web.wasm"), &component).map_err(|error| error.to_string())
    }

    #[test]
    fn a_component_says_who_it_is_and_what_it_does() {
        let imports = r#"(import "flotilla:interpreter/types@1.0.0" (instance)) (import "flotilla:interpreter/kube@1.0.0" (instance))"#;
        let plugin = look(&[IDENTITY, imports, HOOKS]).unwrap();
        assert_eq!((plugin.identity.name.as_str(), plugin.identity.targets.as_slice()), ("web", &["x/v1/Web".to_owned()][..]));
        assert_eq!(plugin.hooks, ["replicas", "health"]);
        assert_eq!(plugin.imports, ["flotilla:interpreter/kube@1.0.0"]);
    }

    #[test]
    fn the_sdk_writes_the_section_into_the_module() {
        let plugin = look(&[&format!("(core module {IDENTITY})"), HOOKS]).unwrap();
        assert_eq!(plugin.identity.version, "1.0.0");
    }

    #[test]
    fn what_no_host_would_load_is_refused_with_the_cure() {
        assert!(look(&[HOOKS]).unwrap_err().ends_with("has no section `flotilla:plugin`, call `flotilla_sdk::plugin!`"));
        assert!(look(&[IDENTITY]).unwrap_err().ends_with("exports no hook, name some in `flotilla_sdk::plugin!`"));
        let clock = r#"(import "wasi:clocks/wall-clock@0.2.0" (instance))"#;
        assert!(look(&[IDENTITY, clock, HOOKS]).unwrap_err().contains("imports `wasi:clocks/wall-clock@0.2.0`"));
        assert!(inspect(Path::new("web.wasm"), b"hello").unwrap_err().to_string().contains("is no WebAssembly"));
    }
}
