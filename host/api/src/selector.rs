//! Label selectors as Kubernetes understands them.
//!
//! A selector that is not valid matches nothing and says why; it is never taken for an empty one.

use k8s_openapi::api::core::v1::NodeSelectorRequirement;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Why a selector is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// The operator is none of Kubernetes'.
    #[error("operator `{operator}` of key `{key}` is not one of {known}")]
    Operator {
        /// The key of the requirement.
        key: String,
        /// What was given.
        operator: String,
        /// What may be given.
        known: &'static str,
    },
    /// The key cannot be the key of a label.
    #[error("key `{key}` {why}")]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        why: InvalidLabel,
    },
    /// The operator wants other values.
    #[error("operator `{operator}` of key `{key}` wants {wanted}")]
    Values {
        /// The key of the requirement.
        key: String,
        /// Its operator.
        operator: String,
        /// What the operator wants.
        wanted: &'static str,
    },
    /// A value cannot be the value of a label.
    #[error("value `{value}` of key `{key}` {why}")]
    Value {
        /// The key of the requirement.
        key: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: InvalidLabel,
    },
}

/// What is wrong with the key or the value of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// It is too long, or empty where it must not be.
    #[error("must have 1 to 63 characters")]
    NameLength,
    /// It is too long.
    #[error("must have no more than 63 characters")]
    ValueLength,
    /// It has characters that labels do not have.
    #[error("must consist of letters, digits, `-`, `_` and `.`, and begin and end with a letter or digit")]
    Characters,
    /// What is before the slash is no DNS name.
    #[error("must have a DNS name before the slash")]
    Prefix,
}

/// Whether the selector is one that Kubernetes would take.
pub fn check(selector: &LabelSelector) -> Result<(), InvalidSelector> {
    matches(selector, |_| None).map(drop)
}

/// Whether the selector matches the labels; an empty one matches any. All of the selector is checked, matching or not.
pub fn matches<'a>(selector: &LabelSelector, label: impl Fn(&str) -> Option<&'a str>) -> Result<bool, InvalidSelector> {
    let mut is_match = true;
    for (key, value) in selector.match_labels.iter().flatten() {
        check_requirement_key(key)?;
        check_requirement_value(key, value)?;
        is_match &= label(key) == Some(value);
    }
    for requirement in selector.match_expressions.iter().flatten() {
        let values = requirement.values.as_deref().unwrap_or_default();
        is_match &= holds(&requirement.key, &requirement.operator, values, label(&requirement.key), false)?;
    }
    Ok(is_match)
}

/// Whether all requirements hold, as they do for nodes: `Gt` and `Lt` compare whole numbers.
pub fn all_hold<'a, 'r>(
    requirements: impl IntoIterator<Item = &'r NodeSelectorRequirement>,
    label: impl Fn(&str) -> Option<&'a str>,
) -> Result<bool, InvalidSelector> {
    let mut is_match = true;
    for requirement in requirements {
        let values = requirement.values.as_deref().unwrap_or_default();
        is_match &= holds(&requirement.key, &requirement.operator, values, label(&requirement.key), true)?;
    }
    Ok(is_match)
}

fn holds(key: &str, operator: &str, values: &[String], found: Option<&str>, is_node: bool) -> Result<bool, InvalidSelector> {
    check_requirement_key(key)?;
    let wants = |is_met: bool, wanted: &'static str| match is_met {
        true => Ok(()),
        false => Err(InvalidSelector::Values { key: key.to_owned(), operator: operator.to_owned(), wanted }),
    };
    let is_among = found.is_some_and(|found| values.iter().any(|value| value == found));
    let holds = match operator {
        "In" | "NotIn" => {
            wants(!values.is_empty(), "at least one value")?;
            values.iter().try_for_each(|value| check_requirement_value(key, value))?;
            is_among == (operator == "In")
        }
        "Exists" | "DoesNotExist" => {
            wants(values.is_empty(), "no values")?;
            found.is_some() == (operator == "Exists")
        }
        "Gt" | "Lt" if is_node => {
            let bound = match values {
                [value] => value.parse::<i64>().ok(),
                _ => None,
            };
            wants(bound.is_some(), "one whole number")?;
            let found = found.and_then(|found| found.parse::<i64>().ok());
            found.zip(bound).is_some_and(|(found, bound)| if operator == "Gt" { found > bound } else { found < bound })
        }
        _ => return Err(unknown_operator(key, operator, is_node)),
    };
    Ok(holds)
}

fn unknown_operator(key: &str, operator: &str, is_node: bool) -> InvalidSelector {
    let known = match is_node {
        true => "In, NotIn, Exists, DoesNotExist, Gt, Lt",
        false => "In, NotIn, Exists, DoesNotExist",
    };
    InvalidSelector::Operator { key: key.to_owned(), operator: operator.to_owned(), known }
}

fn check_requirement_key(key: &str) -> Result<(), InvalidSelector> {
    check_key(key).map_err(|why| InvalidSelector::Key { key: key.to_owned(), why })
}

fn check_requirement_value(key: &str, value: &str) -> Result<(), InvalidSelector> {
    check_value(value).map_err(|why| InvalidSelector::Value { key: key.to_owned(), value: value.to_owned(), why })
}

