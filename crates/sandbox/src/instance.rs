//! One live instance: made, initialised, called, thrown away.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_core::{Denial, Fault, FaultKind, Phase, PluginError, PluginErrorKind, secret::Masker};
use wasmtime::{
    PoolConcurrencyLimitError, Store, StoreContextMut, UpdateDeadline,
    component::{ComponentNamedList, ComponentType, Instance, Lift, Lower},
};

use crate::{
    bindings::rollcage::plugin::types,
    component::{Component, Linked},
    contract::{Exports, Method},
    ctx::{CallState, Ctx},
    policy::Policy,
    progress::{Bounded, Progress},
    stop::{Stop, backtrace},
};

/// An instance and its store. After a fault it is never used again: what the guest was doing is undefined.
pub(crate) struct Live {
    store: Store<Ctx>,
    instance: Instance,
    exports: Arc<Exports>,
    /// Calls that it has served.
    pub(crate) calls: u32,
    /// Since when nobody uses it.
    pub(crate) idle_since: Instant,
}

impl Live {
    /// Makes an instance for a call. When that fails, what the call used is noted already.
    pub(crate) async fn make(
        component: &Component,
        policy: &Arc<Policy>,
        mut call: CallState,
    ) -> Result<Self, Box<Fault>> {
        if let Some((engine, linked)) = component.pooled(policy.limits.memory.0) {
            let mut store = store(engine, policy, call);
            match instantiate(&mut store, linked).await {
                Ok(instance) => return Ok(Self::new(store, instance, linked)),
                Err(Start::Full) => call = store.into_data().call,
                Err(Start::Fault(fault)) => return Err(ended(store, fault)),
            }
        }
        let (engine, linked) = component.on_demand(&policy.id)?;
        let mut store = store(engine, policy, call);
        match instantiate(&mut store, linked).await {
            Ok(instance) => Ok(Self::new(store, instance, linked)),
            Err(Start::Fault(fault)) => Err(ended(store, fault)),
            Err(Start::Full) => {
                let stop = Stop::new(FaultKind::Host, "no room for another instance");
                Err(ended(store, Box::new(stop.into_fault(policy, Phase::Init))))
            }
        }
    }

    fn new(store: Store<Ctx>, instance: Instance, linked: &Linked) -> Self {
        Self {
            store,
            instance,
            exports: Arc::clone(&linked.exports),
            calls: 0,
            idle_since: Instant::now(),
        }
    }

    /// The next call of a warm instance.
    pub(crate) fn begin(&mut self, call: CallState) {
        let output = self.store.data().policy.limits.output.as_usize();
        self.store.set_hostcall_fuel(output);
        self.store.set_epoch_deadline(1);
        self.store.data_mut().begin(call);
    }

    /// The host's side of the instance.
    pub(crate) fn ctx(&mut self) -> &mut Ctx {
        self.store.data_mut()
    }

    /// The plugin's own `init`.
    pub(crate) async fn init(&mut self) -> Result<(), Box<Fault>> {
        let args = self.store.data().policy.args.clone();
        let answer: Result<(), types::Error> = self.call(Method::Init, (args,), Phase::Init).await?;
        answer.map_err(|error| {
            let Ctx { policy, call, .. } = self.store.data();
            let denials = call.denials();
            let error = plugin_error(error);
            if is_denied(&error, &denials) {
                return denied(policy, Phase::Init, error.message, &denials);
            }
            let hint = match error.kind {
                PluginErrorKind::InvalidConfig => "correct the entry's args",
                PluginErrorKind::Unavailable => "check what the plugin depends on",
                PluginErrorKind::Denied => "check the entry's permissions",
                PluginErrorKind::Conflict | PluginErrorKind::Internal => {
                    "the plugin refuses for a reason of its own; its log may tell more"
                }
            };
            Box::new(Fault::new(
                &policy.id,
                Phase::Init,
                FaultKind::InitRefused,
                error.message,
                hint,
            ))
        })
    }

