//! `flotilla webhook`: the resource interpreter webhook for an existing Karmada, and the admission webhook of the control plane.

use crate::exit::{Code, Failure, bad_input};
use crate::output::print_line;
use crate::plugins::PluginOptions;
use crate::running::{block_on, until_told_to_end};
use flotilla_webhook::server::{Certificate, Server};
use flotilla_webhook::{INTERPRETER_PATH, MUTATE_PATH, PolicyAdmission, Services, VALIDATE_PATH, router};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `webhook`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: flotilla webhook --listen 127.0.0.1:8443 --tls-name localhost --ca-out ca.crt")]
pub struct Webhook {
    /// Address and port
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// Certificate chain in PEM, read anew when it changes; without it one is made
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// DNS name or IP address in the certificate that is made; repeatable
    #[arg(long, value_name = "NAME", default_values = ["localhost", "127.0.0.1"], conflicts_with = "tls_cert")]
    tls_name: Vec<String>,
    /// Where to write the certificate that is made, which callers must trust; without it, standard output
    #[arg(long, value_name = "FILE", conflicts_with = "tls_cert")]
    ca_out: Option<PathBuf>,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Webhook {
    /// Answers until it is told to end.
    pub fn run(self) -> Result<Code, Failure> {
        let chain = Arc::new(self.plugins.chain()?);
        let services = Services { interpreter: chain.clone(), admission: Arc::new(PolicyAdmission::new(chain)) };
        block_on(self.serve(services))
    }

    async fn serve(self, services: Services) -> Result<Code, Failure> {
        let certificate = match (self.tls_cert, self.tls_key) {
            (Some(certificate), Some(key)) => Certificate::Files { certificate, key },
            _ => Certificate::SelfSigned { names: self.tls_name },
        };
        let server = Server::bind(self.listen, certificate).await.map_err(|error| bad_input(error.to_string()))?;
        match (&server.made_certificate, &self.ca_out) {
            (Some(made), Some(path)) => {
                std::fs::write(path, made).map_err(|error| bad_input(format!("cannot write `{}`: {error}", path.display())))?;
            }
            (Some(made), None) => print_line(made.trim_end()),
            (None, _) => {}
        }
        eprintln!("listening on https://{} ({INTERPRETER_PATH}, {MUTATE_PATH}, {VALIDATE_PATH}, /healthz, /readyz)", server.address);
        let stop = server.stop_handle();
        let told = tokio::spawn(async move {
            let told = until_told_to_end().await;
            stop();
            told
        });
        let served = server.run(router(services)).await;
        served.map_err(|error| bad_input(format!("the server failed: {error}")))?;
        match told.await {
            Ok(Err(failure)) => Err(failure),
            _ => Ok(Code::Done),
        }
    }
}
