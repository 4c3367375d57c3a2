//! Label selectors and name patterns: which objects a plugin or a dependency is about.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde_json::{Map, Value};

/// Reads and checks a label selector in JSON.
pub(crate) fn parse(text: &str) -> Result<LabelSelector, String> {
    let selector: LabelSelector = serde_json::from_str(text).map_err(|why| why.to_string())?;
    check(&selector)?;
    Ok(selector)
}

/// Refuses a selector that Kubernetes would refuse.
pub(crate) fn check(selector: &LabelSelector) -> Result<(), String> {
    for (key, value) in selector.match_labels.iter().flatten() {
        check_key(key)?;
        check_value(value)?;
    }
    selector.match_expressions.iter().flatten().try_for_each(check_expression)
}

fn check_expression(expression: &LabelSelectorRequirement) -> Result<(), String> {
    let LabelSelectorRequirement { key, operator, values } = expression;
    check_key(key)?;
    let values = values.as_deref().unwrap_or_default();
    match operator.as_str() {
        "In" | "NotIn" if values.is_empty() => Err(format!("`{operator}` of `{key}` needs values")),
        "Exists" | "DoesNotExist" if !values.is_empty() => Err(format!("`{operator}` of `{key}` takes no values")),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => values.iter().try_for_each(|value| check_value(value)),
        other => Err(format!("`{other}` is no operator, known are In, NotIn, Exists, DoesNotExist")),
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let domain = |prefix: &str| !prefix.is_empty() && prefix.len() <= 253 && prefix.split('.').all(|label| is_name(label, "-"));
    match !name.is_empty() && name.len() <= 63 && is_name(name, "-_.") && prefix.is_none_or(domain) {
        true => Ok(()),
        false => Err(format!("`{key}` is no label key")),
    }
}

fn check_value(value: &str) -> Result<(), String> {
    match value.is_empty() || value.len() <= 63 && is_name(value, "-_.") {
        true => Ok(()),
        false => Err(format!("`{value}` is no label value")),
    }
}

fn is_name(text: &str, inside: &str) -> bool {
    let edge = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || inside.contains(char))
}

/// Whether an object with these labels is selected.
pub(crate) fn selects(selector: &LabelSelector, labels: Option<&Map<String, Value>>) -> bool {
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| label(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let found = label(&expression.key);
            let listed = |value: &str| expression.values.iter().flatten().any(|known| known == value);
            match expression.operator.as_str() {
                "In" => found.is_some_and(listed),
                "NotIn" => !found.is_some_and(listed),
                "Exists" => found.is_some(),
                _ => found.is_none(),
            }
        })
}

/// Whether a name matches a pattern in which `*` stands for any text.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| glob(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_select() {
        let selector = r#"{"matchLabels": {"tier": "web"}, "matchExpressions": [
            {"key": "env", "operator": "In", "values": ["dev", "test"]}, {"key": "off", "operator": "DoesNotExist"}]}"#;
        let selector = parse(selector).expect("a selector");
        let selected = |labels: Value| selects(&selector, labels.as_object());
        assert!(selected(json!({"tier": "web", "env": "dev"})));
        assert!(!selected(json!({"tier": "web", "env": "prod"})));
        assert!(!selected(json!({"tier": "web", "env": "dev", "off": ""})));
        assert!(!selects(&selector, None) && selects(&LabelSelector::default(), None));
    }

    #[test]
    fn bad_selectors_are_refused() {
        for bad in [
            r#"{"matchLabels": {"a b": "c"}}"#,
            r#"{"matchLabels": {"a": "c d"}}"#,
            r#"{"matchExpressions": [{"key": "a", "operator": "In"}]}"#,
            r#"{"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}"#,
            r#"{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn stars_stand_for_any_text() {
        assert!(glob("shop", "shop") && glob("team-*", "team-a") && glob("*", "") && glob("a*c*e", "abcde"));
        assert!(!glob("shop", "shops") && !glob("team-*", "tea") && !glob("a*c", "ab"));
    }
}
