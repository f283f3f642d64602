//! `log`: always granted.

use wasmtime::component::Linker;

use super::interface;
use crate::{
    bindings::rollcage::plugin::log::Level as Given,
    ctx::{Ctx, charge},
    log::Level,
};

pub(super) fn add(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker
        .instance(interface!("log"))?
        .func_wrap("write", |mut store, (level, message): (Given, String)| {
            charge(&mut store, message.len())?;
            let level = match level {
                Given::Debug => Level::Debug,
                Given::Info => Level::Info,
                Given::Warn => Level::Warn,
                Given::Error => Level::Error,
            };
            Ok(store.data().log.write(level, &message)?)
        })
}
