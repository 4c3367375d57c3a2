//! What is counted, for Prometheus. Labels are bounded: kinds, controllers, plugins; never the name of an object or a namespace.
//!
//! Names and labels are documented in `docs/operations.md`; renaming one is a breaking change.

use crate::cluster_api::Resource;
use crate::health::Activity;
use crate::queues::Queues;
use flotilla_api::interpretation::Layer;
use flotilla_interpreter::metrics::{BUCKETS, HookMetrics};
use flotilla_interpreter::{CONTRACT, LoadReason, PluginStore};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::time::Instant;

/// Upper bounds of the durations of reconciles, in seconds.
const RECONCILE_SECONDS: [f64; 12] = [0.000_1, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Which kind of cluster something was asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterRole {
    /// The control plane.
    Control,
    /// A member.
    Member,
}

impl ClusterRole {
    /// `control` or `member`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Member => "member",
        }
    }
}

/// Label sets, each of fixed names.
type Labels<const N: usize> = [(&'static str, String); N];

/// All counters of one process; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconciles: Family<Labels<2>, Histogram, fn() -> Histogram>,
    retries: Family<Labels<1>, Counter>,
    writes: Family<Labels<4>, Counter>,
    watch_restarts: Family<Labels<2>, Counter>,
    load_failures: Family<Labels<2>, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            reconciles: Family::new_with_constructor(|| Histogram::new(RECONCILE_SECONDS)),
            retries: Family::default(),
            writes: Family::default(),
            watch_restarts: Family::default(),
            load_failures: Family::default(),
        }
    }
}

impl Metrics {
    /// A reconcile of this controller ended.
    pub fn reconciled(&self, controller: &'static str, is_ok: bool, took: Duration) {
        let result = if is_ok { "ok" } else { "error" };
        self.reconciles.get_or_create(&[("controller", controller.into()), ("result", result.into())]).observe(took.as_secs_f64());
        if !is_ok {
            self.retries.get_or_create(&[("queue", controller.into())]).inc();
        }
    }

    /// A write was asked of a cluster; `resource` as [`Resource::label`] says, `code` as [`crate::cluster_api::ApiError::label`], or `ok`.
    pub fn wrote(&self, cluster: ClusterRole, verb: &'static str, resource: String, code: String) {
        let labels = [("cluster", cluster.label().into()), ("verb", verb.into()), ("resource", resource), ("code", code)];
        self.writes.get_or_create(&labels).inc();
    }

    /// A watch failed and begins anew.
    pub fn watch_failed(&self, cluster: ClusterRole, resource: &Resource) {
        self.watch_restarts.get_or_create(&[("cluster", cluster.label().into()), ("resource", resource.label(false))]).inc();
    }

    /// A plugin was refused; `plugin` is its name where it says one.
    pub fn load_failed(&self, plugin: Option<&str>, reason: LoadReason) {
        self.load_failures.get_or_create(&[("plugin", plugin.unwrap_or("unknown").into()), ("reason", reason.to_string())]).inc();
    }

    /// Everything as OpenMetrics text; what runs and `plugins` where there are some yet.
    pub fn text(&self, is_leader: bool, running: Option<(&Queues, &Activity)>, plugins: Option<Arc<PluginStore>>) -> String {
        let mut registry = Registry::with_prefix("flotilla");
        registry.register("leader", "1 while this process leads, 0 while it stands by", gauge(f64::from(u8::from(is_leader))));
        registry.register("reconcile_seconds", "Durations of reconciles", self.reconciles.clone());
        registry.register("queue_retries", "Reconciles that failed and are tried again", self.retries.clone());
        registry.register("api_writes", "Writes asked of clusters, by what came of them", self.writes.clone());
        registry.register("watch_restarts", "Watches that failed and began anew", self.watch_restarts.clone());
        registry.register("plugin_load_failures", "Plugins that were refused", self.load_failures.clone());
        if let Some((queues, activity)) = running {
            registry.register("watch_silent_seconds", "Time since the watch that was silent for longest was heard of", silence(activity));
            let (depth, oldest) = (Family::<Labels<1>, FloatGauge>::default(), Family::<Labels<1>, FloatGauge>::default());
            for state in queues.states() {
                let labels = [("queue", state.name.to_owned())];
                depth.get_or_create(&labels).set(state.depth as f64);
                oldest.get_or_create(&labels).set(state.oldest.as_secs_f64());
            }
            registry.register("queue_depth", "Keys that wait or are at work", depth);
            registry.register("queue_oldest_seconds", "Time that the oldest key that could be at work, or is, has waited", oldest);
        }
        if let Some(plugins) = plugins {
            registry.register_collector(Box::new(PluginMetrics(plugins)));
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a String takes any text");
        text
    }
}

type FloatGauge = Gauge<f64, AtomicU64>;

/// How long the most silent watch of each resource has not been heard of.
fn silence(activity: &Activity) -> Family<Labels<2>, FloatGauge> {
    let (family, now) = (Family::<Labels<2>, FloatGauge>::default(), Instant::now());
    for (role, watches) in [(ClusterRole::Control, &activity.watches), (ClusterRole::Member, &activity.in_members)] {
        for watch in watches {
            let gauge = family.get_or_create_owned(&[("cluster", role.label().into()), ("resource", watch.resource.clone())]);
            gauge.set(gauge.get().max(now.saturating_duration_since(watch.heard).as_secs_f64()));
        }
    }
    family
}

fn gauge(value: f64) -> FloatGauge {
    let gauge = FloatGauge::default();
    gauge.set(value);
    gauge
}

/// What plugins counted themselves, read when it is asked for.
struct PluginMetrics(Arc<PluginStore>);

impl fmt::Debug for PluginMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PluginMetrics")
    }
}

