//! From a pod template to a pod, and the short hashes and random names that objects made from templates bear. Nothing here writes.

use super::action::to_json;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

/// Letters and digits that make no words.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A pod of `template`, controlled by `owner`.
pub fn pod(template: &PodTemplateSpec, namespace: &str, name: String, owner: OwnerReference) -> Pod {
    let from = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            labels: from.labels,
            annotations: from.annotations,
            finalizers: from.finalizers,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// Sets a label.
pub fn set_label(labels: &mut Option<BTreeMap<String, String>>, key: &str, value: impl Into<String>) {
    labels.get_or_insert_default().insert(key.to_owned(), value.into());
}

/// A hash of a template (or of a revision's data) that can stand in a name; `collisions` makes another one of the same template.
pub fn hash(of: &impl serde::Serialize, collisions: Option<i32>) -> String {
    let mut hash = fnv1a(0x811c_9dc5, to_json(of).to_string().as_bytes());
    if let Some(collisions) = collisions {
        hash = fnv1a(hash, &collisions.to_le_bytes());
    }
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

fn fnv1a(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Random endings of names. The same seed gives the same names.
#[derive(Debug)]
pub struct Names(u64);

impl Names {
    /// Names that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Five random letters and digits.
    pub fn suffix(&mut self) -> String {
        (0..5).map(|_| char::from(ALPHABET[self.below(ALPHABET.len())])).collect()
    }

    /// `<base>-<five letters>`, with a base too long for a name cut short.
    pub fn under(&mut self, base: &str) -> String {
        let base = base.get(..base.len().min(57)).unwrap_or(base);
        format!("{base}-{}", self.suffix())
    }

    /// splitmix64, reduced to less than `limit`.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(limit).expect("fits")).expect("less than limit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hash_depends_on_the_template_and_on_collisions() {
        let template = json!({"spec": {"containers": []}});
        assert_eq!(hash(&template, None), hash(&template, None));
        assert_ne!(hash(&template, None), hash(&template, Some(1)));
        assert_ne!(hash(&template, None), hash(&json!({"spec": {}}), None));
        assert!(hash(&template, None).chars().all(|c| "bcdf456789".contains(c)));
    }

    #[test]
    fn names_are_random_but_repeatable() {
        let (mut names, mut again) = (Names::new(7), Names::new(7));
        let first = names.under("web");
        assert_eq!(first, again.under("web"));
        assert_ne!(first, names.under("web"));
        assert_eq!(first.len(), "web-".len() + 5);
    }
}
