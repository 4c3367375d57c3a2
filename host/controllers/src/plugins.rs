//! ConfigMap → plugin: hands labelled ConfigMaps to the plugin store, and writes what came of each as an annotation and an Event.
//!
//! Loads nothing itself and decides nothing: the store does. Only one namespace counts: whoever may write there may add code.

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use crate::context::{Error, writing};
use crate::events::{Events, Severity};
use crate::health::Activity;
use crate::queue::{Next, WorkQueue};
use crate::store::{Store, no_index};
use crate::task::Task;
use crate::watch::CONTROL_PLANE;
use flotilla_api::labels;
use flotilla_api::object::Object;
use flotilla_interpreter::store::{LoadOutcome, PluginStore, Source};
use serde_json::json;
use std::sync::Arc;

/// The namespace that plugins are read from.
pub const PLUGIN_NAMESPACE: &str = "flotilla-system";

/// What keeps the plugin store like the ConfigMaps.
pub struct Plugins {
    shared: Arc<Shared>,
    run: Option<Task>,
}

struct Shared {
    api: ClusterApi,
    events: Events,
    config_maps: Arc<Store>,
    plugins: Arc<PluginStore>,
    queue: WorkQueue<ObjectKey>,
}

impl Plugins {
    /// Loads all plugins that there are, and returns when it is known who answers. A plugin that is refused does not hold this up.
    pub async fn start(api: ClusterApi, plugins: Arc<PluginStore>) -> Self {
        plugins.complete(false);
        let queue = WorkQueue::new();
        let listener = queue.clone();
        let config_maps = Store::new(config_maps(), CONTROL_PLANE, no_index, move |change| listener.add(change.key.clone()));
        config_maps.follow_labelled(&api, Some(PLUGIN_NAMESPACE), &format!("{}=true", labels::PLUGIN_ENABLED));
        config_maps.wait_synced().await;
        let shared = Arc::new(Shared { events: Events::new(api.clone()), api, config_maps, plugins, queue });
        for key in shared.config_maps.keys().unwrap_or_default() {
            if let Err(error) = shared.clone().reconcile(key.clone()).await {
                tracing::warn!(config_map = %key, %error, "plugin not reported about");
            }
        }
        shared.plugins.complete(true);
        Self { shared, run: None }
    }

    /// Follows changes from now on; `changed` is called after each that changes who answers.
    pub fn follow(&mut self, changed: Arc<dyn Fn() + Send + Sync>) {
        let shared = self.shared.clone();
        let run = self.shared.queue.clone().run("plugins", 2, self.shared.api.metrics().clone(), move |key| {
            let (shared, changed) = (shared.clone(), changed.clone());
            async move {
                let before = shared.plugins.chain();
                let result = shared.clone().reconcile(key).await;
                if !Arc::ptr_eq(&before, &shared.plugins.chain()) {
                    changed();
                }
                result
            }
        });
        self.run = Some(Task::spawn(run));
    }

    /// What keeps the plugins up to date, for [`crate::health`].
    pub fn activity(&self) -> Activity {
        let tasks = self.run.iter().map(|run| ("plugins", !run.is_finished()));
        Activity { tasks: tasks.collect(), watches: vec![self.shared.config_maps.observe_watch(true)], ..Activity::default() }
    }
}

impl Shared {
    async fn reconcile(self: Arc<Self>, key: ObjectKey) -> Result<Next, Error> {
        let Some(cached) = self.config_maps.get(&key)? else {
            self.plugins.remove_config_map(key.namespace().unwrap_or_default(), &key.name);
            tracing::info!(config_map = %key, "plugin removed");
            return Ok(Next::Wait);
        };
        let config_map = cached.parse();
        let (plugins, input) = (self.plugins.clone(), config_map.clone());
        // Compiling takes up to seconds: not on a thread that others need.
        let loaded = tokio::task::spawn_blocking(move || plugins.apply_config_map(&input)).await;
        let outcome = loaded.map_err(|_| Error::Waiting(format!("{}: loading was cut off", config_map.display())))?;
        if let LoadOutcome::Refused(error) = &outcome {
            let source = Source::ConfigMap { namespace: config_map.namespace().unwrap_or_default().into(), name: config_map.name().into() };
            self.api.metrics().load_failed(self.plugins.name_of(&source).as_deref(), error.reason);
        }
        self.report(&key, &config_map, &outcome).await?;
        Ok(Next::Wait)
    }

    async fn report(&self, key: &ObjectKey, config_map: &Object, outcome: &LoadOutcome) -> Result<(), Error> {
        let (status, severity, reason, message) = match outcome {
            LoadOutcome::Loaded { plugin, version, digest, serving } => {
                let short = short(digest);
                let state = if *serving { "serves" } else { "is loaded; a higher version serves" };
                (format!("Loaded {short}"), Severity::Normal, "Loaded".to_owned(), format!("plugin `{plugin}` {version} ({short}) {state}"))
            }
            LoadOutcome::Refused(error) => (
                format!("Refused: {}: {}", error.reason, error.message),
                Severity::Warning,
                error.reason.to_string(),
                error.message.clone(),
            ),
        };
        if config_map.annotation(labels::PLUGIN_STATUS) == Some(&status) {
            return Ok(());
        }
        tracing::info!(config_map = %key, status, "plugin looked at");
        let patch = json!({"metadata": {"annotations": {labels::PLUGIN_STATUS: status}}});
        match self.api.patch(&config_maps(), key, &patch).await {
            Ok(written) => self.config_maps.observe(&written),
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(writing(format!("ConfigMap {key}"))(error)),
        }
        self.events.publish(config_map, severity, &reason, &message).await;
        Ok(())
    }
}

fn short(digest: &str) -> &str {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    hex.get(..8).unwrap_or(hex)
}

fn config_maps() -> Resource {
    Resource {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        plural: "configmaps".into(),
        namespaced: true,
        has_status: false,
    }
}
