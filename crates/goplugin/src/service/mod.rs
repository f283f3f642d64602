//! A native plugin that serves: its process, the service in it, and who watches over both.
//!
//! ```text
//! Service::start -> NativePlugin (process, session) -> dispense -> InitPlugin -> ports call it
//!                        |                                                        |
//!                    keeper (one task)  <- unanswered calls, a stream that broke -+
//!                        |  its end, or nobody wants it any more
//!                        v
//!                    `ended`: why, for those who start plugins again
//! ```
//!
//! Whether a plugin is started again, and when, is the registry's.

mod in_play;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rollcage_core::{Call, CallError, Fault, FaultKind, Phase, PluginId};
use rollcage_gob::{DecodeError, EncodeError, Encoder, Value, types, wire};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use self::in_play::InPlay;
use crate::{
    error::{exit_fault, said},
    host::NativePlugin,
    launch::{Launcher, Spec},
    logs::LogSink,
    rpc::{CallLimits, Client, RpcError},
};

/// Calls in a row that did not end by their deadline, after which the process is replaced: what hangs in it never ends.
const HUNG_CALLS: u32 = 3;

/// How long a plugin that let a deadline pass may take to say that it lives.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a process whose connection is gone may take to be seen as ended.
const LAST_MOMENT: Duration = Duration::from_millis(500);

/// How long the service may take to be found: it is there before the handshake.
const DISPENSE: Duration = Duration::from_secs(10);

/// How calls of a plugin are limited.
#[derive(Clone, Copy, Debug)]
pub struct CallRules {
    /// Longest time of one call, and of `InitPlugin`.
    pub deadline: Duration,
    /// How large arguments and answers may be.
    pub sizes: CallLimits,
    /// Bytes of its log that are kept for one call.
    pub log: u64,
}

/// Why a plugin ended, once it has: not set when it was ended because nobody wanted it any more.
pub type Ended = watch::Receiver<Option<Arc<Fault>>>;

/// A plugin that was initialized. Dropping it asks the plugin to quit, and ends what is left of it after its grace.
#[derive(Debug)]
pub struct Service {
    plugin: Arc<NativePlugin>,
    client: Client,
    rules: CallRules,
    in_play: Arc<InPlay>,
    /// Calls in a row that did not end in time.
    unanswered: AtomicU32,
    keeper: mpsc::UnboundedSender<Notice>,
    ended: Ended,
}

/// What the keeper is told.
#[derive(Debug)]
enum Notice {
    /// So many calls in a row were not answered.
    Unanswered(u32),
    /// No call can be made any more.
    Broken(String),
}

impl Service {
    /// Starts the executable of `spec`, finds its service, and initializes it. What it writes goes to `log`, masked.
    ///
    /// The fault has the phase `link` up to the service, `init` from there on.
    pub async fn start(
        launcher: &Launcher,
        spec: &Spec,
        rules: CallRules,
        log: LogSink,
    ) -> Result<Arc<Self>, Box<Fault>> {
        let id = &spec.plugin;
        let in_play = Arc::new(InPlay::new(rules.log));
        let sink = in_play.clone().before(log);
        let plugin = NativePlugin::start(launcher, spec, sink)
            .await
            .map_err(|error| Box::new(error.fault(id)))?;
        let client = match plugin.dispense(rules.sizes, DISPENSE).await {
            Ok(client) => client,
            Err(error) => {
                let mut fault = plugin.dispense_fault(&error).await;
                fault.cause = said(fault.cause);
                plugin.kill().await;
                return Err(Box::new(fault));
            }
        };
        if let Err(fault) = init(&plugin, &client, id, rules.deadline).await {
            drop(client);
            plugin.quit().await;
            return Err(fault);
        }
        let plugin = Arc::new(plugin);
        let (keeper, notices) = mpsc::unbounded_channel();
        let (sender, ended) = watch::channel(None);
        tokio::spawn(keep(plugin.clone(), id.clone(), notices, in_play.clone(), sender));
        Ok(Arc::new(Self {
            plugin,
            client,
            rules,
            in_play,
            unanswered: AtomicU32::new(0),
            keeper,
            ended,
        }))
    }

    /// Why it ended, once it has.
    pub fn ended(&self) -> Ended {
        self.ended.clone()
    }

    /// Asks it to quit and waits for its end, and for that of what is left of it after its grace.
    pub async fn quit(&self) {
        self.plugin.quit().await;
    }

    /// Its process.
    pub fn plugin(&self) -> &NativePlugin {
        &self.plugin
    }

    /// What the plugin calls itself.
    pub async fn type_name(&self, call: &Call) -> Result<String, CallError> {
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| {
            encoder.nil_interface(to);
            Ok(())
        };
        self.call(call, "Plugin.Type", argument, |value| value.decode(types::STRING))
            .await
    }

