//! Recorded answers: a line each, `[request, answer]`, beside the requests; and how two answers differ.

use crate::replay::Step;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The recording of answers to these steps.
pub fn written(steps: &[Step], answers: &[Value]) -> String {
    steps.iter().zip(answers).map(|(step, answer)| format!("{}\n", json!([step.ask, answer]))).collect()
}

/// The answers of a recording.
///
/// # Errors
/// When the recording is not of these steps.
pub fn read(steps: &[Step], text: &str) -> Result<Vec<Value>, String> {
    let lines: Vec<Value> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|error| format!("a recording is broken: {error}"))?;
    if lines.len() != steps.len() {
        return Err(format!("{} answers are recorded to {} requests", lines.len(), steps.len()));
    }
    steps
        .iter()
        .zip(lines)
        .map(
            |(step, mut line)| {
                if line[0] == step.ask { Ok(line[1].take()) } else { Err(format!("recorded is {}, asked {}", line[0], step.ask)) }
            },
        )
        .collect()
}

/// How an answer differs from what is expected: a line for each place; where the status code differs, that is all that is said.
pub fn differences(expected: &Value, seen: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let summary = |answer: &Value| format!("{} {}", answer["code"], answer["body"]["message"]);
    if expected["code"] != seen["code"] {
        return vec![format!("expected {}\n      seen {}", summary(expected), summary(seen))];
    }
    compare("", expected, seen, &mut found);
    found
}

fn compare(place: &str, expected: &Value, seen: &Value, found: &mut Vec<String>) {
    match (expected, seen) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let place = format!("{place}/{name}");
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => compare(&place, a, b, found),
                    (Some(a), None) => found.push(format!("{place}: missing {a}")),
                    (None, Some(b)) => found.push(format!("{place}: not expected {b}")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{place}/{index}"), a, b, found);
            }
        }
        _ if expected == seen => {}
        _ => found.push(format!("{place}: expected {expected}\n      seen {seen}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay;

    #[test]
    fn a_recording_reads_as_it_was_written() {
        let steps = replay::parse("- GET a\n- GET b\n").unwrap();
        let answers = [json!({"code": 200}), json!({"code": 404})];
        let text = written(&steps, &answers);
        assert_eq!(read(&steps, &text).unwrap(), answers);
        assert!(read(&steps[..1], &text).is_err());
    }

    #[test]
    fn each_place_that_differs_is_named() {
        let found = differences(&json!({"a": [1, 2], "b": 1}), &json!({"a": [1, 3], "c": 1}));
        assert_eq!(found, ["/a/1: expected 2\n      seen 3", "/b: missing 1", "/c: not expected 1"]);
    }
}
