//! `flotilla controllers`: the controllers against any control plane.

use crate::exit::{Code, Failure};
use crate::running::{Running, block_on, plugin_store, until_told_to_end};
use flotilla_controllers::cluster_api::ClusterApi;
use flotilla_controllers::context::Options;
use flotilla_controllers::members::ConnectBySecret;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for a single answer of the control plane.
const CONTROL_DEADLINE: Duration = Duration::from_secs(20);

/// Arguments of `controllers`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: flotilla controllers --kubeconfig ~/.kube/config --context karmada-apiserver")]
pub struct Controllers {
    /// Kubeconfig of the control plane; without it, $KUBECONFIG, ~/.kube/config, or the pod's own service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig, instead of its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    #[command(flatten)]
    settings: ControllerSettings,
}

/// Flags of all commands that run controllers.
#[derive(Debug, Clone, clap::Args)]
pub struct ControllerSettings {
    /// Folder of plugins, looked at every two seconds
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
    /// Namespaces that are not propagated from, as regular expressions over the whole name
    #[arg(long, value_name = "REGEX,…", value_delimiter = ',', default_value = "kube-.*")]
    pub skipped_namespaces: Vec<String>,
    /// How often each member is probed, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub probe_every: u64,
    /// How long a member must be out of reach before it is called not ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub failure_threshold: u64,
}

impl ControllerSettings {
    /// As the controllers take them.
    pub fn options(&self) -> Options {
        Options {
            probe_every: Duration::from_secs(self.probe_every.max(1)),
            failure_threshold: Duration::from_secs(self.failure_threshold),
            skipped_namespaces: self.skipped_namespaces.clone(),
            ..Options::default()
        }
    }
}

impl Controllers {
    /// Runs until it is told to end.
    pub fn run(self) -> Result<Code, Failure> {
        block_on(async {
            let client = self.client().await?;
            let version = client.apiserver_version().await.map_err(|error| unreachable(&format!("{error}")))?;
            tracing::info!(version = version.git_version, "connected to the control plane");
            let control = ClusterApi::new(client, CONTROL_DEADLINE);
            let options = self.settings.options();
            let store = plugin_store(self.settings.plugins.as_deref(), &options)?;
            let connect = Box::new(ConnectBySecret::new(control.clone()));
            let running = Running::start(control, connect, store, self.settings.plugins.clone(), options).await?;
            tracing::info!("the controllers run");
            until_told_to_end().await?;
            drop(running);
            Ok(Code::Done)
        })
    }

    async fn client(&self) -> Result<kube::Client, Failure> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let config = match &self.kubeconfig {
            Some(path) => {
                let cannot = |error: kube::config::KubeconfigError| {
                    Failure::new(Code::BadInput, format!("kubeconfig `{}` cannot be used: {error}", path.display()))
                };
                let kubeconfig = Kubeconfig::read_from(path).map_err(cannot)?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(cannot)?
            }
            None if self.context.is_some() => kube::Config::from_kubeconfig(&options)
                .await
                .map_err(|error| Failure::new(Code::BadInput, format!("the kubeconfig cannot be used: {error}")))?,
            None => kube::Config::infer().await.map_err(|error| {
                Failure::new(Code::BadInput, format!("there is no kubeconfig: {error}")).hint("give one with `--kubeconfig FILE`")
            })?,
        };
        kube::Client::try_from(config).map_err(|error| unreachable(&error.to_string()))
    }
}

fn unreachable(why: &str) -> Failure {
    Failure::new(Code::Unreachable, format!("the control plane cannot be reached: {why}"))
        .hint("check `kubectl --kubeconfig … get --raw /readyz`")
}
