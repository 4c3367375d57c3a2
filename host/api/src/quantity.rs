//! Arithmetic on Kubernetes quantities (`500m`, `1536Mi`, `2e3`): exact to the billionth, and written as Kubernetes writes them.
//!
//! Reads and writes what `k8s.io/apimachinery/pkg/api/resource` reads and writes; never goes through floating point but in
//! [`Amount::as_f64`].

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

const NANOS: i128 = 1_000_000_000;
/// 10^24 units: so far from overflow that sums of a hundred thousand such amounts are exact.
const MAX_NANOS: i128 = 10_i128.pow(33);
const MAX_BINARY: i128 = i64::MAX as i128 * NANOS;

/// How an amount is written; it keeps the way in which it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `12M`.
    DecimalSi,
    /// `12Mi`.
    BinarySi,
    /// `12e6`.
    DecimalExponent,
}

/// A quantity as a number. Equal and ordered by value, whatever the format.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    nanos: i128,
    format: Format,
}

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// There is no number, or something follows the suffix.
    #[error("quantity `{0}` is not a number with a suffix like `m`, `k`, `Mi` or `e3`")]
    Format(String),
    /// The suffix is not one of Kubernetes'.
    #[error("quantity `{0}` has an unknown suffix")]
    Suffix(String),
    /// It is above 10^24, or below the same negative number.
    #[error("quantity `{0}` is too large")]
    TooLarge(String),
}

const DECIMAL_SUFFIXES: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

const BINARY_SUFFIXES: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// So many units.
    pub fn units(units: i64, format: Format) -> Self {
        Self { nanos: i128::from(units) * NANOS, format }
    }

    /// So many thousandths.
    pub fn thousandths(milli: i64, format: Format) -> Self {
        Self { nanos: i128::from(milli) * (NANOS / 1000), format }
    }

    /// From JSON: a string or a number.
    pub fn from_json(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => text.trim().parse(),
            other => other.to_string().parse(),
        }
    }

    /// How it is written.
    pub fn format(self) -> Format {
        self.format
    }

    /// The same amount, written in another way.
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// In units, rounded away from zero; the largest `i64` stands for more.
    pub fn value(self) -> i64 {
        self.in_steps_of(NANOS)
    }

    /// In thousandths, rounded away from zero; the largest `i64` stands for more.
    pub fn milli_value(self) -> i64 {
        self.in_steps_of(NANOS / 1000)
    }

    /// In units, as near as floating point comes.
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / NANOS as f64
    }

    /// So many times the amount.
    pub fn times(self, factor: i64) -> Self {
        Self { nanos: self.nanos.saturating_mul(i128::from(factor)), ..self }
    }

    fn in_steps_of(self, step: i128) -> i64 {
        let steps = round_away(self.nanos, step);
        i64::try_from(steps).unwrap_or(if steps < 0 { i64::MIN } else { i64::MAX })
    }

    fn write_decimal(self, f: &mut fmt::Formatter<'_>, format: Format) -> fmt::Result {
        let (mut number, mut exponent) = (self.nanos, -9);
        while number % 1000 == 0 {
            number /= 1000;
            exponent += 3;
        }
        let suffix = DECIMAL_SUFFIXES.iter().find(|(_, power)| *power == exponent);
        match suffix {
            Some((suffix, _)) if format != Format::DecimalExponent => write!(f, "{number}{suffix}"),
            _ if exponent == 0 => write!(f, "{number}"),
            _ => write!(f, "{number}e{exponent}"),
        }
    }

    fn write_binary(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut number, mut suffix) = (self.nanos / NANOS, "");
        for (larger, _) in BINARY_SUFFIXES {
            if number % 1024 != 0 {
                break;
            }
            number /= 1024;
            suffix = larger;
        }
        write!(f, "{number}{suffix}")
    }
}

impl fmt::Display for Amount {
    /// In canonical form: no fraction, the largest suffix that loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let is_small = self.nanos.abs() < 1024 * NANOS;
        match self.format {
            Format::BinarySi if is_small || self.nanos % NANOS != 0 => self.write_decimal(f, Format::DecimalSi),
            Format::BinarySi => self.write_binary(f),
            format => self.write_decimal(f, format),
        }
    }
}

