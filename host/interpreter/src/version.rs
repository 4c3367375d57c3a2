//! Order of plugin versions: semantic versions by number, anything else as text after them.

use std::cmp::Ordering;

/// Compares two versions; `1.10.0` is above `1.9.0`, a pre-release below its release.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parsed::of(a), Parsed::of(b));
    a.numbers.cmp(&b.numbers).then_with(|| match (a.suffix, b.suffix) {
        ("", "") => Ordering::Equal,
        ("", _) => Ordering::Greater,
        (_, "") => Ordering::Less,
        (a, b) => a.cmp(b),
    })
}

struct Parsed<'a> {
    numbers: Vec<u64>,
    suffix: &'a str,
}

impl<'a> Parsed<'a> {
    fn of(version: &'a str) -> Self {
        let version = version.split_once('+').map_or(version, |(version, _)| version);
        let (numbers, suffix) = version.split_once('-').unwrap_or((version, ""));
        match numbers.trim_start_matches('v').split('.').map(str::parse).collect::<Result<Vec<u64>, _>>() {
            Ok(mut numbers) => {
                while numbers.last() == Some(&0) {
                    numbers.pop();
                }
                Self { numbers, suffix }
            }
            Err(_) => Self { numbers: Vec::new(), suffix: version },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        for (lower, higher) in [("1.9.0", "1.10.0"), ("0.1.0", "1"), ("1.0.0-rc.1", "1.0.0"), ("nightly", "0.0.1"), ("1.0.0-a", "1.0.0-b")]
        {
            assert_eq!(compare(lower, higher), Ordering::Less, "{lower} < {higher}");
            assert_eq!(compare(higher, lower), Ordering::Greater, "{higher} > {lower}");
        }
        assert_eq!(compare("1.0", "v1.0.0+build"), Ordering::Equal);
    }
}