impl Collector for PluginMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let plugins = self.0.chain().plugins();
        let mut info = encoder.encode_descriptor("plugin_info", "Plugins that answer", None, MetricType::Gauge)?;
        for plugin in &plugins {
            let origin = plugin.origin();
            let labels = [
                ("plugin", origin.plugin.as_str()),
                ("version", &origin.version),
                ("digest", &origin.digest),
                ("contract", CONTRACT),
                ("layer", if origin.layer == Layer::BuiltIn { "built-in" } else { "loaded" }),
            ];
            ConstGauge::new(1i64).encode(info.encode_family(&labels)?)?;
        }
        let mut memory = encoder.encode_descriptor("plugin_memory_bytes", "Most memory that a call used", None, MetricType::Gauge)?;
        for plugin in &plugins {
            ConstGauge::new(plugin.counters().memory()).encode(memory.encode_family(&[("plugin", plugin.name())])?)?;
        }
        let hooks: Vec<(&str, HookMetrics)> =
            plugins.iter().flat_map(|plugin| plugin.counters().hooks().into_iter().map(|hook| (plugin.name(), hook))).collect();
        let help = "Time that compiling took, or taking the compiled form from the cache";
        let mut compiled = encoder.encode_descriptor("plugin_compile_seconds", help, None, MetricType::Gauge)?;
        for plugin in &plugins {
            ConstGauge::new(plugin.compiled_in().as_secs_f64()).encode(compiled.encode_family(&[("plugin", plugin.name())])?)?;
        }
        let mut calls = encoder.encode_descriptor("plugin_calls", "Calls of hooks, by what came of them", None, MetricType::Counter)?;
        for (plugin, hook) in &hooks {
            for (result, count) in &hook.results {
                let labels = [("plugin", *plugin), ("hook", hook.operation.hook()), ("result", *result)];
                ConstCounter::new(*count).encode(calls.encode_family(&labels)?)?;
            }
        }
        let help = "Questions that were answered without a call, from memory";
        let mut remembered = encoder.encode_descriptor("plugin_remembered", help, None, MetricType::Counter)?;
        for (plugin, hook) in &hooks {
            ConstCounter::new(hook.remembered).encode(remembered.encode_family(&hook_labels(plugin, hook))?)?;
        }
        let mut seconds = encoder.encode_descriptor("plugin_call_seconds", "Durations of calls", None, MetricType::Histogram)?;
        for (plugin, hook) in &hooks {
            encode_durations(seconds.encode_family(&hook_labels(plugin, hook))?, hook)?;
        }
        Ok(())
    }
}

fn hook_labels<'a>(plugin: &'a str, hook: &'a HookMetrics) -> [(&'static str, &'a str); 2] {
    [("plugin", plugin), ("hook", hook.operation.hook())]
}

/// The buckets are cumulated where they are counted, and again where they are encoded: in between they must not be.
fn encode_durations(mut encoder: MetricEncoder<'_>, hook: &HookMetrics) -> fmt::Result {
    let bounds = BUCKETS.iter().map(|micros| *micros as f64 / 1e6).chain([f64::MAX]);
    let single = hook.buckets.iter().scan(0, |before, sum| {
        let count = sum - *before;
        *before = *sum;
        Some(count)
    });
    let buckets: Vec<(f64, u64)> = bounds.zip(single).collect();
    let count = hook.buckets.last().copied().unwrap_or(0);
    encoder.encode_histogram::<NoLabels>(hook.total.as_secs_f64(), count, &buckets, None)
}

/// No exemplars, hence no labels of exemplars.
type NoLabels = [(&'static str, &'static str); 0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Watch;
    use crate::watch::Own;

    #[test]
    fn what_is_counted_is_told_by_kind_and_never_by_object() {
        let metrics = Metrics::default();
        metrics.reconciled("bindings", false, Duration::from_millis(3));
        metrics.wrote(ClusterRole::Member, "patch", Own::Work.resource().label(true), "409".to_owned());
        metrics.watch_failed(ClusterRole::Control, &Own::Namespace.resource());
        metrics.load_failed(None, LoadReason::TooLarge);
        let queues = Queues::new(crate::queues::Windows::default(), metrics.clone());
        queues.discovery.add(());
        let heard = Instant::now() - Duration::from_secs(90);
        let watch = |resource: &str| Watch { resource: resource.into(), is_followed: true, is_synced: true, is_required: true, heard };
        let activity = Activity { in_members: vec![watch("deployments.apps"), watch("deployments.apps")], ..Activity::default() };
        let text = metrics.text(true, Some((&queues, &activity)), None);
        let silent = text.lines().find(|line| line.starts_with("flotilla_watch_silent_seconds{"));
        assert!(silent.is_some_and(|line| line.contains(r#"{cluster="member",resource="deployments.apps"} 90."#)), "{text}");
        for line in [
            r"flotilla_leader 1.0",
            r#"flotilla_reconcile_seconds_bucket{le="0.005",controller="bindings",result="error"} 1"#,
            r#"flotilla_queue_retries_total{queue="bindings"} 1"#,
            r#"flotilla_api_writes_total{cluster="member",verb="patch",resource="works.work.karmada.io/status",code="409"} 1"#,
            r#"flotilla_watch_restarts_total{cluster="control",resource="namespaces"} 1"#,
            r#"flotilla_plugin_load_failures_total{plugin="unknown",reason="TooLarge"} 1"#,
            r#"flotilla_queue_depth{queue="discovery"} 1.0"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
    }
}
