//! `flotilla init`: installs what the chart installs, without helm: the same objects, from the manifest that is rendered from the chart.

use crate::connect::Wanted;
use crate::exit::{Code, Failure, bad_input};
use crate::input::{parse_documents, read_text};
use crate::output::{Output, print_line, print_value};
use crate::reached::{Reached, reference, resource_of};
use crate::running::block_on;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flotilla_api::crd::crds;
use flotilla_api::labels;
use flotilla_api::object::Object;
use flotilla_controllers::cluster_api::ObjectKey;
use flotilla_controllers::plugins::PLUGIN_NAMESPACE;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// What the chart renders to with its default values; a test keeps it so.
const MANIFEST: &str = include_str!("../../../../deploy/manifests/flotilla.yaml");
/// Secret with the certificate of the webhook, and the Service that it is for.
const WEBHOOK: (&str, &str) = ("flotilla-webhook-certificate", "flotilla-webhook");
/// Longest wait until the API server serves our kinds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "It can be run again: what is there as wanted stays untouched, and a newer version brings its changes.\n\nExamples:\n  flotilla init --context control\n  flotilla init --context control --crds-only   # the controllers run elsewhere\n  flotilla init --dry-run > flotilla.yaml"
)]
pub struct Init {
    /// Kubeconfig of the cluster; without it, $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig, instead of its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Only the kinds and the namespaces, for a control plane whose controllers run elsewhere
    #[arg(long)]
    crds_only: bool,
    /// With `--crds-only`: where `flotilla webhook` is reached, for API servers to ask it about policies and plugins
    #[arg(long, value_name = "URL", requires = "crds_only")]
    webhook_url: Option<String>,
    /// The authority of its certificate in PEM, which `flotilla webhook --ca-out` writes
    #[arg(long, value_name = "FILE", requires = "webhook_url")]
    webhook_ca: Option<PathBuf>,
    /// Image of the controllers and of the webhook, instead of this version's
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Print the objects, write nothing: the same as `-o yaml`
    #[arg(long)]
    dry_run: bool,
    /// Print the objects in this form, write nothing
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl Init {
    /// Installs, or prints what would be.
    pub fn run(self) -> Result<Code, Failure> {
        match self.output.or(self.dry_run.then_some(Output::Yaml)) {
            Some(output) => self.print(output),
            None => block_on(self.install()),
        }
    }

    /// Everything but what only the cluster knows: whether it has a certificate already.
    fn objects(&self) -> Result<Vec<Object>, Failure> {
        let mut objects: Vec<Object> =
            crds().iter().map(|crd| Object(serde_json::to_value(crd).expect("a definition always prints"))).collect();
        objects.push(Object(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {
                "name": PLUGIN_NAMESPACE,
                "labels": {labels::SYSTEM: labels::SYSTEM_VALUE, "pod-security.kubernetes.io/enforce": "restricted"},
            },
        })));
        let rendered = parse_documents(MANIFEST).expect("a test reads the manifest");
        objects.extend(rendered.into_iter().filter(|document| !document.is_null()).map(Object));
        if self.crds_only {
            let is_asked_for = |object: &Object| match object.kind() {
                "CustomResourceDefinition" | "Namespace" => true,
                kind => kind.ends_with("WebhookConfiguration") && self.webhook_url.is_some(),
            };
            objects.retain(is_asked_for);
        }
        if let Some(url) = &self.webhook_url {
            let authority = self.webhook_ca.as_deref().map(read_text).transpose()?;
            objects.iter_mut().for_each(|object| call_at(object, url, authority.as_deref()));
        }
        if let Some(image) = &self.image {
            objects.iter_mut().for_each(|object| set_image(object, image));
        }
        Ok(objects)
    }

    fn print(&self, output: Output) -> Result<Code, Failure> {
        let mut objects = self.objects()?;
        if !self.crds_only {
            trust(&mut objects, new_certificate()?);
        }
        match output {
            Output::Json => print_value(&json!({"apiVersion": "v1", "kind": "List", "items": objects}), Output::Json)?,
            Output::Yaml => {
                for object in &objects {
                    print_line("---");
                    print_value(object, Output::Yaml)?;
                }
            }
            Output::Name | Output::Table => objects.iter().for_each(|object| print_line(reference(object))),
        }
        Ok(Code::Done)
    }

    async fn install(self) -> Result<Code, Failure> {
        let mut objects = self.objects()?;
        let wanted = Wanted::Context(self.context.as_deref());
        let cluster = Reached::through("the cluster", self.kubeconfig.as_deref(), wanted).await?;
        if !self.crds_only {
            trust(&mut objects, certificate(&cluster).await?);
        }
        let (definitions, others): (Vec<Object>, Vec<Object>) =
            objects.into_iter().partition(|object| object.kind() == "CustomResourceDefinition");
        for object in &definitions {
            put(&cluster, object).await?;
        }
        for object in &definitions {
            let served = cluster.until(&resource_of(object), &ObjectKey::of(object), PATIENCE, is_served).await;
            served.map_err(|why| Failure::new(Code::Negative, format!("{}: {why}", reference(object))))?;
        }
        for object in &others {
            put(&cluster, object).await?;
        }
        eprintln!("next: `flotilla join NAME --cluster-kubeconfig FILE` for each member");
        Ok(Code::Done)
    }
}

