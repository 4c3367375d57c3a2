//! What the suites over the whole share: a fleet on a sandbox or on real servers, and the user's own YAML as input.
#![forbid(unsafe_code)]

pub mod account;
pub mod audit;
pub mod backend;
pub mod cluster;
pub mod counting;
pub mod failing;
pub mod fleet;
pub mod kubernetes;
pub mod normal;
pub mod record;
pub mod replay;
mod sweep;
pub mod traffic;
