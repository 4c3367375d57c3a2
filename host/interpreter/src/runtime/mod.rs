//! Runs components: one engine with a pool of instances, a deadline and a memory limit for every call, a fresh instance each time.
//!
//! Knows nothing of objects or layers; text goes in, typed answers come out, and why there is none is told by types, never by text.

mod call;
mod deadline;
mod permits;
mod wasi;

pub(crate) use call::Call;
pub use call::{Clock, LogLine};
pub(crate) use wasi::is_wasi;

/// A component tied to the host's functions.
pub(crate) type Linked = InstancePre<Call>;

use crate::cache::ArtefactCache;
use call::{Memory, MemoryExceeded};
use deadline::Ticker;
use flotilla_api::interpretation::{ErrorClass, Operation, Origin};
use permits::Permits;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, HasSelf, InstancePre, Lift, Linker, Lower};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, Trap};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Instances that may live at once, in all plugins together.
const INSTANCES: u32 = 32;
/// Most memory that a manifest may give to a call.
pub(crate) const MEMORY_CEILING: usize = 1024 * MIB;
/// Longest deadline that a manifest may give to a call.
pub(crate) const DEADLINE_CEILING: Duration = Duration::from_secs(10);
/// Largest answer that a manifest may allow.
pub(crate) const OUTPUT_CEILING: usize = 64 * MIB;

/// What one call of a plugin may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall time.
    pub deadline: Duration,
    /// Bytes of linear memory.
    pub memory: usize,
    /// Bytes of the answer, and of what is handed to a host function.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { deadline: Duration::from_millis(50), memory: 32 * MIB, output: MIB }
    }
}

/// Why a call gave no answer; the host's side of [`ErrorClass`].
#[derive(Debug)]
pub(crate) struct Failure {
    pub class: ErrorClass,
    pub detail: String,
    pub log: Vec<LogLine>,
}

/// A finished call.
pub(crate) struct Done<R> {
    pub answer: R,
    /// The answer used the time of the call: it must not be kept.
    pub asked_now: bool,
    /// Bytes of linear memory at the end.
    pub memory: usize,
    pub log: Vec<LogLine>,
}

/// Who is called, and with which limits.
#[derive(Clone)]
pub(crate) struct Callee {
    pub origin: Arc<Origin>,
    pub settings: Arc<str>,
    pub limits: Limits,
    pub instance: Linked,
}

/// The engine with all that calls share. Make one for a process.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Call>,
    permits: Permits,
    ticker: Ticker,
    cache: ArtefactCache,
    clock: Clock,
}

impl Runtime {
    /// A runtime that keeps compiled components under the user's cache directory.
    pub fn new() -> wasmtime::Result<Self> {
        Self::with_cache(ArtefactCache::in_user_directory())
    }

    /// A runtime with a cache of the caller's choice.
    pub fn with_cache(cache: ArtefactCache) -> wasmtime::Result<Self> {
        let engine = engine()?;
        let mut linker = Linker::new(&engine);
        crate::contract::EveryHook::add_to_linker::<_, HasSelf<_>>(&mut linker, |call| call)?;
        Ok(Self {
            ticker: Ticker::start(&engine)?,
            permits: Permits::new(INSTANCES as usize),
            clock: Arc::new(OffsetDateTime::now_utc),
            engine,
            linker,
            cache,
        })
    }

    /// The same runtime, with hooks that ask for the time told this one.
    pub fn at(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The engine, for reading component types.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a component, or takes the compiled form from the cache.
    pub(crate) fn compile(&self, wasm: &[u8], digest: &str) -> wasmtime::Result<Component> {
        self.cache.component(&self.engine, wasm, digest)
    }

    /// Ties a component to the host's functions; imports of WASI get stubs that do and tell nothing.
    pub(crate) fn link(&self, component: &Component) -> wasmtime::Result<Linked> {
        let mut linker = self.linker.clone();
        wasi::add_stubs(&mut linker, component)?;
        linker.instantiate_pre(component)
    }

    /// Calls one function of a fresh instance.
    pub(crate) fn call<P, R>(
        &self,
        callee: &Callee,
        operation: Operation,
        function: &ComponentExportIndex,
        parameters: P,
    ) -> Result<Done<R>, Failure>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let _permit = self.permits.acquire();
        let _running = self.ticker.running();
        let mut store = self.store(callee, operation);
        let answer = (|| {
            let instance = callee.instance.instantiate(&mut store)?;
            let function = instance.get_typed_func::<P, R>(&mut store, function)?;
            function.call(&mut store, parameters)
        })();
        let call = store.into_data();
        match answer {
            Ok(answer) => Ok(Done { answer, asked_now: call.asked_now, memory: call.memory.used, log: call.log }),
            Err(error) => Err(Failure { log: call.into_log(), ..classify(&error, &callee.limits) }),
        }
    }

