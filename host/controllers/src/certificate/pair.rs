//! The certificates of the webhook and their keys, as a Secret holds them: read, made, written.

use super::rotation::{AUTHORITY_LIFE, Held, SERVING_LIFE};
use super::x509::Certificate;
use flotilla_api::object::Object;
use k8s_openapi::ByteString;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use std::time::SystemTime;

/// Clocks of different machines may differ by this.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Common name of authorities that are made here.
const AUTHORITY: &str = "flotilla webhook";

/// PEM texts; empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pair {
    /// Authorities that API servers are to trust, the newest first.
    pub authorities: String,
    authority_key: String,
    certificate: String,
    key: String,
}

impl Pair {
    /// From a Secret; what cannot be read is not there.
    pub fn of(secret: &Object) -> Self {
        let text = |key: &str| {
            let bytes: Option<ByteString> = secret.at(&["data", key]).and_then(|data| serde_json::from_value(data.clone()).ok());
            bytes.and_then(|bytes| String::from_utf8(bytes.0).ok()).unwrap_or_default()
        };
        Self { authorities: text("ca.crt"), authority_key: text("ca.key"), certificate: text("tls.crt"), key: text("tls.key") }
    }

    /// The `data` of a Secret.
    pub fn data(&self) -> Value {
        let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
        json!({
            "ca.crt": bytes(&self.authorities), "ca.key": bytes(&self.authority_key),
            "tls.crt": bytes(&self.certificate), "tls.key": bytes(&self.key),
        })
    }

    /// What [`super::rotation::decide`] decides on.
    pub fn held(&self) -> Held {
        let authorities: Vec<Certificate> = certificates(&self.authorities).flatten().collect();
        // A certificate is of no use without its key.
        let serving = certificates(&self.certificate).next().flatten().filter(|served| is_key_of(&self.key, served));
        let newest = authorities.first();
        Held {
            has_key: newest.is_some_and(|newest| is_key_of(&self.authority_key, newest)),
            is_of_newest: newest.zip(serving.as_ref()).is_some_and(|(newest, serving)| serving.is_signed_by(newest)),
            serving: serving.map(|serving| serving.term),
            authorities: authorities.iter().map(|authority| authority.term).collect(),
        }
    }

    /// With a new authority before those that are trusted already.
    pub fn with_new_authority(&self, now: Timestamp) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = authority();
        (params.not_before, params.not_after) = (SystemTime::from(now - SKEW).into(), SystemTime::from(now + AUTHORITY_LIFE).into());
        let made = params.self_signed(&key)?;
        Ok(Self { authorities: made.pem() + &self.authorities, authority_key: key.serialize_pem(), ..self.clone() })
    }

    /// With a new certificate for these names, signed by the newest authority.
    pub fn with_new_certificate(&self, names: &[String], now: Timestamp) -> Result<Self, rcgen::Error> {
        let issuer = Issuer::new(authority(), KeyPair::from_pem(&self.authority_key)?);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("", String::as_str));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (SystemTime::from(now - SKEW).into(), SystemTime::from(now + SERVING_LIFE).into());
        let made = params.signed_by(&key, &issuer)?;
        Ok(Self { certificate: made.pem(), key: key.serialize_pem(), ..self.clone() })
    }

    /// With the newest authority only.
    pub fn without_old(&self) -> Self {
        const END: &str = "-----END CERTIFICATE-----\n";
        let newest = self.authorities.find(END).map_or(self.authorities.as_str(), |end| &self.authorities[..end + END.len()]);
        Self { authorities: newest.to_owned(), ..self.clone() }
    }
}

/// What all authorities that are made here have in common; of the one that signs, a certificate names nothing else.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, AUTHORITY);
    params
}

/// One after the other; `None` where one cannot be read.
fn certificates(pem: &str) -> impl Iterator<Item = Option<Certificate>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).map(|der| Certificate::parse(&der))
}

fn is_key_of(key: &str, certificate: &Certificate) -> bool {
    KeyPair::from_pem(key).is_ok_and(|key| certificate.is_of(&key))
}

#[cfg(test)]
mod tests {
    use super::super::rotation::{Step, decide};
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3600).expect("in range")
    }

    fn next(pair: &Pair, now: Timestamp) -> (Step, Pair) {
        let step = decide(&pair.held(), now);
        let made = match step {
            Step::Keep => Ok(pair.clone()),
            Step::RotateAuthority => pair.with_new_authority(now),
            Step::RenewServing => pair.with_new_certificate(&["hook.example.org".to_owned()], now),
            Step::DropOld => Ok(pair.without_old()),
        };
        let made = made.expect("it can be made");
        assert_eq!(Pair::of(&Object(json!({"data": made.data()}))), made, "a Secret holds all of it");
        (step, made)
    }

    #[test]
    fn from_nothing_to_a_certificate_and_on_for_years() {
        let (mut pair, mut steps) = (Pair::default(), Vec::new());
        for hours in (0..24 * 590).step_by(12) {
            loop {
                let (step, made) = next(&pair, at(hours));
                if step == Step::Keep {
                    break;
                }
                steps.push((hours / 24, step));
                pair = made;
            }
            let held = pair.held();
            let serving = held.serving.expect("something is served at any time");
            assert!(held.has_key && serving.until > at(hours + 24 * 29) && held.authorities.iter().all(|term| term.until > serving.until));
        }
        let renewals = [0, 60, 121, 181, 242, 302, 363, 423, 484, 544].map(|day| (day, Step::RenewServing));
        let mut expected = vec![(0, Step::RotateAuthority)];
        expected.extend(renewals);
        expected.extend([(550, Step::RotateAuthority), (551, Step::RenewServing), (552, Step::DropOld)]);
        assert_eq!(steps, expected);
    }

    #[test]
    fn another_authority_of_the_same_name_is_told_apart_by_its_key() {
        let first = Pair::default().with_new_authority(at(0)).expect("made").with_new_certificate(&["a".to_owned()], at(0)).expect("made");
        assert!(first.held().is_of_newest);
        let second = first.with_new_authority(at(1)).expect("made");
        let held = second.held();
        assert_eq!((held.authorities.len(), held.has_key, held.is_of_newest), (2, true, false));
        assert_eq!(second.without_old().held().authorities.len(), 1);
        assert!(!Pair { authority_key: first.authority_key, ..second }.held().has_key, "that is the key of the old one");
    }
}
