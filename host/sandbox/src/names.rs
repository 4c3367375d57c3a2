//! Names that the server makes up, and the order of versions. What names may look like is in [`crate::kinds::metadata`].

/// A name from `generateName`: the prefix and five letters and digits that cannot form words.
pub fn generate(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = uuid::Uuid::new_v4();
    let suffix = random.as_bytes().iter().take(5).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    let kept = prefix.len().min(63 - 5);
    prefix[..prefix.floor_char_boundary(kept)].chars().chain(suffix).collect()
}

/// Orders versions as Kubernetes does: `v2` over `v1` over `v2beta1` over `v1alpha1`; others last.
pub fn version_priority(version: &str) -> (u8, u64, u64, String) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let split = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major: u64 = rest[..split].parse().ok()?;
        let stage = &rest[split..];
        if stage.is_empty() {
            return Some((3, major, 0));
        }
        let (rank, minor) = stage.strip_prefix("beta").map(|minor| (2, minor)).or(stage.strip_prefix("alpha").map(|minor| (1, minor)))?;
        Some((rank, major, minor.parse().ok()?))
    };
    match parse() {
        Some((rank, major, minor)) => (rank, major, minor, String::new()),
        None => (0, 0, 0, version.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_keep_the_prefix() {
        let name = generate("web-");
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert_ne!(generate("web-"), generate("web-"));
    }

    #[test]
    fn versions_order_by_stability_then_number() {
        let mut versions = ["v1alpha1", "v1", "v1beta2", "v2", "v1beta1", "foo"];
        versions.sort_by_key(|version| std::cmp::Reverse(version_priority(version)));
        assert_eq!(versions, ["v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo"]);
    }
}
