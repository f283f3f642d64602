//! What a store holds: the host's side of one instance, and of the call under way in it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rollcage_core::{
    Call, CallUsage, Denial,
    host::TargetGate,
    secret::{Masker, SharedMasker},
};
use tokio::runtime::Handle;
use wasmtime::{StoreContextMut, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    clock::{GuestClock, Sleeps, TimeView},
    egress::{EgressCall, WasiEgress},
    limiter::Limiter,
    log::{Log, LogStream, Stream},
    policy::Policy,
    progress::Progress,
    stop::Stop,
    subject::Subject,
};

/// Largest number of random bytes that a guest gets at once: the host makes them before it hands them over.
const RANDOM: u64 = 1 << 20;

/// The host's side of one instance.
pub(crate) struct Ctx {
    pub(crate) policy: Arc<Policy>,
    pub(crate) limiter: Limiter,
    pub(crate) log: Log,
    pub(crate) call: CallState,
    table: ResourceTable,
    sleeps: Sleeps,
    clock: GuestClock,
    /// Made when first asked for: small guests never do.
    wasi: Option<WasiCtx>,
    wasi_http: WasiHttpCtx,
}

/// The call under way.
pub(crate) struct CallState {
    pub(crate) progress: Arc<Progress>,
    pub(crate) namespace: String,
    pub(crate) subject: Subject,
    pub(crate) masker: SharedMasker,
    /// Where host functions do input and output.
    pub(crate) io: Handle,
    targets: Option<Arc<dyn TargetGate>>,
    denials: Vec<Denial>,
    wasi_http: Option<WasiEgress>,
    usage: Option<Arc<Mutex<CallUsage>>>,
    /// Whether the guest has just come back from giving way to others.
    pub(crate) gave_way: bool,
}

impl CallState {
    /// What the instance's side of a call needs of it.
    pub(crate) fn new(call: &Call, subject: Subject, progress: Arc<Progress>, io: Handle) -> Self {
        Self {
            progress,
            namespace: call.namespace.clone(),
            subject,
            masker: SharedMasker::new(call.secrets.clone()),
            io,
            targets: call.targets.clone(),
            denials: Vec::new(),
            wasi_http: None,
            usage: call.usage.clone(),
            gave_way: false,
        }
    }

    /// Notes what the call used, when somebody wants to know.
    pub(crate) fn note(&self, note: impl FnOnce(&mut CallUsage)) {
        if let Some(usage) = &self.usage {
            note(&mut usage.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Notes that a host function said no.
    pub(crate) fn deny(&mut self, denial: Denial) {
        self.note(|usage| usage.denials.push(denial.clone()));
        self.denials.push(denial);
    }

    /// Host calls that were denied so far, of every kind.
    pub(crate) fn denials(&self) -> Vec<Denial> {
        let mut denials = self.denials.clone();
        denials.extend(self.progress.http_denials());
        denials
    }

    /// The call's share of the HTTP guard.
    pub(crate) fn egress(&self, policy: &Policy) -> EgressCall {
        let make = || {
            // The guard notes denials and requests itself.
            let call = Call {
                targets: self.targets.clone(),
                usage: self.usage.clone(),
                ..Call::default()
            };
            let limits = &policy.limits;
            let deadline = self.progress.deadline();
            EgressCall::new(&call, deadline, self.masker.clone(), limits.input.0, limits.output.0)
        };
        self.progress.egress(make).clone()
    }

    /// The secrets in play now.
    pub(crate) fn masker(&self) -> Masker {
        self.masker.current()
    }
}

impl Ctx {
    pub(crate) fn new(policy: &Arc<Policy>, call: CallState) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(policy.ceilings.handles);
        let log = Log::new(policy);
        log.begin(call.masker.clone());
        Self {
            limiter: Limiter::new(policy),
            log,
            call,
            table,
            sleeps: Sleeps::default(),
            clock: GuestClock::new(Arc::clone(&policy.host.clock)),
            wasi: None,
            wasi_http: WasiHttpCtx::new(),
            policy: Arc::clone(policy),
        }
    }

    /// The next call of a warm instance.
    pub(crate) fn begin(&mut self, call: CallState) {
        self.log.begin(call.masker.clone());
        self.call = call;
    }

    /// The call is over: what it used is noted.
    pub(crate) fn end(&mut self) {
        let log = self.log.end();
        let memory = self.limiter.peak();
        self.call.note(|usage| {
            usage.guest_memory_bytes = usage.guest_memory_bytes.max(memory);
            usage.log.extend(log);
        });
    }

    /// Now, as the guest sees it.
    pub(crate) fn now(&self) -> Timestamp {
        self.policy.host.clock.now()
    }

    pub(crate) fn time(&mut self) -> TimeView<'_> {
        TimeView {
            table: &mut self.table,
            sleeps: &mut self.sleeps,
            clock: &self.clock,
            progress: &self.call.progress,
        }
    }

    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self {
            wasi,
            table,
            policy,
            clock,
            log,
            ..
        } = self;
        let ctx = wasi.get_or_insert_with(|| {
            // Nothing of the process is inherited; sockets and name look-ups are off, no folder is opened.
            WasiCtx::builder()
                .envs(&policy.env)
                .stdout(LogStream::new(log, Stream::Out))
                .stderr(LogStream::new(log, Stream::Error))
                .wall_clock(clock.clone())
                .monotonic_clock(clock.clone())
                .max_random_size(RANDOM)
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false)
                .build()
        });
        WasiCtxView { ctx, table }
    }
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let call = self.call.egress(&self.policy);
        let policy = &self.policy;
        let hooks = self
            .call
            .wasi_http
            .get_or_insert_with(|| WasiEgress::new(policy.egress.clone(), call));
        WasiHttpCtxView {
            ctx: &mut self.wasi_http,
            table: &mut self.table,
            hooks,
        }
    }
}

/// Counts bytes that a host function took from the guest. What is left bounds the next one's arguments, and the answer,
/// before the host copies them.
pub(crate) fn charge(store: &mut StoreContextMut<'_, Ctx>, bytes: usize) -> wasmtime::Result<()> {
    match store.hostcall_fuel().checked_sub(bytes) {
        Some(left) => {
            store.set_hostcall_fuel(left);
            Ok(())
        }
        None => Err(Stop::output(&store.data().policy.limits).into()),
    }
}
