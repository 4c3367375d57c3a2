//! `flotilla plugin`: build, pack and look into plugins. Loads them as a control plane would, so that what passes here passes there.

mod build;
mod inspect;
mod manifest;

use crate::exit::{Code, Failure, bad_input};
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use flotilla_interpreter::{LoadError, config_map};
use std::path::Path;

/// What a ConfigMap may hold in all, unpacked from base64, in bytes.
const CONFIG_MAP_CEILING: usize = 1 << 20;

/// Build, pack and look into plugins.
#[derive(Debug, clap::Subcommand)]
pub enum Plugin {
    /// Build a plugin from its source: runs cargo, makes a component, loads it once
    Build(build::Build),
    /// Print the ConfigMap that brings a plugin to a control plane
    Manifest(manifest::ManifestCommand),
    /// Show what a plugin is, what it may read and write, and whether this host loads it
    Inspect(inspect::Inspect),
}

impl Plugin {
    /// Runs the subcommand.
    pub fn run(self) -> Result<Code, Failure> {
        match self {
            Self::Build(command) => command.run(),
            Self::Manifest(command) => command.run(),
            Self::Inspect(command) => command.run(),
        }
    }
}

/// A plugin from a file or standard input: a component, plain or packed, or a ConfigMap that holds one. The inner error is the
/// plugin's own.
fn open(file: &Path) -> Result<Result<(Package, Manifest), LoadError>, Failure> {
    let bytes = crate::input::read_bytes(file)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) if !text.starts_with('\0') => text,
        _ => return Ok(Package::open(&bytes, None).map(|package| (package, Manifest::default()))),
    };
    let object = crate::input::parse_object(file, text)?;
    if object.kind() != "ConfigMap" {
        let found = format!("`{}` holds {}, expected a component or a ConfigMap", file.display(), object.display());
        return Err(bad_input(found).hint("give a `.wasm` file, or the output of `flotilla plugin manifest`"));
    }
    Ok(config_map::open(&object))
}

/// A size for people: `148 KiB`.
fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// Whether a packed component fits a ConfigMap, in words.
fn fits(packed: usize) -> &'static str {
    if packed < CONFIG_MAP_CEILING { "fits a ConfigMap" } else { "too large for a ConfigMap, use `--plugins`" }
}
