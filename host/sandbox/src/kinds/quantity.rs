//! Quantities (`250m`, `64Mi`, `1e3`) as `k8s.io/apimachinery/pkg/api/resource` reads and writes them. Exact down to 10⁻⁹.

use serde_json::Value;

/// A quantity, in billionths, and the family of suffixes it was written in.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// Billionths of the unit.
    pub nano: i128,
    family: Family,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

/// Billionths in one.
const ONE: i128 = 1_000_000_000;

const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Reads a JSON string or number; `None` for what the server refuses to decode.
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    /// Reads the text of a quantity.
    pub fn parse(text: &str) -> Option<Self> {
        let split = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let (scale, family) = scale_of(suffix)?;
        Some(Self { nano: scaled(number, scale)?, family })
    }

    /// Rounded up to thousandths, as the server does for amounts of resources.
    pub fn in_milli(self) -> Self {
        let milli = ONE / 1000;
        Self { nano: self.nano.div_euclid(milli) * milli + if self.nano.rem_euclid(milli) > 0 { milli } else { 0 }, ..self }
    }
}

/// Quantities are the same when their amounts are, however they were written.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.nano.partial_cmp(&other.nano)
    }
}

/// The canonical form: the largest suffix that leaves an integer.
impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.family == Family::Binary && self.nano.abs() >= 1024 * ONE {
            let whole = self.nano.div_euclid(ONE) + i128::from(self.nano.rem_euclid(ONE) > 0);
            let (mantissa, steps) = shrink(whole, 1024, BINARY.len() - 1);
            return write!(f, "{mantissa}{}", BINARY[steps]);
        }
        if self.nano == 0 {
            return f.write_str("0");
        }
        let (mantissa, steps) = shrink(self.nano, 1000, DECIMAL.len() - 1);
        match self.family {
            Family::Exponent if steps != 3 => write!(f, "{mantissa}e{}", 3 * steps as i64 - 9),
            Family::Exponent => write!(f, "{mantissa}"),
            _ => write!(f, "{mantissa}{}", DECIMAL[steps]),
        }
    }
}

/// Divides by `base` while nothing is lost, at most `most` times; says how often.
fn shrink(mut mantissa: i128, base: i128, most: usize) -> (i128, usize) {
    let mut steps = 0;
    while steps < most && mantissa % base == 0 {
        mantissa /= base;
        steps += 1;
    }
    (mantissa, steps)
}

/// Powers of ten and of two of a suffix.
fn scale_of(suffix: &str) -> Option<((i32, u32), Family)> {
    if let Some(at) = BINARY.iter().position(|known| !known.is_empty() && *known == suffix) {
        return Some(((0, 10 * at as u32), Family::Binary));
    }
    if let Some(at) = DECIMAL.iter().position(|known| *known == suffix) {
        return Some(((3 * at as i32 - 9, 0), Family::Decimal));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-18..=18).contains(&exponent).then_some(((exponent, 0), Family::Exponent))
}

/// `number` times ten and two to the given powers, in billionths, rounded away from zero.
fn scaled(number: &str, (ten, two): (i32, u32)) -> Option<i128> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mantissa = digits.parse::<i128>().ok()?.checked_mul(1 << two)?;
    let power = ten + 9 - i32::try_from(fraction.len()).ok()?;
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    let nano = if power >= 0 { mantissa.checked_mul(factor)? } else { (mantissa + factor - 1) / factor };
    Some(sign * nano)
}

/// Writes the canonical form over a quantity, rounded as amounts of resources are; leaves alone what is no quantity.
pub(super) fn canonicalize(value: &mut Value) {
    if let Some(quantity) = Quantity::read(value) {
        *value = Value::String(quantity.in_milli().to_string());
    }
}

/// The same for each entry of a list of resources (`limits`, `requests`, `hard`, `capacity`).
pub(super) fn canonicalize_all(resources: Option<&mut Value>) {
    resources.and_then(Value::as_object_mut).into_iter().flatten().for_each(|(_, value)| canonicalize(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms_are_those_of_the_server() {
        for (written, canonical) in [
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("2000", "2k"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("1023", "1023"),
            ("512", "512"),
            ("0.5Ki", "512"),
            ("1e3", "1e3"),
            ("12e6", "12e6"),
            ("0", "0"),
            ("0Mi", "0"),
            ("100M", "100M"),
            ("-1", "-1"),
            ("0.0001", "1m"),
        ] {
            assert_eq!(Quantity::parse(written).map(|q| q.in_milli().to_string()).as_deref(), Some(canonical), "{written}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "x", "1x", "1 Mi", "--1", "1.2.3", "Mi"] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn amounts_compare_however_they_are_written() {
        assert_eq!(Quantity::parse("1"), Quantity::parse("1000m"));
        assert!(Quantity::parse("1Gi") > Quantity::parse("1G"));
    }
}
