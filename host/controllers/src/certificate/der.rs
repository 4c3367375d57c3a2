//! What an X.509 certificate says of itself, as far as its replacement depends on it: a walk through its DER, which checks nothing.

use super::rotation::Term;
use k8s_openapi::jiff::Timestamp;

/// Tags: class, form and number in one byte.
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xa0;
const EXPLICIT_EXTENSIONS: u8 = 0xa3;
const IMPLICIT_KEY: u8 = 0x80;
/// Object identifiers of extensions, 2.5.29.14 and 2.5.29.35.
const OWN_KEY: &[u8] = &[0x55, 0x1d, 0x0e];
const SIGNERS_KEY: &[u8] = &[0x55, 0x1d, 0x23];

/// A certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    own_key: Option<&'a [u8]>,
    signers_key: Option<&'a [u8]>,
    /// From when until when it is valid.
    pub term: Term,
    /// Its public key, with the algorithm.
    pub key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// From DER; `None` where that is something else.
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let mut fields = Reader(Reader(Reader(der).next_of(SEQUENCE)?.content).next_of(SEQUENCE)?.content);
        if fields.0.first() == Some(&EXPLICIT_VERSION) {
            fields.next()?;
        }
        // Serial number and signature algorithm.
        fields.next()?;
        fields.next()?;
        let issuer = fields.next_of(SEQUENCE)?.whole;
        let mut validity = Reader(fields.next_of(SEQUENCE)?.content);
        let term = Term { from: time(validity.next()?)?, until: time(validity.next()?)? };
        let (subject, key) = (fields.next_of(SEQUENCE)?.whole, fields.next_of(SEQUENCE)?.whole);
        let mut certificate = Self { issuer, subject, own_key: None, signers_key: None, term, key };
        if let Some(extensions) = std::iter::from_fn(|| fields.next()).find(|field| field.tag == EXPLICIT_EXTENSIONS) {
            certificate.take_extensions(Reader(extensions.content).next_of(SEQUENCE)?.content)?;
        }
        Some(certificate)
    }

    /// Whether it names this authority, and its key, as the one that signed it. One that names no key is taken to be of another.
    pub fn is_signed_by(&self, authority: &Certificate<'_>) -> bool {
        self.issuer == authority.subject && self.signers_key.is_some() && self.signers_key == authority.own_key
    }

    fn take_extensions(&mut self, extensions: &'a [u8]) -> Option<()> {
        let mut extensions = Reader(extensions);
        while let Some(extension) = extensions.next() {
            let mut parts = Reader(extension.content);
            let id = parts.next()?.content;
            let value = std::iter::from_fn(|| parts.next()).find(|part| part.tag == OCTETS)?.content;
            match id {
                OWN_KEY => self.own_key = Some(Reader(value).next_of(OCTETS)?.content),
                SIGNERS_KEY => {
                    self.signers_key = Reader(Reader(value).next_of(SEQUENCE)?.content).next_of(IMPLICIT_KEY).map(|key| key.content)
                }
                _ => {}
            }
        }
        Some(())
    }
}

/// One element.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The elements that are left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match short {
            0..0x80 => (usize::from(short), rest),
            _ => {
                let (bytes, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
                let length = bytes.iter().try_fold(0usize, |length, byte| length.checked_mul(256)?.checked_add(usize::from(*byte)))?;
                (length, rest)
            }
        };
        let (content, left) = rest.split_at_checked(length)?;
        let whole = &self.0[..self.0.len() - left.len()];
        self.0 = left;
        Some(Element { tag, content, whole })
    }

    fn next_of(&mut self, tag: u8) -> Option<Element<'a>> {
        self.next().filter(|element| element.tag == tag)
    }
}

/// `YYMMDDHHMMSSZ`, which ends in 2049, or `YYYYMMDDHHMMSSZ`.
fn time(element: Element<'_>) -> Option<Timestamp> {
    let text = std::str::from_utf8(element.content).ok()?;
    let century = match element.tag {
        UTC_TIME if text < "50" => "20",
        UTC_TIME => "19",
        _ => "",
    };
    let digits = format!("{century}{text}");
    let part = |from: usize, to: usize| digits.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    format!("{year}-{month}-{day}T{}:{}:{}Z", part(8, 10)?, part(10, 12)?, part(12, 14)?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, date_time_ymd};

    #[test]
    fn terms_are_read_in_both_notations() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["a".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 11, 27), date_time_ymd(2051, 2, 3));
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::parse(made.der()).expect("it is one");
        let expected = ["2026-11-27T00:00:00Z", "2051-02-03T00:00:00Z"].map(|text| text.parse().expect("a time"));
        assert_eq!([read.term.from, read.term.until], expected);
        assert_eq!(read.key, key.subject_public_key_info());
        for end in 0..made.der().len() {
            assert_eq!(Certificate::parse(&made.der()[..end]), None, "cut off at {end}");
        }
    }
}
