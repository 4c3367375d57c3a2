//! The string formats that the API server checks in custom resources. Formats of numbers are not checked there.

use regex::Regex;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;
use time::format_description::well_known::Rfc3339;

static UUID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$").expect("a valid pattern"));
static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[-+]?(0|(\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*(ns|us|µs|μs|ms|s|m|h|d|w|[a-z]*(second|minute|hour|day|week)s?))+)$")
        .expect("a valid pattern")
});

/// The format, where it is checked.
pub(crate) fn supported(format: &str) -> Option<String> {
    const SUPPORTED: [&str; 15] = [
        "byte",
        "cidr",
        "date",
        "date-time",
        "datetime",
        "duration",
        "email",
        "hexcolor",
        "hostname",
        "ipv4",
        "ipv6",
        "mac",
        "uri",
        "uuid",
        "password",
    ];
    SUPPORTED.contains(&format).then(|| format.to_owned())
}

/// Whether a text has a supported format.
pub(crate) fn matches(format: &str, text: &str) -> bool {
    match format {
        "byte" => {
            use base64::Engine;
            !text.is_empty() && base64::engine::general_purpose::STANDARD.decode(text).is_ok()
        }
        "cidr" => text.split_once('/').is_some_and(|(address, bits)| match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => bits.parse::<u8>().is_ok_and(|bits| bits <= 32),
            Ok(IpAddr::V6(_)) => bits.parse::<u8>().is_ok_and(|bits| bits <= 128),
            Err(_) => false,
        }),
        "date" => text.len() == 10 && time::OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339).is_ok(),
        "date-time" | "datetime" => time::OffsetDateTime::parse(text, &Rfc3339).is_ok(),
        "duration" => DURATION.is_match(text),
        "email" => text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !text.contains(' ')),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && digits.chars().all(|c| c.is_ascii_hexdigit())
        }
        "hostname" => is_hostname(text),
        "ipv4" => text.contains('.') && text.parse::<IpAddr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "mac" => is_mac(text),
        "uri" => text.starts_with('/') || text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()),
        "uuid" => UUID.is_match(text),
        _ => true,
    }
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    // The last of several labels is letters, two at least.
    let is_domain = text.rsplit_once('.').is_none_or(|(_, last)| last.chars().count() >= 2 && last.chars().all(char::is_alphabetic));
    text.len() <= 255 && text.split('.').all(label) && is_domain
}

fn is_mac(text: &str) -> bool {
    let groups: Vec<&str> = text.split([':', '-']).collect();
    matches!(groups.len(), 6 | 8 | 20) && groups.iter().all(|group| group.len() == 2 && group.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_tell_good_from_bad() {
        let table = [
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "fd00::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("uuid", "2e023447-0614-4239-89b2-ff0527fac71a", "2e023447"),
            ("date-time", "2026-11-21T02:31:10Z", "2026-11-21"),
            ("date", "2026-11-21", "2026-13-21"),
            ("duration", "1h30m", "soon"),
            ("byte", "YWJj", "a"),
            ("mac", "02:00:5e:10:00:00", "02"),
            ("hostname", "web.shop", "-web"),
            ("email", "a@b.c", "a"),
            ("uri", "https://a.b/c", "a"),
        ];
        for (format, good, bad) in table {
            assert!(matches(format, good), "{format} {good}");
            assert!(!matches(format, bad), "{format} {bad}");
        }
        assert_eq!(supported("int32"), None);
    }
}
