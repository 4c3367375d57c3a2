//! The program as users meet it: exit codes, answers on standard output, talk on standard error.

mod decide;
mod interpret;
mod plugin;
mod preview;
mod usage;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What became of one call.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Checks the exit code and the beginning of what is said on standard error.
    #[track_caller]
    fn fails(&self, code: i32, says: &str) {
        assert!(self.code == code && self.err.starts_with(says), "expected {code} and `{says}`: {self:#?}");
    }

    /// Checks that all went well.
    #[track_caller]
    fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|why| panic!("{why}: {self:#?}"))
    }
}

/// The program, with a cache of compiled plugins beside the other build products.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(args).env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).env_remove("FLOTILLA_LOG").current_dir(root());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program on standard input.
fn flotilla_on(args: &[&str], input: &[u8]) -> Ran {
    let mut child = command(args).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input))); // a program that reads nothing closes the pipe
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("written");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code().expect("an exit code"), out: text(output.stdout), err: text(output.stderr) }
}

fn flotilla(args: &[&str]) -> Ran {
    flotilla_on(args, b"")
}

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout")
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, generation: 1}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: nginx, resources: {requests: {cpu: 50m}}}]}
";
