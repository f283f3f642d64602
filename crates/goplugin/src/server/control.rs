//! The services of the first stream: `Control` and `Dispenser`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::FutureExt as _;
use rollcage_gob::{Value, types};
use tokio::sync::{Notify, mpsc};

use super::{
    broker::{Awaited, Broker},
    plugin::Plugin,
    rpc::{Answer, Refused, Service, argument, nothing, reply},
};

/// One connection's control.
pub(super) struct Control {
    pub(super) plugin: Arc<Plugin>,
    pub(super) broker: Arc<Broker>,
    /// Where a service begins to wait for its stream.
    pub(super) dispensed: mpsc::UnboundedSender<Awaited>,
    /// The host has said farewell.
    pub(super) leaving: Arc<AtomicBool>,
    /// Its farewell was answered.
    pub(super) quit: Arc<Notify>,
}

impl Service for Control {
    fn begin(self: Arc<Self>, service: &str, method: &str, value: Value<'_, '_>) -> Result<Answer, Refused> {
        match (service, method) {
            ("Control", "Ping" | "Quit") => {
                // Which of the two it is does not matter.
                let _: bool = argument(value, types::BOOL)?;
                if method == "Quit" {
                    self.leaving.store(true, Ordering::Release);
                }
                Ok(async { Ok(nothing()) }.boxed())
            }
            ("Dispenser", "Dispense") => {
                let name: String = argument(value, types::STRING)?;
                Ok(async move { self.dispense(&name).map(|number| reply(types::UINT32, number)) }.boxed())
            }
            ("Control" | "Dispenser", _) => Err(Refused::Method),
            _ => Err(Refused::Service),
        }
    }

    fn replied(&self, name: &str) {
        if name == "Control.Quit" {
            self.quit.notify_one();
        }
    }
}

impl Control {
    fn dispense(&self, name: &str) -> Result<u32, String> {
        if name != self.plugin.dispensed_as() {
            let shown: String = name.chars().take(200).collect();
            return Err(format!("unknown plugin type: {shown}"));
        }
        let awaited = self.broker.number().ok_or("too many services wait to be dialled")?;
        let number = awaited.number;
        // Fails only when the connection is over.
        let _ = self.dispensed.send(awaited);
        Ok(number)
    }
}
