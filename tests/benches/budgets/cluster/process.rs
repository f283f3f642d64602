//! A controller as a process, and what the system counts of it.

use std::{
    env,
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rollcage_tests::controlplane::{built, program};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use super::{Who, site::Site};

/// Tells which `rollcage` is measured; else it is the one beside this program.
const PROGRAM: &str = "ROLLCAGE_PROGRAM";

/// Longest wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);

/// Ticks of `/proc/PID/stat` in a second, on every Linux.
const TICKS: f64 = 100.0;

/// A running controller, killed when this is dropped.
pub(super) struct Process {
    child: Child,
    log: NamedTempFile,
    who: Who,
    health: u16,
    pub started: Instant,
}

/// What a process took of the machine until now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Seconds of processor time.
    pub cpu: f64,
    /// Resident MiB.
    pub resident: f64,
    /// Of these, what is no copy of a file.
    pub anonymous: f64,
    /// Most MiB that were ever resident.
    pub peak: f64,
}

impl Process {
    /// Starts it in this place, with these flags more.
    pub fn start(who: Who, site: &Site<'_>, flags: &[&str]) -> Result<Self> {
        let log = NamedTempFile::new()?;
        let [health, metrics] = [free_port()?, free_port()?];
        let mut command = match who {
            Who::Original => Command::new(built().context("no control plane")?.join("rollouts-controller")),
            Who::Ours => {
                let mut command = Command::new(env::var_os(PROGRAM).map_or_else(program, PathBuf::from));
                command.arg("controller").env("ROLLCAGE_CACHE_DIR", cache());
                command
            }
        };
        command
            .args([
                "--healthzPort",
                &health.to_string(),
                "--metricsPort",
                &metrics.to_string(),
            ])
            .args(["--instance-id", &site.here.name, "--kubeconfig"])
            .arg(&site.account(who).kubeconfig)
            .args(flags)
            .env("POD_NAMESPACE", &site.here.name)
            .env_remove("ROLLCAGE_LOG")
            .env_remove("KUBECONFIG")
            .stdout(File::create(log.path())?)
            .stderr(File::options().append(true).open(log.path())?);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        Ok(Self {
            child,
            log,
            who,
            health,
            started,
        })
    }

    /// How long it took until its probe said that it works.
    pub async fn healthy(&mut self) -> Result<Duration> {
        let path = match self.who {
            // Ours says that it is alive from its first moment.
            Who::Ours => "/readyz",
            Who::Original => "/healthz",
        };
        while !answers(self.health, path) {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended ({status}): {}", self.last_words());
            }
            if self.started.elapsed() > PATIENCE {
                bail!("it does not get healthy: {}", self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(self.started.elapsed())
    }

    pub fn usage(&self) -> Result<Usage> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(folder.join("status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line
                .with_context(|| format!("no {name}"))?
                .trim()
                .trim_end_matches(" kB");
            anyhow::Ok(kib.parse::<f64>()? / 1024.0)
        };
        Ok(Usage {
            cpu: processor_seconds(&fs::read_to_string(folder.join("stat"))?)?,
            resident: field("VmRSS:")?,
            anonymous: field("RssAnon:")?,
            peak: field("VmHWM:")?,
        })
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log.path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked to, it leaves the lease to the next.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// utime and stime. The name before them may have spaces.
fn processor_seconds(stat: &str) -> Result<f64> {
    let (_, after) = stat.rsplit_once(')').context("stat is short")?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |index: usize| anyhow::Ok(fields.get(index).context("stat is short")?.parse::<f64>()?);
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}

/// Where ours keeps machine code, so that only the first start compiles, as with the layer of an image.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster")
}

/// Free again at once, and the controller's own a moment later.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn answers(port: u16, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.ends_with(b" 200"))
}
