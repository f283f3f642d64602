//! The launcher: a mode of our own program that limits itself and then becomes the plugin.
//!
//! Every step is an ordinary call in a process with one thread, and a step that fails says so in one line on standard
//! output, where the host waits for the handshake.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use rustix::{
    io::Errno,
    process::{
        Gid, Pid, Resource, Rlimit, Signal, Uid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
    },
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// First field of the line that reports a failed step.
pub(super) const REPORT: &str = "rollcage-launcher";

/// A step of the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchStep {
    /// Reading what the host asks for.
    Order,
    /// Joining the plugin's cgroup.
    Cgroup,
    /// Closing what the host had open.
    Descriptors,
    /// Memory, files, core dumps, processes.
    Limits,
    /// Becoming the entry's user.
    Identity,
    /// Ending with the host.
    Parent,
    /// Becoming the plugin.
    Exec,
}

impl LaunchStep {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Order, "order"),
        (Self::Cgroup, "cgroup"),
        (Self::Descriptors, "descriptors"),
        (Self::Limits, "limits"),
        (Self::Identity, "identity"),
        (Self::Parent, "parent"),
        (Self::Exec, "exec"),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(step, _)| *step == self)
            .map_or("", |(_, name)| name)
    }
}

impl std::fmt::Display for LaunchStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What the host tells its launcher, as arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// The host: the launcher gives up when it is gone already.
    pub(super) parent: i32,
    /// Private writable memory, in bytes.
    pub(super) memory: Option<u64>,
    /// Open files.
    pub(super) files: u64,
    /// Threads of the user, where the user is the plugin's own.
    pub(super) tasks: Option<u64>,
    /// Folder of the cgroup to join.
    pub(super) cgroup: Option<PathBuf>,
    /// User and group to become.
    pub(super) identity: Option<(u32, u32)>,
    /// The executable.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
}

impl Order {
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let number = |number: Option<u64>| OsString::from(number.map_or_else(|| "-".into(), |n| n.to_string()));
        let (uid, gid) = self.identity.unzip();
        let mut all = vec![
            self.parent.to_string().into(),
            number(self.memory),
            number(Some(self.files)),
            number(self.tasks),
            self.cgroup.clone().map_or_else(|| "-".into(), PathBuf::into_os_string),
            number(uid.map(u64::from)),
            number(gid.map(u64::from)),
            self.program.clone().into_os_string(),
        ];
        all.extend(self.arguments.iter().cloned());
        all
    }

    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut next = || arguments.next();
        let parent = next()?.to_str()?.parse().ok()?;
        let mut number = || {
            let text = next()?;
            let text = text.to_str()?;
            if text == "-" {
                Some(None)
            } else {
                text.parse::<u64>().ok().map(Some)
            }
        };
        let (memory, files, tasks) = (number()?, number()??, number()?);
        let cgroup = next().filter(|path| !path.is_empty())?;
        let mut id = || {
            let text = next()?;
            let text = text.to_str()?;
            if text == "-" {
                Some(None)
            } else {
                text.parse::<u32>().ok().map(Some)
            }
        };
        let (uid, gid) = (id()?, id()?);
        Some(Self {
            parent,
            memory,
            files,
            tasks,
            cgroup: (cgroup != "-").then(|| cgroup.into()),
            identity: uid.zip(gid),
            program: next()?.into(),
            arguments: arguments.collect(),
        })
    }
}

/// The whole program of a launcher process. `arguments` are those that the host appended to
/// [`Launcher`](crate::Launcher)'s own. It returns only when the plugin could not be started.
pub fn launcher_main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (step, error) = match Order::parse(arguments) {
        None => (
            LaunchStep::Order,
            io::Error::other("this is the launcher of native plugins; it is not for people"),
        ),
        Some(order) => launch(&order),
    };
    let text = error.to_string().replace(['\n', '|'], " ");
    // Nobody is left to tell when standard output is gone.
    let _ = writeln!(
        io::stdout(),
        "{REPORT}|{}|{}|{text}",
        step.name(),
        error.raw_os_error().unwrap_or(0)
    );
    ExitCode::from(125)
}

/// Reads the line of a launcher that gave up.
pub(super) fn report(line: &[u8]) -> Option<(LaunchStep, io::Error)> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let mut fields = text.splitn(4, '|');
    let (first, step, number, text) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (step, _) = LaunchStep::ALL.iter().find(|(_, name)| *name == step)?;
    let error = match number.parse::<i32>().ok()? {
        0 => io::Error::other(text.to_owned()),
        number => io::Error::from_raw_os_error(number),
    };
    (first == REPORT).then_some((*step, error))
}

type Step = fn(&Order) -> io::Result<()>;

