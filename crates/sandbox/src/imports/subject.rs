//! `subject`: always granted.

use rollcage_core::FaultKind;
use wasmtime::component::Linker;

use super::interface;
use crate::{ctx::Ctx, stop::Stop};

pub(super) fn add(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker
        .instance(interface!("subject"))?
        .func_wrap("object", |store, (): ()| {
            let Ctx { call, policy, .. } = store.data();
            let json = call.subject.json()?;
            let limit = policy.limits.input;
            if json.len() > limit.as_usize() {
                let cause = format!("the object has {} bytes, more than limits.input ({limit})", json.len());
                return Err(Stop::new(FaultKind::Input, cause).into());
            }
            Ok((json,))
        })
}
