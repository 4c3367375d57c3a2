//! Fields of an object as a struct of the author's own: which ones they are, and how they are read.

use crate::{Json, Path, Result, Value, value};
use std::collections::BTreeMap;

/// What can be read from an object: derived for structs, given for numbers, text, lists, maps, [`Json`] and [`Option`].
///
/// | type | reads | absent | `null` |
/// |---|---|---|---|
/// | `i64`, `i32`, `bool`, `String` | that value; 3.0 is the integer 3 | error | error |
/// | `Vec<T>`, `BTreeMap<String, T>` | every item, every key | error | error |
/// | a struct with `derive(Fields)` | its fields | error | error |
/// | [`Json`] | anything, as it is | error | `null` |
/// | [`Shape`] | nothing; it is an object, that is all | error | error |
/// | `Option<T>` | a `T` | `None` | `None` |
/// | [`Presence<T>`] | a `T` | `Absent` | `Null` |
/// | [`Result<T>`](Result) | a `T`; what is wrong is for the hook to return, or not | as `T` | as `T` |
/// | any, with `#[fields(default)]` | it | default | default |
pub trait Fields: Sized {
    /// Adds the JSON pointers of these fields, where they lie at `at`.
    fn fields(at: &str, into: &mut Vec<String>) {
        into.push(at.to_owned());
    }

    /// Reads them.
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self>;

    /// What it is when there is no such field.
    fn absent(at: &Path<'_>) -> Result<Self> {
        Err(at.missing())
    }
}

/// A field of which it matters whether it is absent or `null`; [`Option`] takes both for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence<T> {
    /// There is no such field.
    #[default]
    Absent,
    /// It is there and holds `null`.
    Null,
    /// It holds a value.
    Value(T),
}

/// An object of which nothing matters but that it is there and is an object: nothing of it is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape;

/// The pointers of all fields of a type.
pub(crate) fn declared<T: Fields>() -> Vec<String> {
    let mut res = Vec::new();
    T::fields("", &mut res);
    res
}

/// Reads JSON text.
pub(crate) fn read<T: Fields>(text: &str) -> Result<T> {
    value::parse(text, |value| T::read(value, &Path::ROOT))
}

/// Reads the field that these keys lead to: what `derive(Fields)` writes for a field.
#[doc(hidden)]
pub fn field<T: Fields>(value: Value<'_>, at: &Path<'_>, keys: &[&str]) -> Result<T> {
    match find(value, at, keys)? {
        Some(found) => T::read(found, &at.under(keys)),
        None => T::absent(&at.under(keys)),
    }
}

/// The value that these keys lead to. An object on the way may be absent or `null`, but nothing else.
fn find<'a>(value: Value<'a>, at: &Path<'_>, keys: &[&str]) -> Result<Option<Value<'a>>> {
    let mut found = value;
    for (depth, key) in keys.iter().enumerate() {
        if depth > 0 && found.is_null() {
            return Ok(None);
        }
        match found.get(key, &at.under(&keys[..depth]))? {
            Some(value) => found = value,
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// A pointer below another: what `derive(Fields)` declares for a field.
#[doc(hidden)]
pub fn join(at: &str, below: &str) -> String {
    let mut res = String::with_capacity(at.len() + below.len());
    res.push_str(at);
    res.push_str(below);
    res
}

macro_rules! scalar {
    ($type:ty, $what:literal, $value:ident => $read:expr) => {
        impl Fields for $type {
            fn read($value: Value<'_>, at: &Path<'_>) -> Result<Self> {
                $read.ok_or_else(|| at.expected($what, $value))
            }
        }
    };
}

scalar!(i64, "an integer", value => value.as_i64());
scalar!(i32, "an integer of 32 bits", value => value.as_i64().and_then(|integer| integer.try_into().ok()));
scalar!(bool, "true or false", value => value.as_bool());
scalar!(String, "text", value => value.as_str().map(str::to_owned));

impl Fields for Json {
    fn read(value: Value<'_>, _: &Path<'_>) -> Result<Self> {
        Ok(value.to_json())
    }
}

impl Fields for Shape {
    /// The member with the empty key, which no object has: so the object is handed over empty, and anything else as it is.
    fn fields(at: &str, into: &mut Vec<String>) {
        into.push(join(at, "/"));
    }
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        value.get("", at).map(|_| Self)
    }
}

/// Nothing is read.
impl Fields for () {
    fn fields(_: &str, _: &mut Vec<String>) {}
    fn read(_: Value<'_>, _: &Path<'_>) -> Result<Self> {
        Ok(())
    }
    fn absent(_: &Path<'_>) -> Result<Self> {
        Ok(())
    }
}

impl<T: Fields> Fields for Option<T> {
    fn fields(at: &str, into: &mut Vec<String>) {
        T::fields(at, into);
    }
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        if value.is_null() { Ok(None) } else { T::read(value, at).map(Some) }
    }
    fn absent(_: &Path<'_>) -> Result<Self> {
        Ok(None)
    }
}

impl<T: Fields> Fields for Presence<T> {
    fn fields(at: &str, into: &mut Vec<String>) {
        T::fields(at, into);
    }
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        if value.is_null() { Ok(Self::Null) } else { T::read(value, at).map(Self::Value) }
    }
    fn absent(_: &Path<'_>) -> Result<Self> {
        Ok(Self::Absent)
    }
}

impl<T: Fields> Fields for Result<T> {
    fn fields(at: &str, into: &mut Vec<String>) {
        T::fields(at, into);
    }
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        Ok(T::read(value, at))
    }
    fn absent(at: &Path<'_>) -> Result<Self> {
        Ok(T::absent(at))
    }
}

impl<T: Fields> Fields for Vec<T> {
    fn fields(at: &str, into: &mut Vec<String>) {
        T::fields(&join(at, "/*"), into);
    }
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        let items = value.items().ok_or_else(|| at.expected("a list", value))?;
        items.enumerate().map(|(position, item)| T::read(item, &at.item(position))).collect()
    }
}

impl<T: Fields> Fields for BTreeMap<String, T> {
    fn fields(at: &str, into: &mut Vec<String>) {
        T::fields(&join(at, "/*"), into);
    }
    fn read(value: Value<'_>, at: &Path<'_>) -> Result<Self> {
        let members = value.members().ok_or_else(|| at.expected("an object", value))?;
        members.map(|(key, value)| Ok((key.to_owned(), T::read(value, &at.key(key))?))).collect()
    }
}

#[cfg(test)]
mod tests;
