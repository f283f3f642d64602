//! A plugin's process: its end, its children, its folders.
//!
//! One task owns the process. It waits for the end by a descriptor of the process (not by its pipes: a child of the plugin
//! may hold those for ever), ends the whole group *before* it reaps the leader (until then nobody else can get the group's
//! number), then looks for what left the group, and removes folder and socket.

pub(crate) mod tree;

use std::{
    fmt,
    os::{
        fd::OwnedFd,
        unix::{fs::FileTypeExt as _, process::ExitStatusExt as _},
    },
    path::PathBuf,
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid};
use tempfile::TempDir;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::launch::cgroup::Cgroup;

/// Between two counts of a plugin's threads.
const COUNT: Duration = Duration::from_millis(250);

/// How the number of a plugin's threads is limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskLimit {
    /// Not at all.
    None,
    /// By a cgroup of its own: nothing beyond the limit is ever started.
    Cgroup,
    /// By the kernel's count for the plugin's own user.
    User,
    /// The host counts, and ends a plugin that has more. Why nothing better is there.
    Counted {
        /// Why there is no cgroup.
        reason: String,
    },
}

/// Why a process was ended by its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// It did not become a plugin.
    Start,
    /// It was asked to quit and did not, or could not be asked.
    Quit,
    /// The host gave it up: it hung, or its connection broke.
    GivenUp,
    /// It had more threads and processes than allowed.
    Tasks {
        /// How many it had.
        had: u64,
        /// How many were allowed.
        limit: u64,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Why the host killed it, if it did.
    pub killed: Option<Killed>,
    /// Processes that had left the plugin's group and were ended.
    pub strays: usize,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.killed, self.status.code(), self.status.signal()) {
            (Some(Killed::Tasks { had, limit }), ..) => {
                write!(f, "was ended: {had} threads and processes, {limit} allowed")
            }
            (Some(_), ..) => f.write_str("was ended by its host"),
            (None, Some(code), _) => write!(f, "exited with code {code}"),
            (None, None, Some(signal)) => write!(f, "was ended by signal {signal} ({})", signal_name(signal)),
            (None, None, None) => write!(f, "ended ({})", self.status),
        }
    }
}

fn signal_name(number: i32) -> &'static str {
    match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        _ => "signal",
    }
}

/// What belongs to a process and goes with it.
#[derive(Debug)]
pub(crate) struct Belongings {
    /// Its private folder.
    pub(crate) folder: TempDir,
    /// The folder that its environment names, by which its strays are found.
    pub(crate) marker: PathBuf,
    /// Its cgroup, where it has one.
    pub(crate) cgroup: Option<Cgroup>,
    /// How many threads it may have, where the host counts.
    pub(crate) counted: Option<u64>,
}

#[derive(Debug)]
struct Shared {
    pid: Pid,
    exit: watch::Sender<Option<Exit>>,
    /// The group; none as soon as its leader may be reaped, when its number may become another's.
    group: Mutex<Option<Pid>>,
    why: Mutex<Option<Killed>>,
    socket: Mutex<Option<PathBuf>>,
}

