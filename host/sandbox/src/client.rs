//! A `kube::Client` that calls an API server of this process without a socket. Requests and answers still pass as HTTP bytes, so that
//! it sees what any client sees.

use crate::server::ApiServer;
use axum::body::Body;
use http::header::USER_AGENT;
use http::{HeaderValue, Request};
use tower::{ServiceExt as _, service_fn};

impl ApiServer {
    /// A client of this server, counted as `flotilla`.
    pub fn client(&self) -> kube::Client {
        self.client_as("flotilla")
    }

    /// A client of this server whose writes are counted, and whose fields are owned, under a name.
    pub fn client_as(&self, agent: &str) -> kube::Client {
        let server = self.clone();
        let router = self.router();
        let agent = HeaderValue::from_str(agent).unwrap_or_else(|_| HeaderValue::from_static("flotilla"));
        let service = service_fn(move |request: Request<kube::client::Body>| {
            let (server, router, agent) = (server.clone(), router.clone(), agent.clone());
            async move {
                if server.faults().unreachable {
                    return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
                }
                let mut request = request.map(Body::new);
                request.headers_mut().entry(USER_AGENT).or_insert(agent);
                Ok(router.oneshot(request).await.unwrap_or_else(|never| match never {}))
            }
        });
        kube::Client::new(service, "default")
    }
}