    /// Calls one function.
    pub(crate) async fn call<P, R>(&mut self, method: Method, params: P, phase: Phase) -> Result<R, Box<Fault>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentType + Lift + Send + Sync + 'static,
    {
        let index = self
            .exports
            .get(method)
            .ok_or_else(|| self.wrong_type(method, "it is missing"))?;
        let function = self
            .instance
            .get_typed_func::<P, (R,)>(&mut self.store, index)
            .map_err(|error| self.wrong_type(method, &format!("{:#}", error.root_cause())))?;
        let progress = Arc::clone(&self.store.data().call.progress);
        let ended = {
            let future = pin!(function.call_async(&mut self.store, params));
            Bounded::new(&progress, future).await
        };
        match ended {
            Ok(Ok((answer,))) => Ok(answer),
            Ok(Err(error)) => Err(Box::new(fault(self.store.data(), &error, phase))),
            Err(_) => Err(Box::new(waited_too_long(self.store.data(), phase))),
        }
    }

    /// Whether a function has the contract's type.
    pub(crate) fn check<P, R>(&mut self, method: Method) -> Result<(), Box<Fault>>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentType + Lift + Send + Sync + 'static,
    {
        let index = self
            .exports
            .get(method)
            .ok_or_else(|| self.wrong_type(method, "it is missing"))?;
        match self.instance.get_typed_func::<P, (R,)>(&mut self.store, index) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.wrong_type(method, &format!("{:#}", error.root_cause()))),
        }
    }

    fn wrong_type(&self, method: Method, cause: &str) -> Box<Fault> {
        let cause = format!("the component's {} is not the contract's: {cause}", method.name());
        let stop = Stop::new(FaultKind::WrongContract, cause);
        Box::new(stop.into_fault(&self.store.data().policy, Phase::Link))
    }
}

/// A call that ends before its instance was there.
fn ended(mut store: Store<Ctx>, mut fault: Box<Fault>) -> Box<Fault> {
    store.data_mut().end();
    mask(&mut fault, &store.data().call.masker());
    fault
}

/// Replaces secrets in what a fault tells.
pub(crate) fn mask(fault: &mut Fault, masker: &Masker) {
    if !masker.is_empty() {
        fault.cause = masker.mask(&fault.cause).into_owned();
        for function in &mut fault.backtrace {
            *function = masker.mask(function).into_owned();
        }
    }
}

fn store(engine: &wasmtime::Engine, policy: &Arc<Policy>, call: CallState) -> Store<Ctx> {
    let mut store = Store::new(engine, Ctx::new(policy, call));
    store.limiter(|ctx| &mut ctx.limiter);
    store.set_hostcall_fuel(policy.limits.output.as_usize());
    store.set_max_component_handles(policy.ceilings.handles);
    store.epoch_deadline_callback(tick);
    store.set_epoch_deadline(1);
    store
}

/// A guest has computed for a whole tick: it goes to the back of the queue, or is over.
///
/// The second look follows at once when it is its turn again, so that one whose deadline passed meanwhile ends here, where
/// it is known what it was doing, and not a tick later.
fn tick(mut store: StoreContextMut<'_, Ctx>) -> wasmtime::Result<UpdateDeadline> {
    let call = &mut store.data_mut().call;
    if call.progress.is_over() {
        return Err(Stop::deadline().into());
    }
    if std::mem::replace(&mut call.gave_way, false) {
        return Ok(UpdateDeadline::Continue(1));
    }
    call.gave_way = true;
    let progress = Arc::clone(&call.progress);
    let give_way = Box::pin(async move { progress.give_way().await });
    Ok(UpdateDeadline::YieldCustom(0, give_way))
}

enum Start {
    /// Every prepared place is taken.
    Full,
    Fault(Box<Fault>),
}

