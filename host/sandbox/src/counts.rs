//! How many writes an API server was asked for, by whom: what benchmarks count. Keeps numbers only.

use crate::request::Verb;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Distinct keys kept; what comes after them is counted under the agent `other`.
const KEYS: usize = 4096;

/// Which writes are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteKey {
    /// What was done.
    pub verb: Verb,
    /// `deployments.apps`, `works.work.karmada.io/status`.
    pub resource: String,
    /// First part of the User-Agent.
    pub agent: String,
}

/// Counts of writes that were answered with success, dry runs excepted.
#[derive(Debug, Default)]
pub struct WriteCounts(Mutex<BTreeMap<WriteKey, u64>>);

impl WriteCounts {
    /// Counts one write.
    pub fn add(&self, mut key: WriteKey) {
        let mut counts = self.0.lock().expect("no code panics while it holds the counts");
        if counts.len() >= KEYS && !counts.contains_key(&key) {
            key.agent = "other".into();
        }
        *counts.entry(key).or_default() += 1;
    }

    /// The counts so far.
    pub fn get(&self) -> BTreeMap<WriteKey, u64> {
        self.0.lock().expect("no code panics while it holds the counts").clone()
    }
}
