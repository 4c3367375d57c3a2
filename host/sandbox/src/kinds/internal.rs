//! Values as the API server's own types print, which some of its messages quote, and the difference of two of them.

use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Lines around a difference.
const CONTEXT: usize = 3;

/// A struct's fields: its own name, the clients' name, and what it holds.
type Fields = Vec<(&'static str, String, &'static str)>;

static TYPES: LazyLock<HashMap<&'static str, Fields>> = LazyLock::new(|| {
    let lines = include_str!("internal.txt").lines().filter(|line| !line.starts_with('#'));
    let mut types: HashMap<&str, Fields> = HashMap::new();
    for (name, fields) in lines.filter_map(|line| line.split_once(": ")) {
        let mut all = Vec::new();
        for field in fields.split(' ') {
            match field.strip_prefix("..") {
                Some(other) => all.extend(types[other].iter().cloned()),
                None => {
                    let (names, kind) = field.split_once(':').expect("a field has a kind");
                    let (own, clients) = names.split_once('=').map_or_else(|| (names, clients_name(names)), |(a, b)| (a, b.to_owned()));
                    all.push((own, clients, kind));
                }
            }
        }
        types.insert(name, all);
    }
    types
});

/// `DNSPolicy` as `dnsPolicy`.
fn clients_name(name: &str) -> String {
    let capitals = name.bytes().take_while(u8::is_ascii_uppercase).count();
    let lowered = if capitals == name.len() { capitals } else { (capitals - 1).max(1) };
    name[..lowered].to_lowercase() + &name[lowered..]
}

/// A value with its fields in order.
enum Printed {
    Plain(Value),
    List(Vec<Printed>),
    Object(Vec<(String, Printed)>),
}

impl Printed {
    fn of(kind: &str, value: &Value) -> Self {
        let field = |(own, clients, kind): &(&str, String, &str)| {
            let held = value.get(clients).unwrap_or(&Value::Null);
            ((*own).to_owned(), Self::held(kind, held))
        };
        Self::Object(TYPES[kind].iter().map(field).collect())
    }

    fn held(kind: &str, value: &Value) -> Self {
        let or = |value: &Value, none: Value| Self::Plain(if value.is_null() { none } else { value.clone() });
        match kind {
            "s" => or(value, "".into()),
            "b" => or(value, false.into()),
            "i" => or(value, 0.into()),
            "p" | "l" | "m" => Self::Plain(value.clone()),
            _ => match (kind.strip_prefix('['), kind.strip_suffix('?'), value) {
                (Some(of), _, Value::Array(items)) if !items.is_empty() => {
                    Self::List(items.iter().map(|item| Self::of(of.trim_end_matches(']'), item)).collect())
                }
                (Some(_), ..) | (None, Some(_), Value::Null) => Self::Plain(Value::Null),
                (None, Some(of), value) => Self::of(of, value),
                (None, None, value) => Self::of(kind, value),
            },
        }
    }

    fn compact(&self) -> String {
        match self {
            Self::Plain(value) => value.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::compact).collect::<Vec<_>>().join(",")),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), value.compact()));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
        }
    }

    /// A line for each value, a space deeper for each level.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![String::new()];
        self.write(0, &mut lines);
        lines
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let last = |lines: &mut Vec<String>, text: &str| lines.last_mut().expect("there is a first line").push_str(text);
        let (open, close, parts): (_, _, Vec<(Option<&str>, &Self)>) = match self {
            Self::Plain(Value::Object(map)) if !map.is_empty() => return Self::of_plain(&Value::Object(map.clone())).write(depth, lines),
            Self::Plain(Value::Array(items)) if !items.is_empty() => {
                return Self::of_plain(&Value::Array(items.clone())).write(depth, lines);
            }
            Self::Plain(value) => return last(lines, &value.to_string()),
            Self::List(items) => ("[", "]", items.iter().map(|item| (None, item)).collect()),
            Self::Object(fields) => ("{", "}", fields.iter().map(|(name, value)| (Some(name.as_str()), value)).collect()),
        };
        last(lines, open);
        let count = parts.len();
        for (index, (name, part)) in parts.into_iter().enumerate() {
            let name = name.map(|name| format!("{}: ", Value::from(name))).unwrap_or_default();
            lines.push(format!("{}{name}", " ".repeat(depth + 1)));
            part.write(depth + 1, lines);
            if index + 1 < count {
                last(lines, ",");
            }
        }
        lines.push(format!("{}{close}", " ".repeat(depth)));
    }

    fn of_plain(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().cloned().map(Self::Plain).collect()),
            Value::Object(map) => Self::Object(map.iter().map(|(name, value)| (name.clone(), Self::Plain(value.clone()))).collect()),
            other => Self::Plain(other.clone()),
        }
    }
}

/// A PodSpec as the server holds it: what says how a pod shares the host is part of the security context.
fn pod_spec(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let mut context = spec["securityContext"].as_object().cloned().unwrap_or_default();
    for field in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"] {
        context.extend(spec.get(field).map(|value| (field.to_owned(), value.clone())));
    }
    spec["securityContext"] = Value::Object(context);
    spec
}

/// A pod template, in one line.
pub(super) fn template(template: &Value) -> String {
    let metadata = template["metadata"].as_object().cloned().unwrap_or_default();
    let mut fields: Vec<(String, Printed)> = metadata.into_iter().map(|(name, value)| (name, Printed::Plain(value))).collect();
    fields.push(("Spec".to_owned(), Printed::of("PodSpec", &pod_spec(&template["spec"]))));
    Printed::Object(fields).compact()
}