    /// One call of a method, until the call's deadline.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: &Call,
        method: &'static str,
        argument: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), EncodeError>,
        answer: impl FnOnce(Value<'_, '_>) -> Result<T, DecodeError> + Send + 'static,
    ) -> Result<T, CallError> {
        let deadline = call.deadline.map_or(self.rules.deadline, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        let _in_play = self.in_play.enter(call);
        match self.client.call(method, argument, answer, deadline).await {
            Ok(answer) => {
                self.unanswered.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Err(error) => Err(self.failed(&error).await.into()),
        }
    }

    /// The fault that an error is; the keeper learns of it.
    async fn failed(&self, error: &RpcError) -> Fault {
        match error {
            // A call that had waited for its turn, and had little time left, says nothing of the plugin.
            RpcError::Deadline { after } if after.saturating_mul(2) < self.rules.deadline => {}
            RpcError::Deadline { .. } => {
                let unanswered = self.unanswered.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                // It may have ended already.
                let _ = self.keeper.send(Notice::Unanswered(unanswered));
            }
            // The plugin is able to answer.
            RpcError::Server(_) | RpcError::Output { .. } => self.unanswered.store(0, Ordering::Relaxed),
            RpcError::Input { .. } | RpcError::Argument(_) => {}
            RpcError::Body(cause) if !cause.ends_stream() => {}
            RpcError::Body(_)
            | RpcError::Header(_)
            | RpcError::Message(_)
            | RpcError::Session(_)
            | RpcError::Shutdown => {
                let _ = self.keeper.send(Notice::Broken(error.to_string()));
            }
        }
        let mut fault = self.plugin.fault(Phase::Call, error).await;
        if matches!(error, RpcError::Shutdown) {
            // Nothing was tried.
            fault.kind = FaultKind::Loading;
            "the plugin is being started again".clone_into(&mut fault.hint);
        }
        if matches!(error, RpcError::Deadline { .. }) {
            "raise limits.deadline of the entry, or find out in the plugin's log what it waits for"
                .clone_into(&mut fault.hint);
        }
        // Masked before it is cut: half a secret is one, too.
        fault.cause = said(self.in_play.mask(fault.cause));
        fault
    }
}

async fn init(plugin: &NativePlugin, client: &Client, id: &PluginId, deadline: Duration) -> Result<(), Box<Fault>> {
    let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| {
        encoder.nil_interface(to);
        Ok(())
    };
    let answer: Result<wire::RpcError, RpcError> = client
        .call(
            "Plugin.InitPlugin",
            argument,
            |value| value.decode(types::TYPES_RPC_ERROR),
            deadline,
        )
        .await;
    match answer {
        Ok(answer) if answer.error_string.is_empty() => Ok(()),
        Ok(answer) => Err(Box::new(Fault::new(
            id,
            Phase::Init,
            FaultKind::InitRefused,
            said(answer.error_string),
            "the plugin's own error: mend what it says; it is initialized again by and by",
        ))),
        Err(error) => {
            let mut fault = plugin.fault(Phase::Init, &error).await;
            fault.cause = said(fault.cause);
            Err(Box::new(fault))
        }
    }
}

/// Waits for the end of a plugin, and ends one that hangs, broke, or is no longer wanted.
async fn keep(
    plugin: Arc<NativePlugin>,
    id: PluginId,
    mut notices: mpsc::UnboundedReceiver<Notice>,
    in_play: Arc<InPlay>,
    ended: watch::Sender<Option<Arc<Fault>>>,
) {
    let hint = "it is started again; its log may say what it waited for";
    let given_up = loop {
        tokio::select! {
            exit = plugin.ended() => {
                break exit.map_or_else(
                    || Fault::new(&id, Phase::Call, FaultKind::Exit, "the plugin's process cannot be ended", ""),
                    |exit| plugin.end_fault(&exit),
                );
            }
            notice = notices.recv() => match notice {
                None => {
                    plugin.quit().await;
                    return;
                }
                Some(Notice::Unanswered(calls)) if calls >= HUNG_CALLS => {
                    plugin.kill().await;
                    let cause = format!("{calls} calls in a row did not end by their deadline: the process was replaced");
                    break Fault::new(&id, Phase::Call, FaultKind::Deadline, cause, hint);
                }
                Some(Notice::Unanswered(_)) => {
                    // One that computes or waits in one call still answers this; one that is stopped does not.
                    let Err(RpcError::Deadline { after }) = plugin.ping(ANSWER).await else { continue };
                    plugin.kill().await;
                    let cause = format!("the plugin does not answer at all for {after:?}: the process was replaced");
                    break Fault::new(&id, Phase::Call, FaultKind::Deadline, cause, hint);
                }
                Some(Notice::Broken(why)) => {
                    // If it is on its way out, how it ended says more: its connection is closed a moment before.
                    if let Ok(Some(exit)) = timeout(LAST_MOMENT, plugin.ended()).await {
                        break exit_fault(&id, Phase::Call, &exit, &plugin.last_words());
                    }
                    let hint = "it is started again; what it sends is no net/rpc of Argo Rollouts";
                    match plugin.kill().await {
                        Some(exit) if exit.killed.is_none() => {
                            break exit_fault(&id, Phase::Call, &exit, &plugin.last_words());
                        }
                        _ => {
                            let cause = format!("the connection to the plugin broke: {why}");
                            break Fault::new(&id, Phase::Call, FaultKind::InvalidAnswer, cause, hint);
                        }
                    }
                }
            },
        }
    };
    let mut fault = given_up;
    fault.cause = in_play.mask(fault.cause);
    ended.send_replace(Some(Arc::new(fault)));
}
