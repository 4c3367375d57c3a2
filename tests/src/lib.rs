//! What the suites over the whole share: a fleet in one process, and the user's own YAML as input.
#![forbid(unsafe_code)]

pub mod counting;
pub mod failing;
pub mod fleet;
pub mod kubernetes;
pub mod normal;
pub mod record;
pub mod replay;
