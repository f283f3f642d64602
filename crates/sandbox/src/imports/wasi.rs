//! WASI 0.2, for what languages bring along: time, randomness and streams work; the rest links and finds nothing.

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::{
    cli::{WasiCli, WasiCliView as _},
    clocks::{WasiClocks, WasiClocksView as _},
    filesystem::{WasiFilesystem, WasiFilesystemView as _},
    p2::bindings::{cli, clocks, filesystem, random, sockets},
    random::{WasiRandom, WasiRandomView as _},
    sockets::{WasiSockets, WasiSocketsView as _},
};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::{clock::Time, ctx::Ctx};

/// Marks the table of handles for the linker.
struct Handles;

impl HasData for Handles {
    type Data<'a> = &'a mut ResourceTable;
}

pub(super) fn add(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    time(linker)?;
    random::random::add_to_linker::<_, WasiRandom>(linker, |ctx: &mut Ctx| ctx.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |ctx: &mut Ctx| ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |ctx: &mut Ctx| ctx.random())?;
    io::error::add_to_linker::<_, Handles>(linker, Ctx::table)?;
    io::streams::add_to_linker::<_, Handles>(linker, Ctx::table)?;
    process(linker)?;
    // No folder is opened, so there is nothing to call the functions of `types` on.
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, |ctx: &mut Ctx| ctx.filesystem())?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, |ctx: &mut Ctx| ctx.filesystem())?;
    network(linker)?;
    // Outgoing requests behind the same guard as the contract's own `http`.
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// The contract's own clock, behind WASI's interfaces.
fn time(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, |ctx: &mut Ctx| ctx.clocks())?;
    clocks::monotonic_clock::add_to_linker::<_, Time>(linker, Ctx::time)?;
    io::poll::add_to_linker::<_, Time>(linker, Ctx::time)
}

/// The environment that the entry gives, an empty standard input, standard output and error into the log.
fn process(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    cli::environment::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, |ctx: &mut Ctx| ctx.cli())
}

/// Sockets that refuse everything.
fn network(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let options = sockets::network::LinkOptions::default();
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, |ctx: &mut Ctx| ctx.sockets())?;
    sockets::network::add_to_linker::<_, WasiSockets>(linker, &options, |ctx: &mut Ctx| ctx.sockets())?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(linker, |ctx: &mut Ctx| ctx.sockets())?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(linker, |ctx: &mut Ctx| ctx.sockets())?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(linker, |ctx: &mut Ctx| ctx.sockets())?;
    sockets::udp::add_to_linker::<_, WasiSockets>(linker, |ctx: &mut Ctx| ctx.sockets())?;
    sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(linker, |ctx: &mut Ctx| ctx.sockets())
}
