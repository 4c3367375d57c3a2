//! The controllers of Flotilla: thin shells that watch, ask `flotilla-core`, and write the difference.
//!
//! Each file is one arrow of the pipeline; none decides anything itself. [`store`] holds what was seen, [`queue`] what is to be done,
//! [`fleet`] starts everything and says what wakes what.
#![forbid(unsafe_code)]

pub mod binding;
pub mod binding_status;
pub mod capacity;
pub mod certificate;
pub mod cluster;
pub mod cluster_api;
pub mod clusters;
pub mod context;
pub mod definitions;
pub mod detector;
pub mod events;
pub mod execution;
pub mod fleet;
pub mod gate;
pub mod health;
pub mod lasting;
pub mod lease;
pub mod live_object;
pub mod members;
pub mod merge;
pub mod metrics;
pub mod namespaces;
pub mod patience;
pub mod plugins;
pub mod policies;
pub mod pulse;
pub mod queue;
pub mod queues;
pub mod served;
pub mod store;
pub mod task;
pub mod traces;
pub mod watch;
pub mod work_status;

pub use context::Options;
pub use fleet::Fleet;
