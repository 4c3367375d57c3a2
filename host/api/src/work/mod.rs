//! Group `work.karmada.io`: bindings (v1alpha2: which template goes to which clusters) and Work (v1alpha1: what one cluster gets).

mod binding;
mod demand;
mod manifest;

pub use binding::*;
pub use demand::*;
pub use manifest::*;
