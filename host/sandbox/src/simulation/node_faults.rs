//! What the nodes of a member are made to suffer. Holds the wishes only.

use crate::fields::schema::canonical;
use std::collections::{BTreeMap, BTreeSet};

/// What a node may be made to have more or less of.
const RESOURCES: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

/// What the nodes of a member suffer; the default is nothing. Where no node is named, all of them do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFaults {
    lost: BTreeSet<Option<String>>,
    /// Amounts by node and resource.
    offers: BTreeMap<(Option<String>, String), String>,
}

impl NodeFaults {
    /// Takes in a word: `lost`, `lost@node1`, `cpu=500m`, `memory=1Gi@node1`. Answers whether it is one about nodes.
    pub(crate) fn read(&mut self, word: &str) -> Result<bool, String> {
        let (what, node) = word.split_once('@').map_or((word, None), |(what, node)| (what, Some(node.to_owned())));
        match what.split_once('=') {
            None if what == "lost" => {
                self.lost.insert(node);
            }
            Some((resource, amount)) if RESOURCES.contains(&resource) => {
                let amount = canonical(amount).filter(|amount| !amount.starts_with('-'));
                let amount = amount.ok_or_else(|| format!("`{word}` has no amount; write `cpu=500m`, `memory=1Gi@NODE`"))?;
                self.offers.insert((node, resource.to_owned()), amount);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether a node reports nothing and does nothing.
    pub fn is_lost(&self, node: &str) -> bool {
        self.lost.contains(&None) || self.lost.contains(&Some(node.to_owned()))
    }

    /// What a node offers instead of its own, by resource; what is said of it alone comes last.
    pub(crate) fn offers(&self, node: &str) -> impl Iterator<Item = (&str, &str)> {
        let its = move |of: &Option<String>| of.as_deref().is_none_or(|of| of == node);
        self.offers.iter().filter(move |((of, _), _)| its(of)).map(|((_, resource), amount)| (resource.as_str(), amount.as_str()))
    }

    /// Whether a node offers something else than its own.
    pub(crate) fn resizes(&self, node: &str) -> bool {
        self.offers(node).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_node_goes_before_what_is_said_of_all() {
        let mut faults = NodeFaults::default();
        for word in ["lost@a", "cpu=0.5@b", "cpu=2", "memory=1Gi"] {
            assert_eq!(faults.read(word), Ok(true), "{word}");
        }
        let offers = |node| faults.offers(node).collect::<BTreeMap<_, _>>();
        assert_eq!(offers("a"), BTreeMap::from([("cpu", "2"), ("memory", "1Gi")]));
        assert_eq!(offers("b"), BTreeMap::from([("cpu", "500m"), ("memory", "1Gi")]));
        assert!(faults.is_lost("a") && !faults.is_lost("b"));
        faults.read("lost").unwrap();
        assert!(faults.is_lost("b"));
        assert_eq!(faults.read("latency=5s"), Ok(false));
        assert!(faults.read("cpu=much").is_err() && faults.read("pods=-1").is_err());
    }
}
