//! HTTPS: a certificate from files, read anew when they change, or one made at start.

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often certificate files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long calls may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// PEM files, as a Secret of type `kubernetes.io/tls` holds them.
    Files {
        /// Chain, the server's own certificate first.
        certificate: PathBuf,
        /// Private key.
        key: PathBuf,
    },
    /// Made for these names at start; callers trust it by its own text.
    SelfSigned {
        /// DNS names and IP addresses.
        names: Vec<String>,
    },
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A certificate file cannot be used.
    #[error("`{}` and its key cannot be used: {source}", path.display())]
    Certificate {
        /// The certificate.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error("no certificate can be made for these names: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A server that is about to run.
pub struct Server {
    listener: std::net::TcpListener,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    files: Option<(PathBuf, PathBuf)>,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// PEM text of a certificate that was made at start: what callers must trust.
    pub made_certificate: Option<String>,
}

impl Server {
    /// Listens, without answering yet.
    pub async fn bind(address: SocketAddr, certificate: Certificate) -> Result<Self, ServeError> {
        // A provider that is installed already serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (tls, files, made_certificate) = match certificate {
            Certificate::Files { certificate, key } => {
                let tls = RustlsConfig::from_pem_file(&certificate, &key).await;
                let tls = tls.map_err(|source| ServeError::Certificate { path: certificate.clone(), source })?;
                (tls, Some((certificate, key)), None)
            }
            Certificate::SelfSigned { names } => {
                let made = rcgen::generate_simple_self_signed(names)?;
                let pem = made.cert.pem();
                let tls = RustlsConfig::from_pem(pem.clone().into_bytes(), made.signing_key.serialize_pem().into_bytes()).await;
                let tls = tls.map_err(|source| ServeError::Certificate { path: PathBuf::from("(made at start)"), source })?;
                (tls, None, Some(pem))
            }
        };
        let listen = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen().map_err(|source| ServeError::Listen { address, source })?;
        Ok(Self { listener, tls, handle: Handle::new(), files, address, made_certificate })
    }

    /// What stops it.
    pub fn stop_handle(&self) -> impl Fn() + Send + Sync + 'static {
        let handle = self.handle.clone();
        move || handle.graceful_shutdown(Some(GRACE))
    }

    /// Answers until it is stopped.
    pub async fn run(self, router: Router) -> std::io::Result<()> {
        let watching = self.files.map(|(certificate, key)| tokio::spawn(reload(self.tls.clone(), certificate, key)));
        let result = axum_server::from_tcp_rustls(self.listener, self.tls)?.handle(self.handle).serve(router.into_make_service()).await;
        if let Some(watching) = watching {
            watching.abort();
        }
        result
    }
}

async fn reload(tls: RustlsConfig, certificate: PathBuf, key: PathBuf) {
    let mut known = changed_at(&certificate);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = changed_at(&certificate);
        if now == known {
            continue;
        }
        match tls.reload_from_pem_file(&certificate, &key).await {
            Ok(()) => {
                known = now;
                tracing::info!(certificate = %certificate.display(), "certificate read anew");
            }
            Err(error) => {
                tracing::warn!(certificate = %certificate.display(), "new certificate cannot be used, the old one stays: {error}")
            }
        }
    }
}

fn changed_at(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
