//! Which plugins a command works with: the built-in ones, those of `--plugins`, and those of `-p` on top.

use crate::exit::{Code, Failure, bad_input};
use flotilla_api::interpretation::Layer;
use flotilla_interpreter::cache::ArtefactCache;
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use flotilla_interpreter::{Chain, LoadError, LoadOutcome, Plugin, PluginStore, Runtime, built_in};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Flags of commands that ask plugins.
#[derive(Debug, Clone, clap::Args)]
pub struct PluginOptions {
    /// Plugin file, asked before all others; repeatable
    #[arg(short, long = "plugin", value_name = "FILE.wasm")]
    plugin_files: Vec<PathBuf>,
    /// Folder of plugins (`*.wasm`, each with its manifest in `<name>.yaml` where it has one)
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

impl PluginOptions {
    /// The chain of layers that these plugins make. A plugin that cannot be loaded is an error: the answers would be others.
    pub fn chain(&self) -> Result<Chain, Failure> {
        let progress = Progress::start("loading the built-in plugins");
        let runtime = Arc::new(runtime()?);
        let built_in = built_in::load(&runtime).map_err(|error| refused("the built-in plugins", &error))?;
        let mut chain = Chain::new(runtime.clone(), built_in);
        if let Some(folder) = &self.plugins {
            progress.say(format!("loading {}", folder.display()));
            chain = with_folder(chain, folder)?;
        }
        let mut loaded: Vec<Arc<Plugin>> = chain.plugins();
        loaded.retain(|plugin| plugin.origin().layer == Layer::Loaded);
        for (priority, file) in (0..=i32::MAX).rev().zip(&self.plugin_files) {
            progress.say(format!("loading {}", file.display()));
            loaded.push(Arc::new(load(&runtime, file, priority)?));
        }
        Ok(chain.with_loaded(loaded, Vec::new()))
    }
}

/// The chain with the plugins of a folder, as a host that is given it would have them.
fn with_folder(chain: Chain, folder: &Path) -> Result<Chain, Failure> {
    let store = PluginStore::new(chain);
    let outcomes = store.reload_folder(folder).map_err(|error| bad_input(format!("cannot read folder `{}`: {error}", folder.display())))?;
    for (source, outcome) in outcomes {
        if let LoadOutcome::Refused(error) = outcome {
            return Err(refused(&format!("`{source}`"), &error));
        }
    }
    Ok((*store.chain()).clone())
}

/// The WebAssembly runtime, with the user's cache of compiled plugins.
pub fn runtime() -> Result<Runtime, Failure> {
    Runtime::with_cache(ArtefactCache::in_user_directory())
        .map_err(|error| Failure::new(Code::PluginFailed, format!("the WebAssembly runtime cannot start: {error}")))
}

fn load(runtime: &Runtime, file: &Path, priority: i32) -> Result<Plugin, Failure> {
    let name = format!("`{}`", file.display());
    let payload = std::fs::read(file).map_err(|error| bad_input(format!("cannot read {name}: {error}")))?;
    let package = Package::open(&payload, None).map_err(|error| refused(&name, &error))?;
    let manifest_file = file.with_extension("yaml");
    let manifest = match std::fs::read_to_string(&manifest_file) {
        Ok(text) => Manifest::parse(&text).map_err(|error| refused(&format!("`{}`", manifest_file.display()), &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Manifest::default(),
        Err(error) => return Err(bad_input(format!("cannot read `{}`: {error}", manifest_file.display()))),
    };
    package.load(runtime, Layer::Loaded, &Manifest { priority, ..manifest }).map_err(|error| refused(&name, &error))
}

/// A plugin that cannot be loaded.
pub fn refused(what: &str, error: &LoadError) -> Failure {
    Failure::new(Code::BadInput, format!("{what} cannot be loaded: {}: {}", error.reason, error.message))
}

/// A line on the terminal while something takes long; nothing where nobody looks, or when it is quick.
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts to say something.
    pub fn start(text: &'static str) -> Self {
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{spinner} {msg} ({elapsed})").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.set_message(text);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Says something else.
    pub fn say(&self, text: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
