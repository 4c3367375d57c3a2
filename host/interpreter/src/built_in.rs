//! The plugins that come with Flotilla, embedded in the program (see `build.rs`). Loaded like any other; they only sit in a lower layer.

use crate::load_error::LoadError;
use crate::manifest::Manifest;
use crate::package::Package;
use crate::plugin::Plugin;
use crate::runtime::Runtime;
use flotilla_api::interpretation::Layer;
use std::sync::Arc;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/built_in.rs"));
}

/// Loads all built-in plugins; from the cache in milliseconds, the first time in seconds.
pub fn load(runtime: &Runtime) -> Result<Vec<Arc<Plugin>>, LoadError> {
    let load = |(name, payload): &(&str, &[u8])| {
        let package = Package::open(payload, None)?;
        let plugin = package.load(runtime, Layer::BuiltIn, &Manifest::default());
        plugin.map(Arc::new).map_err(|why| LoadError { message: format!("built-in plugin `{name}`: {}", why.message), ..why })
    };
    embedded::PAYLOADS.iter().map(load).collect()
}
