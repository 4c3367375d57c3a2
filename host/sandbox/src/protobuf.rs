//! Reads the protobuf that kubectl's typed commands and client-go send. Answers are always JSON, which every client takes, so nothing
//! here writes protobuf.
//!
//! The fields of the messages stand in `protobuf_fields.txt`, one message a line: `name field…`, where a field is its JSON name (empty
//! for an embedded message), `=`, its number, `*` if repeated or `%` if a map by text, its type, and `!` if zero is told from absent.
//! Types: `s` text, `i` integer, `b` boolean, `d` double, `B` bytes, else a message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::OnceLock;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Deepest nesting read; no real object comes near.
const DEPTH: usize = 64;

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    One,
    Repeated,
    Map,
}

struct Field {
    json: &'static str,
    shape: Shape,
    of: &'static str,
    keeps_zero: bool,
}

type Messages = HashMap<&'static str, HashMap<u64, Field>>;

fn messages() -> &'static Messages {
    static MESSAGES: OnceLock<Messages> = OnceLock::new();
    MESSAGES.get_or_init(|| include_str!("protobuf_fields.txt").lines().map(message).collect())
}

fn message(line: &'static str) -> (&'static str, HashMap<u64, Field>) {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or("");
    (name, words.filter_map(field).collect())
}

fn field(word: &'static str) -> Option<(u64, Field)> {
    let (json, rest) = word.split_once('=')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = rest.split_at(digits);
    let (shape, rest) = match (rest.strip_prefix('*'), rest.strip_prefix('%')) {
        (Some(rest), _) => (Shape::Repeated, rest),
        (_, Some(rest)) => (Shape::Map, rest),
        _ => (Shape::One, rest),
    };
    let of = rest.trim_end_matches('!');
    Some((number.parse().ok()?, Field { json, shape, of, keeps_zero: rest.ends_with('!') }))
}

