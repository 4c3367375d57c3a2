//! A control plane and its members, started and stopped together.

use crate::kubeconfig::{self, Context};
use crate::lifecycle;
use crate::mirror;
use crate::server::{ApiServer, ServerOptions};
use crate::simulation::{self, MemberOptions, Simulation};
use crate::switch;
use crate::tls::{self, Authority};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Name of the control plane's cluster and kubeconfig context.
pub const CONTROL: &str = "flotilla";

/// What is started.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Names of the members.
    pub members: Vec<String>,
    /// How each member behaves; the nodes of the first are `m1-node1`, `m1-node2`, ….
    pub member: MemberOptions,
    /// Whether definitions of the control plane are copied to the members.
    pub sync_crds: bool,
    /// Whether the clusters are served on loopback ports, for kubectl and other processes.
    pub listen: bool,
    /// Port of the control plane; the members follow. `None` for any free ports.
    pub port_base: Option<u16>,
    /// Where the kubeconfig is written once everything answers; `None` for nowhere. Needs `listen`.
    pub kubeconfig: Option<PathBuf>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self { members: members(3), member: MemberOptions::default(), sync_crds: true, listen: true, port_base: None, kubeconfig: None }
    }
}

/// `member1` to `member<count>`.
pub fn members(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("member{number}")).collect()
}

/// One running cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Name of the cluster and of its kubeconfig context.
    pub name: String,
    /// Its API server.
    pub api: ApiServer,
    /// How other processes reach it; `None` where nothing listens.
    pub access: Option<Context>,
    simulation: Option<Simulation>,
}

/// Running clusters. They end with [`Sandbox::shutdown`], or when this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    control: Cluster,
    members: Vec<Cluster>,
    tasks: Vec<JoinHandle<()>>,
    kubeconfig: Option<PathBuf>,
}

impl Sandbox {
    /// Starts everything. When this returns, every cluster answers and the kubeconfig is written.
    pub async fn start(options: SandboxOptions) -> io::Result<Self> {
        let authority = Authority::new()?;
        let mut sandbox = Self {
            control: cluster(CONTROL, None),
            members: options.members.iter().map(|name| cluster(name, Some(authority.pem()))).collect(),
            tasks: Vec::new(),
            kubeconfig: options.kubeconfig.clone().filter(|_| options.listen),
        };
        if options.listen {
            sandbox.listen(&authority, options.port_base).await?;
        }
        let mut switched = Vec::new();
        for (number, member) in (1..).zip(&mut sandbox.members) {
            let how = MemberOptions { node_prefix: format!("m{number}-"), ..options.member.clone() };
            let simulation = simulation::start(member.api.client_as("kube-controller-manager"), how);
            switched.push((member.api.clone(), simulation.node_faults()));
            member.simulation = Some(simulation);
        }
        switch::create(&sandbox.control.api);
        sandbox.tasks.push(tokio::spawn(switch::run(sandbox.control.api.clone(), switched)));
        if options.sync_crds {
            let members = sandbox.members.iter().map(|member| member.api.clone()).collect();
            sandbox.tasks.push(tokio::spawn(mirror::run(sandbox.control.api.clone(), members)));
        }
        if let Some(path) = &sandbox.kubeconfig {
            let contexts: Vec<Context> = sandbox.clusters().filter_map(|cluster| cluster.access.clone()).collect();
            kubeconfig::write(path, &contexts)?;
        }
        Ok(sandbox)
    }

    async fn listen(&mut self, authority: &Authority, base: Option<u16>) -> io::Result<()> {
        let tls = authority.server_config()?;
        let mut tasks = Vec::new();
        for (number, cluster) in std::iter::once(&mut self.control).chain(&mut self.members).enumerate() {
            let offset = u16::try_from(number).map_err(io::Error::other)?;
            let (listener, address) = tls::listen(base.map_or(0, |base| base + offset)).await?;
            let access = Context {
                name: cluster.name.clone(),
                url: format!("https://{address}"),
                authority: authority.pem(),
                token: cluster.api.options().token.clone().expect("each cluster is made with one"),
            };
            tasks.push(tokio::spawn(tls::serve(cluster.api.clone(), listener, tls.clone(), access.token.clone())));
            cluster.access = Some(access);
        }
        self.tasks.extend(tasks);
        Ok(())
    }

    /// The control plane.
    pub fn control(&self) -> &Cluster {
        &self.control
    }

    /// The members.
    pub fn members(&self) -> &[Cluster] {
        &self.members
    }

    /// A member by its name.
    pub fn member(&self, name: &str) -> Option<&Cluster> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Where the kubeconfig is.
    pub fn kubeconfig(&self) -> Option<&PathBuf> {
        self.kubeconfig.as_ref()
    }

    fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        std::iter::once(&self.control).chain(&self.members)
    }

    /// Ends everything, waits until it has ended, and takes the kubeconfig away: it names clusters that are no more.
    pub async fn shutdown(mut self) {
        for member in &mut self.members {
            if let Some(simulation) = member.simulation.take() {
                // A simulation that waits for something does not hold up the end.
                let _ = tokio::time::timeout(Duration::from_secs(2), simulation.shutdown()).await;
            }
        }
        self.clusters().for_each(|cluster| cluster.api.stop());
        for task in std::mem::take(&mut self.tasks) {
            // A task that panicked has ended all the same.
            let _ = task.await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.clusters().for_each(|cluster| cluster.api.stop());
        if let Some(path) = &self.kubeconfig {
            // It may have been removed already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn cluster(name: &str, root_ca: Option<String>) -> Cluster {
    let api = ApiServer::new(ServerOptions { name: name.to_owned(), root_ca, token: Some(tls::new_token()) });
    lifecycle::start(&api);
    Cluster { name: name.to_owned(), api, access: None, simulation: None }
}
