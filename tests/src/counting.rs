//! A client that remembers which writes were refused, and whose requests outlive whoever sent them.

use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// Refused writes: cluster, method, path, status.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Vec<String>>>);

impl Refusals {
    /// All so far.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().expect("no test panics while it holds this").clone()
    }
}

/// Wraps a client. Its requests are served on the runtime `here`, also when the one who sent them is no more.
pub fn counting(cluster: &str, client: kube::Client, here: Handle, refusals: Refusals) -> kube::Client {
    let cluster = cluster.to_owned();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (client, here, refusals) = (client.clone(), here.clone(), refusals.clone());
        let line = (request.method() != http::Method::GET).then(|| format!("{cluster} {} {}", request.method(), request.uri().path()));
        async move {
            let response = here.spawn(async move { client.send(request).await }).await.map_err(std::io::Error::other)?;
            let response = response.map_err(std::io::Error::other)?;
            if let Some(line) = line.filter(|_| !response.status().is_success()) {
                refusals.0.lock().expect("no test panics while it holds this").push(format!("{line} {}", response.status()));
            }
            Ok::<_, std::io::Error>(response)
        }
    });
    kube::Client::new(service, "default")
}
