//! The controllers and their plugins, as `sandbox` and `controllers` run them.

use crate::exit::{Code, Failure};
use crate::plugins::runtime;
use flotilla_controllers::cluster_api::ClusterApi;
use flotilla_controllers::context::Options;
use flotilla_controllers::fleet::{Fleet, interpret_again};
use flotilla_controllers::health::Activity;
use flotilla_controllers::members::Connect;
use flotilla_controllers::metrics::Metrics;
use flotilla_controllers::plugins::Plugins;
use flotilla_controllers::queues::Queues;
use flotilla_controllers::served::GroupKind;
use flotilla_controllers::task::Task;
use flotilla_interpreter::store::{LoadOutcome, PluginStore};
use flotilla_interpreter::{Chain, built_in};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};

/// How often a plugin folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A plugin store over the built-in plugins, with those of a folder.
pub fn plugin_store(folder: Option<&Path>, options: &Options, metrics: &Metrics) -> Result<Arc<PluginStore>, Failure> {
    let runtime = runtime()?;
    let built_in = built_in::load(&runtime).map_err(|error| crate::plugins::refused("the built-in plugins", &error))?;
    let served = options.served.clone();
    let versions = move |group: &str, kind: &str| {
        let kind = GroupKind { group: group.to_owned(), kind: kind.to_owned() };
        served.get().map(|served| served.versions(&kind).iter().map(|resource| resource.version.clone()).collect()).unwrap_or_default()
    };
    let store = PluginStore::new(Chain::new(Arc::new(runtime), built_in).with_served_versions(Arc::new(versions)));
    if let Some(folder) = folder {
        reload(&store, folder, metrics)
            .map_err(|error| Failure::new(Code::BadInput, format!("cannot read plugin folder `{}`: {error}", folder.display())))?;
    }
    Ok(Arc::new(store))
}

fn reload(store: &PluginStore, folder: &Path, metrics: &Metrics) -> std::io::Result<()> {
    for (source, outcome) in store.reload_folder(folder)? {
        match outcome {
            LoadOutcome::Loaded { plugin, version, .. } => tracing::info!(plugin, version, %source, "plugin loaded"),
            LoadOutcome::Refused(error) => {
                metrics.load_failed(store.name_of(&source).as_deref(), error.reason);
                tracing::warn!(reason = %error.reason, %source, error = error.message, "plugin refused");
            }
        }
    }
    Ok(())
}

/// Running controllers; they end when this is dropped.
pub struct Running {
    fleet: Fleet,
    plugins: Plugins,
    folder: Option<Task>,
    certificate: Option<Task>,
}

impl Running {
    /// Loads the plugins of the control plane, then starts the controllers.
    pub async fn start(
        control: ClusterApi,
        connect: Box<dyn Connect>,
        store: Arc<PluginStore>,
        folder: Option<PathBuf>,
        options: Options,
    ) -> Result<Self, Failure> {
        let metrics = control.metrics().clone();
        let mut plugins = Plugins::start(control.clone(), store.clone()).await;
        let fleet = Fleet::start(control, connect, store.clone(), options).await;
        let fleet =
            fleet.map_err(|error| Failure::new(Code::BadInput, format!("`--skipped-namespaces` holds no regular expression: {error}")))?;
        let context = Arc::downgrade(fleet.context());
        let changed: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
            if let Some(context) = context.upgrade() {
                interpret_again(&context);
            }
        });
        plugins.follow(changed.clone());
        let folder = folder.map(|folder| Task::spawn(watch_folder(store, folder, metrics, changed)));
        Ok(Self { fleet, plugins, folder, certificate: None })
    }

    /// Also keeps the webhook's certificate valid.
    pub fn with_certificate(self, certificate: Option<Task>) -> Self {
        Self { certificate, ..self }
    }

    /// What everything that runs is doing.
    pub fn activity(&self) -> Activity {
        let (mut activity, plugins) = (self.fleet.activity(), self.plugins.activity());
        activity.tasks.extend(plugins.tasks);
        activity.tasks.extend(self.folder.iter().map(|folder| ("plugin-folder", !folder.is_finished())));
        activity.tasks.extend(self.certificate.iter().map(|certificate| ("certificate", !certificate.is_finished())));
        activity.watches.extend(plugins.watches);
        activity
    }

    /// The queues of the controllers.
    pub fn queues(&self) -> &Queues {
        &self.fleet.context().queues
    }
}

async fn watch_folder(store: Arc<PluginStore>, folder: PathBuf, metrics: Metrics, changed: Arc<dyn Fn() + Send + Sync>) {
    let mut known = newest(&folder);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = newest(&folder);
        if now == known {
            continue;
        }
        known = now;
        let (loading, path, metrics) = (store.clone(), folder.clone(), metrics.clone());
        let loaded = tokio::task::spawn_blocking(move || reload(&loading, &path, &metrics)).await;
        match loaded {
            Ok(Ok(())) => changed(),
            Ok(Err(error)) => tracing::warn!(folder = %folder.display(), %error, "plugin folder cannot be read, its plugins stay"),
            Err(_) => tracing::warn!(folder = %folder.display(), "loading was cut off"),
        }
    }
}

/// Names, sizes and times of the files: what must differ for a reload.
fn newest(folder: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| entry.metadata().ok().map(|metadata| (entry.path(), metadata.len(), metadata.modified().ok())))
        .collect();
    files.sort();
    files
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn until_told_to_end() -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::new(Code::BadInput, format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result.map_err(cannot)?,
    }
    Ok(())
}

/// The asynchronous runtime of a command that runs until it is told to end.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(Code::BadInput, format!("cannot start: {error}")))?.block_on(future)
}
