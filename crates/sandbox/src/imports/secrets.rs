//! `secrets`: values that the entry makes readable, by name.

use std::sync::Arc;

use rollcage_core::Denial;
use wasmtime::{StoreContextMut, component::Linker};

use super::{interface, on_host};
use crate::{
    bindings::rollcage::plugin::secrets::SecretError,
    ctx::{Ctx, charge},
};

/// What a call that waits for a Secret waits for.
const TARGET: &str = "the Kubernetes API";

pub(super) fn add(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker
        .instance(interface!("secrets"))?
        .func_wrap_async("get", |store, (name,): (String,)| {
            Box::new(async move { Ok((get(store, name).await?,)) })
        })
}

async fn get(mut store: StoreContextMut<'_, Ctx>, name: String) -> wasmtime::Result<Result<String, SecretError>> {
    charge(&mut store, name.len())?;
    let policy = Arc::clone(&store.data().policy);
    let grants = &policy.permissions.credentials;
    let grant = grants.iter().find(|grant| grant.name == name);
    let reference = match grant {
        Some(grant) if grant.readable => grant.secret_ref.clone(),
        _ => {
            let denial = Denial {
                capability: "secrets".to_owned(),
                grant: format!("credentials: [{{name: {name:?}, secretRef: {{name: ..., key: ...}}, readable: true}}]"),
                wanted: name,
            };
            let text = format!(
                "secret {:?} is not readable; the entry does not grant it: {}",
                denial.wanted, denial.grant
            );
            store.data_mut().call.deny(denial);
            return Ok(Err(SecretError::Denied(text)));
        }
    };
    let Some(reference) = reference else {
        return Ok(Err(SecretError::NotFound(format!(
            "secret {name:?} has no secretRef in the entry"
        ))));
    };
    let call = &store.data().call;
    call.progress.set_target(Some(TARGET));
    let secrets = Arc::clone(&policy.host.secrets);
    let secret = reference.name.clone();
    let read = on_host(&call.io, async move { secrets.read(&secret).await }).await?;
    call.progress.set_target(None);
    let value = match read {
        Err(error) => return Ok(Err(SecretError::Unavailable(error.to_string()))),
        Ok(secret) => secret.and_then(|mut secret| secret.remove(&reference.key)),
    };
    let Some(value) = value else {
        let text = format!("Secret {:?} has no key {:?}", reference.name, reference.key);
        return Ok(Err(SecretError::NotFound(text)));
    };
    let Ok(value) = String::from_utf8(value) else {
        let text = format!(
            "key {:?} of Secret {:?} is no UTF-8 text",
            reference.key, reference.name
        );
        return Ok(Err(SecretError::Unavailable(text)));
    };
    call.masker.add([value.clone()]);
    Ok(Ok(value))
}
