//! Name patterns: which namespaces a plugin is about.

/// Whether a name matches a pattern in which `*` stands for any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else { return pattern == name };
    let (inner, last) = others.rsplit_once('*').unwrap_or(("", others));
    let Some(mut rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    // The first place where a part fits leaves the most for the parts after it.
    inner.split('*').all(|part| {
        let after = rest.split_once(part).map(|(_, after)| after);
        rest = after.unwrap_or_default();
        after.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_text() {
        assert!(matches("shop", "shop") && matches("team-*", "team-a") && matches("*", "") && matches("a*c*e", "abcde"));
        assert!(!matches("shop", "shops") && !matches("team-*", "tea") && !matches("a*c", "ab") && !matches("ab*ba", "aba"));
    }
}
