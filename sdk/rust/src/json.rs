//! Values as JSON text: what a plugin answers, and what it passes on without looking inside.

use crate::{Changes, Error, Fields, Result, fields, value};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// A value that is passed on as it is, every digit of it: a status to carry back, a list of conditions.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// A value of the plugin's own.
    pub fn of(value: &impl ToJson) -> Self {
        Self(text(value))
    }

    /// JSON in a text, an annotation for instance.
    pub fn parse(text: &str) -> Result<Self> {
        value::parse(text, |value| Ok(value.to_json())).map_err(|_| Error::invalid("expected JSON"))
    }

    /// The JSON text.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// The JSON text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Reads the value as a struct of the author's own; errors name fields inside the value.
    pub fn read<T: Fields>(&self) -> Result<T> {
        fields::read(&self.0)
    }

    /// Whether it is an object, not a list, a number, a text, `true`, `false` or `null`.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// The integer that it is; `3.0` and `"3"` are none.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// From text that is known to be JSON.
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can be answered: derived for structs, given for numbers, text, lists, maps, [`Json`] and [`Option`].
pub trait ToJson {
    /// Appends the value as JSON text.
    fn write(&self, into: &mut String);

    /// Whether a struct that holds it leaves the field out.
    fn is_absent(&self) -> bool {
        false
    }

    /// Whether it is 0, `false`, `""`, empty or absent: what `#[fields(omit_zero)]` leaves out.
    fn is_zero(&self) -> bool {
        self.is_absent()
    }

    /// Sets it at `at`; a struct sets its fields one by one.
    fn change(&self, at: &str, into: &mut Changes) {
        into.put(at, (!self.is_absent()).then(|| text(self)));
    }

    /// Appends the members of a struct without the braces around them.
    #[doc(hidden)]
    fn write_members(&self, _: &mut String) {}
}

/// A value as JSON text.
pub(crate) fn text(value: &(impl ToJson + ?Sized)) -> String {
    let mut res = String::new();
    value.write(&mut res);
    res
}

/// Begins a member of an object: the comma where one is due, the key, the colon. What `derive(ToJson)` writes for a field.
#[doc(hidden)]
pub fn write_key(key: &str, into: &mut String) {
    if !into.ends_with('{') {
        into.push(',');
    }
    key.write(into);
    into.push(':');
}

macro_rules! scalar {
    ($($type:ty: $zero:expr),*) => {$(
        impl ToJson for $type {
            fn write(&self, into: &mut String) {
                write!(into, "{self}").expect("writing to memory does not fail");
            }
            fn is_zero(&self) -> bool {
                *self == $zero
            }
        }
    )*};
}

scalar!(i64: 0, i32: 0, u32: 0, bool: false);

impl ToJson for str {
    fn write(&self, into: &mut String) {
        into.push('"');
        let mut written = 0;
        for (at, byte) in self.bytes().enumerate().filter(|(_, byte)| matches!(byte, ..b' ' | b'"' | b'\\')) {
            into.push_str(&self[written..at]);
            written = at + 1;
            match byte {
                b'"' | b'\\' => into.extend(['\\', byte.into()]),
                b'\n' => into.push_str("\\n"),
                control => write!(into, "\\u{control:04x}").expect("writing to memory does not fail"),
            }
        }
        into.push_str(&self[written..]);
        into.push('"');
    }
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl ToJson for String {
    fn write(&self, into: &mut String) {
        self.as_str().write(into);
    }
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl<T: ToJson + ?Sized> ToJson for &T {
    fn write(&self, into: &mut String) {
        (**self).write(into);
    }
    fn is_absent(&self) -> bool {
        (**self).is_absent()
    }
    fn is_zero(&self) -> bool {
        (**self).is_zero()
    }
    fn change(&self, at: &str, into: &mut Changes) {
        (**self).change(at, into);
    }
    fn write_members(&self, into: &mut String) {
        (**self).write_members(into);
    }
}

impl ToJson for Json {
    fn write(&self, into: &mut String) {
        into.push_str(&self.0);
    }
}

/// A field that is not there.
impl ToJson for () {
    fn write(&self, into: &mut String) {
        into.push_str("null");
    }
    fn is_absent(&self) -> bool {
        true
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn write(&self, into: &mut String) {
        match self {
            Some(value) => value.write(into),
            None => into.push_str("null"),
        }
    }
    fn is_absent(&self) -> bool {
        self.is_none()
    }
    fn is_zero(&self) -> bool {
        self.as_ref().is_none_or(T::is_zero)
    }
}

impl<T: ToJson> ToJson for [T] {
    fn write(&self, into: &mut String) {
        into.push('[');
        for (position, item) in self.iter().enumerate() {
            if position > 0 {
                into.push(',');
            }
            item.write(into);
        }
        into.push(']');
    }
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write(&self, into: &mut String) {
        self.as_slice().write(into);
    }
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}

impl<T: ToJson> ToJson for BTreeMap<String, T> {
    fn write(&self, into: &mut String) {
        into.push('{');
        for (key, value) in self {
            write_key(key, into);
            value.write(into);
        }
        into.push('}');
    }
    fn is_zero(&self) -> bool {
        self.is_empty()
    }
}
