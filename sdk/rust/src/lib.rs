//! Write a Flotilla plugin in Rust: a struct with the fields that are read, a function for each hook.
//!
//! ```
//! use flotilla_sdk::{Changes, Demand, Fields, Replicas, Result, Revision};
//!
//! struct WebShop;
//!
//! #[derive(Fields)]
//! struct Template {
//!     #[fields(path = "/spec/shops")]
//!     shops: i64,
//! }
//!
//! impl Replicas for WebShop {
//!     type Reads = Template;
//!     fn interpret(template: Template) -> Result<Demand> {
//!         Ok(Demand::new(template.shops).pods_of("/spec/template"))
//!     }
//! }
//!
//! impl Revision for WebShop {
//!     type Reads = ();
//!     const WRITES: &[&str] = &["/spec/shops"];
//!     fn revise(_: (), replicas: i64) -> Result<Changes> {
//!         Ok(Changes::new().set("/spec/shops", replicas))
//!     }
//! }
//!
//! flotilla_sdk::plugin! {
//!     name: "webshop",
//!     targets: ["shop.example.com/v1/WebShop"],
//!     plugin: WebShop,
//!     hooks: [replicas, revision],
//! }
//! ```
//!
//! Start at [`plugin!`], go on with the trait of a hook (they have the names of the contract's interfaces) and with
//! [`Fields`](macro@Fields); answers that are objects of the author's own derive [`ToJson`](macro@ToJson). A plugin lives for one call: nothing here keeps anything for the next one. A plugin's author needs no
//! `unsafe`; what there is stands in `memory.rs`, in `bindings.rs` (generated) and in [`plugin!`]'s link section.
#![warn(missing_docs)]

extern crate self as flotilla_sdk;

#[doc(hidden)]
pub mod bindings;
mod changes;
mod error;
mod fields;
mod hooks;
mod host;
mod identity;
mod json;
pub mod kube;
mod memory;
mod path;
mod pods;
mod tree;
mod value;
mod words;

pub use changes::Changes;
pub use error::{Error, Result};
pub use fields::{Fields, Presence, Shape};
#[doc(hidden)]
pub use fields::{field, join};
pub use flotilla_sdk_derive::{Fields, ToJson};
pub use hooks::{Aggregation, Components, Dependencies, Health, Item, Reflection, Replicas, Retention, Revision};
pub use host::{Level, log, now, settings};
#[doc(hidden)]
pub use identity::bytes;
#[doc(hidden)]
pub use json::write_key;
pub use json::{Json, ToJson};
pub use path::Path;
pub use pods::PodReferences;
pub use value::Value;
pub use words::{Component, Demand, Dependency, Reference, Requirements, Verdict};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
