//! The core group, except for pods and events.

mod claims;
mod config;
mod limits;
mod namespaces;
mod quotas;
mod service_errors;
mod services;

pub(crate) use claims::{CLAIM_PROTECTION, VOLUME_PROTECTION};
pub(super) use claims::{PersistentVolumeClaims, PersistentVolumes, claim_spec};
pub(super) use config::{ConfigMaps, Secrets, ServiceAccounts};
pub(super) use limits::LimitRanges;
pub(super) use namespaces::{Namespaces, Nodes};
pub(super) use quotas::ResourceQuotas;
pub(super) use services::{Endpoints, Services};