async fn put(cluster: &Reached, object: &Object) -> Result<(), Failure> {
    let (put, _) = cluster.put(object).await?;
    print_line(format!("{} {put}", reference(object)));
    Ok(())
}

fn is_served(definition: Option<&Object>) -> Result<(), String> {
    let conditions = definition.and_then(|definition| definition.at(&["status", "conditions"])).and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    let is_established = conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True");
    if is_established { Ok(()) } else { Err("the API server does not serve it yet".to_owned()) }
}

fn set_image(object: &mut Object, image: &str) {
    let containers = object.0.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        container["image"] = image.into();
    }
}

/// The webhooks of a configuration.
fn webhooks(object: &mut Object) -> impl Iterator<Item = &mut Value> {
    let is_configuration = object.kind().ends_with("WebhookConfiguration");
    let webhooks = object.get_mut("webhooks").filter(|_| is_configuration).and_then(Value::as_array_mut);
    webhooks.into_iter().flatten()
}

/// Has API servers call a webhook at a URL instead of a Service.
fn call_at(object: &mut Object, url: &str, authority: Option<&str>) {
    for webhook in webhooks(object) {
        let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap_or_default();
        let mut client = json!({"url": format!("{}{path}", url.trim_end_matches('/'))});
        if let Some(authority) = authority {
            client["caBundle"] = STANDARD.encode(authority).into();
        }
        webhook["clientConfig"] = client;
    }
}

/// Certificate, key and authority, in PEM.
struct Certificate {
    certificate: String,
    key: String,
    authority: String,
}

/// The certificate that the cluster has, or a new one.
async fn certificate(cluster: &Reached) -> Result<Certificate, Failure> {
    let wanted = certificate_secret(&Certificate { certificate: String::new(), key: String::new(), authority: String::new() });
    let secret = cluster.get(&resource_of(&wanted), &ObjectKey::of(&wanted)).await?;
    let text = |key: &str| {
        let data = secret.as_ref()?.at(&["data", key])?.as_str()?;
        String::from_utf8(STANDARD.decode(data).ok()?).ok().filter(|text| !text.is_empty())
    };
    match (text("tls.crt"), text("tls.key"), text("ca.crt")) {
        (Some(certificate), Some(key), Some(authority)) => Ok(Certificate { certificate, key, authority }),
        _ => new_certificate(),
    }
}

/// A certificate for the webhook's Service, under an authority of which only the certificate is kept.
fn new_certificate() -> Result<Certificate, Failure> {
    let make = || {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "flotilla");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let host = format!("{}.{PLUGIN_NAMESPACE}.svc", WEBHOOK.1);
        let mut params = CertificateParams::new([host.clone(), format!("{host}.cluster.local")])?;
        params.distinguished_name.push(DnType::CommonName, host);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?.pem();
        Ok(Certificate { certificate, key: key.serialize_pem(), authority: authority.pem() })
    };
    make().map_err(|error: rcgen::Error| bad_input(format!("no certificate can be made for the webhook: {error}")))
}

