//! What the host handed over, as a tree of JSON values that borrows its text.

use crate::tree::{Tree, What};
use crate::{Error, Json, Path, Result};
use std::fmt;
use std::mem::ManuallyDrop;

/// The longest text that a message quotes, in bytes.
const QUOTED: usize = 40;

/// A value of the object. Whoever writes [`Fields`](crate::Fields) for a type of their own reads it from one of these.
///
/// Displays as messages name what was found: a number or a text as it is, `an object`, `a list`.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    tree: &'a Tree<'a>,
    number: usize,
}

/// Parses JSON text and has `read` look at it.
pub(crate) fn parse<T>(text: &str, read: impl FnOnce(Value<'_>) -> Result<T>) -> Result<T> {
    let tree = Tree::of(text).map_err(|at| Error::failed(format!("the host's JSON cannot be read: it is none from byte {at} on")))?;
    // Nobody frees memory in a life of one call: dropping would be a walk through the tree for nothing.
    read(Value { tree: &ManuallyDrop::new(tree), number: 0 })
}

impl<'a> Value<'a> {
    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        matches!(self.what(), What::Null)
    }

    /// The truth value that it is.
    pub fn as_bool(self) -> Option<bool> {
        if let What::Bool(value) = self.what() { Some(*value) } else { None }
    }

    /// The text that it is.
    pub fn as_str(self) -> Option<&'a str> {
        if let What::Text(text) = self.what() { Some(text) } else { None }
    }

    /// The number that it is, with every digit.
    pub fn as_number(self) -> Option<&'a str> {
        if let What::Number(digits) = self.what() { Some(digits) } else { None }
    }

    /// The integer that it is: 3 and 3.0, not 2.5, and nothing beyond 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        let digits = self.as_number()?;
        match digits.split_once('.') {
            Some((integer, zeros)) if zeros.bytes().all(|digit| digit == b'0') => integer.parse().ok(),
            _ => digits.parse().ok(),
        }
    }

    /// The items of the list that it is.
    pub fn items(self) -> Option<impl ExactSizeIterator<Item = Value<'a>>> {
        let What::List(within) = *self.what() else { return None };
        let mut next = self.follower();
        Some((0..within.count).map(move |_| {
            let item = next;
            next = item.after();
            item
        }))
    }

    /// The members of the object that it is.
    pub fn members(self) -> Option<impl ExactSizeIterator<Item = (&'a str, Value<'a>)>> {
        let What::Object(within) = *self.what() else { return None };
        let mut key = self.follower();
        Some((0..within.count).map(move |_| {
            let (text, value) = (key.as_str().unwrap_or_default(), key.follower());
            key = value.after();
            (text, value)
        }))
    }

    /// The value of a key of the object that it must be.
    pub fn get(self, key: &str, at: &Path<'_>) -> Result<Option<Value<'a>>> {
        let mut members = self.members().ok_or_else(|| at.expected("an object", self))?;
        Ok(members.find(|(name, _)| *name == key).map(|(_, value)| value))
    }

    /// The value as text, to be passed on.
    pub fn to_json(self) -> Json {
        let (begin, end) = self.tree.nodes[self.number].text;
        Json::from_text(self.tree.text[begin..end].to_owned())
    }

    fn what(self) -> &'a What<'a> {
        &self.tree.nodes[self.number].what
    }

    /// What stands after it in the text: the first item of a list, the first key of an object.
    fn follower(self) -> Self {
        Self { number: self.number + 1, ..self }
    }

    /// What stands after it and all that is in it.
    fn after(self) -> Self {
        match *self.what() {
            What::List(within) | What::Object(within) => Self { number: within.after, ..self },
            _ => self.follower(),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what() {
            What::Null => f.write_str("null"),
            What::Bool(value) => f.write_str(if *value { "true" } else { "false" }),
            What::Number(digits) => f.write_str(digits),
            What::Text(text) if text.len() <= QUOTED => write!(f, "\"{text}\""),
            What::Text(text) => {
                let end = (0..=QUOTED).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
                write!(f, "\"{}…\"", text.get(..end).unwrap_or_default())
            }
            What::List(..) => f.write_str("a list"),
            What::Object(..) => f.write_str("an object"),
        }
    }
}
