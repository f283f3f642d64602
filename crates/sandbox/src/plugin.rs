//! A plugin: a component under the policy of an entry, and the way of a call.
//!
//! ```text
//! caller's thread: trim the object, count bytes, start the deadline -> guest thread: instance (fresh or warm) -> init
//!   -> call -> answer -> caller's thread: meaning, masking                       |-> host functions -> caller's runtime
//! both sides look out for each other for a moment before they sleep, while calls come one right after the other
//! ticker: moves epochs; when the deadline passed and the guest thread does not react, the caller is told
//! ```

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Instant,
};

use futures::{
    FutureExt as _,
    future::{AbortHandle, abortable},
};
use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::{
    Call, CallError, Denial, Fault, FaultKind, MetricProvider, Phase, PluginId, Step, TrafficRouter,
    host::HostServices, secret::Masker,
};
use tokio::{
    runtime::Handle,
    sync::oneshot::{self, error::TryRecvError},
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};

use crate::{
    bindings::rollcage::plugin::types,
    component::Component,
    contract::Method,
    ctx::CallState,
    describe::Description,
    instance::{Live, host_deadline, mask},
    lookout::Expecting,
    policy::Policy,
    ports,
    progress::{Progress, Stage},
    sandbox::Sandbox,
    stop::Stop,
    subject::Subject,
    warm::Warm,
};

/// A component under the policy of an entry.
pub struct WasmPlugin {
    inner: Arc<Inner>,
    capabilities: OnceLock<Vec<String>>,
}

struct Inner {
    sandbox: Arc<Sandbox>,
    component: Arc<Component>,
    policy: Arc<Policy>,
    /// The same limits, nothing granted.
    bare: Arc<Policy>,
    warm: Warm,
    reaping: OnceLock<()>,
}

/// How an instance is set up for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    /// As the entry says.
    Serving,
    /// As the entry says, but thrown away.
    Rehearsal,
    /// With nothing granted and without `init`.
    Bare,
}

/// What a call came to.
pub(crate) struct Answer<R> {
    pub(crate) value: R,
    /// Host calls that were denied on the way.
    pub(crate) denials: Vec<Denial>,
    /// The secrets that were in play.
    pub(crate) masker: Masker,
}

/// What is done with an instance once it is there.
trait Work<R>: Send + 'static {
    fn run(self, live: &mut Live) -> impl Future<Output = Result<R, Box<Fault>>> + Send;
}

/// Calls one function.
struct Calling<P> {
    method: Method,
    params: P,
}

impl<P, R> Work<R> for Calling<P>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentType + Lift + Send + Sync + 'static,
{
    async fn run(self, live: &mut Live) -> Result<R, Box<Fault>> {
        live.call(self.method, self.params, Phase::Call).await
    }
}

/// Compares the types of all functions with the contract's.
struct Checking(PluginKind);

impl Work<()> for Checking {
    async fn run(self, live: &mut Live) -> Result<(), Box<Fault>> {
        ports::check_types(live, self.0)
    }
}

/// What the guest's thread tells the caller.
type Outcome<R> = Result<Answer<R>, Box<Fault>>;

