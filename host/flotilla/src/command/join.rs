//! `flotilla join`: makes a cluster a member: an account there, and a Cluster with its Secret in the control plane.

use crate::connect::Wanted;
use crate::exit::{Code, Failure, bad_input};
use crate::output::{Output, print_line, print_value};
use crate::reached::{Reached, Wait, reference, resource_of};
use crate::running::block_on;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flotilla_api::cluster::READY;
use flotilla_api::object::Object;
use flotilla_controllers::cluster_api::ObjectKey;
use flotilla_controllers::watch::Own;
use flotilla_core::join::{self, Place, Way};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Longest wait for the member to fill the Secret of an account.
const TOKEN_PATIENCE: Duration = Duration::from_secs(30);

/// Which control plane and which member, the same for `join` and `unjoin`.
#[derive(Debug, clap::Args)]
pub struct Between {
    /// Name of the cluster in the control plane
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Kubeconfig of the control plane; without it, $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the control plane, instead of the current one
    #[arg(long, value_name = "NAME", visible_alias = "karmada-context")]
    pub context: Option<String>,
    /// Kubeconfig of the cluster, where its context is not in that of the control plane
    #[arg(long, value_name = "FILE")]
    pub cluster_kubeconfig: Option<PathBuf>,
    /// Context of the cluster; without it, the one that is named like the cluster, or the current one
    #[arg(long, value_name = "NAME")]
    pub cluster_context: Option<String>,
    /// Namespace for the account in the cluster, and for its Secret in the control plane
    #[arg(long, value_name = "NAMESPACE", default_value = "karmada-cluster")]
    pub cluster_namespace: String,
}

impl Between {
    /// The control plane.
    pub async fn control(&self) -> Result<Reached, Failure> {
        if let Some(why) = join::bad_name(&self.name) {
            return Err(bad_input(why));
        }
        Reached::through("the control plane", self.kubeconfig.as_deref(), Wanted::Context(self.context.as_deref())).await
    }

    /// The cluster.
    pub async fn member(&self) -> Result<Reached, Failure> {
        let wanted = match &self.cluster_context {
            Some(context) => Wanted::Context(Some(context)),
            None => Wanted::Preferred(&self.name),
        };
        let file = self.cluster_kubeconfig.as_ref().or(self.kubeconfig.as_ref());
        Reached::through("the cluster", file.map(PathBuf::as_path), wanted).await
    }
}

/// What tells a cluster from all others: the uid of its namespace `kube-system`.
pub async fn identity(cluster: &Reached) -> Result<String, Failure> {
    let id = flotilla_controllers::cluster::identity(&cluster.api).await;
    let id = id.map_err(|error| cluster.failed("Namespace `kube-system`", &error))?;
    let missing = || Failure::new(Code::Negative, format!("{} has no namespace `kube-system`, which tells clusters apart", cluster.name));
    id.ok_or_else(missing)
}

/// Arguments of `join`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The account in the cluster may do everything there, as any kind of object may be sent to it.\n\nExample:\n  flotilla join member1 --kubeconfig control.yaml --cluster-kubeconfig member1.yaml --cluster-region eu-west"
)]
pub struct Join {
    #[command(flatten)]
    between: Between,
    /// Who runs the cluster, for policies that spread over providers
    #[arg(long, value_name = "NAME")]
    cluster_provider: Option<String>,
    /// The region it is in, for policies that spread over regions
    #[arg(long, value_name = "NAME")]
    cluster_region: Option<String>,
    /// The zones it is in, for policies that spread over zones
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    cluster_zones: Vec<String>,
    /// Print what would be written, write nothing
    #[arg(long)]
    dry_run: bool,
    /// How long to wait until the cluster is ready; `false` for not at all
    #[arg(long, value_name = "DURATION|false", default_value = "60s")]
    wait: Wait,
}

impl Join {
    /// Joins the cluster.
    pub fn run(self) -> Result<Code, Failure> {
        block_on(self.join())
    }

    async fn join(self) -> Result<Code, Failure> {
        let (control, member) = (self.between.control().await?, self.between.member().await?);
        let id = identity(&member).await?;
        let clusters = control.list(&Own::Cluster.resource(), None).await.map_err(hint_at_definitions)?;
        if let Some(why) = join::refusal(&self.between.name, &id, &identity(&control).await?, &clusters) {
            return Err(Failure::new(Code::Negative, why).hint("`kubectl get clusters -o wide` lists the members"));
        }
        if self.dry_run {
            return self.print(&member, &id);
        }
        let token = self.prepare(&member).await?;
        self.register(&control, &member, &id, &token).await?;
        match self.wait.0 {
            None => print_line(format!("cluster `{}` is joined", self.between.name)),
            Some(patience) => self.await_ready(&control, patience).await?,
        }
        Ok(Code::Done)
    }

    fn way(&self, member: &Reached) -> Way {
        Way {
            endpoint: member.config.cluster_url.to_string().trim_end_matches('/').to_owned(),
            authority: member.authority(),
            is_unverified: member.config.accept_invalid_certs,
            proxy: member.config.proxy_url.as_ref().map(ToString::to_string),
        }
    }

    fn place(&self) -> Place {
        Place { provider: self.cluster_provider.clone(), region: self.cluster_region.clone(), zones: self.cluster_zones.clone() }
    }

    fn cluster(&self, way: &Way, id: &str) -> Object {
        join::cluster(&self.between.name, &self.between.cluster_namespace, id, way, &self.place())
    }

