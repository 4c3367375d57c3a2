//! The decisions of Flotilla: which policy, which clusters, how many, what text.
//!
//! Nothing here reads a clock, a socket or a global: equal inputs give equal outputs, byte for byte.
#![forbid(unsafe_code)]

pub mod render;
pub mod scheduling;