    /// Whether a function of the component has this type.
    pub(crate) fn check<P, R>(&self, callee: &Callee, operation: Operation, function: &ComponentExportIndex) -> Result<(), String>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let _permit = self.permits.acquire();
        let _running = self.ticker.running();
        let mut store = self.store(callee, operation);
        let instance = callee.instance.instantiate(&mut store).map_err(|why| why.root_cause().to_string())?;
        instance.get_typed_func::<P, R>(&mut store, function).map(drop).map_err(|why| format!("{why:#}"))
    }

    fn store(&self, callee: &Callee, operation: Operation) -> Store<Call> {
        let call = Call {
            origin: Arc::clone(&callee.origin),
            operation,
            settings: Arc::clone(&callee.settings),
            clock: Arc::clone(&self.clock),
            memory: Memory { limit: callee.limits.memory, used: 0 },
            asked_now: false,
            log: Vec::new(),
            last_words: String::new(),
        };
        let mut store = Store::new(&self.engine, call);
        store.limiter(|call| call);
        store.set_hostcall_fuel(callee.limits.output);
        deadline::set(&mut store, callee.limits.deadline);
        store
    }
}

/// The class of a failed call. What the guest did while it ran is a [`Trap`] or one of our own errors; anything else is an answer
/// that could not be read.
fn classify(error: &wasmtime::Error, limits: &Limits) -> Failure {
    let failure = |class, detail| Failure { class, detail, log: Vec::new() };
    if error.downcast_ref::<MemoryExceeded>().is_some() {
        return failure(ErrorClass::Memory, format!("needs more than its {} of memory", bytes(limits.memory)));
    }
    if error.downcast_ref::<deadline::Passed>().is_some() {
        return failure(ErrorClass::Deadline, format!("passed its {:?} deadline", limits.deadline));
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => {
            let trap = trap.to_string();
            failure(ErrorClass::Trap, format!("trapped: {}{}", trap.trim_start_matches("wasm trap: "), frames(error)))
        }
        None if error.downcast_ref::<wasi::Exited>().is_some() => failure(ErrorClass::Trap, "ended itself".to_owned()),
        None => failure(ErrorClass::BadOutput, format!("it cannot be read: {}", error.root_cause())),
    }
}

/// Where a trap happened, as far as the component kept its names: ` (in a, called by b)`.
fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return String::new() };
    let names: Vec<&str> = trace.frames().iter().filter_map(wasmtime::FrameInfo::func_name).take(4).collect();
    if names.is_empty() { String::new() } else { format!(" (in {})", names.join(", called by ")) }
}

/// A size for people: `32 MiB`, `1 MiB`, `100 KiB`.
pub(crate) fn bytes(count: usize) -> String {
    match count {
        _ if count >= MIB && count.is_multiple_of(MIB) => format!("{} MiB", count / MIB),
        _ if count >= KIB && count.is_multiple_of(KIB) => format!("{} KiB", count / KIB),
        _ => format!("{count} bytes"),
    }
}

/// Pool and copy-on-write memory make a fresh instance cost microseconds; where the kernel can tell which pages an instance
/// dirtied (`PAGEMAP_SCAN`, Linux 6.7) they are reset in place, elsewhere the first pages are zeroed and the rest given back.
fn engine() -> wasmtime::Result<Engine> {
    Engine::new(&config(|pool| {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(2 * MIB).table_keep_resident(64 * KIB);
    }))
    .or_else(|_| {
        Engine::new(&config(|pool| {
            pool.linear_memory_keep_resident(128 * KIB).table_keep_resident(16 * KIB);
        }))
    })
}

/// The numbers for each component leave room for guests that consist of many core modules (Go, Python).
fn config(reset: impl Fn(&mut PoolingAllocationConfig)) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .max_component_instance_size(4 * MIB)
        .total_core_instances(INSTANCES * 64)
        .max_core_instances_per_component(64)
        .max_core_instance_size(2 * MIB)
        .total_memories(INSTANCES * 2)
        .max_memories_per_component(2)
        .max_memory_size(MEMORY_CEILING)
        .total_tables(INSTANCES * 16)
        .max_tables_per_component(16)
        .max_tables_per_module(4)
        .table_elements(50_000)
        .max_unused_warm_slots(INSTANCES)
        .decommit_batch_size(16);
    reset(&mut pool);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .max_wasm_stack(512 * KIB)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    config
}
