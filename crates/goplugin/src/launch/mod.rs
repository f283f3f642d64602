//! From an executable to a running process with its limits, before the first word is spoken.

pub(crate) mod cgroup;
mod environment;
mod launcher;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    time::Duration,
};

use rollcage_core::PluginId;
use tokio::{net::unix::pipe, sync::oneshot};

pub use self::{
    environment::EnvironmentPolicy,
    launcher::{LaunchStep, launcher_main},
};
use crate::{
    error::StartError,
    handshake::SOCKET_PATH,
    process::{Belongings, Process, TaskLimit},
};

/// The program that becomes the plugin: `rollcage` itself in a hidden mode that ends in [`launcher_main`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its first arguments; the launcher's own follow.
    pub arguments: Vec<OsString>,
}

/// The first argument by which `rollcage` becomes a launcher.
pub const LAUNCH: &str = "launch-native";

impl Launcher {
    /// `rollcage` itself, at this absolute path.
    pub fn rollcage(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: vec![LAUNCH.into()],
        }
    }
}

/// Limits of a native process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Private writable memory in bytes; none is unlimited.
    pub memory: Option<u64>,
    /// Open files.
    pub files: u64,
    /// Threads and processes together, those of its children included; none is unlimited.
    pub tasks: Option<u64>,
}

impl Default for ProcessLimits {
    /// Room for every plugin that was seen: they open tens of files and run tens of threads.
    fn default() -> Self {
        Self {
            memory: None,
            files: 4096,
            tasks: Some(1024),
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the launch to the handshake line: go-plugin's minute.
    pub start: Duration,
    /// From the line to the connection.
    pub connect: Duration,
    /// From `Quit` to the end of the process: go-plugin's two seconds.
    pub quit: Duration,
    /// Between two keep-alives.
    pub keep_alive: Duration,
    /// For the answer to one.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            start: Duration::from_mins(1),
            connect: Duration::from_secs(5),
            quit: Duration::from_secs(2),
            keep_alive: Duration::from_secs(30),
            answer: Duration::from_secs(10),
        }
    }
}

/// Everything needed to run one native plugin.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Which plugin: its kind is the cookie, its name is in every line of its log.
    pub plugin: PluginId,
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it sees of the host's environment.
    pub environment: EnvironmentPolicy,
    /// What the entry adds to it.
    pub env: BTreeMap<String, String>,
    /// Limits.
    pub limits: ProcessLimits,
    /// Whether a cgroup may be used for `limits.tasks`.
    pub cgroups: bool,
    /// User and group to run as.
    pub identity: Option<(u32, u32)>,
    /// Where the plugin's private folder is made; the system's temporary folder if none.
    pub folder: Option<PathBuf>,
    /// How long things may take.
    pub patience: Patience,
}

impl Spec {
    /// With nothing but defaults.
    pub fn new(plugin: PluginId, executable: impl Into<PathBuf>) -> Self {
        Self {
            plugin,
            executable: executable.into(),
            arguments: Vec::new(),
            environment: EnvironmentPolicy::default(),
            env: BTreeMap::new(),
            limits: ProcessLimits::default(),
            cgroups: true,
            identity: None,
            folder: None,
            patience: Patience::default(),
        }
    }
}

/// A process that has been started, with the ends of its pipes.
pub(crate) struct Launched {
    pub(crate) process: Process,
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
    pub(crate) tasks: TaskLimit,
    /// Folders where its socket may be, and may be removed from.
    pub(crate) sockets: Vec<PathBuf>,
}

/// `plugin` and a random number of ten digits, behind a slash: the name that go-plugin gives its socket.
const SOCKET_NAME: usize = 17;

