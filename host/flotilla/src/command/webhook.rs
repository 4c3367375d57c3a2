//! `flotilla webhook`.
use crate::exit::{Code, Failure};
/// x.
#[derive(Debug, clap::Args)]
pub struct Webhook {}
impl Webhook {
    /// x
    pub fn run(self) -> Result<Code, Failure> { Ok(Code::Done) }
}
