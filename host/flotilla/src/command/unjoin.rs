//! `flotilla unjoin`: takes a member out: first what was sent there and the Cluster, then its Secret, last the account in the member.

use super::join::{Between, identity};
use crate::exit::{Code, Failure};
use crate::output::print_line;
use crate::reached::{Reached, Wait, reference, resource_of};
use crate::running::block_on;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::{labels, names};
use flotilla_controllers::cluster_api::{ObjectKey, Resource};
use flotilla_controllers::watch::Own;
use flotilla_core::join::{in_member, role_name};

use serde_json::{Value, json};
use std::time::Duration;

/// Arguments of `unjoin`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What was sent to the cluster is removed from it first, unless it cannot be reached or policies preserve it.\n\nExample:\n  flotilla unjoin member1 --kubeconfig control.yaml --cluster-kubeconfig member1.yaml"
)]
pub struct Unjoin {
    #[command(flatten)]
    between: Between,
    /// Take the cluster out even if not all that was sent there can be removed
    #[arg(long)]
    force: bool,
    /// How long to wait until the cluster is out; `false` for not at all
    #[arg(long, value_name = "DURATION|false", default_value = "60s")]
    wait: Wait,
    /// Print what would be removed, remove nothing
    #[arg(long)]
    dry_run: bool,
}

impl Unjoin {
    /// Takes the cluster out.
    pub fn run(self) -> Result<Code, Failure> {
        block_on(self.unjoin())
    }

    async fn unjoin(self) -> Result<Code, Failure> {
        let name = &self.between.name;
        let control = self.between.control().await?;
        let key = ObjectKey::new(None, name);
        let Some(cluster) = control.get(&Own::Cluster.resource(), &key).await? else {
            return Err(Failure::new(Code::Negative, format!("the control plane has no cluster `{name}`"))
                .hint("`kubectl get clusters` lists the members"));
        };
        let member = self.member(&cluster).await?;
        if self.dry_run {
            return Ok(self.print(&cluster, member.is_some()));
        }
        control.delete(&Own::Cluster.resource(), &key).await?;
        let Some(patience) = self.wait.0 else {
            print_line(format!("cluster `{name}` is being taken out"));
            return Ok(Code::Done);
        };
        self.await_gone(&control, &key, patience).await?;
        say(&control, &reference(&cluster));
        if let Some(secret) = self.secret_of(&cluster)
            && control.delete(&secrets(), &secret).await?
        {
            say(&control, &format!("secret/{}", secret.name));
        }
        match &member {
            Some(member) => self.clean(member, patience).await?,
            None => {
                eprintln!("the account `{}` stays in the cluster: no `--cluster-kubeconfig` was given", names::service_account_name(name))
            }
        }
        Ok(Code::Done)
    }

    /// The member, where a kubeconfig of it was given; refuses one that leads to another cluster.
    async fn member(&self, cluster: &Object) -> Result<Option<Reached>, Failure> {
        if self.between.cluster_kubeconfig.is_none() && self.between.cluster_context.is_none() {
            return Ok(None);
        }
        let reached = async {
            let member = self.between.member().await?;
            let id = identity(&member).await?;
            Ok::<_, Failure>((member, id))
        };
        match (reached.await, cluster.at(&["spec", "id"]).and_then(Value::as_str)) {
            (Ok((_, id)), Some(known)) if known != id => {
                let other = format!("the kubeconfig of the cluster does not lead to `{}`, but to another cluster", self.between.name);
                Err(Failure::new(Code::BadInput, other).hint("check `--cluster-kubeconfig` and `--cluster-context`"))
            }
            (Ok((member, _)), _) => Ok(Some(member)),
            (Err(failure), _) if self.force && failure.code == Code::Unreachable => {
                eprintln!("the account stays in the cluster: {}", failure.message);
                Ok(None)
            }
            (Err(failure), _) => Err(failure.hint("`--force` takes it out although it cannot be reached")),
        }
    }

    /// The Secret that `join` made: it has the cluster's name, and the Cluster names it.
    fn secret_of(&self, cluster: &Object) -> Option<ObjectKey> {
        let named = |field: &str| cluster.at(&["spec", "secretRef", field]).and_then(Value::as_str);
        let is_ours = named("name") == Some(cluster.name()) && named("namespace") == Some(&self.between.cluster_namespace);
        is_ours.then(|| ObjectKey::new(Some(&self.between.cluster_namespace), cluster.name()))
    }

