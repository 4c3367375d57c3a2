//! A Kubernetes control plane and its member clusters in one process, in memory: the embedded default.
//!
//! One API server per cluster, over one router; real kubectl speaks to it. Nothing here knows what Flotilla decides: admission is
//! handed in by the binary, and the only clusters it knows are its own. Reading order: [`storage`] (what is kept), [`registry`] (which
//! types there are), [`server`] and [`handlers`] (what a request does), [`writes`] (how an object gets stored), [`lifecycle`] (what a
//! cluster does by itself), [`fields`] (patches, server-side apply, schemas), [`kinds`] (what is particular to a built-in kind),
//! [`simulation`] (what makes pods ready in a member), [`sandbox`] (all of it started together).
#![forbid(unsafe_code)]

pub mod admission;
mod client;
pub mod counts;
pub mod definitions;
mod discovery;
pub mod entry;
pub mod faults;
pub mod fields;
pub mod handlers;
pub mod kinds;
pub mod kubeconfig;
mod label_selector;
pub mod lifecycle;
pub mod metadata;
mod mirror;
pub mod names;
mod negotiation;
mod openapi;
mod options;
mod protobuf;
pub mod registry;
mod represent;
pub mod request;
mod response;
pub mod sandbox;
pub mod selectors;
pub mod server;
pub mod simulation;
pub mod status;
pub mod storage;
mod tls;
pub mod writes;