/// How two PodSpecs differ, a line before each part of it.
pub(super) fn pod_difference(old: &Value, new: &Value) -> String {
    let lines = |spec: &Value| Printed::of("PodSpec", &pod_spec(spec)).lines();
    difference(&lines(old), &lines(new))
}

/// How two debug containers differ.
pub(super) fn debug_difference(old: &Value, new: &Value) -> String {
    let lines = |container: &Value| Printed::of("EphemeralContainer", container).lines();
    difference(&lines(old), &lines(new))
}

/// How the specs of two claims differ.
pub(super) fn claim_difference(old: &Value, new: &Value) -> String {
    let lines = |spec: &Value| Printed::of("PersistentVolumeClaimSpec", spec).lines();
    difference(&lines(old), &lines(new))
}

/// A unified diff without a head, each part on lines of its own.
fn difference(old: &[String], new: &[String]) -> String {
    let mut matches = Vec::new();
    matching(old, new, (0, 0), &mut matches);
    matches.push((old.len(), new.len(), 0));
    let mut changes: Vec<(usize, usize, usize, usize)> = Vec::new();
    let (mut at_old, mut at_new) = (0, 0);
    for (start_old, start_new, length) in matches {
        if at_old < start_old || at_new < start_new {
            changes.push((at_old, start_old, at_new, start_new));
        }
        (at_old, at_new) = (start_old + length, start_new + length);
    }
    let mut parts: Vec<Vec<(usize, usize, usize, usize)>> = Vec::new();
    for change in changes {
        match parts.last_mut().filter(|part| part.last().is_some_and(|last| change.0 - last.1 <= 2 * CONTEXT)) {
            Some(part) => part.push(change),
            None => parts.push(vec![change]),
        }
    }
    let shown: String = parts.iter().map(|part| shown(old, new, part)).collect();
    if shown.is_empty() { shown } else { format!("\n{shown}") }
}

/// The longest lines that both have in common, and what is common on either side of them.
fn matching(old: &[String], new: &[String], (base_old, base_new): (usize, usize), found: &mut Vec<(usize, usize, usize)>) {
    let mut best = (0, 0, 0);
    let mut lengths = vec![0; new.len() + 1];
    for (i, line) in old.iter().enumerate() {
        let mut diagonal = 0;
        for (j, other) in new.iter().enumerate() {
            let length = if line == other { diagonal + 1 } else { 0 };
            diagonal = std::mem::replace(&mut lengths[j + 1], length);
            if length > best.2 {
                best = (i + 1 - length, j + 1 - length, length);
            }
        }
    }
    let (start_old, start_new, length) = best;
    if length == 0 {
        return;
    }
    matching(&old[..start_old], &new[..start_new], (base_old, base_new), found);
    found.push((base_old + start_old, base_new + start_new, length));
    let (end_old, end_new) = (start_old + length, start_new + length);
    matching(&old[end_old..], &new[end_new..], (base_old + end_old, base_new + end_new), found);
}

fn shown(old: &[String], new: &[String], part: &[(usize, usize, usize, usize)]) -> String {
    let (first, last) = (part[0], part[part.len() - 1]);
    let before = first.0.min(CONTEXT);
    let after = (old.len() - last.1).min(CONTEXT);
    let range = |start: usize, end: usize| match end - start {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        length => format!("{},{length}", start + 1),
    };
    let ranges = (range(first.0 - before, last.1 + after), range(first.2 - before, last.3 + after));
    let mut text = format!("@@ -{} +{} @@\n", ranges.0, ranges.1);
    let mut at = first.0 - before;
    let mut put = |sign: char, lines: &[String]| lines.iter().for_each(|line| text.push_str(&format!("{sign}{line}\n")));
    for (start, end, new_start, new_end) in part {
        put(' ', &old[at..*start]);
        put('-', &old[*start..*end]);
        put('+', &new[*new_start..*new_end]);
        at = *end;
    }
    put(' ', &old[at..at + after]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_lose_their_first_capitals() {
        for (own, clients) in [("DNSPolicy", "dnsPolicy"), ("TTY", "tty"), ("Name", "name"), ("HostIP", "hostIP"), ("HTTPGet", "httpGet")] {
            assert_eq!(clients_name(own), clients);
        }
    }

    #[test]
    fn a_change_is_shown_with_the_lines_around_it() {
        let spec = |mode: &str| json!({"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}});
        assert_eq!(
            claim_difference(&spec("A"), &spec("B")),
            "\n@@ -1,6 +1,6 @@\n {\n  \"AccessModes\": [\n-  \"A\"\n+  \"B\"\n  ],\n  \"Selector\": null,\n  \"Resources\": {\n"
        );
    }

    #[test]
    fn what_shares_the_host_is_in_the_security_context() {
        let printed = template(&json!({"metadata": {"labels": {"a": "b"}}, "spec": {"hostNetwork": true, "containers": []}}));
        assert!(printed.starts_with(r#"{"labels":{"a":"b"},"Spec":{"Volumes":null,"#), "{printed}");
        assert!(printed.contains(r#""SecurityContext":{"HostNetwork":true,"HostPID":false,"#), "{printed}");
    }
}
