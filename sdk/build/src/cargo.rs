//! Runs cargo for the WebAssembly target, with the settings that make a plugin small and its calls fast.

use crate::BuildError;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Rust target of plugins.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Names a directory for the build of guests.
const TARGET_DIR: &str = "FLOTILLA_GUEST_TARGET_DIR";

/// A small stack, so that the memory that a call touches is little, and a memory that usual objects never make grow: growing
/// costs two system calls that stop all threads of the host.
const MEMORY: [&str; 2] = ["-Clink-arg=-zstack-size=65536", "-Clink-arg=--initial-memory=1048576"];

/// What to build.
#[derive(Debug, Clone)]
pub struct Request {
    /// `Cargo.toml` of a package or a workspace.
    pub manifest: PathBuf,
    /// A file (`….wasm`, for one plugin) or a directory.
    pub output: PathBuf,
    /// Keeps function names and debug information.
    pub debug: bool,
}

impl Request {
    /// The one file to write; `None`: `output` is a directory.
    pub(crate) fn output_file(&self) -> Option<&Path> {
        Some(self.output.as_path()).filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
    }
}

/// A line of `cargo build --message-format=json`, as far as it matters.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        target: Target,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// Builds and returns the modules, sorted by file.
pub(crate) fn modules(request: &Request) -> Result<Vec<PathBuf>, BuildError> {
    let mut cargo = command(request);
    let done = cargo.output().map_err(|source| BuildError::Io { path: "cargo".into(), source })?;
    if !done.status.success() {
        let installed = target_is_installed();
        return Err(if installed { BuildError::Cargo(request.manifest.clone()) } else { BuildError::TargetMissing });
    }
    let mut modules: Vec<PathBuf> = String::from_utf8_lossy(&done.stdout).lines().flat_map(modules_of).collect();
    modules.sort();
    if modules.is_empty() { Err(BuildError::NoPlugin(request.manifest.clone())) } else { Ok(modules) }
}

/// The modules that one line of cargo's messages names. Lines of other programs are none of ours.
fn modules_of(line: &str) -> Vec<PathBuf> {
    match serde_json::from_str(line) {
        Ok(Message::CompilerArtifact { target, filenames }) if target.crate_types.iter().any(|kind| kind == "cdylib") => {
            filenames.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "wasm")).collect()
        }
        _ => Vec::new(),
    }
}

/// Flags and profile are given here and not in each plugin's manifest: an author needs none of them.
fn command(request: &Request) -> Command {
    let mut res = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    res.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    res.arg("--manifest-path").arg(&request.manifest);
    // A directory of its own: the builds of guests and of the host never invalidate each other.
    res.env_remove("CARGO_TARGET_DIR");
    if let Some(dir) = std::env::var_os(TARGET_DIR) {
        res.arg("--target-dir").arg(dir);
    }
    res.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags(&request.manifest).join("\u{1f}"));
    let (strip, debug) = if request.debug { ("none", "full") } else { ("symbols", "none") };
    for setting in ["opt-level=2", "lto=true", "codegen-units=1", "panic='abort'"] {
        res.arg("--config").arg(format!("profile.release.{setting}"));
    }
    res.arg("--config").arg(format!("profile.release.strip='{strip}'"));
    res.arg("--config").arg(format!("profile.release.debug='{debug}'"));
    res.stderr(Stdio::inherit());
    res
}

/// Memory, and no path of this machine in the module: the same source has the same digest anywhere.
fn flags(manifest: &Path) -> Vec<String> {
    let mut res: Vec<String> = MEMORY.map(str::to_owned).into();
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let checkout = manifest.canonicalize().ok().and_then(|manifest| Some(manifest.parent()?.parent()?.to_owned()));
    let remap = |from: PathBuf, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    res.extend(cargo_home.map(|from| remap(from, "cargo")));
    res.extend(checkout.map(|from| remap(from, "")));
    res
}

/// Whether rustc has the target's library; asked only when a build failed.
fn target_is_installed() -> bool {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    asked.is_ok_and(|answer| Path::new(String::from_utf8_lossy(&answer.stdout).trim()).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_among_cargos_messages() {
        let artifact = |kind: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"crate_types":["{kind}"],"name":"x"}},"filenames":["{file}"],"fresh":true}}"#
            )
        };
        assert_eq!(modules_of(&artifact("cdylib", "/t/web.wasm")), [PathBuf::from("/t/web.wasm")]);
        assert!(modules_of(&artifact("lib", "/t/libweb.rlib")).is_empty());
        assert!(modules_of(&artifact("cdylib", "/t/web.d")).is_empty());
        assert!(modules_of(r#"{"reason":"build-finished","success":true}"#).is_empty());
        assert!(modules_of("hello from a build script").is_empty());
    }

    #[test]
    fn a_name_that_ends_in_wasm_is_one_file() {
        let request = |output: &str| Request { manifest: "Cargo.toml".into(), output: output.into(), debug: false };
        assert_eq!(request("out/web.wasm").output_file(), Some(Path::new("out/web.wasm")));
        assert_eq!(request("out").output_file(), None);
    }
}