/// The object in a body of `application/vnd.kubernetes.protobuf`, as JSON with its apiVersion and kind.
pub fn decode(body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Err("empty data".to_owned());
    }
    const PREFIX: &str = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    let envelope = body.strip_prefix(b"k8s\0").ok_or(PREFIX)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for part in Parts(envelope) {
        match part? {
            (1, Wire::Bytes(meta)) => {
                for part in Parts(meta) {
                    match part? {
                        (1, Wire::Bytes(text)) => api_version = text_of(text)?,
                        (2, Wire::Bytes(text)) => kind = text_of(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let name = message_name(&api_version, &kind);
    let mut object = read_message(&name, raw, 0)?.ok_or_else(|| format!("no kind {kind:?} is registered for version {api_version:?}"))?;
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    Ok(object)
}

fn message_name(api_version: &str, kind: &str) -> String {
    if kind == "DeleteOptions" {
        return "meta.DeleteOptions".to_owned();
    }
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("core", api_version));
    let package = group.split('.').next().unwrap_or(group);
    format!("{package}{}.{kind}", version.strip_prefix('v').filter(|version| *version != "1").unwrap_or(""))
}

fn text_of(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "text is not UTF-8".to_owned())
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in the order of the wire.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(u64, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let part = self.part();
        if part.is_none() {
            self.0 = &[];
        }
        Some(part.ok_or_else(|| "unexpected end of a protobuf message".to_owned()))
    }
}

impl<'a> Parts<'a> {
    fn part(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Number(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Number(u64::from(u32::from_le_bytes(self.take(4)?.try_into().ok()?))),
            _ => return None,
        };
        Some((tag >> 3, wire))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// A message as a JSON object; `None` for one that is not in the list.
fn read_message(name: &str, bytes: &[u8], depth: usize) -> Result<Option<Value>, String> {
    let Some(fields) = messages().get(name) else { return Ok(None) };
    if depth > DEPTH {
        return Err("the object is nested too deeply".to_owned());
    }
    let mut object = Map::new();
    for part in Parts(bytes) {
        let (number, wire) = part?;
        let Some(field) = fields.get(&number) else { continue };
        match (field.shape, wire) {
            (Shape::Map, Wire::Bytes(entry)) => {
                let (key, value) = map_entry(field, entry, depth)?;
                if let Value::Object(map) = object.entry(field.json).or_insert_with(|| Value::Object(Map::new())) {
                    map.insert(key, value);
                }
            }
            (Shape::Repeated, wire) => {
                let values = repeated(field, wire, depth)?;
                if let Value::Array(list) = object.entry(field.json).or_insert_with(|| Value::Array(Vec::new())) {
                    list.extend(values);
                }
            }
            (_, wire) => {
                let value = read(field.of, wire, depth)?;
                if field.json.is_empty() {
                    object.extend(value.as_object().cloned().unwrap_or_default());
                } else if field.keeps_zero || !is_zero(&value) {
                    object.insert(field.json.to_owned(), value);
                }
            }
        }
    }
    Ok(Some(Value::Object(object)))
}

/// Numbers may come packed into one piece.
fn repeated(field: &Field, wire: Wire<'_>, depth: usize) -> Result<Vec<Value>, String> {
    match (field.of, wire) {
        ("i" | "b", Wire::Bytes(packed)) => {
            let mut parts = Parts(packed);
            let mut values = Vec::new();
            while !parts.0.is_empty() {
                let number = parts.varint().ok_or("unexpected end of packed numbers")?;
                values.push(read(field.of, Wire::Number(number), depth)?);
            }
            Ok(values)
        }
        (of, wire) => Ok(vec![read(of, wire, depth)?]),
    }
}

fn map_entry(field: &Field, entry: &[u8], depth: usize) -> Result<(String, Value), String> {
    let (mut key, mut value) = (String::new(), None);
    for part in Parts(entry) {
        match part? {
            (1, Wire::Bytes(text)) => key = text_of(text)?,
            (2, wire) => value = Some(read(field.of, wire, depth)?),
            _ => {}
        }
    }
    Ok((key, value.map_or_else(|| read(field.of, Wire::Bytes(&[]), depth), Ok)?))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn read(of: &str, wire: Wire<'_>, depth: usize) -> Result<Value, String> {
    Ok(match (of, wire) {
        ("s", Wire::Bytes(bytes)) => Value::String(text_of(bytes)?),
        ("B", Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        ("i", Wire::Number(number)) => Value::from(number.cast_signed()),
        ("b", Wire::Number(number)) => Value::Bool(number != 0),
        ("d", Wire::Number(bits)) => Value::from(f64::from_bits(bits)),
        (message, Wire::Bytes(bytes)) => match special(message, bytes)? {
            Some(value) => value,
            None => read_message(message, bytes, depth + 1)?.unwrap_or(Value::Null),
        },
        (of, _) => return Err(format!("a field of type {of} has another type on the wire")),
    })
}

/// Messages that are one value in JSON.
fn special(name: &str, bytes: &[u8]) -> Result<Option<Value>, String> {
    if !["Time", "MicroTime", "Duration", "IntOrString", "Quantity", "RawExtension", "FieldsV1", "authentication.ExtraValue"]
        .contains(&name)
    {
        return Ok(None);
    }
    let (mut numbers, mut texts) = ([0i64; 4], Vec::new());
    for part in Parts(bytes) {
        match part? {
            (number @ 1..=3, Wire::Number(value)) => numbers[usize::try_from(number).unwrap_or(0)] = value.cast_signed(),
            (_, Wire::Bytes(text)) => texts.push(text),
            _ => {}
        }
    }
    let first = texts.first().copied().unwrap_or_default();
    Ok(Some(match name {
        "Time" | "MicroTime" => time_of(numbers[1], numbers[2], name == "MicroTime"),
        "Duration" => format!("{}s", numbers[1] as f64 / 1e9).into(),
        "IntOrString" if numbers[1] == 0 => numbers[2].into(),
        "RawExtension" | "FieldsV1" => serde_json::from_slice(first).unwrap_or(Value::Null),
        "authentication.ExtraValue" => texts.iter().map(|text| text_of(text)).collect::<Result<Vec<_>, _>>()?.into(),
        _ => text_of(first)?.into(),
    }))
}

fn time_of(seconds: i64, nanos: i64, micro: bool) -> Value {
    // The zero time is year 1, which Go sends for times that are not set.
    let Ok(time) = OffsetDateTime::from_unix_timestamp(seconds) else { return Value::Null };
    if seconds == 0 && nanos == 0 || time.year() <= 1 {
        return Value::Null;
    }
    let text = time.format(&Rfc3339).unwrap_or_default();
    if micro { format!("{}.{:06}Z", text.trim_end_matches('Z'), nanos / 1000).into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn number(field: u64, value: u64) -> Vec<u8> {
        [varint(field << 3), varint(value)].concat()
    }

    fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
        [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
    }

    fn varint(mut value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [b"k8s\0".to_vec(), bytes(1, &meta), bytes(2, raw), bytes(3, b""), bytes(4, b"")].concat()
    }

    #[test]
    fn a_secret_reads_as_json() {
        let metadata = [bytes(1, b"s"), bytes(3, b"shop"), bytes(5, b""), number(7, 0), bytes(8, b"")].concat();
        let data = [bytes(1, b"p"), bytes(2, b"q")].concat();
        let raw = [bytes(1, &metadata), bytes(2, &data), bytes(3, b"Opaque")].concat();
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "shop"}, "data": {"p": "cQ=="}, "type": "Opaque"});
        assert_eq!(decode(&envelope("v1", "Secret", &raw)).unwrap(), secret);
    }

    #[test]
    fn embedded_messages_pointers_and_special_types_read_as_json() {
        let target = [number(1, 0), number(2, 80), bytes(3, b"")].concat();
        let get = [bytes(1, b"/"), bytes(2, &target)].concat();
        let probe = [bytes(1, &bytes(2, &get)), number(2, 5), number(7, 0)].concat();
        let container = [bytes(1, b"main"), bytes(10, &probe)].concat();
        let volume = [bytes(1, b"v"), bytes(2, &bytes(2, b""))].concat();
        let spec = [bytes(1, &volume), bytes(2, &container), number(4, 0)].concat();
        let pod = decode(&envelope("v1", "Pod", &bytes(2, &spec))).unwrap();
        let container = json!({"name": "main", "livenessProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 5, "terminationGracePeriodSeconds": 0}});
        assert_eq!(pod["spec"]["containers"][0], container);
        assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 0);
        assert_eq!(pod["spec"]["volumes"][0], json!({"name": "v", "emptyDir": {}}));
    }

    #[test]
    fn what_is_not_protobuf_or_not_known_is_refused() {
        assert!(decode(b"{}").unwrap_err().contains("expected prefix"));
        assert!(decode(&envelope("v1", "Nope", b"")).unwrap_err().contains("no kind \"Nope\""));
        assert!(decode(&envelope("v1", "Secret", &[0x0a, 0x7f, 1])).is_err());
    }
}
