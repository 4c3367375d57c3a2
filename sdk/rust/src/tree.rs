//! JSON text taken apart in one pass.
//!
//! All values stand in one list, in the order of the text: one piece of memory instead of one for each list and object. Text without
//! escapes is borrowed. Together that makes reading several times faster than a tree of boxes, and reading is most of what a hook does.

use std::borrow::Cow;

/// The deepest that objects and lists may be nested.
const DEPTH: usize = 100;

/// The values of a text. What is in a list or an object follows it, keys before their values.
pub(crate) struct Tree<'a> {
    pub text: &'a str,
    pub nodes: Vec<Node<'a>>,
}

pub(crate) struct Node<'a> {
    pub what: What<'a>,
    /// Where its text begins and ends.
    pub text: (usize, usize),
}

pub(crate) enum What<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Within),
    Object(Within),
}

/// What is in a list or an object.
#[derive(Clone, Copy)]
pub(crate) struct Within {
    /// Items, or members.
    pub count: usize,
    /// Number of the node after all of them.
    pub after: usize,
}

impl<'a> Tree<'a> {
    /// Takes a text apart; an error is the byte from which on it is no JSON.
    pub fn of(text: &'a str) -> Result<Self, usize> {
        let mut parser = Parser { text, at: 0, nodes: Vec::with_capacity(text.len() / 8 + 1) };
        let is_whole = parser.value(DEPTH).is_some() && parser.peek().is_none();
        if is_whole { Ok(Self { text, nodes: parser.nodes }) } else { Err(parser.at) }
    }
}

/// Reads from `at` on. Whoever answers `None` leaves `at` where the text is wrong.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node<'a>>,
}

impl<'a> Parser<'a> {
    /// The next byte.
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.next(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.next()
    }

    /// Goes past this byte, if it is the next one.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next() == Some(byte)).then(|| self.at += 1)
    }

    /// Adds a value with all that is in it.
    fn value(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let (first, begin) = (self.peek()?, self.at);
        let what = match first {
            b'"' => What::Text(self.string()?),
            b'-' | b'0'..=b'9' => What::Number(self.number()?),
            b'[' => return self.within(b']', What::List, |parser| parser.value(depth)),
            b'{' => return self.within(b'}', What::Object, |parser| parser.member(depth)),
            b't' => self.word("true", What::Bool(true))?,
            b'f' => self.word("false", What::Bool(false))?,
            _ => self.word("null", What::Null)?,
        };
        self.nodes.push(Node { what, text: (begin, self.at) });
        Some(())
    }

    /// Adds a list or an object: items with commas between them, from the opening bracket to the closing one.
    fn within(&mut self, close: u8, what: fn(Within) -> What<'a>, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let (number, begin, mut count) = (self.nodes.len(), self.at, 0);
        self.nodes.push(Node { what: What::Null, text: (begin, begin) });
        self.at += 1;
        if self.peek()? != close {
            loop {
                item(self)?;
                count += 1;
                match self.peek()? {
                    b',' => self.at += 1,
                    _ => break,
                }
            }
        }
        self.take(close)?;
        self.nodes[number] = Node { what: what(Within { count, after: self.nodes.len() }), text: (begin, self.at) };
        Some(())
    }

    fn member(&mut self, depth: usize) -> Option<()> {
        self.peek();
        let key = self.string()?;
        self.nodes.push(Node { what: What::Text(key), text: (self.at, self.at) });
        self.peek();
        self.take(b':')?;
        self.value(depth)
    }

    fn word(&mut self, word: &str, what: What<'a>) -> Option<What<'a>> {
        self.text.as_bytes()[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            what
        })
    }

    fn number(&mut self) -> Option<&'a str> {
        let begin = self.at;
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(&self.text[begin..self.at])
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let begin = self.at;
        while self.next().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > begin).then_some(())
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.take(b'"')?;
        let plain = self.plain();
        if self.take(b'"').is_some() {
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            self.take(b'\\')?;
            text.push(self.escape()?);
            text.push_str(self.plain());
            if self.take(b'"').is_some() {
                return Some(Cow::Owned(text));
            }
        }
    }

    /// Text up to a quote, an escape, or what must not stand in a text.
    fn plain(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = plain(rest.as_bytes());
        self.at += end;
        &rest[..end]
    }

    fn escape(&mut self) -> Option<char> {
        let byte = self.next()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => byte.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.four_digits()?;
                let second = if (0xd800..0xdc00).contains(&first) {
                    self.take(b'\\')?;
                    self.take(b'u')?;
                    Some(self.four_digits()?)
                } else {
                    None
                };
                char::decode_utf16([first].into_iter().chain(second)).next()?.ok()?
            }
            _ => return None,
        })
    }

    fn four_digits(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }
}