impl Shared {
    fn kill_group(&self) {
        if let Some(group) = *self.group.lock().unwrap_or_else(PoisonError::into_inner) {
            // Fails when nothing of the group is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn because(&self, why: Killed) {
        self.why
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(why);
    }
}

/// Handle of a process; when it is dropped the process is killed.
#[derive(Debug)]
pub(crate) struct Process {
    shared: Arc<Shared>,
}

impl Process {
    /// Takes charge of `child`, the leader of a group of its own.
    pub(crate) fn supervise(child: Child, belongings: Belongings) -> std::io::Result<Self> {
        let raw = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let Some(pid) = raw else {
            return Err(std::io::Error::other("a process without number"));
        };
        let shared = Arc::new(Shared {
            pid,
            exit: watch::Sender::new(None),
            group: Mutex::new(Some(pid)),
            why: Mutex::new(None),
            socket: Mutex::new(None),
        });
        // Where there are no such descriptors, the end is polled for.
        #[expect(
            deprecated,
            reason = "its replacement is unsafe, for descriptors that somebody else may close; this one is owned"
        )]
        let watch = |fd| AsyncFd::with_interest(fd, Interest::READABLE).ok();
        let held = pidfd_open(pid, PidfdFlags::empty()).ok().and_then(watch);
        let task = shared.clone();
        let mut owned = Owned {
            child,
            shared: shared.clone(),
        };
        tokio::spawn(async move {
            supervise(held, &task, &belongings).await;
            let status = owned.reap().unwrap_or_else(|| ExitStatus::from_raw(9));
            let socket = task.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
            let strays = tokio::task::spawn_blocking(move || clear(belongings, socket))
                .await
                .unwrap_or(0);
            let killed = *task.why.lock().unwrap_or_else(PoisonError::into_inner);
            task.exit.send_replace(Some(Exit {
                status,
                // It may have ended by itself just before.
                killed: killed.filter(|_| status.signal() == Some(9)),
                strays,
            }));
        });
        Ok(Self { shared })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.shared.pid.as_raw_pid()
    }

    /// The socket file to remove with it.
    pub(crate) fn owns_socket(&self, path: PathBuf) {
        *self.shared.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
    }

    /// How it ended, if it has, and all that belonged to it is gone.
    pub(crate) fn exit(&self) -> Option<Exit> {
        *self.shared.exit.borrow()
    }

    /// Waits for that.
    pub(crate) async fn ended(&self) -> Option<Exit> {
        let mut exit = self.shared.exit.subscribe();
        // The sender is in `self.shared`.
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit)
    }

    /// Ends the whole group, now. The first reason stays.
    pub(crate) fn kill(&self, why: Killed) {
        self.shared.because(why);
        self.shared.kill_group();
    }

    /// Ends it and waits until nothing of it is left; none if the kernel does not let go of it.
    pub(crate) async fn killed(&self, why: Killed) -> Option<Exit> {
        self.kill(why);
        timeout(Duration::from_secs(10), self.ended()).await.ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit().is_none() {
            self.kill(Killed::GivenUp);
        }
    }
}

/// The child, which does not outlive the task that supervises it (a runtime that shuts down drops its tasks).
#[derive(Debug)]
struct Owned {
    child: Child,
    shared: Arc<Shared>,
}

impl Owned {
    /// Only of a leader that is dead: it does not wait.
    fn reap(&mut self) -> Option<ExitStatus> {
        self.shared.kill_group();
        *self.shared.group.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.child.wait().ok()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self
            .shared
            .group
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
        {
            return;
        }
        self.shared.kill_group();
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Returns when the leader is dead (and not reaped).
async fn supervise(held: Option<AsyncFd<OwnedFd>>, shared: &Shared, belongings: &Belongings) {
    let mut count = interval(COUNT);
    count.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let dead = async {
        if let Some(held) = held {
            drop(held.readable().await);
        } else {
            let nothing = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
            while let Ok(None) = waitid(WaitId::Pid(shared.pid), nothing) {
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::pin!(dead);
    loop {
        tokio::select! {
            () = &mut dead => return,
            _ = count.tick(), if belongings.counted.is_some() => {
                let pid = shared.pid.as_raw_pid();
                let had = tokio::task::spawn_blocking(move || tree::threads(pid)).await.unwrap_or(0);
                if let Some(limit) = belongings.counted && had > limit {
                    shared.because(Killed::Tasks { had, limit });
                    shared.kill_group();
                }
            }
        }
    }
}

/// Ends what left the group and removes what is left on disk.
fn clear(belongings: Belongings, socket: Option<PathBuf>) -> usize {
    let Belongings {
        folder, marker, cgroup, ..
    } = belongings;
    drop(cgroup);
    let strays = tree::sweep(&marker);
    if let Some(path) = socket
        && std::fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket())
    {
        // Already gone after an orderly end.
        let _ = std::fs::remove_file(path);
    }
    if let Err(error) = folder.close() {
        tracing::warn!(%error, "the private folder of an ended plugin could not be removed");
    }
    strays
}
