//! What the host handed over, as a tree of JSON values that borrows its text.

use crate::{Error, Json, Path, Result};
use hifijson::token::Lex;
use hifijson::value::{self, Value as Node};
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::mem::ManuallyDrop;

type Tree<'a> = Node<&'a str, Cow<'a, str>>;

/// The deepest that objects and lists may be nested.
const DEPTH: usize = 100;

/// The longest text that a message quotes, in bytes.
const QUOTED: usize = 40;

/// A value of the object. Whoever writes [`Fields`](crate::Fields) for a type of their own reads it from one of these.
///
/// Displays as messages name what was found: a number or a text as it is, `an object`, `a list`.
#[derive(Clone, Copy)]
pub struct Value<'a>(&'a Tree<'a>);

/// Parses JSON text and has `read` look at it.
pub(crate) fn parse<T>(text: &str, read: impl FnOnce(Value<'_>) -> Result<T>) -> Result<T> {
    let mut lexer = hifijson::SliceLexer::new(text.as_bytes());
    let tree = lexer.exactly_one(Lex::ws_peek, |next, lexer| value::parse_bounded(DEPTH, next, lexer));
    let tree = tree.map_err(|error| Error::failed(format!("the host's JSON cannot be read: {error}")))?;
    // Nobody frees memory in a life of one call: dropping would be a walk through the tree for nothing.
    read(Value(&ManuallyDrop::new(tree)))
}

impl<'a> Value<'a> {
    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        matches!(self.0, Node::Null)
    }

    /// The truth value that it is.
    pub fn as_bool(self) -> Option<bool> {
        if let Node::Bool(value) = self.0 { Some(*value) } else { None }
    }

    /// The text that it is.
    pub fn as_str(self) -> Option<&'a str> {
        if let Node::String(text) = self.0 { Some(text) } else { None }
    }

    /// The number that it is, with every digit.
    pub fn as_number(self) -> Option<&'a str> {
        if let Node::Number((digits, _)) = self.0 { Some(digits) } else { None }
    }

    /// The integer that it is: 3 and 3.0, not 2.5, and nothing beyond 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        let Node::Number((digits, parts)) = self.0 else { return None };
        match digits.split_once('.') {
            Some((integer, zeros)) if !parts.exp && zeros.bytes().all(|digit| digit == b'0') => integer.parse().ok(),
            _ => digits.parse().ok(),
        }
    }

    /// The items of the list that it is.
    pub fn items(self) -> Option<impl ExactSizeIterator<Item = Value<'a>>> {
        if let Node::Array(items) = self.0 { Some(items.iter().map(Value)) } else { None }
    }

    /// The members of the object that it is.
    pub fn members(self) -> Option<impl ExactSizeIterator<Item = (&'a str, Value<'a>)>> {
        if let Node::Object(members) = self.0 { Some(members.iter().map(|(key, value)| (&**key, Value(value)))) } else { None }
    }

    /// The value of a key of the object that it must be.
    pub fn get(self, key: &str, at: &Path<'_>) -> Result<Option<Value<'a>>> {
        let Node::Object(members) = self.0 else { return Err(at.expected("an object", self)) };
        Ok(members.iter().find(|(name, _)| name == key).map(|(_, value)| Value(value)))
    }

    /// The value as text, to be passed on.
    pub fn to_json(self) -> Json {
        let mut text = String::new();
        write!(text, "{}", self.0).expect("writing to memory does not fail");
        Json::from_text(text)
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Node::Null => f.write_str("null"),
            Node::Bool(value) => f.write_str(if *value { "true" } else { "false" }),
            Node::Number((digits, _)) => f.write_str(digits),
            Node::String(text) if text.len() <= QUOTED => write!(f, "\"{text}\""),
            Node::String(text) => {
                let end = (0..=QUOTED).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
                write!(f, "\"{}…\"", text.get(..end).unwrap_or_default())
            }
            Node::Array(_) => f.write_str("a list"),
            Node::Object(_) => f.write_str("an object"),
        }
    }
}
