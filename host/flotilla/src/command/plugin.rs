//! `flotilla plugin`.
use crate::exit::{Code, Failure};
/// Plugin commands.
#[derive(Debug, clap::Subcommand)]
pub enum Plugin {
    /// x
    X,
}
impl Plugin {
    /// x
    pub fn run(self) -> Result<Code, Failure> { Ok(Code::Done) }
}
