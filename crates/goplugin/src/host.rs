//! One native plugin, from its launch to its end.

use std::{io, os::unix::process::ExitStatusExt as _, path::Path, time::Duration};

use bytes::Bytes;
use rollcage_core::{Fault, Phase};
use rollcage_gob::{Encoder, Value, types};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpStream, UnixStream, unix::pipe},
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    broker,
    error::{DispenseError, StartError, call_fault, exit_fault},
    handshake::{self, Address, LINE, LineError},
    launch::{self, Launched, Launcher, Spec},
    logs::{LogSink, LogStream, Logger, SETTLE, Tail},
    ports::service_name,
    process::{Exit, Killed, Process, TaskLimit},
    rpc::{CallLimits, Client, RpcError},
    yamux::{Role, Session, Socket, Stream, Times},
};

/// How long an ended process may take to be seen as ended, when its pipes say so first.
const SEEN: Duration = Duration::from_secs(1);

/// Limits of the control stream: headers and numbers.
const CONTROL: CallLimits = CallLimits {
    input: 64 << 10,
    output: 64 << 10,
};

/// A running plugin. Dropping it kills its processes and removes what they leave.
#[derive(Debug)]
pub struct NativePlugin {
    spec: Spec,
    process: Process,
    session: Session,
    control: Client,
    tasks: TaskLimit,
    stderr: Tail,
    /// Whether its standard error was read to the end.
    stderr_end: AbortHandle,
    /// Read its pipes and output streams; they end with it.
    _drains: JoinSet<()>,
}

/// What the first line was, or why there is none.
enum First {
    Line(Vec<u8>, Vec<u8>),
    End(Vec<u8>),
    TooLong(Vec<u8>),
}

impl NativePlugin {
    /// Launches the executable of `spec` and connects to it. What it writes goes to `log`. Whatever goes wrong, nothing of
    /// it is left when this returns.
    pub async fn start(launcher: &Launcher, spec: &Spec, log: LogSink) -> Result<Self, StartError> {
        let Launched {
            process,
            mut stdout,
            stderr: pipe,
            tasks,
            sockets,
        } = launch::launch(launcher, spec).await?;
        let logger = Logger::new(log);
        let stderr = Tail::default();
        let mut drains = JoinSet::new();
        let stderr_end = drains.spawn(logger.clone().drain_pipe(
            Vec::new(),
            pipe,
            LogStream::Stderr,
            Some(stderr.clone()),
        ));
        let connected = async {
            let until = Instant::now() + spec.patience.start;
            let (address, rest) = match handshake(&process, &mut stdout, spec, until).await {
                Ok(line) => line,
                Err(failed) => return Err(Failed::Handshake(failed)),
            };
            if let Address::Unix(path) = &address
                && path
                    .parent()
                    .is_some_and(|folder| sockets.iter().any(|socket| socket == folder))
            {
                process.owns_socket(path.clone());
            }
            let socket = connect(&address, spec.patience.connect)
                .await
                .map_err(|source| Failed::Other(StartError::Connect { address, source }))?;
            Ok((socket, rest))
        };
        let (socket, rest) = match connected.await {
            Ok(connected) => connected,
            Err(failed) => {
                let exit = process.killed(Killed::Start).await;
                last_words(&stderr_end).await;
                return Err(failed.explain(spec, exit, stderr.text()));
            }
        };
        drains.spawn(logger.clone().drain_pipe(rest, stdout, LogStream::Stdout, None));
        let times = Times {
            keep_alive: spec.patience.keep_alive,
            answer: spec.patience.answer,
            ..Times::default()
        };
        let session = Session::new(socket, Role::Client, times);
        let opened = open(&session, &logger, &mut drains).await;
        let control = match opened {
            Ok(control) => Client::new(control, Bytes::new(), CONTROL),
            Err(error) => {
                process.killed(Killed::Start).await;
                return Err(error);
            }
        };
        Ok(Self {
            spec: spec.clone(),
            process,
            session,
            control,
            tasks,
            stderr,
            stderr_end,
            _drains: drains,
        })
    }

    /// The number of its process.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Bytes of memory that its process holds now; nothing once it has ended.
    pub fn memory(&self) -> Option<u64> {
        if self.exit().is_some() {
            return None;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib.saturating_mul(1024))
    }

    /// How its threads and processes are limited.
    pub fn task_limit(&self) -> &TaskLimit {
        &self.tasks
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.process.exit()
    }

