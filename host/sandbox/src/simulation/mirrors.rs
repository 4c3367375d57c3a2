//! The mirrors of all kinds, and the way from a kind to its mirror. A kind is added by one line of the table.

use super::kind::{
    BUDGET, CLAIM, CLONE_SET_V1ALPHA1, CRON_JOB, DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, JOB, KRUISE_STATEFUL_SET, Key, Kind, NODE, POD,
    REPLICA_SET, REVISION, SERVICE, STATEFUL_SET,
};
use super::kruise::clone_set::CloneSet;
use super::kruise::stateful_set::KruiseStatefulSet;
use super::mirror::{Change, Mirror};
use super::world::World;
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::de::DeserializeOwned;

/// A change to what is known.
pub type Update = Box<dyn FnOnce(&mut World) + Send>;

/// A kind that is mirrored.
pub trait Kept: kube::Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static {
    /// Its mirror.
    fn mirror(mirrors: &mut Mirrors) -> &mut Mirror<Self>;
    /// Makes due what a change of an object calls for.
    fn route(world: &mut World, change: &Change<Self>);
}

macro_rules! mirrors {
    ($($field:ident: $type:ident = $kind:ident, $route:path;)*) => {
        /// What was seen of each kind.
        #[derive(Debug)]
        pub struct Mirrors {
            $(
                #[doc = concat!("The ", stringify!($type), "s.")]
                pub $field: Mirror<$type>,
            )*
        }

        impl Default for Mirrors {
            fn default() -> Self {
                Self { $($field: Mirror::new(&$kind),)* }
            }
        }

        impl Mirrors {
            /// Whether all that is watched has been listed.
            pub fn are_synced(&self) -> bool {
                $((!self.$field.is_awaited || self.$field.is_synced()))&&*
            }

            /// Which list the view of a kind builds on; 0 for a kind that is not mirrored.
            pub fn lists(&self, kind: &Kind) -> u64 {
                $(if is_same(kind, &$kind) { return self.$field.lists(); })*
                0
            }
        }

        $(
            impl Kept for $type {
                fn mirror(mirrors: &mut Mirrors) -> &mut Mirror<Self> {
                    &mut mirrors.$field
                }

                fn route(world: &mut World, change: &Change<Self>) {
                    $route(world, change);
                }
            }
        )*

        /// What the answer to a write teaches; see [`Mirror::put`].
        pub fn learn(kind: &Kind, answer: &str, lists: u64) -> Option<Update> {
            $(if is_same(kind, &$kind) {
                let object: $type = serde_json::from_str(answer).ok()?;
                return Some(Box::new(move |world: &mut World| world.put(object, lists)));
            })*
            None
        }

        /// What the acceptance of a deletion teaches; see [`Mirror::doom`].
        pub fn doom(kind: &Kind, key: Key, uid: String) -> Option<Update> {
            $(if is_same(kind, &$kind) {
                return Some(Box::new(move |world: &mut World| world.doom::<$type>(&key, &uid)));
            })*
            None
        }
    };
}

mirrors! {
    nodes: Node = NODE, World::route_node;
    pods: Pod = POD, World::route_pod;
    claims: PersistentVolumeClaim = CLAIM, World::route_claim;
    services: Service = SERVICE, World::route_service;
    endpoint_slices: EndpointSlice = ENDPOINT_SLICE, World::route_endpoint_slice;
    replica_sets: ReplicaSet = REPLICA_SET, World::route_replica_set;
    deployments: Deployment = DEPLOYMENT, World::route_deployment;
    stateful_sets: StatefulSet = STATEFUL_SET, World::route_stateful_set;
    daemon_sets: DaemonSet = DAEMON_SET, World::route_daemon_set;
    revisions: ControllerRevision = REVISION, World::route_revision;
    budgets: PodDisruptionBudget = BUDGET, World::route_budget;
    jobs: Job = JOB, World::route_job;
    cron_jobs: CronJob = CRON_JOB, World::route_cron_job;
    clone_sets: CloneSet = CLONE_SET_V1ALPHA1, World::route_clone_set;
    kruise_stateful_sets: KruiseStatefulSet = KRUISE_STATEFUL_SET, World::route_kruise_stateful_set;
}

/// Whether both are the same kind, in whichever version.
fn is_same(a: &Kind, b: &Kind) -> bool {
    (a.group, a.kind) == (b.group, b.kind)
}
