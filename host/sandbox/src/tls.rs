//! The way in from outside the process: HTTPS on a loopback port, with a certificate authority of its own and a bearer token.

use crate::response;
use crate::server::ApiServer;
use crate::status::ApiError;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::header::AUTHORIZATION;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Requests at once on one connection: a controller has a watch for each type it knows.
const STREAMS: u32 = 1000;

/// A certificate authority that lives as long as the process.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new authority.
    pub fn new() -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "flotilla sandbox");
        let key = KeyPair::generate().map_err(io::Error::other)?;
        Ok(Self(CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?))
    }

    /// Its certificate, for those who are to trust it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's side of TLS for this machine, under a certificate of this authority.
    pub fn server_config(&self) -> io::Result<Arc<ServerConfig>> {
        let names = ["localhost", "127.0.0.1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut params = CertificateParams::new(names.map(str::to_owned)).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.0).map_err(io::Error::other)?;
        let chain = vec![certificate.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A token that cannot be guessed.
pub fn new_token() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// Takes a loopback port, 0 for any free one.
pub async fn listen(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| io::Error::new(error.kind(), format!("port {port} of 127.0.0.1 cannot be used: {error}")))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves a server's API on a listener to those who have the token, until the server is stopped; then breaks all connections.
pub async fn serve(server: ApiServer, listener: TcpListener, tls: Arc<ServerConfig>, token: String) {
    let acceptor = TlsAcceptor::from(tls);
    let router = server.router().layer(middleware::from_fn_with_state(Arc::<str>::from(token), authenticate));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(server.clone(), stream, acceptor.clone(), router.clone()))),
                // Too many open files, or a client that went away: others may still be served.
                Err(error) => {
                    tracing::warn!(cluster = server.name(), %error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = server.stopped() => return,
        }
    }
}

async fn connection(server: ApiServer, stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    if server.faults().unreachable {
        return;
    }
    // Small writes of a watch should leave at once; a socket that cannot do that works too.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS);
    let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::select! {
        // Clients break connections as they please.
        _ = serving => {}
        () = unreachable(&server) => {}
    }
}

/// Waits until the server is made unreachable.
async fn unreachable(server: &ApiServer) {
    while !server.faults().unreachable {
        server.faults_changed().await;
    }
}

/// Only health and version are for everyone.
async fn authenticate(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_open = ["/healthz", "/livez", "/readyz", "/version"].iter().any(|open| path.starts_with(open));
    let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    if is_open || sent.is_some_and(|sent| is_same(sent.trim().as_bytes(), token.as_bytes())) {
        return next.run(request).await;
    }
    response::refusal(&ApiError::unauthorized())
}

/// Compares in a time that does not tell where the texts differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_as_a_whole() {
        let token = new_token();
        assert_eq!(token.len(), 64);
        assert!(is_same(token.as_bytes(), token.clone().as_bytes()));
        assert!(!is_same(token.as_bytes(), new_token().as_bytes()));
        assert!(!is_same(token.as_bytes(), b""));
    }
}
