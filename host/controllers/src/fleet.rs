//! Starts all controllers of a process, and says what wakes what.
//!
//! Listeners only enqueue: whatever needs to be looked up is looked up by the reconcile.

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use crate::clusters::ClusterList;
use crate::context::{Context, Error, Options, Outcomes};
use crate::events::Events;
use crate::health::Activity;
use crate::lasting::Watching;
use crate::members::{Connect, MemberListener, Members};
use crate::policies::Policies;
use crate::queue::Next;
use crate::queues::{BindingKey, Queues, TemplateKey};
use crate::served::{GroupKind, Served};
use crate::store::Change;
use crate::task::Task;
use crate::traces::Traces;
use crate::watch::{ControlPlane, Own, OwnListener, TemplateListener};
use crate::{binding, binding_status, cluster, definitions, detector, execution, namespaces, policies, work_status};
use flotilla_api::cluster::Cluster;
use flotilla_api::interpretation::Interpreter;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::{labels, names};
use flotilla_core::scheduling::wake;
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// All controllers of one process, running until dropped. Everything that they started ends then, and no request is sent any more.
pub struct Fleet {
    context: Arc<Context>,
    tasks: Vec<(&'static str, Task)>,
    clusters: Arc<cluster::Clusters>,
    definitions: Watching,
}

impl Fleet {
    /// Starts the controllers against a control plane and waits until their caches are filled.
    pub async fn start(
        control: ClusterApi,
        connect: Box<dyn Connect>,
        interpreter: Arc<dyn Interpreter>,
        options: Options,
    ) -> Result<Self, regex::Error> {
        let queues = Queues::new(options.windows, control.metrics().clone());
        let shared: Arc<OnceLock<std::sync::Weak<Context>>> = Arc::default();
        let own_listener = own_listener(queues.clone(), shared.clone());
        let traces = Arc::<Traces>::default();
        let template_listener = template_listener(queues.clone(), traces.clone());
        let context = Arc::new(Context {
            control: ControlPlane::new(control.clone(), options.served.clone(), own_listener, template_listener),
            members: Members::new(control.clone(), connect, member_listener(queues.clone())),
            clusters: ClusterList::default(),
            policies: Policies::new(&options.skipped_namespaces)?,
            queues: queues.clone(),
            interpreter,
            events: Events::new(control.clone()),
            executed: Outcomes::default(),
            agreed: Outcomes::default(),
            decided: Outcomes::default(),
            awaited: Outcomes::default(),
            unwritten: Outcomes::default(),
            unrendered: Outcomes::default(),
            traces,
            options,
        });
        // Set once, right here.
        let _ = shared.set(Arc::downgrade(&context));
        let bindings = queues.bindings.clone();
        // Not before: what a template has become is not rendered for what was decided about what it was.
        queues.templates.when_finished(move |template| bindings.add(binding_of_template(template)));
        let discovery = queues.clone();
        let definitions = definitions::follow(&control, Arc::new(move || discovery.discovery.add(())));
        let clusters = cluster::Clusters::new(context.clone());
        let mut tasks = run_scouts(&context, &clusters);
        queues.discovery.add(());
        context.control.start().await;
        tracing::info!("the caches of the control plane are filled");
        run_works(&context);
        tasks.extend(run_arrows(&context));
        Ok(Self { context, tasks, clusters, definitions })
    }

    /// What all controllers share.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Plugins changed: everything that they may answer for is asked again.
    pub fn interpret_again(&self) {
        interpret_again(&self.context);
    }

    /// What the controllers are doing, for [`crate::health`].
    pub fn activity(&self) -> Activity {
        let control = &self.context.control;
        let tasks = self.tasks.iter().map(|(name, task)| (*name, !task.is_finished()));
        let own = Own::ALL.into_iter().map(|kind| control.own(kind).observe_watch(true));
        let templates = control.all_templates();
        Activity {
            tasks: tasks.chain([("execution", self.context.queues.is_executing())]).collect(),
            watches: own.chain(templates.iter().map(|store| store.observe_watch(false))).chain([self.definitions.observe()]).collect(),
            in_members: [self.context.members.watches(), self.clusters.watches()].concat(),
        }
    }