fn certificate_secret(certificate: &Certificate) -> Object {
    Object(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": WEBHOOK.0, "namespace": PLUGIN_NAMESPACE},
        "data": {
            "tls.crt": STANDARD.encode(&certificate.certificate),
            "tls.key": STANDARD.encode(&certificate.key),
            "ca.crt": STANDARD.encode(&certificate.authority),
        },
    }))
}

/// Adds the Secret, before whatever mounts it, and has the API server trust its authority.
fn trust(objects: &mut Vec<Object>, certificate: Certificate) {
    let authority = STANDARD.encode(&certificate.authority);
    for webhook in objects.iter_mut().flat_map(webhooks) {
        webhook["clientConfig"]["caBundle"] = authority.as_str().into();
    }
    let after_namespaces = objects.iter().rposition(|object| object.kind() == "Namespace").map_or(0, |last| last + 1);
    objects.insert(after_namespaces, certificate_secret(&certificate));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(args: &[&str]) -> Vec<Object> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            init: Init,
        }
        let line: Line = clap::Parser::try_parse_from([&["init"], args].concat()).expect("right flags");
        line.init.objects().expect("all files are there")
    }

    /// What each webhook is called by: `url`, or the Service's name and path.
    fn called(objects: &[Object]) -> Vec<String> {
        let configurations = objects.iter().filter_map(|object| object.0["webhooks"].as_array());
        configurations.flatten().map(|webhook| webhook["clientConfig"].to_string()).collect()
    }

    #[test]
    fn every_object_is_where_its_kind_belongs() {
        for object in init(&["--image", "example.org/flotilla:1"]) {
            let is_cluster_scoped = object.kind().starts_with("Cluster")
                || object.kind().ends_with("WebhookConfiguration")
                || ["CustomResourceDefinition", "Namespace"].contains(&object.kind());
            assert_eq!(object.namespace().is_none(), is_cluster_scoped, "{}", object.display());
        }
    }

    #[test]
    fn a_control_plane_gets_kinds_and_namespaces() {
        let names: Vec<String> =
            init(&["--crds-only"]).iter().map(reference).filter(|name| !name.starts_with("customresourcedefinition")).collect();
        assert_eq!(names, ["namespace/flotilla-system", "namespace/karmada-cluster"]);
    }

    #[test]
    fn a_webhook_that_runs_elsewhere_is_called_there() {
        let called = called(&init(&["--crds-only", "--webhook-url", "https://hooks.example.org:8443/"]));
        assert_eq!(called.len(), 6);
        assert!(called[..2].iter().all(|client| client == r#"{"url":"https://hooks.example.org:8443/mutate"}"#), "{called:?}");
        assert!(called[2..].iter().all(|client| client == r#"{"url":"https://hooks.example.org:8443/validate"}"#), "{called:?}");
    }

    #[test]
    fn the_image_is_that_of_every_container() {
        let deployments: Vec<Object> =
            init(&["--image", "example.org/flotilla:1"]).into_iter().filter(|object| object.kind() == "Deployment").collect();
        let images = deployments.iter().map(|object| object.0.pointer("/spec/template/spec/containers/0/image").cloned());
        assert_eq!(images.collect::<Vec<_>>(), [Some(json!("example.org/flotilla:1")), Some(json!("example.org/flotilla:1"))]);
    }

    #[test]
    fn the_api_server_trusts_the_webhook() {
        let mut objects = init(&["--image", "example.org/flotilla:1"]);
        trust(&mut objects, new_certificate().unwrap());
        let secret = objects.iter().find(|object| object.kind() == "Secret").expect("a certificate");
        let authority = secret.0["data"]["ca.crt"].clone();
        let clients: Vec<Value> = objects.iter_mut().flat_map(webhooks).map(|webhook| webhook["clientConfig"]["caBundle"].take()).collect();
        assert_eq!(clients, vec![authority; 6]);
    }
}
