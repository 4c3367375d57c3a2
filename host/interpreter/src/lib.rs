//! What a kind means, answered by WebAssembly plugins: eight questions, layers of plugins that answer them, and the sandbox in which
//! they run.
//!
//! Start at [`Chain`] (who answers) and follow a question down: [`plugin::Plugin`] hands over the declared fields ([`projection`]), the
//! runtime calls a fresh instance, [`changes`] applies what came back. Plugins get here through [`package`] and [`store`]. Names no kind,
//! no `kube::Client`, and is the only crate that names wasmtime.

pub mod batch;
#[cfg(feature = "built-in")]
pub mod built_in;
pub mod cache;
pub mod cases;
pub mod changes;
pub mod config_map;
pub mod layers;
pub mod manifest;
pub mod memo;
pub mod metrics;
pub mod package;
pub mod plugin;
pub mod pointer;
pub mod projection;
pub mod runtime;
pub mod store;

mod answers;
mod chain;
mod contract;
mod declare;
mod expect;
mod glob;
mod kube_functions;
mod load_error;
mod version;
mod yaml;

pub use chain::Changes;
pub use contract::VERSION as CONTRACT;
pub use layers::Chain;
pub use load_error::{LoadError, LoadReason};
pub use plugin::Plugin;
pub use runtime::Runtime;
pub use store::{LoadOutcome, PluginStore, Source};
