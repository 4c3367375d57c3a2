//! The pod inside of everything that makes pods: its defaults and its validation.

pub(super) mod defaults;
