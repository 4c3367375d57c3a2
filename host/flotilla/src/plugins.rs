//! Which plugins a command works with: the built-in ones, those of `--plugins`, and those of `-p` on top.

use crate::exit::{Code, Failure, bad_input};
use flotilla_api::interpretation::Layer;
use flotilla_interpreter::cache::ArtefactCache;
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use flotilla_interpreter::{Chain, LoadError, Plugin, Runtime, built_in};
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
    /// The chain of layers that these plugins make.
    pub fn chain(&self) -> Result<Chain, Failure> {
        let progress = Progress::start("loading plugins");
        let runtime = runtime()?;
        let mut loaded = Vec::new();
        for file in self.files()? {
            progress.say(format!("loading {}", file.display()));
            loaded.push(Arc::new(load(&runtime, &file)?));
        }
        progress.say("loading the built-in plugins");
        let built_in = built_in::load(&runtime).map_err(|error| refused("the built-in plugins", &error))?;
        Ok(Chain::new(Arc::new(runtime), built_in).with_loaded(loaded, Vec::new()))
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = self.plugin_files.clone();
        if let Some(folder) = &self.plugins {
            let entries = std::fs::read_dir(folder).map_err(|error| bad_input(format!("cannot read folder `{}`: {error}", folder.display())))?;
            let mut found: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
            found.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
            found.sort();
            files.extend(found);
        }
        Ok(files)
    }
}

/// The WebAssembly runtime, with the user's cache of compiled plugins.
pub fn runtime() -> Result<Runtime, Failure> {
    Runtime::with_cache(ArtefactCache::in_user_directory()).map_err(|error| Failure::new(Code::PluginFailed, format!("the WebAssembly runtime cannot start: {error}")))
}

fn load(runtime: &Runtime, file: &Path) -> Result<Plugin, Failure> {
    let name = format!("`{}`", file.display());
    let payload = std::fs::read(file).map_err(|error| bad_input(format!("cannot read {name}: {error}")))?;
    let package = Package::open(&payload, None).map_err(|error| refused(&name, &error))?;
    let manifest_file = file.with_extension("yaml");
    let manifest = match std::fs::read_to_string(&manifest_file) {
        Ok(text) => Manifest::parse(&text).map_err(|error| refused(&format!("`{}`", manifest_file.display()), &error))?,
        Err(_) => Manifest::default(),
    };
    package.load(runtime, Layer::Loaded, &manifest).map_err(|error| refused(&name, &error))
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
