//! The pod inside of everything that makes pods: its defaults and its validation.

mod containers;
pub(super) mod defaults;
mod scheduling;
pub(super) mod validation;
mod volumes;
mod warnings;

pub(super) use warnings::warnings;