impl WasmPlugin {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        id: &PluginId,
        component: &Arc<Component>,
        entry: &PluginEntry,
        host: HostServices,
    ) -> Result<Arc<Self>, Box<Fault>> {
        let policy = Policy::of_entry(id, entry, host, sandbox.config())?;
        if component.pooled(policy.limits.memory.0).is_none() {
            // Made now, so that no call waits for it.
            component.on_demand(id)?;
        }
        Ok(Arc::new(Self {
            inner: Arc::new(Inner {
                bare: Arc::new(policy.bare()?),
                policy: Arc::new(policy),
                component: Arc::clone(component),
                warm: Warm::new(&entry.instances),
                reaping: OnceLock::new(),
                sandbox,
            }),
            capabilities: OnceLock::new(),
        }))
    }

    /// Which plugin.
    pub fn id(&self) -> &PluginId {
        &self.inner.policy.id
    }

    /// Its code.
    pub fn component(&self) -> &Arc<Component> {
        &self.inner.component
    }

    /// Checks every function's type and runs `init` once, in an instance that is thrown away. Asks a router for its
    /// capabilities as well.
    pub async fn initialize(&self) -> Result<(), Box<Fault>> {
        let work = Checking(self.inner.component.kind());
        self.run(&Call::default(), Subject::Nothing, Setup::Rehearsal, work)
            .await?;
        if self.inner.component.kind() == PluginKind::TrafficRouter {
            self.ask_capabilities().await?;
        }
        Ok(())
    }

    /// What the plugin says of itself, with nothing granted.
    pub async fn describe(&self) -> Result<Description, Box<Fault>> {
        let answer: Answer<types::Description> = self.bare(Method::Describe).await?;
        Ok(Description::new(answer.value))
    }

    /// What a router says that it supports, with nothing granted; nothing for other kinds.
    pub async fn capabilities(&self) -> Result<Vec<String>, Box<Fault>> {
        if self.inner.component.kind() == PluginKind::TrafficRouter {
            self.ask_capabilities().await
        } else {
            Ok(Vec::new())
        }
    }

    async fn ask_capabilities(&self) -> Result<Vec<String>, Box<Fault>> {
        let answer: Answer<Vec<String>> = self.bare(Method::Capabilities).await?;
        Ok(self.capabilities.get_or_init(|| answer.value).clone())
    }

    /// What the router said when it was asked last.
    pub(crate) fn known_capabilities(&self) -> Option<Vec<String>> {
        self.capabilities.get().cloned()
    }

    /// As a metric provider, if it is one.
    pub fn as_metric_provider(self: &Arc<Self>) -> Option<Arc<dyn MetricProvider>> {
        (self.inner.component.kind() == PluginKind::MetricProvider).then(|| Arc::clone(self) as Arc<dyn MetricProvider>)
    }

    /// As a traffic router, if it is one.
    pub fn as_traffic_router(self: &Arc<Self>) -> Option<Arc<dyn TrafficRouter>> {
        (self.inner.component.kind() == PluginKind::TrafficRouter).then(|| Arc::clone(self) as Arc<dyn TrafficRouter>)
    }

    /// As a step, if it is one.
    pub fn as_step(self: &Arc<Self>) -> Option<Arc<dyn Step>> {
        (self.inner.component.kind() == PluginKind::Step).then(|| Arc::clone(self) as Arc<dyn Step>)
    }

    /// Idle instances that wait for a call.
    pub fn warm_instances(&self) -> usize {
        self.inner.warm.len()
    }

    /// Bytes of linear memory that its instances hold now, idle ones included.
    pub fn memory(&self) -> u64 {
        self.inner.policy.held.bytes()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    async fn bare<R>(&self, method: Method) -> Outcome<R>
    where
        R: ComponentType + Lift + Send + Sync + 'static,
    {
        let call = Call::default();
        let work = Calling { method, params: () };
        self.run(&call, Subject::Nothing, Setup::Bare, work).await
    }

    /// Calls one function of the contract with `input` bytes of arguments.
    pub(crate) async fn invoke<P, R>(
        &self,
        method: Method,
        call: &Call,
        subject: Subject,
        input: usize,
        params: P,
    ) -> Result<Answer<R>, CallError>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentType + Lift + Send + Sync + 'static,
    {
        let limit = self.policy().limits.input;
        if input > limit.as_usize() {
            let cause = format!("the call's arguments have {input} bytes, more than limits.input ({limit})");
            let fault = Stop::new(FaultKind::Input, cause).into_fault(self.policy(), Phase::Call);
            return Err(fault.into());
        }
        let work = Calling { method, params };
        self.run(call, subject, Setup::Serving, work)
            .await
            .map_err(CallError::Fault)
    }

    /// Does something with an instance on a guest thread, until the deadline.
    async fn run<R, W>(&self, call: &Call, subject: Subject, setup: Setup, work: W) -> Outcome<R>
    where
        R: Send + 'static,
        W: Work<R>,
    {
        let policy = self.policy();
        let deadline = call.deadline.unwrap_or_else(|| Instant::now() + policy.limits.deadline);
        let progress = Arc::new(Progress::new(deadline));
        if progress.is_over() {
            return Err(Box::new(queued_too_long(policy)));
        }
        let io = Handle::try_current().map_err(|error| {
            let stop = Stop::new(FaultKind::Host, error.to_string());
            Box::new(stop.into_fault(policy, Phase::Call))
        })?;
        let state = CallState::new(call, subject, Arc::clone(&progress), io);
        let sandbox = &self.inner.sandbox;
        let (reply, mut answer) = oneshot::channel();
        let under_way = sandbox.lookout.begin();
        let watch = sandbox.ticker.watch(Arc::clone(&progress));
        let inner = Arc::clone(&self.inner);
        let (job, abort) = abortable(async move {
            let expecting = inner.perform(state, setup, work, reply).await;
            drop(watch);
            expecting
        });
        // A caller that goes away takes its guest along.
        let mut abort = Abort(Some(abort));
        // A call is kilobytes of state, which would be copied at every step from here to the thread.
        let job = Box::pin(job.map(|ended| ended.ok().flatten()));
        let look = || match answer.try_recv() {
            Err(TryRecvError::Empty) => None,
            outcome => Some(outcome.ok()),
        };
        let outcome = if let Some(outcome) = under_way.run(job, |job| sandbox.threads.run(job), look) {
            outcome
        } else {
            tokio::select! {
                biased;
                outcome = answer => outcome.ok(),
                () = progress.expired() => {
                    // The guest's thread ends it as soon as it can.
                    abort.0 = None;
                    return Err(Box::new(given_up(policy, &progress)));
                }
            }
        };
        abort.0 = None;
        outcome.unwrap_or_else(|| {
            let stop = Stop::new(FaultKind::Host, "the guest's thread lost the call");
            Err(Box::new(stop.into_fault(policy, Phase::Call)))
        })
    }
}

