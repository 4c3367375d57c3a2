//! `flotilla sandbox`: a control plane and members in this process, in memory, and the controllers between them.

mod admission;
mod bootstrap;

use super::controllers::ControllerSettings;
use crate::exit::{Code, Failure};
use crate::plugins::Progress;
use crate::running::{Running, block_on, plugin_store, until_told_to_end};
use admission::SandboxAdmission;
use flotilla_controllers::cluster_api::ClusterApi;
use flotilla_controllers::members::{ConnectBySecret, ConnectInProcess};
use flotilla_sandbox::kubeconfig;
use flotilla_sandbox::sandbox::{Sandbox as Clusters, SandboxOptions, members};
use flotilla_sandbox::simulation::MemberOptions;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `sandbox`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "All state is in memory: it is gone when the sandbox ends.\n\nExample:\n  flotilla sandbox --members 3 --kubeconfig /tmp/fleet.yaml &\n  kubectl --kubeconfig /tmp/fleet.yaml apply -f deploy/demo/shop/\n  kubectl --kubeconfig /tmp/fleet.yaml --context member1 get deployments -A\n\nFaults of a member are a line in a ConfigMap of the control plane (unreachable, latency=5s, errors=0.3, throttled=2s, read-only,\nlost@m1-node1, cpu=1@m1-node1):\n  kubectl --kubeconfig /tmp/fleet.yaml -n kube-system patch configmap flotilla-sandbox-faults \\\n    --type merge -p '{\"data\": {\"member1\": \"latency=5s, errors=0.3\"}}'\n  kubectl --kubeconfig /tmp/fleet.yaml -n kube-system patch configmap flotilla-sandbox-faults \\\n    --type merge -p '{\"data\": {\"member1\": null}}'"
)]
pub struct Sandbox {
    /// How many members
    #[arg(long, value_name = "N", default_value_t = 3)]
    members: usize,
    /// Where to write the kubeconfig, once everything answers (mode 0600; removed at the end); without it, a temporary file
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Port of the control plane, members follow; without it, any free ports
    #[arg(long, value_name = "PORT")]
    port_base: Option<u16>,
    /// Nodes of each member
    #[arg(long, value_name = "N", default_value_t = 2)]
    nodes: usize,
    /// Milliseconds until a started pod is ready
    #[arg(long, value_name = "MS", default_value_t = 0)]
    ready_delay: u64,
    /// Copy CustomResourceDefinitions of the control plane to the members
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    sync_crds: bool,
    /// Serve the clusters alone, with nothing of Flotilla in them: plain API servers, for `flotilla init`, `join` and `controllers`
    #[arg(long)]
    without_controllers: bool,
    #[command(flatten)]
    settings: ControllerSettings,
}

impl Sandbox {
    /// Runs until it is told to end.
    pub fn run(self) -> Result<Code, Failure> {
        block_on(self.serve())
    }

    async fn serve(self) -> Result<Code, Failure> {
        let progress = Progress::start("starting clusters");
        let clusters = Clusters::start(SandboxOptions {
            members: members(self.members),
            member: MemberOptions { nodes: self.nodes, ready_delay: Duration::from_millis(self.ready_delay), ..MemberOptions::default() },
            sync_crds: self.sync_crds,
            listen: true,
            port_base: self.port_base,
            kubeconfig: None,
        })
        .await
        .map_err(|error| Failure::new(Code::BadInput, format!("the clusters cannot start: {error}")))?;
        let running = match self.without_controllers {
            true => None,
            false => Some(self.start_controllers(&clusters, &progress).await?),
        };
        drop(progress);
        let path = self.write_kubeconfig(&clusters)?;
        self.say_how_to_use_it(&path);
        let ended = until_told_to_end().await;
        eprintln!("ending");
        drop(running);
        // It names clusters that are no more.
        let _ = std::fs::remove_file(&path);
        clusters.shutdown().await;
        ended.map(|()| Code::Done)
    }

    /// Makes a control plane of the first cluster, the others its members, and runs the controllers between them.
    async fn start_controllers(&self, clusters: &Clusters, progress: &Progress) -> Result<Running, Failure> {
        progress.say("loading plugins");
        let options = self.settings.options();
        let control = ClusterApi::new(clusters.control().api.client_as("flotilla"), Duration::from_secs(20));
        let store = plugin_store(self.settings.plugins.as_deref(), &options, control.metrics())?;
        bootstrap::install(&control, clusters).await?;
        clusters.control().api.set_admission(Some(Arc::new(SandboxAdmission::new(store.chain()))));
        let clients = clusters.members().iter().map(|member| (member.name.clone(), member.api.client_as("flotilla"))).collect();
        let connect = ConnectInProcess::new(clients, ConnectBySecret::new(control.clone()));
        let running = Running::start(control.clone(), Box::new(connect), store, self.settings.plugins.clone(), options).await?;
        progress.say("waiting for members");
        bootstrap::until_ready(&control, clusters).await?;
        Ok(running)
    }

    fn write_kubeconfig(&self, clusters: &Clusters) -> Result<PathBuf, Failure> {
        let path = self.kubeconfig.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("flotilla-{}.yaml", std::process::id())));
        let all = std::iter::once(clusters.control()).chain(clusters.members());
        let contexts: Vec<_> = all.filter_map(|cluster| cluster.access.clone()).collect();
        kubeconfig::write(&path, &contexts)
            .map_err(|error| Failure::new(Code::BadInput, format!("kubeconfig `{}` cannot be written: {error}", path.display())))?;
        Ok(path)
    }

    fn say_how_to_use_it(&self, path: &std::path::Path) {
        let path = path.display();
        eprintln!("the control plane and {} members are ready; everything is in memory and gone at the end", self.members);
        eprintln!("  export KUBECONFIG={path}");
        if self.without_controllers {
            eprintln!("  flotilla init --crds-only                         # makes a control plane of the first");
            eprintln!("  flotilla controllers &                            # runs between them");
            eprintln!("  flotilla join member1                             # makes a member of another");
        }
        eprintln!("  kubectl get clusters                              # the members");
        eprintln!("  kubectl apply -f deploy/demo/shop/                # a template, its policies");
        eprintln!("  kubectl get deployments,rb,work -A -o wide        # what became of it");
        eprintln!("  kubectl --context member1 get deployments,pods -A # what runs in a member");
        eprintln!("Ctrl-C ends it");
    }
}
