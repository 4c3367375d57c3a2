//! From a plugin's source to a component that a host can load: runs cargo, makes a component of the module, checks what it
//! imports and exports.
//!
//! `make plugins` builds Flotilla's own plugins with it before the host is built (see `main.rs`), `flotilla plugin build` builds
//! everybody else's. It knows nothing of the host: it depends on no other crate of the workspace.

mod cargo;
mod component;

pub use cargo::{Request, TARGET};
pub use component::{Identity, Plugin, inspect};

use std::path::PathBuf;

/// Why there is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be read or written, or cargo could not be started.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Cargo said on stderr what is wrong.
    #[error("`cargo build` failed for `{}`", .0.display())]
    Cargo(PathBuf),
    /// The Rust target is missing.
    #[error("the Rust target `{TARGET}` is not installed, run `rustup target add {TARGET}`")]
    TargetMissing,
    /// Nothing in the package or workspace becomes a module.
    #[error("`{}` builds no plugin, add `crate-type = [\"cdylib\"]` under `[lib]`", .0.display())]
    NoPlugin(PathBuf),
    /// The output names one file but there are several plugins.
    #[error("`{}` is one file and there are {count} plugins, name a directory", path.display())]
    OneFile {
        /// The file.
        path: PathBuf,
        /// Number of plugins.
        count: usize,
    },
    /// The module is no component and cannot be made one.
    #[error("`{file}` cannot be made a component: {reason}")]
    NotAComponent {
        /// The module.
        file: String,
        /// What the encoder said.
        reason: String,
    },
    /// The component cannot be loaded by a host.
    #[error("`{file}` {problem}")]
    NotAPlugin {
        /// The module.
        file: String,
        /// What is wrong with it, and the cure.
        problem: String,
    },
}

/// Builds every plugin of a package or workspace and writes those whose bytes changed, so that whoever embeds them is not built
/// again for nothing. Cargo's own output goes to stderr.
pub fn build(request: &Request) -> Result<Vec<Plugin>, BuildError> {
    let modules = cargo::modules(request)?;
    if let (Some(file), count @ 2..) = (request.output_file(), modules.len()) {
        return Err(BuildError::OneFile { path: file.to_owned(), count });
    }
    modules.iter().map(|module| component::write(module, request)).collect()
}
