//! The indexes of an indexed Job: which are done, as `0-2,5`, and which a pod has.

use super::super::kind::Meta;
use super::super::template;
use k8s_openapi::api::core::v1::{EnvVar, Pod};
use std::collections::BTreeSet;
use std::fmt;

const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A set of indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes(BTreeSet<i32>);

impl Indexes {
    /// Reads `0-2,5`; what is no number is left out.
    pub fn parse(text: &str) -> Self {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        };
        Self(text.split(',').filter_map(range).flatten().collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether an index is among them.
    pub fn contains(&self, index: i32) -> bool {
        self.0.contains(&index)
    }

    /// Adds some.
    pub fn extend(&mut self, indexes: impl IntoIterator<Item = i32>) {
        self.0.extend(indexes);
    }
}

impl FromIterator<i32> for Indexes {
    fn from_iter<I: IntoIterator<Item = i32>>(indexes: I) -> Self {
        Self(indexes.into_iter().collect())
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(i32, i32)> = Vec::new();
        for index in &self.0 {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *index => *last = *index,
                _ => ranges.push((*index, *index)),
            }
        }
        // Two neighbours are written apart, three and more as a range.
        let text = |(first, last): &(i32, i32)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        };
        f.write_str(&ranges.iter().map(text).collect::<Vec<_>>().join(","))
    }
}

/// The index of a pod.
pub fn of(pod: &Pod) -> Option<i32> {
    pod.metadata.annotation(INDEX)?.parse().ok()
}

/// Gives a pod its index, as annotation, label, host name and environment.
pub fn mark(pod: &mut Pod, index: i32, job: &str) {
    template::set_label(&mut pod.metadata.annotations, INDEX, index.to_string());
    template::set_label(&mut pod.metadata.labels, INDEX, index.to_string());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(format!("{job}-{index}"));
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        let env = EnvVar { name: "JOB_COMPLETION_INDEX".to_owned(), value: Some(index.to_string()), value_from: None };
        container.env.get_or_insert_default().push(env);
    }
}
