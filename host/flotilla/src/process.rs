//! What a process with controllers says about itself: probes and metrics.

use crate::exit::{Failure, bad_input};
use crate::running::Running;
use flotilla_controllers::cluster_api::ClusterApi;
use flotilla_controllers::gate::Role;
use flotilla_controllers::health::{self, Observed};
use flotilla_controllers::task::Task;
use flotilla_interpreter::store::PluginStore;
use flotilla_webhook::{Probes, serve_probes};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Where probes are answered when nothing else is said.
const HEALTH_ADDRESS: &str = "127.0.0.1:8080";

/// The parts of a process, as they come.
pub struct Process {
    control: ClusterApi,
    plugins: OnceLock<Arc<PluginStore>>,
    running: Mutex<Option<Running>>,
}

impl Process {
    /// A process that has connected to a control plane.
    pub fn new(control: ClusterApi) -> Arc<Self> {
        Arc::new(Self { control, plugins: OnceLock::new(), running: Mutex::default() })
    }

    /// Plugins are there.
    pub fn set_plugins(&self, plugins: Arc<PluginStore>) {
        // Set once, at the start.
        let _ = self.plugins.set(plugins);
    }

    /// The controllers run, or (`None`) are to end.
    pub fn set_running(&self, running: Option<Running>) {
        let before = std::mem::replace(&mut *self.running(), running);
        drop(before);
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().expect("no code panics while it holds the controllers")
    }

    fn observe(&self) -> Observed {
        Observed {
            role: self.control.gate().role(),
            activity: self.running().as_ref().map(Running::activity),
            answered: self.control.answered().last(),
            are_plugins_loaded: self.plugins.get().is_some(),
        }
    }
}

impl Probes for Process {
    fn live(&self, verbose: bool) -> (bool, String) {
        health::told(&health::live(&self.observe()), verbose)
    }

    fn ready(&self, verbose: bool) -> (bool, String) {
        health::told(&health::ready(&self.observe()), verbose)
    }

    fn metrics(&self) -> String {
        let is_leader = self.control.gate().role() == Role::Leader;
        let running = self.running();
        let activity = running.as_ref().map(Running::activity);
        let running = running.as_ref().map(Running::queues).zip(activity.as_ref());
        self.control.metrics().text(is_leader, running, self.plugins.get().cloned())
    }
}

/// Answers probes of `process` at an address until dropped; `0` is nowhere. An address that nobody asked for and that is taken is no
/// reason not to start.
pub async fn answer_probes(process: Arc<Process>, address: Option<&str>) -> Result<Option<Task>, Failure> {
    let wanted = address.unwrap_or(HEALTH_ADDRESS);
    if wanted == "0" {
        return Ok(None);
    }
    let parsed: SocketAddr =
        wanted.parse().map_err(|_| bad_input(format!("`--health-address` is `{wanted}`")).hint("give `ADDRESS:PORT`, or `0` for none"))?;
    match tokio::net::TcpListener::bind(parsed).await {
        Ok(listener) => {
            tracing::info!(address = %listener.local_addr().unwrap_or(parsed), "probes and metrics are served");
            Ok(Some(Task::spawn(async move {
                if let Err(error) = serve_probes(listener, process).await {
                    tracing::error!(%error, "probes are not answered any more");
                }
            })))
        }
        Err(error) if address.is_none() => {
            tracing::warn!(address = wanted, %error, "no probes and metrics are served: give a free `--health-address`");
            Ok(None)
        }
        Err(error) => Err(bad_input(format!("`--health-address` {wanted} cannot be listened on: {error}"))),
    }
}