/// Starts the launcher for `spec`.
pub(crate) async fn launch(launcher: &Launcher, spec: &Spec) -> Result<Launched, StartError> {
    if spec.environment == EnvironmentPolicy::Off {
        return Err(StartError::Off);
    }
    let executable = std::path::absolute(&spec.executable).map_err(StartError::Folder)?;
    let base = spec.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new()
        .prefix("rollcage-")
        .rand_bytes(8)
        .tempdir_in(&base)
        .map_err(StartError::Folder)?;
    let sockets = folder.path().join("s");
    let work = folder.path().join("w");
    // What a plugin forgets there goes with it. Older go-plugins also put their sockets there, since they know nothing of
    // the folder for those.
    let temporary = folder.path().join("t");
    if sockets.as_os_str().len() + SOCKET_NAME > SOCKET_PATH {
        return Err(StartError::SocketFolder { folder: sockets });
    }
    for path in [&sockets, &work, &temporary] {
        prepare(path, spec.identity)?;
    }
    if let Some((uid, gid)) = spec.identity {
        let denied = |source| StartError::Launch {
            step: LaunchStep::Identity,
            source,
        };
        chown(folder.path(), Some(uid), Some(gid)).map_err(denied)?;
    }

    let (tasks, cgroup) = task_limit(spec);
    let limit = spec.limits.tasks;
    let order = launcher::Order {
        parent: i32::try_from(std::process::id()).unwrap_or(0),
        memory: spec.limits.memory,
        files: spec.limits.files,
        tasks: limit.filter(|_| tasks == TaskLimit::User),
        cgroup: cgroup.as_ref().map(|cgroup| cgroup.folder().to_owned()),
        identity: spec.identity,
        program: executable,
        arguments: spec.arguments.clone(),
    };
    let environment = environment::environment(
        spec.environment,
        std::env::vars_os(),
        &spec.env,
        spec.plugin.kind,
        &sockets,
        &temporary,
    );
    // The entry may name another one.
    let temporary = environment
        .get(std::ffi::OsStr::new("TMPDIR"))
        .map_or(temporary, PathBuf::from);
    let mut command = Command::new(&launcher.program);
    command
        .args(&launcher.arguments)
        .args(order.arguments())
        .env_clear()
        .envs(environment)
        .current_dir(&work)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = spawn(command).await.map_err(|source| StartError::Launcher {
        program: launcher.program.clone(),
        source,
    })?;
    let stdout = child
        .stdout
        .take()
        .map(|pipe| pipe::Receiver::from_owned_fd(pipe.into()));
    let stderr = child
        .stderr
        .take()
        .map(|pipe| pipe::Receiver::from_owned_fd(pipe.into()));
    let belongings = Belongings {
        folder,
        marker: sockets.clone(),
        cgroup,
        counted: limit.filter(|_| matches!(tasks, TaskLimit::Counted { .. })),
    };
    let host = |source| StartError::Launcher {
        program: launcher.program.clone(),
        source,
    };
    let process = Process::supervise(child, belongings).map_err(host)?;
    let missing = || host(io::Error::other("a process without pipes"));
    Ok(Launched {
        process,
        stdout: stdout.ok_or_else(missing)?.map_err(host)?,
        stderr: stderr.ok_or_else(missing)?.map_err(host)?,
        tasks,
        sockets: vec![sockets, temporary],
    })
}

fn prepare(path: &Path, identity: Option<(u32, u32)>) -> Result<(), StartError> {
    fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
        .map_err(StartError::Folder)?;
    match identity {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(|source| StartError::Launch {
            step: LaunchStep::Identity,
            source,
        }),
        None => Ok(()),
    }
}

fn task_limit(spec: &Spec) -> (TaskLimit, Option<cgroup::Cgroup>) {
    let Some(limit) = spec.limits.tasks else {
        return (TaskLimit::None, None);
    };
    let reason = if spec.cgroups {
        match cgroup::Cgroup::create(limit) {
            Ok(cgroup) => return (TaskLimit::Cgroup, Some(cgroup)),
            Err(reason) => reason,
        }
    } else {
        "cgroups are switched off".to_owned()
    };
    let own = rustix::process::geteuid().as_raw();
    // The kernel counts by user, and not at all for root.
    if spec.identity.is_some_and(|(uid, _)| uid != 0 && uid != own) {
        (TaskLimit::User, None)
    } else {
        (TaskLimit::Counted { reason }, None)
    }
}

type Order = (Command, oneshot::Sender<io::Result<Child>>);

/// Starts `command` from a thread that lives as long as the host: the kernel ends a child with the *thread* that started
/// it, and threads of a runtime come and go.
async fn spawn(command: Command) -> io::Result<Child> {
    static THREAD: OnceLock<Option<mpsc::Sender<Order>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("plugin-launcher".to_owned())
            .spawn(move || {
                for (mut command, answer) in orders {
                    if let Err(Ok(mut unwanted)) = answer.send(command.spawn()) {
                        // Whoever wanted it is gone.
                        let _ = unwanted.kill();
                        let _ = unwanted.wait();
                    }
                }
            })
            .ok()
            .map(|_| sender)
    });
    let gone = || io::Error::other("the thread that starts plugins is gone");
    let (answer, started) = oneshot::channel();
    thread
        .as_ref()
        .ok_or_else(gone)?
        .send((command, answer))
        .map_err(|_| gone())?;
    started.await.map_err(|_| gone())?
}

/// The launcher's own words, if `line` are such.
pub(crate) fn report(line: &[u8], executable: &Path) -> Option<StartError> {
    let (step, source) = launcher::report(line)?;
    Some(match step {
        LaunchStep::Exec => StartError::Exec {
            executable: executable.to_owned(),
            source,
        },
        step => StartError::Launch { step, source },
    })
}
