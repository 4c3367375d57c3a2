//! Where in an object reading stands, for the message of an error.

use crate::{Error, Value};
use std::fmt;

/// A field of the object that is read; displays as `spec.template.containers[2].name`.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    /// Keys below the parent; none for the parent itself.
    Keys(&'a [&'a str]),
    /// A key of a map.
    Key(&'a str),
    /// A position in a list.
    Item(usize),
}

impl<'a> Path<'a> {
    /// The object itself.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Keys(&[]) };

    /// The field that these keys lead to.
    pub fn under(&'a self, keys: &'a [&'a str]) -> Path<'a> {
        Path { parent: Some(self), step: Step::Keys(keys) }
    }

    /// The value of a key of this map.
    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    /// An item of this list.
    pub fn item(&'a self, position: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Item(position) }
    }

    /// The object is refused: the value here is not what it should be.
    pub fn expected(&self, what: &str, found: Value<'_>) -> Error {
        Error::InvalidObject(format!("{self}: expected {what}, found {found}"))
    }

    /// The object is refused: there is nothing here.
    pub fn missing(&self) -> Error {
        Error::InvalidObject(format!("{self} is missing"))
    }

    /// Whether this is the object itself.
    fn is_root(&self) -> bool {
        matches!(self.step, Step::Keys([])) && self.parent.is_none_or(Path::is_root)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("the object");
        }
        let parent = self.parent.filter(|parent| !parent.is_root());
        if let Some(parent) = parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Item(position) => write!(f, "[{position}]"),
            Step::Key(key) => write_key(f, key, parent.is_none()),
            Step::Keys(keys) => {
                let mut first = parent.is_none();
                keys.iter().try_for_each(|key| write_key(f, key, std::mem::take(&mut first)))
            }
        }
    }
}

/// `.spec`, or `["app.example.com/name"]` where a dot would be taken for the path's own.
fn write_key(f: &mut fmt::Formatter<'_>, key: &str, first: bool) -> fmt::Result {
    match (key.contains(['.', '/', '[']), first) {
        (true, _) => write!(f, "[\"{key}\"]"),
        (false, true) => f.write_str(key),
        (false, false) => write!(f, ".{key}"),
    }
}
