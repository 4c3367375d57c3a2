//! What an X.509 certificate says of itself, as far as its replacement depends on it. Verifies nothing.

use super::rotation::Term;
use k8s_openapi::jiff::Timestamp;
use rcgen::{KeyPair, PublicKeyData as _};
use x509_cert::der::{Decode as _, asn1::OctetString};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::Time;

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    x509: x509_cert::Certificate,
    /// From when until when it is valid.
    pub term: Term,
}

impl Certificate {
    /// From DER; `None` where that is something else.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let x509 = x509_cert::Certificate::from_der(der).ok()?;
        let validity = x509.tbs_certificate().validity();
        let term = Term { from: time(validity.not_before)?, until: time(validity.not_after)? };
        Some(Self { x509, term })
    }

    /// Whether it names this authority, and its key, as the one that signed it. One that names no key is taken to be of another.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        let signers_key = self.signers_key();
        let is_name = self.x509.tbs_certificate().issuer() == authority.x509.tbs_certificate().subject();
        is_name && signers_key.is_some() && signers_key == authority.own_key()
    }

    /// Whether this is the key that belongs to it.
    pub fn is_of(&self, key: &KeyPair) -> bool {
        let public = key.subject_public_key_info();
        SubjectPublicKeyInfoOwned::from_der(&public).is_ok_and(|public| public == *self.x509.tbs_certificate().subject_public_key_info())
    }

    fn own_key(&self) -> Option<OctetString> {
        let (_, key) = self.x509.tbs_certificate().get_extension::<SubjectKeyIdentifier>().ok()??;
        Some(key.0)
    }

    fn signers_key(&self) -> Option<OctetString> {
        let (_, signer) = self.x509.tbs_certificate().get_extension::<AuthorityKeyIdentifier>().ok()??;
        signer.key_identifier
    }
}

fn time(time: Time) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, date_time_ymd};

    #[test]
    fn terms_are_read_in_both_notations() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["a".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(2026, 11, 27), date_time_ymd(2051, 2, 3));
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::parse(made.der()).expect("it is one");
        let expected = ["2026-11-27T00:00:00Z", "2051-02-03T00:00:00Z"].map(|text| text.parse().expect("a time"));
        assert_eq!([read.term.from, read.term.until], expected);
        assert!(read.is_of(&key) && !read.is_of(&KeyPair::generate().expect("a key")));
        for end in 0..made.der().len() {
            assert_eq!(Certificate::parse(&made.der()[..end]), None, "cut off at {end}");
        }
    }
}
