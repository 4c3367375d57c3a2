//! The decisions of Flotilla: which policy, which clusters, how many, what text.
//!
//! Start at [`matching::decide`] and [`bind::bind`], and follow the arrows of `ARCHITECTURE.md`; each module is one arrow. Nothing here
//! reads a clock, a socket or a global: equal inputs give equal outputs, byte for byte.
#![forbid(unsafe_code)]

pub mod admission; // policy as it comes in → as it is stored, or why not
pub mod affinity; // cluster × affinity → whether it is meant
pub mod apply; // manifest × member object → what to ask of the member
pub mod bind; // template × policy × answers → binding, clusters included
pub mod binding;
pub mod collect; // member objects, Works, bindings × answers → statuses
pub mod conditions;
pub mod explain; // decisions → text
pub mod join; // a cluster → what it takes to let the control plane into it
pub mod matching; // template × policies → policy
pub mod namespace;
pub mod overrides; // object × override policies × cluster → object
pub mod preview; // templates, policies, clusters → all of the above, offline
pub mod render; // binding × template × overrides × answers → Works
pub mod scheduling; // binding × clusters → clusters with replicas