    /// Waits for its end, for whatever reason: of its process, or of its connection (then the process is killed: nobody
    /// can talk to it any more).
    pub async fn ended(&self) -> Option<Exit> {
        tokio::select! {
            exit = self.process.ended() => exit,
            _ = self.session.ended() => {
                if let Ok(exit) = timeout(SEEN, self.process.ended()).await {
                    return exit;
                }
                self.process.killed(Killed::GivenUp).await
            }
        }
    }

    /// Whether it answers: the way to find one that hangs as a whole.
    pub async fn ping(&self, deadline: Duration) -> Result<(), RpcError> {
        self.control_call("Control.Ping", deadline).await
    }

    async fn control_call(&self, method: &str, deadline: Duration) -> Result<(), RpcError> {
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::BOOL, &true, to);
        // Whatever it answers is fine.
        self.control.call(method, argument, |_| Ok(()), deadline).await
    }

    /// Reaches the service of this plugin's kind. Each call of this makes a fresh object in the plugin.
    pub async fn dispense(&self, limits: CallLimits, deadline: Duration) -> Result<Client, DispenseError> {
        let name = service_name(self.spec.plugin.kind);
        let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::STRING, name, to);
        let read = |value: Value<'_, '_>| value.decode(types::UINT32);
        let number = self
            .control
            .call("Dispenser.Dispense", argument, read, deadline)
            .await?;
        let (stream, rest) = broker::dial(&self.session, number).await?;
        Ok(Client::new(stream, rest, limits))
    }

    /// The fault that `error` of a call is: when the process has ended, or ends in this moment, that is the cause.
    pub async fn fault(&self, phase: Phase, error: &RpcError) -> Fault {
        let over = matches!(error, RpcError::Session(_) | RpcError::Shutdown);
        let exit = if over {
            timeout(SEEN, self.process.ended()).await.ok().flatten()
        } else {
            self.exit()
        };
        call_fault(&self.spec.plugin, phase, error, exit.as_ref(), &self.stderr.text())
    }

    /// The fault of a service that could not be reached.
    pub async fn dispense_fault(&self, error: &DispenseError) -> Fault {
        let plugin = &self.spec.plugin;
        match error {
            DispenseError::Call(RpcError::Server(text)) => {
                let cause = format!("it serves no {}: {text}", plugin.kind);
                let hint = "check under which key of the configuration the plugin is listed";
                Fault::new(plugin, Phase::Link, error.kind(), cause, hint)
            }
            DispenseError::Call(error) => self.fault(Phase::Link, error).await,
            DispenseError::Dial(_) => {
                let hint = "the plugin does not speak go-plugin's protocol";
                Fault::new(plugin, Phase::Link, error.kind(), error.to_string(), hint)
            }
        }
    }

    /// The fault that its end is: when the host gave it up, the first cause is what became of the connection.
    pub(crate) fn end_fault(&self, exit: &Exit) -> Fault {
        let plugin = &self.spec.plugin;
        match self.session.error() {
            Some(error) if exit.killed == Some(Killed::GivenUp) => {
                let error = RpcError::Session(error);
                call_fault(plugin, Phase::Call, &error, Some(exit), &self.stderr.text())
            }
            _ => exit_fault(plugin, Phase::Call, exit, &self.stderr.text()),
        }
    }

    /// The end of its standard error.
    pub fn last_words(&self) -> String {
        self.stderr.text()
    }

    /// Asks it to quit, gives it its two seconds, and ends what is left of it: process, children, socket, folder. What it
    /// wrote until then has been logged when this returns.
    ///
    /// None if the kernel does not let go of it.
    pub async fn quit(&self) -> Option<Exit> {
        let exit = self.asked_to_quit().await;
        last_words(&self.stderr_end).await;
        exit
    }

    async fn asked_to_quit(&self) -> Option<Exit> {
        let grace = Instant::now() + self.spec.patience.quit;
        // Go's server may close the connection before it answers: then the end of the process is the answer.
        let asked = self.control_call("Control.Quit", self.spec.patience.quit).await;
        let understood = matches!(asked, Ok(()) | Err(RpcError::Session(_)));
        self.control.close();
        self.session.close();
        if understood && let Ok(exit) = timeout_at(grace, self.process.ended()).await {
            return exit;
        }
        self.process.killed(Killed::Quit).await
    }

    /// Ends it without a word.
    pub async fn kill(&self) -> Option<Exit> {
        self.process.killed(Killed::GivenUp).await
    }
}

