//! Runs a control plane and members until it is told to end: `serve [members] [kubeconfig] [first port]`.

use flotilla_sandbox::sandbox::{Sandbox, SandboxOptions, members};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let count = words.next().map_or(Ok(2), |word| word.parse())?;
    let kubeconfig = words.next().map_or_else(|| std::env::temp_dir().join("flotilla-sandbox.yaml"), PathBuf::from);
    let port_base = words.next().map(|word| word.parse()).transpose()?;
    let options = SandboxOptions { members: members(count), kubeconfig: Some(kubeconfig), port_base, ..SandboxOptions::default() };
    let mut terminate = signal(SignalKind::terminate())?;
    let sandbox = Sandbox::start(options).await?;
    println!("{}", sandbox.kubeconfig().map(|path| path.display().to_string()).unwrap_or_default());
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    sandbox.shutdown().await;
    Ok(())
}
