//! Has a component compiled, by a process of its own or by this one.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};
use wasmtime::Engine;

use super::child::{OTHER_ENGINE, Order, REFUSED, UNWRITTEN, settings};
use crate::config::{Compiler, CompilerLimits};

/// What is kept of a compiler's words.
const WORDS_LIMIT: u64 = 16 << 10;

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    /// The component is wrong.
    #[error("{0}")]
    Refused(String),
    /// The compiler died of it.
    #[error("the compiler crashed: {0}")]
    Crashed(String),
    /// The compiler needed more than it may have.
    #[error("the compiler was stopped: {0}")]
    Limit(String),
    /// The compiler could not be started, or is another program than expected.
    #[error("{0}")]
    Compiler(String),
    /// The machine code could not be written.
    #[error("cannot write machine code: {0}")]
    Storage(String),
}

/// Compiles `component` into `out`.
pub(crate) async fn compile(
    compiler: &Compiler,
    engine: &Engine,
    component: Arc<[u8]>,
    mut out: NamedTempFile,
) -> Result<NamedTempFile, CompileError> {
    match compiler {
        Compiler::InProcess => {
            let engine = engine.clone();
            tokio::task::spawn_blocking(move || {
                let code = engine
                    .precompile_component(&component)
                    .map_err(|error| CompileError::Refused(format!("{error:#}")))?;
                out.write_all(&code)
                    .map_err(|error| CompileError::Storage(error.to_string()))?;
                Ok(out)
            })
            .await
            .map_err(|error| CompileError::Crashed(error.to_string()))?
        }
        Compiler::Child { program, args, limits } => {
            let file = out.reopen().map_err(|error| CompileError::Storage(error.to_string()))?;
            let order = Order {
                memory: limits.memory.0,
                cpu: limits.time.as_secs().max(1),
                output: limits.output.0,
                engine: settings(engine),
            };
            let (status, words) = run(program, args, order, limits.time, &component, file.into()).await?;
            judge(status, &words, *limits)?;
            Ok(out)
        }
    }
}

async fn run(
    program: &Path,
    args: &[OsString],
    order: Order,
    time: Duration,
    component: &[u8],
    out: Stdio,
) -> Result<(ExitStatus, String), CompileError> {
    let cannot = |error: io::Error| CompileError::Compiler(format!("cannot run {}: {error}", program.display()));
    let mut child = Command::new(program)
        .args(args)
        .args(order.arguments())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(out)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(cannot)?;
    let mut stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let feed = async {
        if let Some(stdin) = &mut stdin {
            // A compiler that ends early says why itself.
            let _ = stdin.write_all(component).await;
        }
        drop(stdin.take());
    };
    let listen = async {
        let mut words = Vec::new();
        if let Some(stderr) = stderr {
            let mut limited = stderr.take(WORDS_LIMIT);
            let _ = limited.read_to_end(&mut words).await;
            // The rest is read and forgotten, so that nobody waits for room in the pipe.
            let _ = tokio::io::copy(&mut limited.into_inner(), &mut tokio::io::sink()).await;
        }
        String::from_utf8_lossy(&words).trim().to_owned()
    };
    let all = async { tokio::join!(feed, listen, child.wait()) };
    match tokio::time::timeout(time, all).await {
        Ok(((), words, status)) => Ok((status.map_err(cannot)?, words)),
        Err(_) => Err(CompileError::Limit(format!("it took longer than {time:?}"))),
    }
}

fn judge(status: ExitStatus, words: &str, limits: CompilerLimits) -> Result<(), CompileError> {
    /// What Rust's allocator and C++'s say when `RLIMIT_AS` is reached, and what starting a thread says then.
    const OUT_OF_MEMORY: [&str; 4] = [
        "memory allocation of",
        "bad_alloc",
        "Cannot allocate memory",
        "failed to spawn thread",
    ];
    let first = words.lines().next().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    if OUT_OF_MEMORY.iter().any(|text| words.contains(text)) {
        return Err(CompileError::Limit(format!(
            "it needed more than {} of address space",
            limits.memory
        )));
    }
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(REFUSED) => Err(CompileError::Refused(words.to_owned())),
        (Some(code), _) if code == i32::from(UNWRITTEN) => Err(CompileError::Storage(words.to_owned())),
        (Some(code), _) if code == i32::from(OTHER_ENGINE) => Err(CompileError::Compiler(words.to_owned())),
        // SIGXCPU, and the SIGKILL that follows it.
        (_, Some(24 | 9)) => Err(CompileError::Limit(format!(
            "it computed longer than {:?}",
            limits.time
        ))),
        // SIGXFSZ.
        (_, Some(25)) => Err(CompileError::Limit(format!(
            "the machine code is larger than {}",
            limits.output
        ))),
        (_, Some(signal)) => Err(CompileError::Crashed(
            format!("signal {signal} {first}").trim_end().to_owned(),
        )),
        (code, None) => Err(CompileError::Crashed(
            format!("exit code {} {first}", code.unwrap_or(-1))
                .trim_end()
                .to_owned(),
        )),
    }
}
