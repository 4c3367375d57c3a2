//! `flotilla completion`.

use crate::exit::{Code, Failure};

/// Arguments of `completion`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Load it with: source <(flotilla completion bash)")]
pub struct Completion {
    /// Shell
    shell: clap_complete::Shell,
}

impl Completion {
    /// Prints the script.
    pub fn run(self, command: &mut clap::Command) -> Result<Code, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "flotilla", &mut script);
        crate::output::print_line(String::from_utf8_lossy(&script).trim_end());
        Ok(Code::Done)
    }
}
