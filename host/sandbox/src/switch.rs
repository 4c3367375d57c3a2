//! Faults of members, switched while a sandbox runs: the ConfigMap `kube-system/flotilla-sandbox-faults` of the control plane holds a
//! line of faults for each member. It is where it can be reached whatever the members suffer.

use crate::faults::Suffering;
use crate::request::User;
use crate::server::ApiServer;
use crate::simulation::NodeFaults;
use crate::storage::Key;
use crate::writes::{self, Write};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Namespace of the ConfigMap: one that every cluster has, and that is not propagated from.
pub const NAMESPACE: &str = "kube-system";
/// Its name.
pub const NAME: &str = "flotilla-sandbox-faults";

/// What of a member can be made to fail: its API server, and its nodes.
pub type Member = (ApiServer, watch::Sender<NodeFaults>);

/// Makes the ConfigMap, empty.
pub fn create(control: &ApiServer) {
    let (types, user) = (control.registry().types(), User::default());
    let Some(of) = types.find("", "v1", "configmaps") else { return };
    let write = Write { manager: "flotilla-sandbox", ..Write::internal(of, Some(NAMESPACE), &user) };
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": NAMESPACE}});
    if let Err(error) = writes::create(control, &write, object, &mut Vec::new()) {
        tracing::warn!(error = error.message, "no ConfigMap of faults");
    }
}

/// Follows the ConfigMap until the control plane is stopped. A line that cannot be read changes nothing.
pub async fn run(control: ApiServer, members: Vec<Member>) {
    let mut changes = control.store().subscribe(&"configmaps".into());
    let mut seen = Value::Null;
    loop {
        let data = control.store().get(&"configmaps".into(), &Key::new(NAMESPACE, NAME)).map(|entry| entry.value()["data"].clone());
        let data = data.unwrap_or_default();
        if data != seen {
            for member in &members {
                switch(member, data[member.0.name()].as_str().unwrap_or(""));
            }
            seen = data;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = control.stopped() => return,
        }
    }
}

fn switch((member, nodes): &Member, line: &str) {
    match line.parse::<Suffering>() {
        Ok(wanted) if wanted.requests == member.faults() && wanted.nodes == *nodes.borrow() => {}
        Ok(wanted) => {
            tracing::info!(member = member.name(), faults = line, "faults switched");
            member.set_faults(wanted.requests);
            nodes.send_replace(wanted.nodes);
        }
        Err(problem) => tracing::warn!(member = member.name(), problem, "faults not understood, nothing is changed"),
    }
}
