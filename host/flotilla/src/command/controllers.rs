//! `flotilla controllers`: the controllers against any control plane, one of several processes at a time.

mod preflight;

use crate::connect;
use crate::exit::{Code, Failure, bad_input};
use crate::process::{Process, answer_probes};
use crate::running::{Running, block_on, plugin_store, until_told_to_end};
use flotilla_controllers::certificate;
use flotilla_controllers::cluster_api::ClusterApi;
use flotilla_controllers::context::Options;
use flotilla_controllers::gate::WriteGate;
use flotilla_controllers::lease::{Elector, Lost, Timing, identity};
use flotilla_controllers::members::ConnectBySecret;
use k8s_openapi::jiff::SignedDuration;
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
    /// Where `/livez`, `/readyz` and `/metrics` are served over plain HTTP (default 127.0.0.1:8080), `0` for nowhere
    #[arg(long, value_name = "ADDRESS")]
    health_address: Option<String>,
    /// Secret with the webhook's certificate, in the namespace of the Lease, which is renewed in time; without it none is
    #[arg(long, value_name = "SECRET")]
    webhook_certificate: Option<String>,
    #[command(flatten)]
    election: Election,
    #[command(flatten)]
    settings: ControllerSettings,
}

/// Name of the Lease.
const LEASE: &str = "flotilla";

/// Flags of leader election.
#[derive(Debug, Clone, clap::Args)]
struct Election {
    /// Whether to wait for a Lease before doing anything; without it, this must be the only process
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    leader_elect: bool,
    /// Namespace of the Lease `flotilla`
    #[arg(long, value_name = "NAMESPACE", default_value = "flotilla-system")]
    leader_election_namespace: String,
    /// Others take over from a leader that has not renewed its Lease for so long
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    lease_duration: Duration,
    /// A leader that could not renew its Lease for so long writes nothing more and ends
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    renew_deadline: Duration,
    /// Time between two attempts to take or renew the Lease
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    retry_period: Duration,
}

/// A duration as Kubernetes writes it.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|_| "give a duration like `15s` or `500ms`".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "a duration cannot be negative".to_owned())
}

impl Election {
    fn timing(&self) -> Result<Timing, Failure> {
        let timing = Timing { lease_duration: self.lease_duration, renew_deadline: self.renew_deadline, retry_period: self.retry_period };
        timing.check().map_err(|why| bad_input(why).hint("see `--lease-duration`, `--renew-deadline` and `--retry-period`"))?;
        Ok(timing)
    }
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
    /// Runs until it is told to end, or until another process leads.
    pub fn run(self) -> Result<Code, Failure> {
        let timing = self.election.timing()?;
        block_on(self.serve(timing))
    }

    async fn serve(self, timing: Timing) -> Result<Code, Failure> {
        let client = connect::client(self.kubeconfig.as_deref(), self.context.as_deref()).await?;
        let gate = if self.election.leader_elect { WriteGate::shut() } else { WriteGate::default() };
        let control = ClusterApi::new(client.clone(), CONTROL_DEADLINE).behind(gate);
        let process = Process::new(control.clone());
        let _probes = answer_probes(process.clone(), self.health_address.as_deref()).await?;
        let version = client.apiserver_version().await.map_err(|error| connect::explain(&error))?;
        tracing::info!(version = version.git_version, "connected to the control plane");
        preflight::check(&control).await?;
        let lease_namespace = self.election.leader_elect.then_some(self.election.leader_election_namespace.as_str());
        let namespace = self.election.leader_election_namespace.as_str();
        let certificate = self.webhook_certificate.as_deref().map(|secret| (namespace, secret));
        preflight::rights(&control, preflight::needed(lease_namespace.map(|namespace| (namespace, LEASE)), certificate)).await?;
        let mut elector = lease_namespace.map(|namespace| Elector::new(&control, namespace, LEASE, identity(), timing));
        let result = self.lead(&control, &process, elector.as_mut()).await;
        // Answers to what was sent are waited for; then nothing runs any more that could send something; then the next may lead.
        control.gate().drain().await;
        process.set_running(None);
        if let Some(elector) = &mut elector {
            elector.release().await;
        }
        result
    }

    /// Waits for the Lease where there is an election, then runs the controllers.
    async fn lead(&self, control: &ClusterApi, process: &Process, mut elector: Option<&mut Elector>) -> Result<Code, Failure> {
        let mut told_to_end = std::pin::pin!(until_told_to_end());
        let options = self.settings.options();
        let store = plugin_store(self.settings.plugins.as_deref(), &options, control.metrics())?;
        process.set_plugins(store.clone());
        if let Some(elector) = &mut elector {
            tokio::select! {
                () = elector.acquire() => {}
                ended = &mut told_to_end => return ended.map(|()| Code::Done),
            }
        }
        let run = async {
            let connect = Box::new(ConnectBySecret::new(control.clone()));
            let namespace = &self.election.leader_election_namespace;
            let certificate = self.webhook_certificate.as_deref().map(|secret| certificate::keep(control, namespace, secret));
            let running = Running::start(control.clone(), connect, store, self.settings.plugins.clone(), options).await?;
            process.set_running(Some(running.with_certificate(certificate)));
            tracing::info!("the controllers run");
            std::future::pending::<Result<Code, Failure>>().await
        };
        let keep = async {
            match elector {
                Some(elector) => elector.keep().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            lost = keep => Err(self.deposed(&lost)),
            failed = run => failed,
            ended = told_to_end => ended.map(|()| Code::Done),
        }
    }

    fn deposed(&self, lost: &Lost) -> Failure {
        let namespace = &self.election.leader_election_namespace;
        Failure::new(Code::Negative, format!("Lease {namespace}/{LEASE} is lost: {lost}; nothing more is written"))
            .hint("start it again: it stands by until the Lease is free")
    }
}