/// Whether a text can be the key of a label or annotation: a name, or a DNS name, a slash and a name.
pub fn check_key(key: &str) -> Result<(), InvalidLabel> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if !prefix.is_none_or(is_dns_name) {
        return Err(InvalidLabel::Prefix);
    }
    if name.is_empty() || name.len() > 63 {
        return Err(InvalidLabel::NameLength);
    }
    check_characters(name)
}

/// Whether a text can be the value of a label; the empty one can.
pub fn check_value(value: &str) -> Result<(), InvalidLabel> {
    match value.len() {
        0 => Ok(()),
        1..=63 => check_characters(value),
        _ => Err(InvalidLabel::ValueLength),
    }
}

fn check_characters(name: &str) -> Result<(), InvalidLabel> {
    let is_outer = |letter: Option<&u8>| letter.is_some_and(u8::is_ascii_alphanumeric);
    let is_inner = |letter: &u8| letter.is_ascii_alphanumeric() || b"-_.".contains(letter);
    let name = name.as_bytes();
    match is_outer(name.first()) && is_outer(name.last()) && name.iter().all(is_inner) {
        true => Ok(()),
        false => Err(InvalidLabel::Characters),
    }
}

fn is_dns_name(name: &str) -> bool {
    let is_outer = |letter: Option<&u8>| letter.is_some_and(|l| l.is_ascii_lowercase() || l.is_ascii_digit());
    let is_label = |label: &str| {
        let label = label.as_bytes();
        let is_inner = |letter: &u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || *letter == b'-';
        is_outer(label.first()) && is_outer(label.last()) && label.iter().all(is_inner)
    };
    !name.is_empty() && name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, expect: Result<bool, &str>) {
        let selector: LabelSelector = serde_saphyr::from_str(selector).unwrap();
        let label = |key: &str| match key {
            "app" => Some("web"),
            "empty" => Some(""),
            _ => None,
        };
        let answer = matches(&selector, label).map_err(|error| error.to_string());
        assert_eq!(answer.as_ref().map_err(String::as_str), expect.as_ref().map_err(|text| *text));
    }

    #[test]
    fn labels_and_expressions_must_all_match() {
        check("{}", Ok(true));
        check("{matchLabels: {app: web}}", Ok(true));
        check("{matchLabels: {app: db}}", Ok(false));
        check("{matchLabels: {empty: ''}}", Ok(true));
        check("{matchLabels: {absent: ''}}", Ok(false));
        check("{matchExpressions: [{key: app, operator: In, values: [db, web]}]}", Ok(true));
        check("{matchExpressions: [{key: absent, operator: In, values: [web]}]}", Ok(false));
        check("{matchExpressions: [{key: absent, operator: NotIn, values: [web]}]}", Ok(true));
        check("{matchExpressions: [{key: app, operator: NotIn, values: [web]}]}", Ok(false));
        check("{matchExpressions: [{key: app, operator: Exists}, {key: absent, operator: DoesNotExist}]}", Ok(true));
        check("{matchLabels: {app: db}, matchExpressions: [{key: app, operator: Exists}]}", Ok(false));
    }

    #[test]
    fn an_invalid_selector_matches_nothing_and_says_why() {
        check(
            "{matchExpressions: [{key: app, operator: Near}]}",
            Err("operator `Near` of key `app` is not one of In, NotIn, Exists, DoesNotExist"),
        );
        check(
            "{matchExpressions: [{key: app, operator: Gt, values: ['1']}]}",
            Err("operator `Gt` of key `app` is not one of In, NotIn, Exists, DoesNotExist"),
        );
        check("{matchExpressions: [{key: app, operator: In}]}", Err("operator `In` of key `app` wants at least one value"));
        check("{matchExpressions: [{key: app, operator: Exists, values: [x]}]}", Err("operator `Exists` of key `app` wants no values"));
        check("{matchLabels: {app: db, UPPER.example/x: y}}", Err("key `UPPER.example/x` must have a DNS name before the slash"));
        check(
            "{matchLabels: {app: -x}}",
            Err("value `-x` of key `app` must consist of letters, digits, `-`, `_` and `.`, and begin and end with a letter or digit"),
        );
    }

    #[test]
    fn nodes_compare_numbers() {
        let requirement = |operator: &str, values: &[&str]| NodeSelectorRequirement {
            key: "size".to_owned(),
            operator: operator.to_owned(),
            values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        };
        let holds = |operator, values| all_hold(&[requirement(operator, values)], |_| Some("5"));
        assert_eq!(holds("Gt", &["4"]), Ok(true));
        assert_eq!(holds("Lt", &["5"]), Ok(false));
        assert!(holds("Gt", &["4", "5"]).is_err());
        assert!(holds("Lt", &["many"]).is_err());
        assert_eq!(all_hold(&[requirement("Gt", &["4"])], |_| None), Ok(false));
    }

    #[test]
    fn keys_and_values_of_labels() {
        assert_eq!(check_key("example.com/name"), Ok(()));
        assert_eq!(check_key("a/b/c"), Err(InvalidLabel::Characters));
        assert_eq!(check_key("/b"), Err(InvalidLabel::Prefix));
        assert_eq!(check_key(""), Err(InvalidLabel::NameLength));
        assert_eq!(check_value(""), Ok(()));
        assert_eq!(check_value(&"x".repeat(64)), Err(InvalidLabel::ValueLength));
    }
}
