//! Counters of a kind whose CRD does not say what they are: whatever a cluster reports as a number is summed up as one.

use flotilla_sdk::{Fields, Path, Result, ToJson, Value};

/// How many parts of one are counted.
const PARTS: i128 = 1_000_000_000;

/// A number, to the billionth.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Number(i128);

impl Number {
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The number that a text spells: `3`, `-2.5`.
    fn spelled(text: &str) -> Option<Self> {
        let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let whole: i64 = integer.parse().ok()?;
        let parts: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok().filter(|parts| *parts >= 0)?;
        let parts = if integer.starts_with('-') { -parts } else { parts };
        Some(Self(i128::from(whole) * PARTS + i128::from(parts)))
    }
}

impl Fields for Number {
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        let text = value.as_number().or(value.as_str());
        text.and_then(Self::spelled).ok_or_else(|| at.expected("a number", value))
    }
}

impl ToJson for Number {
    fn write(&self, into: &mut String) {
        let (whole, parts) = (self.0 / PARTS, (self.0 % PARTS).abs());
        let sign = if self.0 < 0 && whole == 0 { "-" } else { "" };
        let text = format!("{sign}{whole}.{parts:09}");
        into.push_str(text.trim_end_matches('0').trim_end_matches('.'));
    }
}
