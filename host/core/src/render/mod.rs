//! From a binding to the Works of its clusters.

pub mod prune;