impl Inner {
    /// Makes the call, and tells whether this thread expects another one.
    async fn perform<R, W>(
        self: Arc<Self>,
        call: CallState,
        setup: Setup,
        work: W,
        reply: oneshot::Sender<Outcome<R>>,
    ) -> Option<Expecting>
    where
        W: Work<R>,
    {
        if call.progress.is_over() {
            // Nobody listens any more, or soon will not.
            let _ = reply.send(Err(Box::new(queued_too_long(&self.policy))));
            return None;
        }
        let policy = if setup == Setup::Bare { &self.bare } else { &self.policy };
        let warm = if setup == Setup::Serving {
            self.warm.take()
        } else {
            None
        };
        let (mut live, started) = if let Some(mut live) = warm {
            live.begin(call);
            (live, Ok(()))
        } else {
            let progress = Arc::clone(&call.progress);
            progress.set_starting(true);
            let (live, started) = match Live::make(&self.component, policy, call).await {
                Ok(mut live) => {
                    let started = if setup == Setup::Bare {
                        Ok(())
                    } else {
                        live.init().await
                    };
                    (live, started)
                }
                Err(fault) => {
                    let _ = reply.send(Err(fault));
                    return None;
                }
            };
            // One that did not start stays what it is for those who look at it late.
            if started.is_ok() {
                progress.set_starting(false);
            }
            (live, started)
        };
        let value = match started {
            Ok(()) => work.run(&mut live).await,
            Err(fault) => Err(fault),
        };
        let ctx = live.ctx();
        ctx.end();
        let masker = ctx.call.masker();
        let denials = ctx.call.denials();
        let outcome = match value {
            Ok(value) => Ok(Answer { value, denials, masker }),
            Err(mut fault) => {
                mask(&mut fault, &masker);
                Err(fault)
            }
        };
        let keep = outcome.is_ok() && setup == Setup::Serving && self.warm.is_on();
        // A kept instance is there for the caller's next call; others are taken down while the caller goes on.
        let taken_down = if keep { self.warm.put(live) } else { Some(live) };
        let expecting = self.sandbox.lookout.expect();
        let _ = reply.send(outcome);
        drop(taken_down);
        if keep {
            self.reap();
        }
        expecting
    }

    /// Has idle instances dropped in time, from the first one on.
    fn reap(self: &Arc<Self>) {
        self.reaping.get_or_init(|| {
            let plugin = Arc::downgrade(self);
            let period = self.warm.period();
            self.sandbox.threads.spawn(async move {
                loop {
                    tokio::time::sleep(period).await;
                    match plugin.upgrade() {
                        Some(plugin) => plugin.warm.reap(),
                        None => return,
                    }
                }
            });
        });
    }
}

impl fmt::Debug for WasmPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmPlugin")
            .field("id", self.id())
            .field("component", &self.inner.component)
            .finish_non_exhaustive()
    }
}

/// Ends the guest's side of a call when the caller goes away.
struct Abort(Option<AbortHandle>);

impl Drop for Abort {
    fn drop(&mut self) {
        if let Some(call) = &self.0 {
            call.abort();
        }
    }
}

fn queued_too_long(policy: &Policy) -> Fault {
    Stop::new(FaultKind::QueueDeadline, "the deadline passed before the call began").into_fault(policy, Phase::Call)
}

/// The deadline passed and the guest's thread has not ended the call.
fn given_up(policy: &Policy, progress: &Progress) -> Fault {
    match progress.stage() {
        Stage::Queued => queued_too_long(policy),
        Stage::Guest => Stop::deadline().into_fault(policy, progress.phase()),
        Stage::Host => host_deadline(policy, progress, progress.phase()),
    }
}
