//! Quantities are read, added and written as Kubernetes does it.

use flotilla_api::quantity::{Amount, Format, QuantityError};
use serde_json::json;

fn amount(text: &str) -> Amount {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn written_in_canonical_form() {
    for (read, written) in [
        ("0", "0"),
        ("0Ki", "0"),
        ("-0m", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("0.1m", "100u"),
        ("0.9n", "1n"),
        ("-0.9n", "-1n"),
        ("1e-12", "1e-9"),
        ("0.00000000000000000000000000000000000000000001", "1n"),
        ("1.0000000000000000000000000000000000000000000", "1"),
        ("1.0000000000000000000000000000000000000000001", "1000000001n"),
        ("1k", "1k"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("12345678", "12345678"),
        ("100000k", "100M"),
        ("1000E", "1e21"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1e4", "10e3"),
        ("12e6", "12e6"),
        ("1e-3", "1e-3"),
        ("100e-2", "1"),
        ("0e999999", "0"),
        ("1Ki", "1Ki"),
        ("1024Ki", "1Mi"),
        ("1.5Gi", "1536Mi"),
        ("1023Mi", "1023Mi"),
        ("0.5Ki", "512"),
        ("1.1Ki", "1126400m"),
        ("0.0001Ki", "102400u"),
        ("-2Mi", "-2Mi"),
        ("8Ei", "9223372036854775807"),
        ("9223372036854775807", "9223372036854775807"),
        ("18446744073709551616", "18446744073709551616"),
    ] {
        assert_eq!(amount(read).to_string(), written, "`{read}`");
    }
}

#[test]
fn what_is_no_quantity_says_so() {
    for text in ["", " 1", "1 ", "one", "1.2.3", "0x10", "1e3e", "1,5"] {
        assert_eq!(text.parse::<Amount>(), Err(QuantityError::Format(text.to_owned())), "`{text}`");
    }
    for text in ["1K", "1mi", "1ki", "1e1.5", "3g", "1e", "1Kii", "1ee3", "1e+"] {
        let error = text.parse::<Amount>().unwrap_err();
        assert!(matches!(error, QuantityError::Suffix(_) | QuantityError::Format(_)), "`{text}`: {error}");
    }
    assert_eq!("1e400".parse::<Amount>(), Err(QuantityError::TooLarge("1e400".to_owned())));
}

#[test]
fn json_holds_strings_and_numbers() {
    for (value, written) in [(json!("2"), "2"), (json!(" 2 "), "2"), (json!(2), "2"), (json!(2.5), "2500m"), (json!(-1), "-1")] {
        assert_eq!(Amount::from_json(&value).unwrap().to_string(), written);
    }
    assert!(Amount::from_json(&json!(true)).is_err());
    assert!(Amount::from_json(&json!({})).is_err());
}

#[test]
fn sums_keep_the_format_of_the_first_that_is_something() {
    for (left, right, sum) in [
        ("1Gi", "1G", "2073741824"),
        ("1Gi", "512Mi", "1536Mi"),
        ("0", "512Mi", "512Mi"),
        ("1", "1Ki", "1025"),
        ("100m", "900m", "1"),
        ("1e3", "1", "1001"),
        ("1e3", "1k", "2e3"),
        ("0.1", "0.2", "300m"),
        ("4Ei", "4Ei", "8Ei"),
        ("9007199254740993", "1", "9007199254740994"),
    ] {
        assert_eq!((amount(left) + amount(right)).to_string(), sum, "{left} + {right}");
    }
    assert_eq!((amount("0") - amount("1Ki")).to_string(), "-1Ki");
    assert_eq!((amount("1Gi") - amount("1Gi")).to_string(), "0");
}

#[test]
fn whole_numbers_round_away_from_zero() {
    for (text, units, milli) in [
        ("1", 1, 1000),
        ("1m", 1, 1),
        ("1u", 1, 1),
        ("1001m", 2, 1001),
        ("-1500u", -1, -2),
        ("1Ki", 1024, 1_024_000),
        ("9223372036854775807", i64::MAX, i64::MAX),
        ("100E", i64::MAX, i64::MAX),
        ("-100E", i64::MIN, i64::MIN),
    ] {
        assert_eq!((amount(text).value(), amount(text).milli_value()), (units, milli), "`{text}`");
    }
    assert_eq!(amount("1500m").as_f64(), 1.5);
}

/// Numbers that look random and are the same in each run.
fn numbers() -> impl Iterator<Item = i64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let width = state % 63;
        (state.rotate_left(29) as i64) >> width
    })
}

#[test]
fn any_amount_reads_back_as_it_was_written() {
    let formats = [Format::DecimalSi, Format::BinarySi, Format::DecimalExponent];
    for (number, format) in numbers().zip(formats.into_iter().cycle()).take(30_000) {
        for amount_ in [Amount::units(number, format), Amount::thousandths(number, format)] {
            let text = amount_.to_string();
            let back = amount(&text);
            assert_eq!(back, amount_, "`{text}`");
            assert_eq!(back.with_format(format).to_string(), text);
        }
    }
}

#[test]
fn arithmetic_is_that_of_integers() {
    let numbers: Vec<i64> = numbers().take(20_000).collect();
    for pair in numbers.chunks(2) {
        let [a, b] = [pair[0] / 2, pair[1] / 2];
        let of = |milli| Amount::thousandths(milli, Format::DecimalSi);
        assert_eq!((of(a) + of(b)).milli_value(), a + b);
        assert_eq!((of(a) - of(b)).milli_value(), a - b);
        assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
        assert_eq!(of(a) + of(b), of(b) + of(a));
    }
}
