//! When something was last heard of.

use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// The last sign of life of something; clones are the same.
#[derive(Debug, Clone)]
pub struct Pulse(Arc<Mutex<Instant>>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Pulse {
    /// It was heard of now.
    pub fn beat(&self) {
        *self.0.lock().expect("no code panics while it holds the pulse") = Instant::now();
    }

    /// When it was last heard of; at first, since when it is listened for.
    pub fn last(&self) -> Instant {
        *self.0.lock().expect("no code panics while it holds the pulse")
    }

    /// The same client, whose every part of an answer counts as a sign of life: bookmarks of a watch, too. That a watch was granted is
    /// none: what matters is whether something comes.
    pub fn listen(&self, client: Client) -> Client {
        let pulse = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (client, pulse) = (client.clone(), pulse.clone());
            async move {
                let response = client.send(request).await?;
                Ok::<_, kube::Error>(response.map(|body| {
                    body.map_frame(move |frame| {
                        pulse.beat();
                        frame
                    })
                }))
            }
        });
        // All paths are given in full: the default namespace is never used.
        Client::new(service, "default")
    }
}
