//! What the README and the demo do with kubectl, on clusters with Flotilla installed as `docs/install.md` says. It is done where the traffic
//! of clients is recorded: `FLOTILLA_TEST_RECORD` names the folder, `tests/traffic/record` sets it.

#[allow(dead_code, reason = "each test file uses its part")]
mod clusters;

use clusters::{CONTROL, Clusters, ran, root};
use flotilla_sandbox::kubeconfig::{self, Context};
use flotilla_sandbox::simulation::Simulation;
use flotilla_tests::backend;
use flotilla_tests::traffic::{proxy, record};
use std::path::{Path, PathBuf};
use tokio::process::Child;

const MEMBERS: [&str; 3] = ["member1", "member2", "member3"];

/// A fleet with controllers, and what ends with it.
struct Fleet {
    clusters: Clusters,
    kubeconfig: PathBuf,
    _controllers: Child,
    _simulations: Vec<Simulation>,
}

/// A fleet whose kubectl is recorded; `None` where nothing is to be.
async fn recorded() -> Option<Fleet> {
    if record::folder().is_none() {
        println!("skipped: nothing is recorded without `FLOTILLA_TEST_RECORD`");
        return None;
    }
    let clusters = Clusters::start(MEMBERS.len()).await;
    let members: &[_] = clusters.servers().map_or(&[], |servers| servers.members());
    let simulations = (1..).zip(members).map(|(number, member)| backend::simulate(number, member)).collect();
    clusters.flotilla(&["init", "--crds-only"]).await.done();
    let controllers = clusters.controllers(&clusters.kubeconfig());
    for member in MEMBERS {
        clusters.flotilla(&["join", member, "--cluster-context", member]).await.done();
    }
    let kubeconfig = clusters.folder().join("recorded.yaml");
    kubeconfig::write(&kubeconfig, &proxied(&clusters).await).expect("a file");
    Some(Fleet { clusters, kubeconfig, _controllers: controllers, _simulations: simulations })
}

/// The contexts of all clusters, through proxies that record.
async fn proxied(clusters: &Clusters) -> Vec<Context> {
    let mut contexts = Vec::new();
    for name in [CONTROL].into_iter().chain(MEMBERS) {
        let (client, access) = match (clusters.sandbox(), clusters.servers()) {
            (Some(sandbox), _) => {
                let cluster = sandbox.member(name).unwrap_or(sandbox.control());
                (cluster.api.client_as("kubectl"), cluster.access.clone().expect("it listens"))
            }
            (None, Some(servers)) => {
                let server = servers.members().iter().find(|member| member.name() == name).unwrap_or(servers.control());
                (server.client("kubectl"), server.access().clone())
            }
            (None, None) => unreachable!("clusters are of one or the other"),
        };
        let url = proxy::serve(record::recorded(client, "kubectl")).await.expect("a free port");
        contexts.push(Context { url, ..access });
    }
    contexts
}

impl Fleet {
    /// Runs a line of a shell, with the program and the recorded clusters at hand.
    async fn shell(&self, line: &str) {
        let program = Path::new(env!("CARGO_BIN_EXE_flotilla"));
        let others = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{others}", program.parent().expect("a file is in a folder").display());
        let mut command = self.clusters.command("bash");
        command.args(["-o", "pipefail", "-c", line]).env("PATH", path).env("FLOTILLA", program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("FLEET", &self.kubeconfig)
            .env("KUBECACHEDIR", self.clusters.folder().join("cache"));
        ran(&mut command).await.done();
    }
}

/// The commands of the README that need no sandbox of their own.
fn readme(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let commands = text.lines().filter_map(|line| line.strip_prefix("    "));
    let commands =
        commands.filter(|line| line.starts_with("kubectl ") || line.starts_with("flotilla ")).filter(|line| !line.contains(" sandbox "));
    let plugin = folder.join("cloneset.wasm").display().to_string();
    commands.map(|line| line.replace("cloneset.wasm", &plugin)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme() {
    let Some(fleet) = recorded().await else { return };
    let commands = readme(fleet.clusters.folder());
    assert!(commands.iter().filter(|line| line.starts_with("kubectl")).count() >= 7, "{commands:#?}");
    for line in commands {
        fleet.shell(&line).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo() {
    let Some(fleet) = recorded().await else { return };
    fleet.shell("deploy/demo/run").await;
}
