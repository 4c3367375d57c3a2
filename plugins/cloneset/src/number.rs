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

    fn whole(integer: i64) -> Self {
        Self(i128::from(integer) * PARTS)
    }

    /// The number that a text spells: `3`, `-2.5`.
    fn spelled(text: &str) -> Option<Self> {
        let Some((integer, fraction)) = text.split_once('.') else { return text.parse().ok().map(Self::whole) };
        let whole: i64 = integer.parse().ok()?;
        if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let parts: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spelled: &str, written: Option<&str>) {
        let number = Number::spelled(spelled).map(|number| {
            let mut text = String::new();
            number.write(&mut text);
            text
        });
        assert_eq!(number.as_deref(), written);
    }

    #[test]
    fn numbers_are_exact_to_the_billionth() {
        check("3", Some("3"));
        check("3.0", Some("3"));
        check("2.5", Some("2.5"));
        check("-0.5", Some("-0.5"));
        check("-4", Some("-4"));
        check("100", Some("100"));
        check("0.1234567899", Some("0.123456789"));
        check("9007199254740993", Some("9007199254740993"));
    }

    #[test]
    fn words_are_no_numbers() {
        for word in ["", "three", "1e3", "1.-5", "1.+5", ".", "0x10"] {
            check(word, None);
        }
    }

    #[test]
    fn sums_do_not_wrap() {
        let most = Number::spelled("9223372036854775807").expect("a number");
        let mut text = String::new();
        most.plus(most).write(&mut text);
        assert_eq!(text, "18446744073709551614");
    }
}
