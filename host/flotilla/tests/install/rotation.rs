//! The webhook's certificate is replaced in time, and at no moment do API servers trust something else than what is served.

use crate::clusters::{CONTROL, Clusters, ran};
use crate::pods::{self, Webhook};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const SECRET: [&str; 4] = ["-n", "flotilla-system", "secret", "flotilla-webhook-certificate"];
const HOST: &str = "flotilla-webhook.flotilla-system.svc";

/// A certificate that ends within the hour, of an authority whose key nobody has kept.
fn ending() -> Value {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "long ago");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let mut params = CertificateParams::new([HOST.to_owned()]).expect("a name");
    params.not_after = std::time::SystemTime::now().checked_add(std::time::Duration::from_secs(3600)).expect("in range").into();
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let data = [("ca.crt", authority.pem()), ("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem())];
    data.into_iter().map(|(key, text)| (key.to_owned(), json!(STANDARD.encode(text)))).collect::<serde_json::Map<_, _>>().into()
}

fn decoded(data: &Value) -> Vec<u8> {
    STANDARD.decode(data.as_str().expect("it is there")).expect("base64")
}

async fn secret(clusters: &Clusters) -> Value {
    clusters.get(CONTROL, &SECRET).await.expect("it is there")["data"].clone()
}

/// Puts a Secret where the webhook reads it, as a kubelet does.
async fn mount(clusters: &Clusters) -> [PathBuf; 2] {
    let data = secret(clusters).await;
    ["tls.key", "tls.crt"].map(|key| {
        let path = clusters.folder().join(key);
        std::fs::write(&path, decoded(&data[key])).expect("written");
        path
    })
}

/// Whether a client that trusts these authorities gets an answer from the webhook.
async fn is_trusted(clusters: &Clusters, address: &str, authorities: &Path) -> bool {
    let (_, port) = address.rsplit_once(':').expect("an address");
    let mut curl = clusters.command("curl");
    curl.args(["--silent", "--cacert"]).arg(authorities);
    curl.args(["--resolve", &format!("{HOST}:{port}:127.0.0.1"), &format!("https://{HOST}:{port}/readyz")]);
    ran(&mut curl).await.out == "ok"
}

/// What API servers trust: the same in each webhook of both configurations.
async fn bundle(clusters: &Clusters) -> PathBuf {
    let mut bundles = Vec::new();
    for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
        let configuration = clusters.get(CONTROL, &[kind, "flotilla"]).await.expect("it was installed");
        let webhooks = configuration["webhooks"].as_array().expect("webhooks").clone();
        bundles.extend(webhooks.iter().map(|webhook| decoded(&webhook["clientConfig"]["caBundle"])));
    }
    let path = clusters.folder().join("bundle.crt");
    std::fs::write(&path, &bundles[0]).expect("written");
    path
}

fn count(certificates: &[u8]) -> usize {
    String::from_utf8_lossy(certificates).matches("BEGIN CERTIFICATE").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_is_replaced_and_trusted_at_any_time() {
    let clusters = Clusters::start(0).await;
    clusters.flotilla(&["init"]).await.done();
    let ending = ending();
    let patch = json!({"data": ending}).to_string();
    clusters.kubectl(CONTROL, &[&["patch"], &SECRET[..], &["--type", "merge", "-p", &patch]].concat()).await.done();
    let old = clusters.folder().join("old.crt");
    std::fs::write(&old, decoded(&ending["ca.crt"])).expect("written");

    let [key, certificate] = mount(&clusters).await;
    let flags = ["--tls-cert", &certificate.display().to_string(), "--tls-key", &key.display().to_string()].map(str::to_owned);
    let mut webhook = Webhook::start(&clusters, &flags).await;
    let address = webhook.address.clone();
    assert!(is_trusted(&clusters, &address, &old).await, "as it was installed");
    let _controllers = pods::controllers(&clusters).await;

    let is_replaced = |secret: Option<&Value>| secret.is_some_and(|secret| secret["data"]["tls.crt"] != ending["tls.crt"]);
    clusters.until(CONTROL, &SECRET, is_replaced).await;
    let held = secret(&clusters).await;
    assert_eq!(count(&decoded(&held["ca.crt"])), 2, "the old authority is trusted as long as replicas may serve what it signed");
    assert!(held["ca.key"].is_string(), "the next is signed by the new one");
    let trusted = bundle(&clusters).await;
    assert_eq!(std::fs::read(&trusted).expect("written"), decoded(&held["ca.crt"]));
    assert!(is_trusted(&clusters, &address, &trusted).await, "the old certificate is still served");

    mount(&clusters).await;
    webhook.until_it_says("certificate read anew").await;
    assert!(!is_trusted(&clusters, &address, &old).await, "what the old authority signed is not served any more");
    assert!(is_trusted(&clusters, &address, &trusted).await, "the new certificate is served, and trusted");
}