fn launch(order: &Order) -> (LaunchStep, io::Error) {
    let before: [(LaunchStep, Step); 3] = [
        (LaunchStep::Cgroup, join),
        (LaunchStep::Descriptors, close_all),
        (LaunchStep::Limits, limit),
    ];
    let after: [(LaunchStep, Step); 2] = [
        (LaunchStep::Identity, become_user),
        // After the identity: the kernel forgets the signal when the user changes.
        (LaunchStep::Parent, follow),
    ];
    for (step, run) in before {
        if let Err(error) = run(order) {
            return (step, error);
        }
    }
    // The host's cache is closed to other users, what is in it is not: a program is opened as the host's user, and executed
    // by its descriptor. (A script's interpreter would have to open it once more.)
    let opened = order.identity.and_then(|_| fs::File::open(&order.program).ok());
    for (step, run) in after {
        if let Err(error) = run(order) {
            return (step, error);
        }
    }
    if let Err(error) = look(&order.program) {
        return (LaunchStep::Exec, error);
    }
    let program = match &opened {
        Some(file) if is_elf(file) => PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
        _ => order.program.clone(),
    };
    let error = Command::new(program).arg0(&order.program).args(&order.arguments).exec();
    (LaunchStep::Exec, error)
}

fn is_elf(mut file: &fs::File) -> bool {
    let mut magic = [0; 4];
    file.read_exact(&mut magic).is_ok() && magic == *b"\x7fELF"
}

/// What the kernel would refuse is not handed to a shell, which is what exec's search along the path does with it.
fn look(program: &Path) -> io::Result<()> {
    let mut head = Vec::new();
    match fs::File::open(program).and_then(|file| file.take(20).read_to_end(&mut head)) {
        Ok(_) => {}
        // A file may be executable and not readable: then the kernel has the word.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(error),
    }
    let [0x7f, b'E', b'L', b'F', _, order, .., low, high] = head.as_slice() else {
        return if head.starts_with(b"#!") {
            Ok(())
        } else {
            Err(Errno::NOEXEC.into())
        };
    };
    let machine = match order {
        1 => u16::from_le_bytes([*low, *high]),
        _ => u16::from_be_bytes([*low, *high]),
    };
    let ours: &[u16] = match std::env::consts::ARCH {
        // With 32 bits, too.
        "x86_64" => &[62, 3],
        "aarch64" => &[183],
        // The kernel has the word.
        _ => return Ok(()),
    };
    if ours.contains(&machine) {
        Ok(())
    } else {
        Err(Errno::NOEXEC.into())
    }
}

fn join(order: &Order) -> io::Result<()> {
    match &order.cgroup {
        Some(folder) => fs::write(folder.join("cgroup.procs"), "0"),
        None => Ok(()),
    }
}

/// All but standard input, output and error. What Rust opens is closed by exec anyway; this is for what the host itself
/// inherited, or a library opened carelessly.
fn close_all(_: &Order) -> io::Result<()> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        // The folder that was just read is in the list and closed already.
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

fn limit(order: &Order) -> io::Result<()> {
    let exactly = |number| Rlimit {
        current: Some(number),
        maximum: Some(number),
    };
    let files = getrlimit(Resource::Nofile)
        .maximum
        .map_or(order.files, |most| most.min(order.files));
    setrlimit(Resource::Nofile, exactly(files))?;
    setrlimit(Resource::Core, exactly(0))?;
    // Not the address space: Go reserves far more of it than it ever uses. And no processor time: a plugin lives for weeks.
    if let Some(memory) = order.memory {
        setrlimit(Resource::Data, exactly(memory))?;
    }
    if let Some(tasks) = order.tasks {
        setrlimit(Resource::Nproc, exactly(tasks))?;
    }
    Ok(())
}

/// This process has one thread: what holds for the thread holds for the process.
fn become_user(order: &Order) -> io::Result<()> {
    let Some((uid, gid)) = order.identity else {
        return Ok(());
    };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_groups(&[gid])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

fn follow(order: &Order) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before.
    if getppid().map_or(0, Pid::as_raw_pid) == order.parent {
        Ok(())
    } else {
        Err(io::Error::other("the host ended while its plugin started"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_back() {
        let orders = [
            Order {
                parent: 7,
                files: 10,
                program: "/p".into(),
                ..Order::default()
            },
            Order {
                parent: 7,
                memory: Some(1 << 40),
                files: 10,
                tasks: Some(12),
                cgroup: Some("/sys/fs/cgroup/x".into()),
                identity: Some((1000, 2000)),
                program: "/p q".into(),
                arguments: vec!["--a".into(), "-".into(), "".into()],
            },
        ];
        for order in orders {
            assert_eq!(Order::parse(order.arguments().into_iter()), Some(order));
        }
        assert_eq!(Order::parse(["1", "-"].map(OsString::from).into_iter()), None);
    }

    #[test]
    fn reports_are_read_back() {
        let (step, error) = report(b"rollcage-launcher|exec|2|No such file\n").unwrap();
        assert_eq!((step, error.kind()), (LaunchStep::Exec, io::ErrorKind::NotFound));
        let (step, error) = report(b"rollcage-launcher|parent|0|gone").unwrap();
        assert_eq!((step, error.to_string()), (LaunchStep::Parent, "gone".to_owned()));
        for other in [&b"1|1|unix|/t/p|netrpc|"[..], b"rollcage-launcher|exec", b"\xff"] {
            assert!(report(other).is_none());
        }
    }
}
