//! What names, labels, keys and ports may look like (`k8s.io/apimachinery/pkg/util/validation`). Each function returns what is wrong with
//! one text, in the server's words; nothing when it is right.

use std::net::IpAddr;

/// Longest DNS label, label value, and name part of a qualified name.
const LABEL_MAX: usize = 63;
/// Longest DNS subdomain and configuration key.
const SUBDOMAIN_MAX: usize = 253;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an \
    alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const OLD_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and \
    end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
    end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
    (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and \
    end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
    'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENV_NAME: &str = "a valid environment variable name must consist only of printable ASCII characters other than '='";

/// A lowercase DNS label (RFC 1123).
pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > LABEL_MAX {
        wrong.push(format!("must be no more than {LABEL_MAX} characters"));
    }
    if !is_dns_label(text) {
        wrong.push(LABEL.to_owned());
    }
    wrong
}

/// A lowercase DNS label that starts with a letter (RFC 1035): names of Services.
pub(crate) fn dns_1035_label(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, LABEL_MAX);
    if !is_dns_label(text) || text.starts_with(|c: char| c.is_ascii_digit()) {
        wrong.push(OLD_LABEL.to_owned());
    }
    wrong
}

/// A lowercase DNS subdomain: names of most objects.
pub(crate) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        wrong.push(format!("must be no more than {SUBDOMAIN_MAX} characters"));
    }
    if !text.split('.').all(is_dns_label) {
        wrong.push(SUBDOMAIN.to_owned());
    }
    wrong
}

/// One segment of a path: names of roles.
pub(super) fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." => vec!["may not be '.'".to_owned()],
        ".." => vec!["may not be '..'".to_owned()],
        _ => ["/", "%"].iter().filter(|part| text.contains(**part)).map(|part| format!("may not contain '{part}'")).collect(),
    }
}

/// A label's or annotation's key: a name with an optional DNS prefix.
pub(super) fn qualified_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            match *prefix {
                "" => wrong.push("prefix part must be non-empty".to_owned()),
                prefix => wrong.extend(dns_subdomain(prefix).into_iter().map(|message| format!("prefix part {message}"))),
            }
            name
        }
        _ => {
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a qualified name {QUALIFIED} {optional}")];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    }
    wrong.extend(too_long(name, LABEL_MAX).into_iter().map(|message| format!("name part {message}")));
    if !is_name(name) {
        wrong.push(format!("name part {QUALIFIED}"));
    }
    wrong
}

/// A label's value.
pub(super) fn label_value(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, LABEL_MAX);
    if !text.is_empty() && !is_name(text) {
        wrong.push(LABEL_VALUE.to_owned());
    }
    wrong
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, SUBDOMAIN_MAX);
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        wrong.push(CONFIG_KEY.to_owned());
    }
    match text {
        "." | ".." => wrong.push(format!("must not be '{text}'")),
        text if text.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// The name of an environment variable.
pub(super) fn env_name(text: &str) -> Vec<String> {
    let is_right = !text.is_empty() && text.chars().all(|c| matches!(c, ' '..='~') && c != '=');
    if is_right { Vec::new() } else { vec![ENV_NAME.to_owned()] }
}

/// The number of a port.
pub(super) fn port_number(number: i64) -> Vec<String> {
    if (1..=65_535).contains(&number) { Vec::new() } else { vec!["must be between 1 and 65535, inclusive".to_owned()] }
}

/// The name of a port (IANA service name).
pub(super) fn port_name(text: &str) -> Vec<String> {
    let is_lower = |c: char| c.is_ascii_lowercase();
    let rules = [
        (text.len() > 15, "must be no more than 15 characters"),
        (
            text.is_empty() || !text.chars().all(|c| is_lower(c) || c.is_ascii_digit() || c == '-'),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (!text.chars().any(is_lower), "must contain at least one letter (a-z)"),
        (text.contains("--"), "must not contain consecutive hyphens"),
        (text.starts_with('-') || text.ends_with('-'), "must not begin or end with a hyphen"),
    ];
    rules.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, message)| message.to_owned()).collect()
}

/// A network: an address and the length of its prefix.
pub(super) fn cidr(text: &str) -> Vec<String> {
    if network(text).is_some() { Vec::new() } else { vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".to_owned()] }
}

/// Whether a network is a part of another, and smaller.
pub(super) fn is_strict_part(part: &str, whole: &str) -> bool {
    let (Some((start, length)), Some((of, of_length))) = (network(part), network(whole)) else { return false };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => address.into(),
    };
    start.is_ipv4() == of.is_ipv4() && length > of_length && (bits(start) ^ bits(of)).leading_zeros() >= u32::from(of_length)
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
}

/// An address of IPv4 or IPv6.
pub(super) fn ip(text: &str) -> Vec<String> {
    if text.parse::<IpAddr>().is_ok() {
        Vec::new()
    } else {
        vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()]
    }
}

fn too_long(text: &str, most: usize) -> Vec<String> {
    if text.len() > most { vec![format!("must be no more than {most} bytes")] } else { Vec::new() }
}

fn is_dns_label(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(is_end) && text.ends_with(is_end) && text.chars().all(|c| is_end(c) || c == '-')
}

fn is_name(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(is_end) && text.ends_with(is_end) && text.chars().all(|c| is_end(c) || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: fn(&str) -> Vec<String>, right: &[&str], wrong: &[(&str, &str)]) {
        for text in right {
            assert_eq!(rule(text), Vec::<String>::new(), "{text}");
        }
        for (text, start) in wrong {
            let messages = rule(text);
            assert!(messages.iter().any(|message| message.starts_with(start)), "{text}: {messages:?}");
        }
    }

    #[test]
    fn dns_names() {
        let long = "a".repeat(64);
        check(
            dns_label,
            &["a", "a-b", "0"],
            &[("", "a lower"), ("A", "a lower"), ("-a", "a lower"), ("a.b", "a lower"), (&long, "must be no")],
        );
        check(dns_1035_label, &["a0"], &[("0a", "a DNS-1035")]);
        check(dns_subdomain, &["a.b-c.0"], &[("a..b", "a lower"), ("a_b", "a lower"), ("a.", "a lower")]);
        check(path_segment, &["system:node"], &[("a/b", "may not contain '/'"), ("..", "may not be '..'")]);
    }

    #[test]
    fn labels() {
        check(
            qualified_name,
            &["app", "example.com/My_name.x"],
            &[
                ("a/b/c", "a qualified name"),
                ("/a", "prefix part must be non-empty"),
                ("a/", "name part must be non-empty"),
                ("A b", "name part must consist"),
                ("X/a", "prefix part a lower"),
            ],
        );
        check(label_value, &["", "a.B_c"], &[("a b", "a valid label"), ("-a", "a valid label")]);
    }

    #[test]
    fn keys_and_ports() {
        check(
            config_key,
            &["a.b", "_", "-x"],
            &[("a b", "a valid config key"), ("", "a valid"), ("..a", "must not start"), (".", "must not be '.'")],
        );
        check(env_name, &["A", "a-b c"], &[("a=b", "a valid env"), ("é", "a valid env"), ("", "a valid env")]);
        check(
            port_name,
            &["http", "h-2"],
            &[("80", "must contain at least"), ("a--b", "must not contain"), ("-a", "must not begin"), ("HTTP", "must contain only")],
        );
        assert!(port_number(0).len() == 1 && port_number(65_535).is_empty());
    }
}
