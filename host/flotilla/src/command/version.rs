//! `flotilla version`.

use crate::exit::{Code, Failure};
use crate::output::{Output, print_line, print_value};
use serde_json::json;

/// Version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Arguments of `version`.
#[derive(Debug, clap::Args)]
pub struct Version {
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

impl Version {
    /// Prints the version and what it speaks.
    pub fn run(self) -> Result<Code, Failure> {
        match self.output {
            Output::Table => print_line(format!("flotilla {VERSION} (plugin contract {})", "1.0.0")),
            Output::Name => print_line(VERSION),
            output => print_value(&json!({"version": VERSION, "pluginContract": "1.0.0"}), output)?,
        }
        Ok(Code::Done)
    }
}
