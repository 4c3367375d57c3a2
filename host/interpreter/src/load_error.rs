//! Why a plugin is not loaded.

use std::fmt;

/// The stable word for why a plugin was refused: event reason, metric label, status annotation. Renaming one is a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadReason {
    /// The manifest cannot be read, or says what cannot be.
    BadManifest,
    /// There is no component.
    PayloadMissing,
    /// The component cannot be unpacked, or is no WebAssembly.
    BadPayload,
    /// The component is not valid, or cannot be compiled.
    CompileFailed,
    /// A hook's `declare` failed, or declares what cannot be.
    DeclareFailed,
    /// The component is not the one that the digest names.
    DigestMismatch,
    /// WebAssembly, but a core module.
    NotAComponent,
    /// The component imports what the host does not offer.
    UnknownImport,
    /// The component was built for a newer contract.
    ContractTooNew,
    /// The component exports none of the hook interfaces.
    NoHooks,
    /// The manifest names a target that the component does not.
    TargetNotDeclared,
    /// The plugin does not accept its settings.
    BadSettings,
    /// Another plugin has the same priority for the same hook and target.
    PriorityClash,
    /// A case that came with the plugin failed.
    SmokeFailed,
    /// The component is larger, or wants more, than is allowed.
    TooLarge,
    /// A signature is required and there is none.
    SignatureMissing,
}

impl fmt::Display for LoadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f) // the variants are the words
    }
}

/// A plugin that is not loaded: the word, and a sentence that names the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    /// The stable word.
    pub reason: LoadReason,
    /// For people.
    pub message: String,
}

impl LoadError {
    pub(crate) fn new(reason: LoadReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}
