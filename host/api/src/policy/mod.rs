//! Group `policy.karmada.io/v1alpha1`: which objects go where, and what is changed on the way.
//!
//! Start at [`PropagationSpec`] and [`OverrideSpec`]; each is shared by a namespaced kind and a cluster-scoped one.

mod failover;
mod overrides;
mod placement;
mod propagation;

pub use failover::*;
pub use overrides::*;
pub use placement::*;
pub use propagation::*;
