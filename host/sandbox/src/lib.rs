//! A Kubernetes control plane and its member clusters in one process, in memory: the embedded default.
//!
//! One API server per cluster, over one router; real kubectl speaks to it. Nothing here knows what Flotilla decides: admission is
//! handed in by the binary, and the only clusters it knows are its own. Reading order: [`storage`] (what is kept), [`registry`] (which
//! types there are), [`handlers`](server) (what a request does), [`fields`] (patches, server-side apply, schemas), [`kinds`] (what is
//! particular to a built-in kind), [`simulation`] (what makes pods ready in a member).
#![forbid(unsafe_code)]

pub mod fields;
pub mod kinds;
pub mod simulation;
pub mod status;
