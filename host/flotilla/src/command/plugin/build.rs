//! `flotilla plugin build`.

use super::{fits, kib};
use crate::exit::{Code, Failure, bad_input};
use crate::output::print_line;
use crate::plugins::{Progress, refused, runtime};
use flotilla_api::interpretation::{Layer, Operation};
use flotilla_interpreter::CONTRACT;
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use flotilla_plugin_build::{BuildError, Plugin as Built, Request, TARGET};
use std::path::PathBuf;

/// Arguments of `plugin build`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: flotilla plugin build --manifest-path my-plugin/Cargo.toml -o my-plugin.wasm")]
pub struct Build {
    /// Cargo.toml of the plugin, or of a workspace of plugins
    #[arg(long, value_name = "FILE", default_value = "Cargo.toml")]
    manifest_path: PathBuf,
    /// File (`….wasm`) or folder to write; a folder gets `<name>.wasm`
    #[arg(short, long, value_name = "PATH", default_value = ".")]
    output: PathBuf,
    /// Keep function names and debug information: larger, with readable backtraces
    #[arg(long)]
    debug: bool,
}

impl Build {
    /// Builds.
    pub fn run(self) -> Result<Code, Failure> {
        if !self.manifest_path.is_file() {
            let missing = bad_input(format!("there is no `{}`", self.manifest_path.display()));
            return Err(missing.hint("run it in the plugin's folder, or name its Cargo.toml with `--manifest-path`"));
        }
        eprintln!("building {} for {TARGET}", self.manifest_path.display());
        let request = Request { manifest: self.manifest_path, output: self.output, debug: self.debug };
        for built in flotilla_plugin_build::build(&request).map_err(not_built)? {
            tell(&built)?;
        }
        Ok(Code::Done)
    }
}

fn not_built(error: BuildError) -> Failure {
    let failure = bad_input(error.to_string());
    match error {
        BuildError::Io { path, .. } if path.as_os_str() == "cargo" => failure.hint("install Rust from https://rustup.rs"),
        BuildError::Cargo(_) => failure.hint("cargo's own message above says why"),
        _ => failure,
    }
}

/// Loads the plugin once, as a host would, and says what it is.
fn tell(built: &Built) -> Result<(), Failure> {
    let file = built.file.display().to_string();
    let payload = crate::input::read_bytes(&built.file)?;
    let cannot = |error| refused(&format!("`{file}`"), &error);
    let package = Package::open(&payload, None).map_err(cannot)?;
    let progress = Progress::start("loading it once");
    let plugin = package.load(&runtime()?, Layer::Loaded, &Manifest::default()).map_err(cannot)?;
    let packed = package.pack().map_err(cannot)?.len();
    drop(progress);
    let hooks: Vec<_> = plugin.operations().map(Operation::hook).collect();
    print_line(format!("built    {} {}{}", plugin.name(), plugin.origin().version, if built.written { "" } else { ", unchanged" }));
    print_line(format!("file     {file}  {}, {} compressed, {}", kib(package.size()), kib(packed), fits(packed)));
    print_line(format!("hooks    {} (contract {CONTRACT}, loads on this host)", hooks.join(", ")));
    print_line(format!("imports  {}", if built.imports.is_empty() { "nothing".to_owned() } else { built.imports.join(", ") }));
    print_line(format!("next     flotilla plugin manifest {file} | kubectl apply --server-side -f -"));
    Ok(())
}
