//! All Cluster objects as types, parsed once a change and not once a decision.

use crate::context::Error;
use crate::store::Store;
use flotilla_api::cluster::Cluster;
use std::sync::{Arc, Mutex};

/// The Cluster objects, sorted by name.
#[derive(Default)]
pub struct ClusterList(Mutex<Option<Arc<Vec<Cluster>>>>);

impl ClusterList {
    /// All clusters; an error while they are not known, or when one cannot be read.
    pub fn all(&self, store: &Store) -> Result<Arc<Vec<Cluster>>, Error> {
        let mut list = self.0.lock().expect("no code panics while it holds the list");
        if let Some(list) = &*list {
            return Ok(list.clone());
        }
        let mut clusters = Vec::new();
        for (key, cached) in store.list()? {
            let cluster: Cluster = cached.parse_as().map_err(|error| Error::Unreadable(format!("Cluster {key}: {error}")))?;
            clusters.push(cluster);
        }
        clusters.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(list.insert(Arc::new(clusters)).clone())
    }

    /// Some cluster changed: read anew next time.
    pub fn forget(&self) {
        *self.0.lock().expect("no code panics while it holds the list") = None;
    }
}