impl FromStr for Amount {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let scanned = Scanned::scan(text).ok_or_else(|| QuantityError::Format(text.to_owned()))?;
        let suffix = Suffix::of(scanned.suffix).ok_or_else(|| QuantityError::Suffix(text.to_owned()))?;
        let nanos = scanned.nanos(suffix).ok_or_else(|| QuantityError::TooLarge(text.to_owned()))?;
        let (nanos, format) = match suffix {
            Suffix::Decimal(_) => (nanos, Format::DecimalSi),
            Suffix::Exponent(_) => (nanos, Format::DecimalExponent),
            Suffix::Binary(_) if nanos > 0 && nanos < NANOS => (nanos, Format::DecimalSi),
            Suffix::Binary(_) => (nanos.min(MAX_BINARY), Format::BinarySi),
        };
        Ok(Self { nanos: if scanned.is_negative { -nanos } else { nanos }, format })
    }
}

impl TryFrom<&Quantity> for Amount {
    type Error = QuantityError;
    fn try_from(quantity: &Quantity) -> Result<Self, QuantityError> {
        quantity.0.trim().parse()
    }
}

impl From<Amount> for Quantity {
    fn from(amount: Amount) -> Self {
        Self(amount.to_string())
    }
}

/// A quantity taken apart: what Kubernetes' scanner tells apart, no stricter.
struct Scanned<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Scanned<'a> {
    fn scan(text: &'a str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        let letters = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
        let exponent = letters.strip_prefix(['+', '-']).unwrap_or(letters);
        let is_suffix = exponent.bytes().all(|digit| digit.is_ascii_digit());
        is_suffix.then_some(Self { is_negative: text.starts_with('-'), whole, fraction, suffix })
    }

    /// The number without its sign, rounded up to whole nanos; `None`: too large.
    fn nanos(&self, suffix: Suffix) -> Option<i128> {
        let digits = format!("{}{}", self.whole, self.fraction);
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(0);
        }
        let factor = match suffix {
            Suffix::Binary(power) => 1_i128 << power,
            _ => 1,
        };
        let exponent = match suffix {
            Suffix::Decimal(exponent) => i64::from(exponent),
            Suffix::Exponent(exponent) => exponent,
            Suffix::Binary(_) => 0,
        };
        let fraction_length = i64::try_from(self.fraction.len()).ok()?;
        let shift = exponent.checked_add(9)?.checked_sub(fraction_length)?;
        let nanos = scale(digits, factor, shift);
        match suffix {
            // Kubernetes caps these, silently.
            Suffix::Binary(_) => Some(nanos.unwrap_or(MAX_BINARY)),
            _ => nanos.filter(|nanos| *nanos <= MAX_NANOS),
        }
    }
}

/// `digits * factor * 10^shift`, rounded up; `None`: it does not fit.
fn scale(digits: &str, factor: i128, shift: i64) -> Option<i128> {
    if shift >= 0 {
        let power = u32::try_from(shift).ok().and_then(|shift| 10_i128.checked_pow(shift))?;
        return digits.parse::<i128>().ok()?.checked_mul(factor)?.checked_mul(power);
    }
    // Digits beyond the nano only matter by not being zero, as long as no factor brings them back.
    let dropped = usize::try_from(shift.unsigned_abs()).ok()?;
    const GUARD: usize = 18;
    let cut = dropped.saturating_sub(GUARD).min(digits.len());
    let (kept, lost) = digits.split_at(digits.len() - cut);
    let kept = if kept.is_empty() { 0 } else { kept.parse::<i128>().ok()? };
    let kept = kept.checked_mul(factor)?;
    let more = lost.bytes().any(|digit| digit != b'0');
    let power = u32::try_from(dropped - dropped.saturating_sub(GUARD)).ok().map(|left| 10_i128.pow(left))?;
    let rounded = round_away(kept, power);
    Some(if more && kept % power == 0 { rounded + 1 } else { rounded })
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn round_away(number: i128, step: i128) -> i128 {
    number / step + (number % step).signum()
}

#[derive(Clone, Copy)]
enum Suffix {
    Decimal(i32),
    Binary(u32),
    Exponent(i64),
}

impl Suffix {
    fn of(text: &str) -> Option<Self> {
        if let Some((_, exponent)) = DECIMAL_SUFFIXES.iter().find(|(suffix, _)| *suffix == text) {
            return Some(Self::Decimal(*exponent));
        }
        if let Some((_, power)) = BINARY_SUFFIXES.iter().find(|(suffix, _)| *suffix == text) {
            return Some(Self::Binary(*power));
        }
        text.strip_prefix(['e', 'E'])?.parse().ok().map(Self::Exponent)
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Amount {}

impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Default for Amount {
    fn default() -> Self {
        Self::ZERO
    }
}

/// The sum is written like the first amount, or like the second where the first is nothing.
impl Add for Amount {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }
}

impl Neg for Amount {
    type Output = Self;
    fn neg(self) -> Self {
        Self { nanos: -self.nanos, ..self }
    }
}

impl Sub for Amount {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}
