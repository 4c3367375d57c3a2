//! What one call may use and what it leaves behind: memory, settings, the time, log lines.
//!
//! One of these is made for every call and thrown away after it; nothing in it reaches the next call.

use crate::contract::{host, kube, last_words, types};
use crate::kube_functions;
use flotilla_api::interpretation::{Operation, Origin};
use serde_json::Value;
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wasmtime::ResourceLimiter;

/// Lines that one call may log.
const LOG_LINES: usize = 64;
/// Bytes of one logged line that are kept.
const LOG_LINE_BYTES: usize = 2048;

/// Tells the time that a call is made at.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// The call wanted more memory than its limit.
#[derive(Debug, thiserror::Error)]
#[error("wanted {wanted} bytes of memory, the limit is {limit}")]
pub(crate) struct MemoryExceeded {
    pub wanted: usize,
    pub limit: usize,
}

/// State of one call.
pub(crate) struct Call {
    pub origin: Arc<Origin>,
    pub operation: Operation,
    pub settings: Arc<str>,
    pub clock: Clock,
    pub memory: Memory,
    /// The answer depends on the time of the call.
    pub asked_now: bool,
    pub log: Vec<LogLine>,
    /// Why it traps, if it says so.
    pub last_words: String,
}

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `trace` to `error`.
    pub level: &'static str,
    /// What it said, cut at 2 KiB.
    pub text: String,
}

/// Memory of all instances of one call together.
pub(crate) struct Memory {
    pub limit: usize,
    pub used: usize,
}

impl ResourceLimiter for Call {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory.used.saturating_sub(current).saturating_add(desired);
        if wanted > self.memory.limit {
            return Err(MemoryExceeded { wanted, limit: self.memory.limit }.into());
        }
        self.memory.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true) // bounded by the pool's `table_elements`
    }
}

impl types::Host for Call {}

impl host::Host for Call {
    fn log(&mut self, level: host::Level, mut text: String) {
        if self.log.len() >= LOG_LINES {
            return;
        }
        let cut = text.floor_char_boundary(LOG_LINE_BYTES);
        text.truncate(cut);
        let (plugin, hook) = (&self.origin.plugin, self.operation.hook());
        let level = match level {
            host::Level::Trace => "trace",
            host::Level::Debug => "debug",
            host::Level::Info => "info",
            host::Level::Warn => "warn",
            host::Level::Error => "error",
        };
        match level {
            "error" => tracing::error!(target: "plugin", plugin, hook, "{text}"),
            "warn" => tracing::warn!(target: "plugin", plugin, hook, "{text}"),
            "info" => tracing::info!(target: "plugin", plugin, hook, "{text}"),
            "debug" => tracing::debug!(target: "plugin", plugin, hook, "{text}"),
            _ => tracing::trace!(target: "plugin", plugin, hook, "{text}"),
        }
        self.log.push(LogLine { level, text });
    }

    fn settings(&mut self) -> String {
        self.settings.to_string()
    }

    fn now(&mut self) -> String {
        self.asked_now = true;
        rfc3339((self.clock)())
    }
}

impl last_words::Host for Call {
    fn say(&mut self, character: char) {
        if self.last_words.len() < LOG_LINE_BYTES {
            self.last_words.push(character);
        }
    }
}

impl Call {
    /// What it logged. Of a call that failed its last words are the end.
    pub fn into_log(mut self) -> Vec<LogLine> {
        if !self.last_words.is_empty() {
            let text = std::mem::take(&mut self.last_words);
            host::Host::log(&mut self, host::Level::Error, text);
        }
        self.log
    }
}

/// RFC 3339 in UTC, whole seconds.
pub(crate) fn rfc3339(time: OffsetDateTime) -> String {
    let whole = time.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).expect("years of a clock have four digits")
}

impl kube::Host for Call {
    fn pod_requirements(&mut self, pod_template: String) -> Result<Option<String>, String> {
        let template = json(&pod_template)?;
        let needs = kube_functions::pod_requirements(&template).map_err(|wrong| wrong.to_string())?;
        Ok(needs.map(|needs| serde_json::to_string(&needs).expect("requirements are plain JSON")))
    }

    fn pod_dependencies(&mut self, pod_template: String, namespace: Option<String>) -> Result<Vec<types::Reference>, String> {
        let template = json(&pod_template)?;
        let found = kube_functions::pod_dependencies(&template, namespace.as_deref()).map_err(|wrong| wrong.to_string())?;
        Ok(found.into_iter().map(reference).collect())
    }

    fn quantity_sum(&mut self, quantities: Vec<String>) -> Result<String, String> {
        kube_functions::quantity_sum(&quantities)
    }

    fn quantity_compare(&mut self, a: String, b: String) -> Result<i32, String> {
        kube_functions::quantity_compare(&a, &b)
    }

    fn quantity_value(&mut self, quantity: String) -> Result<f64, String> {
        kube_functions::quantity_value(&quantity)
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|wrong| format!("the pod template is not JSON: {wrong}"))
}

fn reference(found: flotilla_api::work::DependentObjectReference) -> types::Reference {
    types::Reference {
        api_version: found.api_version,
        kind: found.kind,
        namespace: found.namespace,
        name: found.name,
        label_selector: None,
    }
}