async fn instantiate(store: &mut Store<Ctx>, linked: &Linked) -> Result<Instance, Start> {
    let progress = Arc::clone(&store.data().call.progress);
    let ended = {
        let future = pin!(linked.pre.instantiate_async(&mut *store));
        Bounded::new(&progress, future).await
    };
    match ended {
        Ok(Ok(instance)) => Ok(instance),
        Ok(Err(error)) if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() => Err(Start::Full),
        Ok(Err(error)) => Err(Start::Fault(Box::new(fault(store.data(), &error, Phase::Init)))),
        Err(_) => Err(Start::Fault(Box::new(waited_too_long(store.data(), Phase::Init)))),
    }
}

/// The fault that an error of the engine amounts to.
fn fault(ctx: &Ctx, error: &wasmtime::Error, phase: Phase) -> Fault {
    let policy = &ctx.policy;
    let mut stop = Stop::of(error, policy);
    let mut denials = Vec::new();
    if matches!(stop.kind, FaultKind::Trap | FaultKind::Exit) {
        if let Some(words) = ctx.log.last_words() {
            stop.cause = format!("{}: {words}", stop.cause);
        }
        denials = ctx.call.denials();
    }
    let mut fault = match denials.first() {
        Some(Denial { capability, wanted, .. }) => {
            let cause = format!(
                "{capability}: {wanted} was denied, and the plugin failed: {}",
                stop.cause
            );
            *denied(policy, phase, cause, &denials)
        }
        None => stop.into_fault(policy, phase),
    };
    if fault.kind == FaultKind::HostDeadline {
        fault.waiting_for = ctx.call.progress.target();
    }
    fault.backtrace = backtrace(error);
    fault
}

/// What to grant, so that it is not denied.
fn grant_hint(denials: &[Denial]) -> String {
    let mut grants: Vec<&str> = denials.iter().map(|denial| denial.grant.as_str()).collect();
    grants.dedup();
    format!("add to the entry's permissions: {}", grants.join("; "))
}

/// An error that a plugin answers with, in the host's words.
pub(crate) fn plugin_error(error: types::Error) -> PluginError {
    let (kind, message, retry_after) = match error {
        types::Error::InvalidConfig(message) => (PluginErrorKind::InvalidConfig, message, None),
        types::Error::Unavailable(error) => {
            let after = error.retry_after.map(|ms| Duration::from_millis(ms.into()));
            (PluginErrorKind::Unavailable, error.message, after)
        }
        types::Error::Denied(message) => (PluginErrorKind::Denied, message, None),
        types::Error::Conflict(message) => (PluginErrorKind::Conflict, message, None),
        types::Error::Internal(message) => (PluginErrorKind::Internal, message, None),
    };
    PluginError {
        kind,
        message,
        retry_after,
    }
}

/// Whether an error says no more than that a host call was denied: then the operator has to grant something.
pub(crate) fn is_denied(error: &PluginError, denials: &[Denial]) -> bool {
    let repeats = || denials.iter().any(|denial| error.message.contains(&denial.grant));
    !denials.is_empty() && (error.kind == PluginErrorKind::Denied || repeats())
}

/// The plugin failed because of what was denied.
pub(crate) fn denied(policy: &Policy, phase: Phase, cause: String, denials: &[Denial]) -> Box<Fault> {
    Box::new(Fault::new(
        &policy.id,
        phase,
        FaultKind::Denied,
        cause,
        grant_hint(denials),
    ))
}

fn waited_too_long(ctx: &Ctx, phase: Phase) -> Fault {
    host_deadline(&ctx.policy, &ctx.call.progress, phase)
}

/// The deadline passed while the guest waited for the host.
pub(crate) fn host_deadline(policy: &Policy, progress: &Progress, phase: Phase) -> Fault {
    let target = progress.target();
    let cause = match &target {
        Some(target) => format!("the deadline passed while it waited for {target}"),
        None => "the deadline passed while it slept or waited for the host".to_owned(),
    };
    let mut fault = Stop::new(FaultKind::HostDeadline, cause).into_fault(policy, phase);
    fault.waiting_for = target;
    fault
}
