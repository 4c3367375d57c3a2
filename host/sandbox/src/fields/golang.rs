//! Values as the real server's messages print them: Go's `%v` and `%q`.

use serde_json::Value;
use std::fmt::Write;

/// Like Go's `%v` of a decoded JSON value: `map[a:1 b:[x y] c:<nil>]`.
pub(crate) fn plain(value: &Value) -> String {
    let mut text = String::new();
    write_plain(value, &mut text);
    text
}

fn write_plain(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { " " });
                write_plain(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push_str("map[");
            for (index, (key, item)) in map.iter().enumerate() {
                let _ = write!(text, "{}{key}:", if index == 0 { "" } else { " " });
                write_plain(item, text);
            }
            text.push(']');
        }
        scalar => {
            let _ = write!(text, "{scalar}");
        }
    }
}

/// Like Go's `%q`: quoted, with `"`, `\` and control characters escaped.
pub(crate) fn quoted(string: &str) -> String {
    let mut text = String::with_capacity(string.len() + 2);
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{7}' => text.push_str("\\a"),
            '\u{8}' => text.push_str("\\b"),
            '\u{b}' => text.push_str("\\v"),
            '\u{c}' => text.push_str("\\f"),
            c if c.is_ascii_control() => {
                let _ = write!(text, "\\x{:02x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Like Go's `%v` of a float64: the shortest form, with an exponent from `1e+06` on.
pub(crate) fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("made by {:e}");
    match exponent.parse::<i32>() {
        Ok(power) if number != 0.0 && !(-4..6).contains(&power) => {
            format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        _ => format!("{number}"),
    }
}

/// A value in a field error: text quoted, everything else as JSON.
pub(crate) fn bad_value(value: &Value) -> String {
    match value {
        Value::String(string) => quoted(string),
        other => other.to_string(),
    }
}

/// The Go type that a value is decoded into where nothing says which.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// What Go says of a regular expression that is none, of the mistakes that people make.
pub(crate) fn regex_fault(pattern: &str) -> Option<String> {
    let (mut open, mut characters) = (0, pattern.char_indices());
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' if characters.next().is_none() => {
                return Some("error parsing regexp: trailing backslash at end of expression: ``".to_owned());
            }
            '[' if !pattern[at + 1..].contains(']') => {
                return Some(format!("error parsing regexp: missing closing ]: `{}`", &pattern[at..]));
            }
            '(' => open += 1,
            ')' if open == 0 => return Some(format!("error parsing regexp: unexpected ): `{pattern}`")),
            ')' => open -= 1,
            '*' | '+' | '?' if at == 0 => return Some(format!("error parsing regexp: missing argument to repetition operator: `{c}`")),
            _ => {}
        }
    }
    (open > 0).then(|| format!("error parsing regexp: missing closing ): `{pattern}`"))
}

/// Nanoseconds of a Go duration: `1h30m`.
pub(crate) fn nanoseconds(text: &str) -> Option<i64> {
    let (is_negative, mut rest) = text.strip_prefix('-').map_or((false, text.trim_start_matches('+')), |rest| (true, rest));
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let units = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(units);
        let factor = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    (!text.is_empty()).then_some(if is_negative { -total as i64 } else { total as i64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_print_as_go_prints_them() {
        let value = json!({"b": [1, "x", null], "a": {"c": true}});
        assert_eq!(plain(&value), "map[a:map[c:true] b:[1 x <nil>]]");
        assert_eq!(quoted("say \"hi\"\n\u{1}ü"), "\"say \\\"hi\\\"\\n\\x01ü\"");
    }
}