/// How many bytes are plain text: no quote, no backslash, no control character. Looks at eight at a time, since most of what is read
/// is text, and a loop costs a guest a look at its deadline for each round.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    // Of the bytes that are less than `least`, the highest bit of the first one is set; those after it may be wrong.
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word & HIGHS;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*eight);
        let special = below(word, b' ') | below(word ^ (ONES * u64::from(b'"')), 1) | below(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    bytes[at..].iter().position(is_special).map_or(bytes.len(), |more| at + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree as text again, told apart from what it was made of.
    fn shown(tree: &Tree<'_>) -> String {
        let show = |node: &Node<'_>| match &node.what {
            What::Null => "null".to_owned(),
            What::Bool(value) => value.to_string(),
            What::Number(digits) => (*digits).to_owned(),
            What::Text(text) => format!("{text:?}"),
            What::List(within) => format!("list of {}", within.count),
            What::Object(within) => format!("object of {}", within.count),
        };
        tree.nodes.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        match Tree::of(text) {
            Ok(tree) => assert_eq!(shown(&tree), expected, "{text}"),
            Err(at) => panic!("{text} is wrong at {at}"),
        }
    }

    #[test]
    fn every_value_is_read() {
        check(" null ", "null");
        check("[true,false]", "list of 2, true, false");
        check("{\"a\" : [ ] ,\n\"b\":{\"c\":-1.50e+3}}", r#"object of 2, "a", list of 0, "b", object of 1, "c", -1.50e+3"#);
        check("[0, -0, 10, 1E5]", "list of 4, 0, -0, 10, 1E5");
        check(r#""größer, 大""#, r#""größer, 大""#);
        check(r#""\"\\\/\b\f\n\r\t\u0041\u00e4\ud83d\ude00x""#, r#""\"\\/\u{8}\u{c}\n\r\tAä😀x""#);
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_is_wrong() {
        for (text, at) in [
            ("", 0),
            ("nul", 0),
            ("1 2", 2),
            ("01", 1),
            ("-", 1),
            ("1.", 2),
            ("1e+", 3),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("[1", 2),
            ("{\"a\"}", 4),
            ("{a:1}", 1),
            ("{\"a\":1,}", 7),
            ("\"open", 5),
            ("\"line\nbreak\"", 5),
            (r#""\x""#, 3),
            (r#""\u12g4""#, 3),
            (r#""\ud800""#, 7),
            (r#""\ud800\u0041""#, 13),
            (r#""\udc00""#, 7),
            ("\"\\u12ä\"", 3),
        ] {
            assert_eq!(Tree::of(text).err(), Some(at), "{text}");
        }
    }

    #[test]
    fn text_ends_where_it_ends_whatever_its_length() {
        for length in 0..40 {
            let text: String = "aä \u{7f}大!".chars().cycle().take(length).collect();
            for end in ["\"", "\\n\"", "\u{1}"] {
                assert_eq!(plain(format!("{text}{end}").as_bytes()), text.len(), "{text}{end}");
            }
            assert_eq!(plain(text.as_bytes()), text.len());
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Tree::of(&nested(DEPTH)).is_ok());
        assert_eq!(Tree::of(&nested(DEPTH + 1)).err(), Some(DEPTH));
        assert_eq!(Tree::of(&"[".repeat(100_000)).err(), Some(DEPTH));
    }
}
