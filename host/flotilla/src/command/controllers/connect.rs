//! From a kubeconfig to a client, and from whatever goes wrong on the way to a sentence with a cure.

use crate::exit::{Code, Failure, bad_input};
use flotilla_controllers::cluster_api::FIELD_MANAGER;
use http::HeaderValue;
use http::header::USER_AGENT;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use rustls::CertificateError;
use std::error::Error;
use std::io;
use std::path::Path;

/// A client of the control plane; does not talk to it yet.
pub async fn client(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<kube::Client, Failure> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = match kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path).map_err(|error| unusable(&format!("kubeconfig `{}`", path.display()), &error))?;
            kube::Config::from_custom_kubeconfig(read, &options)
                .await
                .map_err(|error| unusable(&format!("kubeconfig `{}`", path.display()), &error))?
        }
        None if context.is_some() => kube::Config::from_kubeconfig(&options)
            .await
            .map_err(|error| unusable("the kubeconfig of $KUBECONFIG or ~/.kube/config", &error))?,
        None => kube::Config::infer()
            .await
            .map_err(|error| bad_input(format!("there is no kubeconfig: {error}")).hint("give one with `--kubeconfig FILE`"))?,
    };
    // Audit logs show whose requests these are.
    config.headers.push((USER_AGENT, HeaderValue::from_static(FIELD_MANAGER)));
    kube::Client::try_from(config).map_err(|error| explain(&error))
}

fn unusable(what: &str, error: &KubeconfigError) -> Failure {
    match error {
        KubeconfigError::ReadConfig(source, _) if source.kind() == io::ErrorKind::NotFound => {
            bad_input(format!("{what} does not exist")).hint("give another with `--kubeconfig FILE`")
        }
        KubeconfigError::ReadConfig(source, _) => bad_input(format!("{what} cannot be read: {source}")),
        KubeconfigError::Parse(source) => bad_input(format!("{what} is no YAML of a kubeconfig: {source}")),
        KubeconfigError::LoadContext(context) => {
            bad_input(format!("{what} has no context `{context}`")).hint("`kubectl config get-contexts` lists them")
        }
        KubeconfigError::CurrentContextNotSet => bad_input(format!("{what} has no current context")).hint("name one with `--context NAME`"),
        other => bad_input(format!("{what} cannot be used: {other}")),
    }
}

/// Why the control plane did not answer as it should.
pub fn explain(error: &kube::Error) -> Failure {
    if let kube::Error::Api(status) = error {
        return refused(status.code, &status.message);
    }
    let unreachable = |why: String| Failure::new(Code::Unreachable, format!("the control plane cannot be reached: {why}"));
    match cause(error) {
        Some(Cause::Certificate(wrong)) => certificate(&wrong),
        Some(Cause::Refused) => unreachable("nothing listens at that address (connection refused)".to_owned())
            .hint("is the API server running, and is `server` in the kubeconfig its address?"),
        None => unreachable(innermost(error)).hint("check `kubectl --kubeconfig FILE get --raw /readyz`"),
    }
}

/// A refusal, whatever was asked.
pub fn refused(code: u16, message: &str) -> Failure {
    match code {
        401 => Failure::new(Code::Unreachable, "the control plane does not know who this is (401)")
            .hint("the token or client certificate in the kubeconfig is wrong or has expired: get a new kubeconfig"),
        403 => Failure::new(Code::Negative, format!("a right is missing in the control plane (403): {message}"))
            .hint("grant it with a ClusterRole and a ClusterRoleBinding"),
        _ => Failure::new(Code::Unreachable, format!("the control plane answers {code}: {message}")),
    }
}

enum Cause {
    Certificate(CertificateError),
    Refused,
}

/// What is at the bottom of an error. An `io::Error` does not tell its inner error as a source, hence the detour.
fn cause(error: &(dyn Error + 'static)) -> Option<Cause> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(wrong)) = error.downcast_ref() {
            return Some(Cause::Certificate(wrong.clone()));
        }
        let inner = error.downcast_ref::<io::Error>();
        if inner.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            return Some(Cause::Refused);
        }
        next = match inner.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn certificate(wrong: &CertificateError) -> Failure {
    let failure = |why: &str| Failure::new(Code::Unreachable, format!("the certificate of the control plane {why}"));
    match wrong {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => failure("has expired")
            .hint("renew the API server's certificate (kubeadm: `kubeadm certs renew apiserver`), or correct this machine's clock"),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            failure("is not valid yet").hint("correct the clock of this machine or of the API server's")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            failure("is for another name than the one it is reached by")
                .hint("use a name of the certificate as `server` in the kubeconfig, or set `tls-server-name`")
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            failure("is not signed by an authority that the kubeconfig trusts")
                .hint("put the API server's CA into `certificate-authority-data` of the kubeconfig")
        }
        other => failure(&format!("is not valid: {other:?}")),
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(error: kube::Error, code: Code, message: &str, hint: &str) {
        let failure = explain(&error);
        assert_eq!((failure.code, failure.message.as_str()), (code, message));
        assert!(failure.hint.as_deref().unwrap_or_default().contains(hint), "{failure:?}");
    }

    fn tls(wrong: CertificateError) -> kube::Error {
        let handshake = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(wrong));
        kube::Error::Service(Box::new(io::Error::other(handshake)))
    }

    fn api(code: u16, message: &str) -> kube::Error {
        let mut status = kube::core::Status::failure(message, "");
        status.code = code;
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn certificates_are_told_apart() {
        use Code::Unreachable;
        says(tls(CertificateError::Expired), Unreachable, "the certificate of the control plane has expired", "kubeadm certs renew");
        let untrusted = "the certificate of the control plane is not signed by an authority that the kubeconfig trusts";
        says(tls(CertificateError::UnknownIssuer), Unreachable, untrusted, "certificate-authority-data");
        let name = "the certificate of the control plane is for another name than the one it is reached by";
        says(tls(CertificateError::NotValidForName), Unreachable, name, "tls-server-name");
    }

    #[test]
    fn refusals_say_what_is_missing() {
        says(api(401, "Unauthorized"), Code::Unreachable, "the control plane does not know who this is (401)", "expired");
        let right = "works.work.karmada.io is forbidden: User \"flotilla\" cannot list resource \"works\"";
        says(api(403, right), Code::Negative, &format!("a right is missing in the control plane (403): {right}"), "ClusterRole");
    }

    #[test]
    fn a_server_that_is_not_there_is_told_by_the_connection() {
        let refused = kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        let message = "the control plane cannot be reached: nothing listens at that address (connection refused)";
        says(refused, Code::Unreachable, message, "`server` in the kubeconfig");
    }
}
