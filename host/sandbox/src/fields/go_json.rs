//! Why a text is no JSON, in the words of Go's decoder. Reads the text once; builds nothing.

/// The first fault of a text that does not parse; `None` for one that does.
pub(crate) fn fault(text: &[u8]) -> Option<String> {
    let mut scanner = Scanner { text, at: 0 };
    let found = scanner.value("looking for beginning of value", 0).and_then(|()| {
        scanner.blanks();
        match text.get(scanner.at) {
            None => Ok(()),
            Some(_) => Err(scanner.unexpected("after top-level value")),
        }
    });
    found.err()
}

/// The decoder that reads the texts goes no deeper than this; Go's goes to 10,000, which no stack here is made for.
const DEPTH: usize = 128;

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
            self.at += 1;
        }
    }

    fn unexpected(&self, place: &str) -> String {
        match self.text.get(self.at) {
            None => "unexpected end of JSON input".to_owned(),
            Some(byte) => format!("invalid character {} {place}", shown(*byte)),
        }
    }

    fn value(&mut self, place: &str, depth: usize) -> Result<(), String> {
        self.blanks();
        if depth > DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        match self.text.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected(place)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        let mut is_first = true;
        loop {
            self.blanks();
            match self.text.get(self.at) {
                Some(b'}') if is_first => break,
                Some(b'"') => self.string()?,
                _ => return Err(self.unexpected("looking for beginning of object key string")),
            }
            self.blanks();
            if self.text.get(self.at) != Some(&b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.value("looking for beginning of value", depth + 1)?;
            self.blanks();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("after object key:value pair")),
            }
            is_first = false;
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.blanks();
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value("looking for beginning of value", depth + 1)?;
            self.blanks();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("after array element")),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    match self.text.get(self.at) {
                        Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {}
                        Some(b'u') => {
                            for _ in 0..4 {
                                self.at += 1;
                                if !self.text.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                                    return Err(self.unexpected("in \\u hexadecimal character escape"));
                                }
                            }
                        }
                        _ => return Err(self.unexpected("in string escape code")),
                    }
                }
                Some(byte) if *byte >= b' ' => {}
                _ => return Err(self.unexpected("in string literal")),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for letter in word.bytes() {
            if self.text.get(self.at) != Some(&letter) {
                return Err(self.unexpected(&format!("in literal {word} (expecting {})", shown(letter))));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn digits(&mut self, place: &str) -> Result<(), String> {
        if !self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            return Err(self.unexpected(place));
        }
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if self.text.get(self.at).is_some_and(|byte| b"eE".contains(byte)) {
            self.at += 1;
            if self.text.get(self.at).is_some_and(|byte| b"+-".contains(byte)) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }
}

fn shown(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        byte if byte < 0x80 => format!(r"'\x{byte:02x}'"),
        // A byte stands for the letter of that number.
        byte if byte >= 0xa1 && byte != 0xad => format!("'{}'", char::from(byte)),
        byte => format!(r"'\u{:04x}'", u32::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_read_as_those_of_go() {
        let of = |text: &str| fault(text.as_bytes()).unwrap_or_default();
        assert_eq!(of(r#" {"a": [1, -2.5e3, true, null, "\u00e4"]} "#), "");
        assert_eq!(of("{"), "unexpected end of JSON input");
        assert_eq!(of(""), "unexpected end of JSON input");
        assert_eq!(of("apiVersion"), "invalid character 'a' looking for beginning of value");
        assert_eq!(of("nonsense"), "invalid character 'o' in literal null (expecting 'u')");
        assert_eq!(of("{a"), "invalid character 'a' looking for beginning of object key string");
        assert_eq!(of(r#"{"a" 1}"#), "invalid character '1' after object key");
        assert_eq!(of(r#"{"a": 1 2}"#), "invalid character '2' after object key:value pair");
        assert_eq!(of("[1 2]"), "invalid character '2' after array element");
        assert_eq!(of("{} x"), "invalid character 'x' after top-level value");
    }
}
