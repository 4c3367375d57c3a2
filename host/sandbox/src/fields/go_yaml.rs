//! YAML as the real server reads it: the first document of a text, of repeated keys the last; and its words for a text that is none.

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Error, Options};

/// The first document of a text.
///
/// # Errors
/// In the words of the real server's parser: `yaml: line 4: did not find expected ',' or '}'`.
pub(crate) fn parsed(text: &str) -> Result<Value, String> {
    let text = first_document(text);
    serde_saphyr::from_str_with_options(text, options(DuplicateKeyPolicy::LastWins)).map_err(|error| match at(&error) {
        Some((line, column)) => format!("yaml: {}", fault(text, line, column)),
        None => format!("yaml: {error}"),
    })
}

/// What a strict parser says of a key that a map has twice: `line 6: key "a" already set in map`.
pub(crate) fn repeated_key(text: &str) -> Option<String> {
    let strict = serde_saphyr::from_str_with_options::<Value>(first_document(text), options(DuplicateKeyPolicy::Error));
    let error = strict.err()?;
    match error.without_snippet() {
        Error::DuplicateMappingKey { key, location } => {
            let key = key.as_deref().unwrap_or_default();
            Some(format!("line {}: key {} already set in map", location.line(), Value::from(key)))
        }
        _ => None,
    }
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    let mut options = Options::default();
    options.legacy_octal_numbers = true;
    options.duplicate_keys = duplicate_keys;
    options
}

fn at(error: &Error) -> Option<(usize, usize)> {
    let location = error.location()?;
    Some((usize::try_from(location.line()).ok()?, usize::try_from(location.column()).ok()?))
}

/// The text up to the second `---`; one before any content does not count.
fn first_document(text: &str) -> &str {
    let (mut offset, mut has_content) = (0, false);
    for line in text.split_inclusive('\n') {
        let is_separator = line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if is_separator && has_content {
            return &text[..offset];
        }
        has_content |= !is_separator && !line.trim().is_empty() && !line.starts_with('#');
        offset += line.len();
    }
    text
}

/// What the real server's parser says where ours stopped: at a line and column, both from one.
fn fault(text: &str, line: usize, column: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let here = lines.get(line - 1).copied().unwrap_or_default();
    let rest: String = here.chars().skip(column - 1).collect();
    let before: String = here.chars().take(column - 1).collect();
    // Its scanner counts lines from one, its parser from nought; the end of a text is on a line of its own.
    let scanned = |line: usize, words: &str| format!("line {line}: {words}");
    let end = lines.len();
    let is_indentation = before.trim().is_empty();
    match rest.chars().next() {
        None if has_open_quote(text) => scanned(end + 1, "found unexpected end of stream"),
        _ if before.ends_with('\t') || (is_indentation && rest.starts_with('\t')) => {
            scanned(line, "found character that cannot start any token")
        }
        Some('@' | '`' | '%') => scanned(line, "found character that cannot start any token"),
        Some('*') => {
            let name: String = rest.chars().skip(1).take_while(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect();
            format!("unknown anchor '{name}' referenced")
        }
        Some(open @ ('{' | '[')) => unclosed(&lines, line, column, open),
        Some('}' | ']') => parser_fault(line - 1, "did not find expected node content"),
        Some('"') if rest.contains('\\') && has_wrong_escape(&rest) => scanned(line, "found unknown escape character"),
        Some('"' | '\'') => scanned(end + 1, "found unexpected end of stream"),
        Some(':') => scanned(line, "mapping values are not allowed in this context"),
        _ if here.contains(':') || here.trim_start().starts_with('-') => {
            parser_fault(if rest.is_empty() { line } else { line - 1 }, "did not find expected key")
        }
        _ => scanned(line + 1, "could not find expected ':'"),
    }
}

fn parser_fault(line: usize, words: &str) -> String {
    if line == 0 { words.to_owned() } else { format!("line {line}: {words}") }
}

/// A map or list in brackets that ends with the text, or with the wrong bracket.
fn unclosed(lines: &[&str], line: usize, column: usize, open: char) -> String {
    let close = if open == '{' { '}' } else { ']' };
    let mut last = open;
    for (index, text) in lines.iter().enumerate().skip(line - 1) {
        let skipped = if index == line - 1 { column } else { 0 };
        for c in text.chars().skip(skipped).filter(|c| !c.is_whitespace()) {
            if "}]".contains(c) && c != close {
                return expected(index, open, close, last);
            }
            last = c;
        }
    }
    expected(lines.len(), open, close, last)
}

fn expected(line: usize, open: char, close: char, last: char) -> String {
    let is_open = last == open || last == ',' || last == ':';
    let words = if is_open { "did not find expected node content".to_owned() } else { format!("did not find expected ',' or '{close}'") };
    parser_fault(line, &words)
}

/// Whether a quoted value is not ended.
fn has_open_quote(text: &str) -> bool {
    ['"', '\''].into_iter().any(|quote| {
        let start = [format!(": {quote}"), format!("- {quote}")].iter().filter_map(|start| Some(text.rfind(start.as_str())? + 3)).max();
        start.is_some_and(|start| !text[start..].contains(quote))
    })
}

fn has_wrong_escape(quoted: &str) -> bool {
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        if c == '\\' && characters.next().is_some_and(|escape| !"0abt\tnvfre \"/\\N_LPxuU".contains(escape)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_the_real_parser() {
        for (text, words) in [
            ("a:\n\tb: c\n", "line 2: found character that cannot start any token"),
            ("a: b\nc: {d\n", "line 2: did not find expected ',' or '}'"),
            ("a: [", "line 1: did not find expected node content"),
            ("a: ]", "did not find expected node content"),
            ("a: b\nc: {d]\n", "line 1: did not find expected ',' or '}'"),
            ("a: \"b\n", "line 2: found unexpected end of stream"),
            ("a: b: c\n", "line 1: mapping values are not allowed in this context"),
            ("a:\n  b: c\n d: e\n", "line 2: did not find expected key"),
            ("a: b\nc\n  d: e\n", "line 3: could not find expected ':'"),
            ("a: *b\n", "unknown anchor 'b' referenced"),
            ("a: @b\n", "line 1: found character that cannot start any token"),
            ("a: \"\\q\"\n", "line 1: found unknown escape character"),
        ] {
            assert_eq!(parsed(text), Err(format!("yaml: {words}")), "{text:?}");
        }
    }

    #[test]
    fn of_repeated_keys_the_last_counts() {
        assert_eq!(parsed("a: b\na: c\n"), Ok(json!({"a": "c"})));
        assert_eq!(repeated_key("x: y\na: b\na: c\n").as_deref(), Some("line 3: key \"a\" already set in map"));
        assert_eq!(repeated_key("a: b\n"), None);
    }

    #[test]
    fn only_the_first_document_counts() {
        assert_eq!(parsed("---\na: b\n---\nc: d\n"), Ok(json!({"a": "b"})));
        assert_eq!(parsed("# nothing\n"), Ok(Value::Null));
    }
}