    fn print(&self, cluster: &Object, is_member_known: bool) -> Code {
        print_line(format!("control plane: {}", reference(cluster)));
        if let Some(secret) = self.secret_of(cluster) {
            print_line(format!("control plane: secret/{}", secret.name));
        }
        if is_member_known {
            for object in in_member(&self.between.name, &self.between.cluster_namespace).iter().rev() {
                print_line(format!("cluster: {}", reference(object)));
            }
        }
        Code::Done
    }

    /// Waits until the controllers have taken back what was sent, and let the Cluster go. With `--force`, lets it go itself in the end.
    async fn await_gone(&self, control: &Reached, key: &ObjectKey, patience: Duration) -> Result<(), Failure> {
        let is_gone = |cluster: Option<&Object>| match cluster {
            None => Ok(()),
            Some(_) => Err(format!("the controllers are taking back what was sent to `{}`", key.name)),
        };
        if control.until(&Own::Cluster.resource(), key, patience, is_gone).await.is_ok() {
            return Ok(());
        }
        let works = control.list(&Own::Work.resource(), Some(&names::execution_namespace(&key.name))).await?;
        if !self.force {
            let left = match works.first() {
                Some(work) => format!("{} Works are left, `{}` for one", works.len(), ObjectKey::of(work)),
                None => "no Work is left, but its finalizer is".to_owned(),
            };
            return Err(Failure::new(Code::Negative, format!("cluster `{}` is not out after {} s: {left}", key.name, patience.as_secs()))
                .hint("see whether the controllers run, and unjoin again; `--force` leaves in the cluster what is there"));
        }
        for work in &works {
            release(control, &Own::Work.resource(), work, labels::EXECUTION_FINALIZER).await?;
        }
        if let Some(cluster) = control.get(&Own::Cluster.resource(), key).await? {
            release(control, &Own::Cluster.resource(), &cluster, labels::CLUSTER_FINALIZER).await?;
        }
        let still = |why| Failure::new(Code::Negative, format!("cluster `{}` is still there: {why}", key.name));
        control.until(&Own::Cluster.resource(), key, patience, is_gone).await.map_err(still)
    }

    /// Removes the account from the member. The namespace goes only when nothing else is in it.
    async fn clean(&self, member: &Reached, patience: Duration) -> Result<(), Failure> {
        let namespace = &self.between.cluster_namespace;
        let objects = in_member(&self.between.name, namespace);
        let (space, account) = objects.split_first().expect("the namespace is the first");
        debug_assert!(account.iter().any(|object| object.name() == role_name(&self.between.name)));
        for object in account.iter().rev() {
            if member.delete(&resource_of(object), &ObjectKey::of(object)).await? {
                say(member, &reference(object));
            }
        }
        let accounts = member.list(&core("ServiceAccount"), Some(namespace)).await?;
        let others = accounts.iter().filter(|account| account.name() != "default" && !account.is_deleting()).count();
        let secrets = member.list(&secrets(), Some(namespace)).await?.iter().filter(|secret| !secret.is_deleting()).count();
        if others + secrets > 0 {
            eprintln!("namespace `{namespace}` stays in the cluster: others use it");
        } else if member.delete(&resource_of(space), &ObjectKey::of(space)).await? {
            let is_gone = |found: Option<&Object>| match found {
                None => Ok(()),
                Some(_) => Err(format!("namespace `{namespace}` of the cluster is being emptied")),
            };
            let gone = member.until(&resource_of(space), &ObjectKey::of(space), patience, is_gone).await;
            gone.map_err(|why| Failure::new(Code::Negative, format!("{why} after {} s", patience.as_secs())))?;
            say(member, &reference(space));
        }
        Ok(())
    }
}

/// Takes a finalizer of ours from an object.
async fn release(control: &Reached, resource: &Resource, object: &Object, finalizer: &str) -> Result<(), Failure> {
    let finalizers = object.at(&["metadata", "finalizers"]).and_then(Value::as_array);
    let left: Vec<&Value> = finalizers.into_iter().flatten().filter(|known| *known != finalizer).collect();
    let patch = json!({"metadata": {"finalizers": left, "resourceVersion": object.resource_version()}});
    match control.api.patch(resource, &ObjectKey::of(object), &patch).await {
        Err(error) if !error.is_not_found() => Err(control.failed(object.display(), &error)),
        _ => Ok(()),
    }
}

fn say(cluster: &Reached, what: &str) {
    print_line(format!("{}: {what} deleted", cluster.name.trim_start_matches("the ")));
}

fn secrets() -> Resource {
    core("Secret")
}

fn core(kind: &str) -> Resource {
    crate::reached::resource(&GroupVersionKind::new("v1", kind), true)
}
