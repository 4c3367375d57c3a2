//! JSON pointers (RFC 6901) as lists of segments.
//!
//! Knows no object and no plugin; what a segment means in a list or a map is said where pointers are used.

use std::fmt;

/// A field of an object, `/spec/replicas` as segments. The empty pointer is the whole object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pointer(Vec<Box<str>>);

/// Why a text is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPointer {
    /// Pointers begin with `/`, unless they are empty.
    #[error("`{0}` is no JSON pointer: it must be empty or begin with `/`")]
    NoSlash(String),
    /// `~` only stands before `0` or `1`.
    #[error("`{0}` is no JSON pointer: `~` must be written `~0`")]
    Tilde(String),
    /// Deeper than any Kubernetes object.
    #[error("`{0}…` is deeper than {MAX_DEPTH} fields")]
    TooDeep(String),
}

/// Deepest pointer that is read.
const MAX_DEPTH: usize = 64;

impl Pointer {
    /// Reads a pointer.
    pub fn parse(text: &str) -> Result<Self, BadPointer> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Some(rest) = text.strip_prefix('/') else { return Err(BadPointer::NoSlash(text.to_owned())) };
        let segments: Vec<Box<str>> = rest
            .split('/')
            .take(MAX_DEPTH + 1)
            .map(|segment| unescape(segment).ok_or_else(|| BadPointer::Tilde(text.to_owned())))
            .collect::<Result<_, _>>()?;
        if segments.len() > MAX_DEPTH {
            return Err(BadPointer::TooDeep(text.chars().take(80).collect()));
        }
        Ok(Self(segments))
    }

    /// Its segments, unescaped.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator + Clone {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Its first `depth` segments.
    pub fn parent(&self, depth: usize) -> Self {
        Self(self.0[..depth].to_vec())
    }

    /// The value that it names in an object; `None` where there is nothing.
    pub fn find<'a>(&self, object: &'a serde_json::Value) -> Option<&'a serde_json::Value> {
        self.segments().try_fold(object, |value, segment| match value {
            serde_json::Value::Object(map) => map.get(segment),
            serde_json::Value::Array(items) => items.get(index(segment)?),
            _ => None,
        })
    }

    /// Whether it is the whole object.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// How messages name the field: `spec.replicas`, `spec.containers[0].name`; `the object` for the whole.
    pub fn dotted(&self) -> String {
        self.segments().fold(String::new(), |path, segment| match segment {
            index if !path.is_empty() && is_index(index) => format!("{path}[{index}]"),
            key if path.is_empty() => key.to_owned(),
            key => format!("{path}.{key}"),
        })
    }
}

/// Whether a segment can be a position in a list.
pub(crate) fn is_index(segment: &str) -> bool {
    index(segment).is_some()
}

/// The position in a list that a segment names: digits without a leading zero.
pub(crate) fn index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with(['0', '+']);
    if canonical { segment.parse().ok() } else { None }
}

fn unescape(segment: &str) -> Option<Box<str>> {
    if !segment.contains('~') {
        return Some(segment.into());
    }
    let mut text = String::with_capacity(segment.len());
    let mut chars = segment.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            char => char,
        });
    }
    Some(text.into())
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| write!(f, "/{}", segment.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_and_printed() {
        for text in ["", "/", "/spec/replicas", "/metadata/annotations/a.io~1b", "/a~0b/0"] {
            assert_eq!(Pointer::parse(text).expect(text).to_string(), text);
        }
        let escaped = Pointer::parse("/metadata/annotations/a.io~1b").expect("a pointer");
        assert_eq!(escaped.segments().last(), Some("a.io/b"));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        assert_eq!(Pointer::parse("spec"), Err(BadPointer::NoSlash("spec".to_owned())));
        assert_eq!(Pointer::parse("/a~2"), Err(BadPointer::Tilde("/a~2".to_owned())));
        assert!(matches!(Pointer::parse(&"/a".repeat(65)), Err(BadPointer::TooDeep(_))));
    }

    #[test]
    fn messages_use_dots_and_brackets() {
        assert_eq!(Pointer::parse("/spec/containers/0/name").expect("a pointer").dotted(), "spec.containers[0].name");
    }

    #[test]
    fn list_positions_are_canonical_numbers() {
        assert_eq!(["0", "12", "01", "-1", "+1", "x", ""].map(index), [Some(0), Some(12), None, None, None, None, None]);
    }
}
