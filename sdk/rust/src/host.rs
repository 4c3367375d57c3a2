//! What the host offers to a plugin beside the object. In a native test there is no host: see each function.

pub use crate::bindings::host::Level;
use crate::{Error, Fields, Result};

/// Writes a line to the host's log under the plugin's name; to stderr in a native test.
pub fn log(level: Level, text: &str) {
    if cfg!(target_arch = "wasm32") {
        crate::bindings::host::log(level, text);
    } else {
        eprintln!("{level:?}: {text}");
    }
}

/// The settings that the operator gave this plugin, read as the author's own struct; `{}` in a native test.
pub fn settings<T: Fields>() -> Result<T> {
    let text = if cfg!(target_arch = "wasm32") { crate::bindings::host::settings() } else { "{}".to_owned() };
    crate::fields::read(&text).map_err(|error| Error::failed(format!("settings: {error}")))
}

/// The time that the host decided on for this call, RFC 3339 in UTC, whole seconds. An answer that asked is not kept by the host:
/// ask only when the answer has to hold a time. Panics in a native test.
pub fn now() -> String {
    needs_host("now");
    crate::bindings::host::now()
}

/// Stops a native test that would call a function of the host.
pub(crate) fn needs_host(function: &str) {
    let here = cfg!(target_arch = "wasm32");
    assert!(here, "`{function}` is answered by the host: try this hook with `flotilla interpret -p plugin.wasm -f object.yaml`");
}
