//! Everything that a guest can import: the contract's own interfaces, and WASI with nothing behind most of it.
//!
//! Host functions are defined on the store and not on its data, because each takes what it was given off the bytes that the
//! call may still hand out, and the store is what knows them.

mod evaluate;
mod http;
mod kubernetes;
mod log;
mod secrets;
mod subject;
mod wasi;

use rollcage_core::FaultKind;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::{Engine, component::Linker};

use crate::{ctx::Ctx, stop::Stop};

/// All of it, for one engine.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Ctx>> {
    let mut linker = Linker::new(engine);
    log::add(&mut linker)?;
    subject::add(&mut linker)?;
    evaluate::add(&mut linker)?;
    http::add(&mut linker)?;
    kubernetes::add(&mut linker)?;
    secrets::add(&mut linker)?;
    wasi::add(&mut linker)?;
    Ok(linker)
}

/// Does a host function's input and output where the caller's runtime is, and gives it up with the call.
async fn on_host<T, F>(io: &Handle, work: F) -> wasmtime::Result<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let task = AbortOnDropHandle::new(io.spawn(work));
    let lost = |error| Stop::new(FaultKind::Host, format!("the host lost the request: {error}"));
    Ok(task.await.map_err(lost)?)
}

/// The contract's interfaces, as `linker.instance` wants them.
macro_rules! interface {
    ($name:literal) => {
        concat!("rollcage:plugin/", $name, "@0.1.0")
    };
}
pub(crate) use interface;

/// Names the import that the linker did not find. `error` is the linker's own, `names` are all imports.
pub(crate) fn explain(names: &[String], error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    let Some(name) = names.iter().find(|name| text.contains(&format!("`{name}`"))) else {
        return text;
    };
    // The innermost cause names the function of an interface that is known as such.
    let function = error.chain().filter_map(|cause| {
        let cause = cause.to_string();
        let rest = cause.strip_prefix("instance export `")?;
        Some(rest.split('`').next()?.to_owned())
    });
    let detail = match error.root_cause().to_string() {
        cause if cause.contains("is missing") => "which this host does not have".to_owned(),
        cause => format!("which this host has differently ({cause})"),
    };
    match function.last() {
        Some(function) => format!("it imports {name}#{function}, {detail}"),
        None => format!("it imports {name}, {detail}"),
    }
}
