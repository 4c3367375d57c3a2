//! Where the clusters of a fleet come from: a sandbox for each fleet, or real API servers that all fleets of this process share.
//!
//! `FLOTILLA_TEST_BACKEND=kubernetes` chooses the real ones. There, fleets take turns, and each begins by removing what the one before
//! it left.

use crate::account;
use crate::audit::AuditLog;
use crate::cluster::{Cluster, Server};
use crate::kubernetes::{self, Servers};
use crate::sweep;
use flotilla_api::names::CLUSTER_NAMESPACE;
use flotilla_controllers::cluster_api::Resource;
use flotilla_core::join;
use flotilla_sandbox::kubeconfig::Context;
use flotilla_sandbox::sandbox::{self, Sandbox, SandboxOptions};
use flotilla_sandbox::simulation::{self, Controller, MemberOptions, Simulation};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use std::any::Any;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// How many members the shared servers have: no suite asks for more. Where the first fleet does, they have as many as that.
const SHARED_MEMBERS: usize = 3;
/// What no kube-controller-manager does: a kubelet, a scheduler, a volume provisioner, OpenKruise.
const SIMULATED: [Controller; 6] = [
    Controller::Nodes,
    Controller::Scheduler,
    Controller::Kubelet,
    Controller::Volumes,
    Controller::CloneSet,
    Controller::KruiseStatefulSet,
];

/// A control plane and members.
pub struct Clusters {
    /// The control plane.
    pub control: Cluster,
    /// The members, `member1` first.
    pub members: Vec<Cluster>,
    /// The namespace of whatever names none. Nobody else uses it.
    pub namespace: String,
    /// Cluster-scoped objects that the test made.
    made: Arc<Mutex<BTreeSet<(Resource, String)>>>,
    /// The sandbox, or the turn at the shared servers: until this is dropped.
    _held: Box<dyn Any + Send + Sync>,
}

impl Clusters {
    /// Starts or takes over a control plane and this many members. All answer; nobody else's objects are there.
    pub async fn start(members: usize) -> Self {
        match std::env::var("FLOTILLA_TEST_BACKEND").as_deref() {
            Err(_) | Ok("" | "sandbox") => Self::of_sandbox(members).await,
            Ok("kubernetes") => Self::of_shared(members).await,
            Ok(other) => panic!("`FLOTILLA_TEST_BACKEND` is `{other}`, expected `sandbox` or `kubernetes`"),
        }
    }

    /// Remembers a cluster-scoped object that the test made: it goes with the fleet.
    pub fn note(&self, resource: &Resource, name: &str) {
        self.made.lock().expect("no test panics while it holds this").insert((resource.clone(), name.to_owned()));
    }

    async fn of_sandbox(members: usize) -> Self {
        let options =
            SandboxOptions { members: sandbox::members(members), member: member("", None), sync_crds: false, ..Default::default() };
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let control = sandbox.control().api.client_as("kubectl");
        define(&control).await;
        let namespace = join::namespace(CLUSTER_NAMESPACE);
        let namespace = serde_json::from_value(namespace.0).expect("it is a Namespace");
        kube::Api::<Namespace>::all(control).create(&PostParams::default(), &namespace).await.expect("it is new");
        let cluster = |one: &sandbox::Cluster| {
            let access = one.access.clone().expect("the sandbox listens");
            Cluster::new(access.clone(), access, Server::Sandbox(one.api.clone()))
        };
        Self {
            control: cluster(sandbox.control()),
            members: sandbox.members().iter().map(cluster).collect(),
            namespace: "default".to_owned(),
            made: Arc::default(),
            _held: Box::new(sandbox),
        }
    }

    async fn of_shared(members: usize) -> Self {
        static TURN: OnceLock<Arc<tokio::sync::Mutex<()>>> = OnceLock::new();
        static FLEETS: AtomicU64 = AtomicU64::new(1);
        let turn = TURN.get_or_init(Arc::default).clone().lock_owned().await;
        let shared = tokio::task::spawn_blocking(move || shared(members)).await.expect("no panic");
        let there = shared.servers.members().len();
        assert!(members <= there, "the servers have {there} members");
        let cluster = |(server, account): (&kubernetes::Server, &Context)| {
            let log = AuditLog::open(server.audit_log()).expect("the server has written its audit log");
            Cluster::new(server.access().clone(), account.clone(), Server::Kubernetes(Box::new(server.clone()), Mutex::new(log)))
        };
        let servers = std::iter::once(shared.servers.control()).chain(shared.servers.members());
        let all: Vec<Cluster> = servers.zip(&shared.accounts).map(cluster).collect();
        let made = std::mem::take(&mut *shared.made.lock().expect("no test panics while it holds this"));
        sweep::sweep(&all, &made).await;
        let mut all = all.into_iter();
        Self {
            control: all.next().expect("the control plane is the first"),
            members: all.take(members).collect(),
            namespace: format!("test-{}", FLEETS.fetch_add(1, Ordering::Relaxed)),
            made: shared.made.clone(),
            _held: Box::new(turn),
        }
    }
}

/// Servers for all fleets of this process, and what runs in their members. They end with the process.
struct Shared {
    servers: Servers,
    /// The way in of the controllers, for each server.
    accounts: Vec<Context>,
    made: Arc<Mutex<BTreeSet<(Resource, String)>>>,
    _runtime: tokio::runtime::Runtime,
    _simulations: Vec<Simulation>,
}

fn shared(members: usize) -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        // Members outlive the runtime of the test that comes first.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let mut accounts = Vec::new();
        let prepare = |control: &kubernetes::Server| {
            runtime.block_on(define(&control.client("kubectl")));
            accounts.push(runtime.block_on(account::of_controllers(control)));
            Ok(())
        };
        let servers = Servers::start_prepared(members.max(SHARED_MEMBERS), prepare).unwrap_or_else(|error| panic!("{error}"));
        accounts.extend(servers.members().iter().map(|member| runtime.block_on(account::of_member(member))));
        let entered = runtime.enter();
        let simulations = (1..).zip(servers.members()).map(|(number, server)| simulate(number, server)).collect();
        drop(entered);
        Shared { servers, accounts, made: Arc::default(), _runtime: runtime, _simulations: simulations }
    })
}

/// Runs in a member of real servers what no kube-controller-manager does.
pub fn simulate(number: usize, server: &kubernetes::Server) -> Simulation {
    simulation::start(server.client("simulation"), member(&format!("m{number}-"), Some(&SIMULATED)))
}

/// Creates our kinds.
async fn define(control: &kube::Client) {
    let definitions = kube::Api::all(control.clone());
    for crd in flotilla_api::crd::crds() {
        definitions.create(&PostParams::default(), &crd).await.unwrap_or_else(|error| panic!("{:?}: {error}", crd.metadata.name));
    }
}

fn member(node_prefix: &str, controllers: Option<&[Controller]>) -> MemberOptions {
    let controllers = controllers.unwrap_or(&Controller::ALL).iter().copied().collect();
    MemberOptions { nodes: 2, pods_per_node: 10_000, node_prefix: node_prefix.to_owned(), controllers, ..MemberOptions::default() }
}
