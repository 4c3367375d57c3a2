//! From a binding and the clusters to the clusters that it goes to.

pub mod webster;
