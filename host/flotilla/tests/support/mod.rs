//! `flotilla sandbox` as users have it: a process of its own that can be killed, and stock `kubectl` to drive it with.
//!
//! What is to hold on real API servers as well starts its clusters with `clusters`.
#![allow(dead_code, reason = "each test file uses its part")]

mod ran;
pub use ran::Ran;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for anything that is awaited.
const PATIENCE: Duration = Duration::from_secs(60);
/// Context of the control plane in the sandbox's kubeconfig.
pub const CONTROL: &str = "flotilla";

/// A process of the program; killed when dropped.
pub struct Program {
    process: Child,
    log: PathBuf,
}

impl Program {
    /// Starts the program; what it says goes into the file.
    pub fn start(arguments: &[&str], log: PathBuf) -> Self {
        let output = File::create(&log).expect("a file of ours");
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.args(arguments).env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("FLOTILLA_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        Self { process: command.spawn().expect("the program starts"), log }
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it at once, whatever it is doing (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it was started");
    }

    /// Waits until it said this.
    pub fn until_it_says(&mut self, text: &str) {
        let started = Instant::now();
        while !self.said().contains(text) {
            assert!(self.is_running() && started.elapsed() < PATIENCE, "it does not say `{text}`:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("it was started").is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.said();
            let last: Vec<&str> = said.lines().rev().take(40).collect();
            eprintln!("the program said last:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        // It may have ended by itself: then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ran {
    /// Checks that it failed with these words and no others.
    #[track_caller]
    pub fn fails(&self, says: &str) {
        assert!(self.code == 1 && self.err.trim_end() == says, "expected `{says}`: {self:#?}");
    }
}

/// A control plane and members in a process of their own.
pub struct Sandbox {
    pub program: Program,
    folder: TempDir,
}

impl Sandbox {
    /// Starts a sandbox and waits until it answers.
    pub fn start(flags: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("flotilla-kubectl-").tempdir().expect("a folder");
        let kubeconfig = folder.path().join("kubeconfig").display().to_string();
        let arguments = [&["sandbox", "--kubeconfig", &kubeconfig], flags].concat();
        let mut program = Program::start(&arguments, folder.path().join("sandbox.log"));
        program.until_it_says("Ctrl-C ends it");
        Self { program, folder }
    }

    /// A path in the sandbox's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `kubectl` on a cluster, the words separated by blanks.
    pub fn kubectl(&self, cluster: &str, words: &str) -> Ran {
        self.run(cluster, &words.split(' ').collect::<Vec<_>>(), "")
    }

    /// Runs `kubectl … -f -` on a text.
    pub fn kubectl_on(&self, cluster: &str, words: &str, text: &str) -> Ran {
        self.run(cluster, &[&words.split(' ').collect::<Vec<_>>()[..], &["-f", "-"]].concat(), text)
    }

    /// Runs `kubectl … -f FILE`.
    pub fn kubectl_on_file(&self, cluster: &str, words: &str, file: &Path) -> Ran {
        let file = file.display().to_string();
        self.run(cluster, &[&words.split(' ').collect::<Vec<_>>()[..], &["-f", &file]].concat(), "")
    }

    fn run(&self, cluster: &str, arguments: &[&str], input: &str) -> Ran {
        let mut command = Command::new("kubectl");
        command.args(["--context", cluster]).args(arguments);
        command.env("KUBECONFIG", self.path("kubeconfig")).env("KUBECACHEDIR", self.path("cache"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl is in the PATH: https://kubernetes.io/docs/tasks/tools/");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("kubectl reads, or nothing is written");
        drop(stdin);
        let output = child.wait_with_output().expect("kubectl ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: output.status.code().expect("kubectl is not killed"), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs `kubectl` until it prints this.
    #[track_caller]
    pub fn prints(&self, cluster: &str, words: &str, expected: &str) {
        self.until(cluster, words, |out| out.trim_end() == expected);
    }

    /// Runs `kubectl` until what it prints is as it should be; returns what it printed.
    #[track_caller]
    pub fn until(&self, cluster: &str, words: &str, is_right: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let ran = self.kubectl(cluster, words);
            if ran.code == 0 && is_right(&ran.out) {
                return ran.out;
            }
            assert!(started.elapsed() < PATIENCE, "{cluster}: `kubectl {words}` does not print what is awaited: {ran:#?}");
        }
    }
}