    /// Everything that would be written, without what only the member knows: the token.
    fn print(&self, member: &Reached, id: &str) -> Result<Code, Failure> {
        let (name, namespace) = (&self.between.name, &self.between.cluster_namespace);
        let way = self.way(member);
        let in_member = join::in_member(name, namespace);
        let authority = way.authority.as_ref().map(|pem| STANDARD.encode(pem));
        let token = STANDARD.encode("(made by the cluster)");
        let in_control =
            [join::namespace(namespace), join::secret(name, namespace, &token, authority.as_deref(), None), self.cluster(&way, id)];
        for (place, objects) in [("the cluster", &in_member[..]), ("the control plane", &in_control[..])] {
            for object in objects {
                print_line(format!("---\n# in {place}"));
                print_value(object, Output::Yaml)?;
            }
        }
        Ok(Code::Done)
    }

    /// Makes the account in the member; returns its token, in base64.
    async fn prepare(&self, member: &Reached) -> Result<String, Failure> {
        for object in join::in_member(&self.between.name, &self.between.cluster_namespace) {
            put(member, &object).await?;
        }
        let secret = join::in_member(&self.between.name, &self.between.cluster_namespace).pop().expect("the Secret is the last");
        let (resource, key) = (resource_of(&secret), ObjectKey::of(&secret));
        let is_filled = |secret: Option<&Object>| match secret.and_then(token_of) {
            Some(_) => Ok(()),
            None => Err(format!("Secret `{key}` of the cluster has no token yet")),
        };
        let filled = member.until(&resource, &key, TOKEN_PATIENCE, is_filled).await;
        filled.map_err(|why| {
            Failure::new(Code::Negative, format!("{why} after {} s", TOKEN_PATIENCE.as_secs()))
                .hint("kube-controller-manager of the cluster fills it; see whether that runs, then join again")
        })?;
        let secret = member.get(&resource, &key).await?;
        let gone = || Failure::new(Code::Negative, format!("Secret `{key}` of the cluster came and went"));
        secret.as_ref().and_then(token_of).ok_or_else(gone)
    }

    /// Writes the Secret, the Cluster, and whose Secret it is.
    async fn register(&self, control: &Reached, member: &Reached, id: &str, token: &str) -> Result<(), Failure> {
        let (name, namespace) = (&self.between.name, &self.between.cluster_namespace);
        let way = self.way(member);
        let authority = way.authority.as_ref().map(|pem| STANDARD.encode(pem));
        let secret = |owner: Option<&str>| join::secret(name, namespace, token, authority.as_deref(), owner);
        put(control, &join::namespace(namespace)).await?;
        put(control, &secret(None)).await?;
        let cluster = put(control, &self.cluster(&way, id)).await?;
        control.put(&secret(Some(cluster.uid()))).await?;
        Ok(())
    }

    async fn await_ready(&self, control: &Reached, patience: Duration) -> Result<(), Failure> {
        let name = &self.between.name;
        let waited = control.until(&Own::Cluster.resource(), &ObjectKey::new(None, name), patience, readiness).await;
        waited.map_err(|why| {
            Failure::new(Code::Negative, format!("cluster `{name}` is joined, but not ready after {} s: {why}", patience.as_secs()))
                .hint(format!("`kubectl get cluster {name} -o yaml` says more"))
        })?;
        print_line(format!("cluster `{name}` is joined and ready"));
        Ok(())
    }
}

async fn put(cluster: &Reached, object: &Object) -> Result<Object, Failure> {
    let (put, written) = cluster.put(object).await?;
    print_line(format!("{}: {} {put}", cluster.name.trim_start_matches("the "), reference(object)));
    Ok(written)
}

fn token_of(secret: &Object) -> Option<String> {
    secret.at(&["data", "token"]).and_then(Value::as_str).map(str::to_owned).filter(|token| !token.is_empty())
}

/// Whether a Cluster is ready, or in one line why not.
fn readiness(cluster: Option<&Object>) -> Result<(), String> {
    let Some(cluster) = cluster else { return Err("the Cluster is gone".to_owned()) };
    let conditions = cluster.at(&["status", "conditions"]).and_then(Value::as_array);
    let Some(ready) = conditions.into_iter().flatten().find(|condition| condition["type"] == READY) else {
        return Err("no controllers have looked at the Cluster yet".to_owned());
    };
    if ready["status"] == "True" {
        return Ok(());
    }
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    Err(format!("{}: {}", text("reason"), text("message")))
}

fn hint_at_definitions(failure: Failure) -> Failure {
    match failure.code {
        Code::Negative => failure.hint("`flotilla init --crds-only` makes a control plane of it"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cluster_says_why_it_is_not_ready() {
        let cluster = |conditions: Value| Object(json!({"status": {"conditions": conditions}}));
        assert_eq!(readiness(Some(&cluster(json!([{"type": "Ready", "status": "True"}])))), Ok(()));
        let unwell = json!([{"type": "Ready", "status": "False", "reason": "ClusterNotReachable", "message": "cluster is not reachable"}]);
        assert_eq!(readiness(Some(&cluster(unwell))), Err("ClusterNotReachable: cluster is not reachable".to_owned()));
        let unseen = Err("no controllers have looked at the Cluster yet".to_owned());
        assert_eq!(readiness(Some(&cluster(json!([])))), unseen);
        assert_eq!(readiness(Some(&Object(json!({})))), unseen);
    }
}
