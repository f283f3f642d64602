//! `http`: only servers that the entry grants.

use std::time::Duration;

use rollcage_core::{
    FaultKind,
    host::{HttpRequest, HttpResponse},
};
use wasmtime::{StoreContextMut, component::Linker};

use super::interface;
use crate::{
    bindings::rollcage::plugin::{
        http::{HttpError, Request, Response},
        types::Pair,
    },
    ctx::{Ctx, charge},
    egress::{EgressError, EgressErrorKind, SendOptions},
    size::Size as _,
    stop::Stop,
};

pub(super) fn add(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    linker
        .instance(interface!("http"))?
        .func_wrap_async("send", |store, (request,): (Request,)| {
            Box::new(async move { Ok((send(store, request).await?,)) })
        })
}

async fn send(mut store: StoreContextMut<'_, Ctx>, request: Request) -> wasmtime::Result<Result<Response, HttpError>> {
    charge(&mut store, request.size())?;
    let Ctx { call, policy, .. } = store.data();
    let options = SendOptions {
        timeout: request.timeout.map(|ms| Duration::from_millis(ms.into())),
        skip_tls_verify: request.skip_tls_verify,
    };
    let request = HttpRequest {
        method: if request.method.is_empty() {
            "GET".to_owned()
        } else {
            request.method
        },
        url: request.url,
        headers: request
            .headers
            .into_iter()
            .map(|pair| (pair.name, pair.value))
            .collect(),
        body: request.body,
    };
    // The guard itself goes to the host's threads.
    let answer = policy.egress.send(&call.egress(policy), request, options).await;
    match answer {
        Ok(response) => Ok(Ok(given(response))),
        Err(error) if error.is_call_deadline() => {
            Err(Stop::new(FaultKind::HostDeadline, format!("the deadline passed: {error}")).into())
        }
        Err(error) => Ok(Err(refused(&error))),
    }
}

fn given(response: HttpResponse) -> Response {
    let headers = response.headers.into_iter();
    Response {
        status: response.status,
        headers: headers.map(|(name, value)| Pair { name, value }).collect(),
        body: response.body,
    }
}

fn refused(error: &EgressError) -> HttpError {
    let text = error.to_string();
    match error.kind() {
        EgressErrorKind::Denied => HttpError::Denied(text),
        EgressErrorKind::InvalidRequest => HttpError::InvalidRequest(text),
        EgressErrorKind::Dns => HttpError::Dns(text),
        EgressErrorKind::Connect => HttpError::Connect(text),
        EgressErrorKind::Tls => HttpError::Tls(text),
        EgressErrorKind::Timeout => HttpError::Timeout(text),
        EgressErrorKind::TooLarge => HttpError::TooLarge(text),
        EgressErrorKind::Protocol => HttpError::Protocol(text),
    }
}
