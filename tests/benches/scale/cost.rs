//! The controllers as a process, and what processes have cost so far.

use flotilla_sandbox::kubeconfig;
use flotilla_tests::backend::Clusters;
use flotilla_tests::cluster::Cluster;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Ticks of a second in /proc.
const TICKS: f64 = 100.0;

/// `flotilla controllers`.
pub struct Program {
    binary: PathBuf,
    kubeconfig: PathBuf,
    log: PathBuf,
    process: Child,
}

impl Program {
    /// Makes a control plane of the first cluster, and starts the controllers.
    pub async fn start(clusters: &Clusters, folder: &Path) -> Self {
        let kubeconfig = folder.join("kubeconfig");
        let contexts: Vec<_> =
            std::iter::once(&clusters.control).chain(&clusters.members).map(|cluster| cluster.access().clone()).collect();
        kubeconfig::write(&kubeconfig, &contexts).expect("a file of ours");
        let binary = binary().expect("the release binary is there: `make build`");
        call(&binary, &["init", "--crds-only", "--kubeconfig", &kubeconfig.display().to_string()]);
        let log = folder.join("controllers.log");
        let process = spawn(&binary, &kubeconfig, &log);
        Self { binary, kubeconfig, log, process }
    }

    /// Joins a member, whose context is named like it.
    pub fn join(&self, member: &str) {
        let kubeconfig = self.kubeconfig.display().to_string();
        let arguments = ["join", member, "--kubeconfig", &kubeconfig, "--cluster-kubeconfig", &kubeconfig, "--cluster-context", member];
        call(&self.binary, &arguments);
    }

    /// Asks the process to end, and waits until it has.
    pub fn stop(&mut self) {
        let asked = Command::new("kill").arg(self.process.id().to_string()).status();
        assert!(asked.expect("kill is there").success());
        self.process.wait().expect("it was started");
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.binary, &self.kubeconfig, &self.log);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(binary: &Path, kubeconfig: &Path, log: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(log).expect("a file of ours");
    let mut command = Command::new(binary);
    command.arg("controllers").arg("--kubeconfig").arg(kubeconfig).args(["--health-address", "0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the binary starts")
}

fn call(binary: &Path, arguments: &[&str]) {
    let output = Command::new(binary).args(arguments).output().expect("the binary starts");
    assert!(output.status.success(), "flotilla {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}

fn binary() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.ancestors().nth(2)?.join("flotilla");
    std::env::var_os("FLOTILLA").map(PathBuf::from).or(Some(beside)).filter(|path| path.exists())
}

/// Processor time of the controllers and of the control plane's API server, and the most memory that the controllers had.
pub struct Cost {
    /// Since the process was started.
    pub controllers: Duration,
    /// Of a real server, which is a process of its own.
    pub server: Option<Duration>,
    /// In MiB.
    pub peak: f64,
}

impl Cost {
    /// What it is so far.
    pub fn of(control: &Cluster, controllers: &Program) -> Self {
        let pid = controllers.process.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        Self { controllers: processor_time(pid), server: server_of(control).map(processor_time), peak: peak.unwrap_or(0.0) / 1024.0 }
    }

    /// What was spent since; the most memory is that of all the time.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            controllers: self.controllers.saturating_sub(before.controllers),
            server: self.server.zip(before.server).map(|(now, before)| now.saturating_sub(before)),
            peak: self.peak,
        }
    }
}

fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The fields after the name, which may hold blanks: the 12th and 13th are user and system time.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or(Vec::new(), |(_, fields)| fields.split_whitespace().collect());
    let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(ticks / TICKS)
}

/// The process that serves a real cluster: by the port in its arguments.
fn server_of(cluster: &Cluster) -> Option<u32> {
    let port = cluster.access().url.rsplit_once(':')?.1.to_owned();
    let wanted = format!("--secure-port={port}");
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        arguments.next().is_some_and(|program| program.ends_with("kube-apiserver")) && arguments.any(|argument| argument == wanted)
    })
    .min()
}