/// Waits until what an ended process wrote last has been read: it may still be on its way.
async fn last_words(stderr_end: &AbortHandle) {
    let _ = timeout(SETTLE, async {
        while !stderr_end.is_finished() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// The three streams that a server waits for, in its order.
async fn open(session: &Session, logger: &Logger, drains: &mut JoinSet<()>) -> Result<Stream, StartError> {
    let control = session.open().await?;
    for stream in [LogStream::Stdout, LogStream::Stderr] {
        drains.spawn(logger.clone().drain_stream(session.open().await?, stream));
    }
    Ok(control)
}

async fn connect(address: &Address, patience: Duration) -> io::Result<Socket> {
    let connecting = async {
        Ok(match address {
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path).await?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Socket::Tcp(stream)
            }
        })
    };
    timeout(patience, connecting).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {patience:?}"),
        ))
    })
}

/// Why there is no connection, before the process's end has been looked at.
enum Failed {
    Handshake(NoLine),
    Other(StartError),
}

/// Why there is no handshake.
enum NoLine {
    /// The process, or its standard output, ended first.
    Ended,
    Silent,
    Line(LineError),
    Launcher(StartError),
}

impl Failed {
    fn explain(self, spec: &Spec, exit: Option<Exit>, stderr: String) -> StartError {
        match self {
            Self::Other(error) | Self::Handshake(NoLine::Launcher(error)) => error,
            Self::Handshake(NoLine::Silent) => match exit {
                Some(exit) if matches!(exit.killed, Some(Killed::Tasks { .. })) => StartError::Exited { exit, stderr },
                _ => StartError::Silent {
                    after: spec.patience.start,
                    stderr,
                },
            },
            Self::Handshake(NoLine::Line(line)) => StartError::Line { line, stderr },
            Self::Handshake(NoLine::Ended) => match exit {
                Some(exit) if exit.killed == Some(Killed::Start) => StartError::Closed { stderr },
                // go-plugin's words for a wrong cookie, since its first version.
                Some(exit) if exit.status.into_raw() == 1 << 8 && stderr.contains("This binary is a plugin") => {
                    StartError::Cookie {
                        kind: spec.plugin.kind,
                        stderr,
                    }
                }
                Some(exit) => StartError::Exited { exit, stderr },
                None => StartError::Closed { stderr },
            },
        }
    }
}

/// Waits for the line, the process's end, or the end of patience.
async fn handshake(
    process: &Process,
    stdout: &mut pipe::Receiver,
    spec: &Spec,
    until: Instant,
) -> Result<(Address, Vec<u8>), NoLine> {
    let mut have = Vec::new();
    let first = {
        let reading = first_line(stdout, &mut have);
        tokio::pin!(reading);
        tokio::select! {
            biased;
            first = timeout_at(until, &mut reading) => first.map_err(|_| NoLine::Silent)?,
            // A child may hold the pipe: what is in it is there now.
            _ = process.ended() => timeout(SETTLE, &mut reading).await.map_err(|_| NoLine::Ended)?,
        }
    };
    match first {
        First::TooLong(line) => Err(NoLine::Line(LineError::TooLong(handshake::shown(&line)))),
        First::End(line) if line.is_empty() => {
            // The process may end a moment after its pipe.
            let _ = timeout(SEEN, process.ended()).await;
            Err(NoLine::Ended)
        }
        First::End(line) => accept(&line, &spec.executable).map(|address| (address, Vec::new())),
        First::Line(line, rest) => accept(&line, &spec.executable).map(|address| (address, rest)),
    }
}

fn accept(line: &[u8], executable: &Path) -> Result<Address, NoLine> {
    if let Some(error) = launch::report(line, executable) {
        return Err(NoLine::Launcher(error));
    }
    handshake::parse(line).map_err(NoLine::Line)
}

/// Reads up to the end of the first line.
async fn first_line(stdout: &mut pipe::Receiver, have: &mut Vec<u8>) -> First {
    let mut buffer = [0; 4096];
    loop {
        let count = match stdout.read(&mut buffer).await {
            Ok(0) | Err(_) => return First::End(std::mem::take(have)),
            Ok(count) => count,
        };
        let new = buffer.get(..count).unwrap_or_default();
        if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = new.split_at(end);
            have.extend_from_slice(line);
            return First::Line(std::mem::take(have), rest.get(1..).unwrap_or_default().to_vec());
        }
        have.extend_from_slice(new);
        if have.len() > LINE {
            return First::TooLong(std::mem::take(have));
        }
    }
}
