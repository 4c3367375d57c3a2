//! A control plane with nothing installed, and members: of the sandbox, or real API servers with `FLOTILLA_TEST_BACKEND=kubernetes`.
//! The program and kubectl reach them as users do, through a kubeconfig.
//!
//! What is about the process `flotilla sandbox` itself starts it with `support`.

#[path = "../support/ran.rs"]
mod ran;
pub use ran::Ran;

use flotilla_sandbox::sandbox::{Sandbox, SandboxOptions, members};
use flotilla_tests::kubernetes::Servers;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, MutexGuard};

/// Context of the control plane.
pub const CONTROL: &str = "flotilla";
/// Longest wait for anything that is awaited.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Whether the clusters are real API servers.
pub fn is_real() -> bool {
    std::env::var("FLOTILLA_TEST_BACKEND").is_ok_and(|backend| backend == "kubernetes")
}

/// Whether a test that needs real API servers can run; says so where it cannot.
#[allow(dead_code, reason = "not every suite asks")]
pub fn needs_real_servers(test: &str) -> bool {
    if !is_real() {
        println!("skipped: {test} needs real API servers: FLOTILLA_TEST_BACKEND=kubernetes");
    }
    is_real()
}

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout")
}

enum Backend {
    Sandbox(Box<Sandbox>),
    Kubernetes(Servers),
}

/// Real API servers take two processes for each cluster: one test after the other.
static TURN: Mutex<()> = Mutex::const_new(());

/// Running clusters. They end when this is dropped.
pub struct Clusters {
    backend: Backend,
    folder: TempDir,
    // Last: the next begins when these have ended.
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Ran {
    /// Checks the exit code, and that standard error holds this.
    #[track_caller]
    pub fn fails(self, code: i32, says: &str) {
        assert!(self.code == code && self.err.contains(says), "expected {code} and `{says}`: {self:#?}");
    }
}

impl Clusters {
    /// Starts a control plane and this many members.
    pub async fn start(members_wanted: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let turn = if is_real() { Some(TURN.lock().await) } else { None };
        let backend = if is_real() {
            let servers = tokio::task::spawn_blocking(move || Servers::start(members_wanted)).await;
            Backend::Kubernetes(servers.expect("no panic").expect("the servers start"))
        } else {
            let kubeconfig = Some(folder.path().join("sandbox.yaml"));
            let options = SandboxOptions { members: members(members_wanted), kubeconfig, ..SandboxOptions::default() };
            Backend::Sandbox(Box::new(Sandbox::start(options).await.expect("the sandbox starts")))
        };
        Self { backend, folder, _turn: turn }
    }

    /// The sandbox, where the clusters are of one.
    #[allow(dead_code, reason = "not every suite asks")]
    pub fn sandbox(&self) -> Option<&Sandbox> {
        match &self.backend {
            Backend::Sandbox(sandbox) => Some(sandbox),
            Backend::Kubernetes(_) => None,
        }
    }

    /// The real servers, where they are real.
    #[allow(dead_code, reason = "not every suite asks")]
    pub fn servers(&self) -> Option<&Servers> {
        match &self.backend {
            Backend::Sandbox(_) => None,
            Backend::Kubernetes(servers) => Some(servers),
        }
    }

    /// A kubeconfig with all contexts; the control plane's is the current one.
    pub fn kubeconfig(&self) -> PathBuf {
        match &self.backend {
            Backend::Sandbox(sandbox) => sandbox.kubeconfig().expect("it was asked for").clone(),
            Backend::Kubernetes(servers) => servers.kubeconfig(),
        }
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A program with the kubeconfig of these clusters, in the checkout.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", self.kubeconfig()).env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command.env_remove("FLOTILLA_LOG").current_dir(root()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs the program.
    pub async fn flotilla(&self, args: &[&str]) -> Ran {
        ran(self.command(env!("CARGO_BIN_EXE_flotilla")).args(args)).await
    }

    /// Runs kubectl in a context.
    pub async fn kubectl(&self, context: &str, args: &[&str]) -> Ran {
        ran(self.command("kubectl").args(["--context", context]).args(args)).await
    }

    /// An object as kubectl gets it; `None` when it is not there.
    pub async fn get(&self, context: &str, args: &[&str]) -> Option<Value> {
        let got = self.kubectl(context, &[&["get", "--ignore-not-found", "-o", "json"], args].concat()).await.done();
        (!got.trim().is_empty()).then(|| serde_json::from_str(&got).expect("kubectl prints JSON"))
    }

    /// Waits until an object is as `is` wants it.
    pub async fn until(&self, context: &str, args: &[&str], is: impl Fn(Option<&Value>) -> bool) {
        let started = Instant::now();
        loop {
            let seen = self.get(context, args).await;
            if is(seen.as_ref()) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{args:?} in {context} does not come to what is waited for: {seen:#?}");
            // kubectl is a process of its own; what changes in between is seen by the next.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Applies YAML in a context.
    #[allow(dead_code, reason = "not every suite asks")]
    pub async fn apply(&self, context: &str, yaml: &str) -> String {
        let mut file = tempfile::NamedTempFile::new_in(self.folder()).expect("a file");
        file.write_all(yaml.as_bytes()).expect("written");
        self.kubectl(context, &["apply", "-f", &file.path().display().to_string()]).await.done()
    }

    /// Runs the controllers under a kubeconfig until what is returned is dropped.
    pub fn controllers(&self, kubeconfig: &Path) -> Child {
        let log = std::fs::File::create(self.folder().join("controllers.log")).expect("a file");
        let mut command = self.command(env!("CARGO_BIN_EXE_flotilla"));
        command.args(["controllers", "--kubeconfig"]).arg(kubeconfig).args(CONTROLLERS).stderr(log).spawn().expect("the program starts")
    }
}

/// What differs from how users run the controllers: suites run side by side.
pub const CONTROLLERS: &[&str] = &["--health-address=0"];

/// Runs a command to its end.
pub async fn ran(command: &mut Command) -> Ran {
    let output = tokio::time::timeout(PATIENCE * 4, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{command:?} does not end")).expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}
