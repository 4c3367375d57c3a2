//! Quantities (`250m`, `1Gi`, `2e3`) in the form in which a server stores them. Does no arithmetic.

/// The words of the server's refusal of a malformed quantity.
pub(crate) const MALFORMED: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

enum Suffix {
    Decimal(i32),
    Binary(u32),
    /// `e3`: written back with an exponent.
    Exponent(i32),
}

/// The canonical form: the largest suffix that leaves an integer; `None` for text that is no quantity. A quantity that needs more than 128
/// bits or more than nine decimal places stays as it is.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let split = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(split);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let suffix = parse_suffix(suffix)?;
    let fraction = fraction.trim_end_matches('0');
    let Ok(mantissa) = format!("{whole}{fraction}").parse::<u128>() else {
        return Some(text.to_owned());
    };
    let written = write(mantissa, -i32::try_from(fraction.len()).ok()?, &suffix).unwrap_or_else(|| rest.to_owned());
    Some(if written == "0" { written } else { format!("{sign}{written}") })
}

fn parse_suffix(suffix: &str) -> Option<Suffix> {
    if let Some(power) = BINARY.iter().position(|binary| *binary == suffix).filter(|power| *power > 0) {
        return Some(Suffix::Binary(u32::try_from(power).ok()?));
    }
    if let Some((_, exponent)) = DECIMAL.iter().find(|(decimal, _)| *decimal == suffix) {
        return Some(Suffix::Decimal(*exponent));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    exponent.parse().ok().map(Suffix::Exponent)
}

/// `mantissa` × 10^`exponent` × suffix.
fn write(mantissa: u128, exponent: i32, suffix: &Suffix) -> Option<String> {
    if mantissa == 0 {
        return Some("0".to_owned());
    }
    match suffix {
        Suffix::Binary(power) => write_binary(mantissa, exponent, *power),
        Suffix::Decimal(extra) => {
            let (mantissa, exponent) = thousands(mantissa, exponent + extra)?;
            let (name, _) = DECIMAL.iter().find(|(_, power)| *power == exponent)?;
            Some(format!("{mantissa}{name}"))
        }
        Suffix::Exponent(extra) => {
            let (mantissa, exponent) = thousands(mantissa, exponent + extra)?;
            Some(if exponent == 0 { mantissa.to_string() } else { format!("{mantissa}e{exponent}") })
        }
    }
}

/// The same number with the largest exponent that is a multiple of three.
fn thousands(mut mantissa: u128, mut exponent: i32) -> Option<(u128, i32)> {
    while exponent.rem_euclid(3) != 0 {
        mantissa = mantissa.checked_mul(10)?;
        exponent -= 1;
    }
    while mantissa.is_multiple_of(1000) && exponent < 18 {
        mantissa /= 1000;
        exponent += 3;
    }
    Some((mantissa, exponent))
}

/// Binary quantities: fractions become units of the next smaller suffix where they can; below 1024 they have no suffix.
fn write_binary(mantissa: u128, exponent: i32, power: u32) -> Option<String> {
    let bytes = mantissa.checked_mul(1024u128.checked_pow(power)?)?;
    let divisor = 10u128.checked_pow(exponent.unsigned_abs())?;
    if !bytes.is_multiple_of(divisor) {
        return write(bytes, exponent, &Suffix::Decimal(0));
    }
    let mut bytes = bytes / divisor;
    let mut suffix = 0;
    while bytes.is_multiple_of(1024) && suffix + 1 < BINARY.len() {
        bytes /= 1024;
        suffix += 1;
    }
    Some(format!("{bytes}{}", BINARY[suffix]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_the_server_stores_them() {
        let table = [
            ("1000m", "1"),
            ("250m", "250m"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("100", "100"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("2e3", "2e3"),
            ("1000000", "1M"),
            ("0", "0"),
            ("0Mi", "0"),
            ("-5", "-5"),
            ("1E", "1E"),
            (".5", "500m"),
            ("+1", "1"),
            ("1000Ki", "1000Ki"),
            ("1.0", "1"),
            ("64Mi", "64Mi"),
        ];
        for (given, expected) in table {
            assert_eq!(canonical(given).as_deref(), Some(expected), "{given}");
        }
        for malformed in ["", "x", "1x", "1.2.3", "Mi", "1 Gi", "1e", "--1"] {
            assert_eq!(canonical(malformed), None, "{malformed}");
        }
    }
}