    /// Whether nothing waits and nothing is at work (probes of members aside).
    pub fn is_idle(&self) -> bool {
        self.context.queues.depths().iter().all(|(_, depth)| *depth == 0)
    }
}

/// Everything that depends on plugins is decided again; what stays the same is not written.
pub fn interpret_again(context: &Context) {
    for store in context.control.all_templates() {
        let kind = GroupKind::from(&store.resource().gvk());
        for key in store.keys().unwrap_or_default() {
            context.queues.templates.add(TemplateKey { kind: kind.clone(), key });
        }
    }
    for key in context.control.own(Own::Work).keys().unwrap_or_default() {
        if let Some(cluster) = key.namespace().and_then(names::cluster_of_execution_namespace) {
            context.queues.add_work(cluster, key.clone());
        }
        context.queues.settle_work_status(key);
    }
    for kind in [Own::ResourceBinding, Own::ClusterResourceBinding] {
        for key in context.control.own(kind).keys().unwrap_or_default() {
            context.queues.settle_binding_status(BindingKey { kind, key });
        }
    }
}

macro_rules! run {
    ($context:ident, $queue:ident, $at_once:literal, $reconcile:path) => {{
        let shared = $context.clone();
        let run = move |key| $reconcile(shared.clone(), key);
        let metrics = $context.queues.metrics.clone();
        (stringify!($queue), Task::spawn($context.queues.$queue.clone().run(stringify!($queue), $at_once, metrics, run)))
    }};
}

/// What finds out who is there, and so fills the caches.
fn run_scouts(context: &Arc<Context>, clusters: &Arc<cluster::Clusters>) -> Vec<(&'static str, Task)> {
    let clusters = clusters.clone();
    let probe = move |name| clusters.clone().reconcile(name);
    vec![
        ("clusters", Task::spawn(context.queues.clusters.clone().run("clusters", 64, context.queues.metrics.clone(), probe))),
        run!(context, discovery, 1, discover),
        run!(context, policies, 1, policies::reconcile),
    ]
}

/// What decides by all that is in the caches: before they are filled it could only fail, and be tried again later than need be.
fn run_arrows(context: &Arc<Context>) -> Vec<(&'static str, Task)> {
    vec![
        run!(context, templates, 16, detector::reconcile),
        run!(context, bindings, 16, binding::reconcile),
        run!(context, work_statuses, 16, work_status::reconcile),
        run!(context, binding_statuses, 16, binding_status::reconcile),
        run!(context, namespaces, 4, namespaces::reconcile),
    ]
}

/// Applies Works, a queue for each member.
fn run_works(context: &Arc<Context>) {
    // The context has the queues: they must not keep it.
    let shared = Arc::downgrade(context);
    context.queues.run_works(Arc::new(move |key| {
        let context = shared.upgrade();
        Box::pin(async move {
            let Some(context) = context else { return Ok(Next::Wait) };
            execution::reconcile(context, key).await.map_err(|error| error.to_string())
        })
    }));
}

/// What the control plane serves is asked again; kinds that policies wait for may have come.
async fn discover(context: Arc<Context>, (): ()) -> Result<Next, Error> {
    let resources = context.control.api.discover().await.map_err(crate::context::writing("discovery of the control plane"))?;
    if context.control.set_served(Served::new(resources)) {
        context.control.drop_unserved_templates()?;
        policies::watch_all(&context)?;
    }
    Ok(Next::Wait)
}

fn own_listener(queues: Arc<Queues>, context: Arc<OnceLock<std::sync::Weak<Context>>>) -> OwnListener {
    Arc::new(move |kind, change| {
        let context = context.get().and_then(std::sync::Weak::upgrade);
        match kind {
            Own::Cluster => cluster_changed(&queues, context.as_deref(), change),
            Own::PropagationPolicy | Own::ClusterPropagationPolicy | Own::OverridePolicy | Own::ClusterOverridePolicy => {
                if let (Some(context), Own::PropagationPolicy | Own::ClusterPropagationPolicy) = (&context, kind) {
                    context.policies.take(kind, change);
                }
                if change.is_desired_changed() {
                    queues.policies.add((kind, change.key.clone()));
                }
            }
            Own::ResourceBinding | Own::ClusterResourceBinding => {
                if let Some(context) = context.filter(|_| change.is_found) {
                    look_ahead(&context, &change.object());
                }
                binding_changed(&queues, kind, change);
            }
            Own::Work => work_changed(&queues, change),
            Own::Namespace => queues.namespaces.add(change.key.name.clone()),
        }
    })
}

/// A change of a cluster that can change decisions wakes all bindings; any change wakes the cluster's own controller.
fn cluster_changed(queues: &Queues, context: Option<&Context>, change: &Change) {
    if !change.is_own_write {
        queues.clusters.add(change.key.name.clone());
    }
    let Some(context) = context else { return };
    context.clusters.forget();
    let state = |object: &Object| Cluster::deserialize(&object.0).ok();
    let old = change.old.and_then(|old| state(&old.parse()));
    let new = change.new.and_then(|(_, new)| state(new));
    let matters = match (&old, &new) {
        (Some(old), Some(new)) => wake::matters(old, new) || old.is_ready() != new.is_ready(),
        _ => true,
    };
    if matters {
        wake_cluster(queues, context, &change.key.name);
    }
}

/// Bindings decide again, this cluster's Works are tried again, and namespaces are sent there.
fn wake_cluster(queues: &Queues, context: &Context, cluster: &str) {
    for kind in [Own::ResourceBinding, Own::ClusterResourceBinding] {
        for (key, cached) in context.control.own(kind).list().unwrap_or_default() {
            queues.bindings.add(BindingKey { kind, key });
            if let Some(template) = template_of(&cached.parse()) {
                queues.templates.add(template);
            }
        }
    }
    let space = names::execution_namespace(cluster);
    for key in context.control.own(Own::Work).keys().unwrap_or_default() {
        if key.namespace() == Some(&space) {
            queues.add_work(cluster, key);
        }
    }
    for key in context.control.own(Own::Namespace).keys().unwrap_or_default() {
        queues.namespaces.add(key.name);
    }
}

/// The template that a binding is of.
pub fn template_of(binding: &Object) -> Option<TemplateKey> {
    let text = |field: &str| binding.at(&["spec", "resource", field]).and_then(Value::as_str);
    Some(TemplateKey { kind: GroupKind::from(&template_kind_of(binding)?), key: ObjectKey::new(text("namespace"), text("name")?) })
}

/// The kind of the template that a binding is of, in the version that the binding names.
pub fn template_kind_of(binding: &Object) -> Option<GroupVersionKind> {
    let text = |field: &str| binding.at(&["spec", "resource", field]).and_then(Value::as_str);
    Some(GroupVersionKind::new(text("apiVersion")?, text("kind")?))
}

fn binding_of_template(template: &TemplateKey) -> BindingKey {
    BindingKey::new(template.key.namespace(), &names::binding_name(&template.kind.kind, &template.key.name))
}

fn binding_changed(queues: &Queues, kind: Own, change: &Change) {
    let key = BindingKey { kind, key: change.key.clone() };
    if change.is_desired_changed() {
        change.enqueue(&queues.bindings, key.clone());
        if !change.is_own_write && !change.is_found {
            // Somebody else wrote it, or it went: the template decides what it should be.
            queues.templates.extend(template_of(&change.object()));
        }
    }
    if change.new.is_some() && !change.is_own_write {
        queues.settle_binding_status(key);
    }
}

/// Begins to watch what a binding that was found has in its clusters: when its Works are applied, it is known.
fn look_ahead(context: &Context, binding: &Object) {
    let Some(gvk) = template_kind_of(binding) else { return };
    for target in binding.at(&["spec", "clusters"]).and_then(Value::as_array).into_iter().flatten() {
        let Some(member) = target.get("name").and_then(Value::as_str).and_then(|name| context.members.get(name)) else { continue };
        if let Some(resource) = member.served().as_ref().and_then(|served| served.resource(&gvk)) {
            member.store(resource);
        }
    }
}

fn work_changed(queues: &Queues, change: &Change) {
    let object = change.object();
    let cluster = change.key.namespace().and_then(names::cluster_of_execution_namespace);
    if let Some(cluster) = cluster.filter(|_| change.is_desired_changed()) {
        change.enqueue(&queues.works_of(cluster), change.key.clone());
    }
    if let Some(binding) = binding_of(&object) {
        if change.new.is_none() {
            queues.bindings.add(binding.clone());
        }
        queues.settle_binding_status(binding);
    } else if change.new.is_none() {
        // A Work without a binding is that of a namespace.
        for manifest in object.at(&["spec", "workload", "manifests"]).and_then(|manifests| manifests.as_array()).into_iter().flatten() {
            queues.namespaces.add(manifest["metadata"]["name"].as_str().unwrap_or_default().into());
        }
    }
}

fn binding_of(work: &Object) -> Option<BindingKey> {
    match work.annotation(labels::RESOURCE_BINDING_NAME) {
        Some(name) => Some(BindingKey::new(work.annotation(labels::RESOURCE_BINDING_NAMESPACE), name)),
        None => work.annotation(labels::CLUSTER_RESOURCE_BINDING_NAME).map(|name| BindingKey::new(None, name)),
    }
}

fn template_listener(queues: Arc<Queues>, traces: Arc<Traces>) -> TemplateListener {
    Arc::new(move |resource: &Resource, change: &Change| {
        traces.changed(change);
        if change.is_desired_changed() && !change.is_own_write {
            change.enqueue(&queues.templates, TemplateKey { kind: GroupKind::from(&resource.gvk()), key: change.key.clone() });
        }
    })
}

/// A member's object changed: if what it should be changed, its Work is applied again; its status is collected in any case.
fn member_listener(queues: Arc<Queues>) -> MemberListener {
    Arc::new(move |cluster, _, change| {
        let object = change.object();
        let (Some(namespace), Some(name)) = (object.annotation(labels::WORK_NAMESPACE), object.annotation(labels::WORK_NAME)) else {
            return;
        };
        let work = ObjectKey::new(Some(namespace), name);
        if change.is_desired_changed() && !change.is_own_write {
            change.enqueue(&queues.works_of(cluster), work.clone());
        }
        if change.new.is_some() {
            queues.settle_work_status(work);
        }
    })
}
