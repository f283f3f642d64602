//! A cgroup of the plugin's own, where this host may make one: it counts every thread of the plugin and of whatever it
//! starts, and nothing can leave it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread::sleep,
    time::Duration,
};

use crate::process::tree;

/// One cgroup folder, removed with its owner.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    /// Makes a cgroup for at most `tasks` threads below the one that this process is in, or says why it cannot.
    pub(crate) fn create(tasks: u64) -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| format!("/proc/self/cgroup: {error}"))?;
        let mut refused = vec![];
        for parent in parents(&own, Path::new("/sys/fs/cgroup")) {
            match Self::below(&parent, tasks) {
                Ok(cgroup) => return Ok(cgroup),
                Err(error) => refused.push(format!("{}: {error}", parent.display())),
            }
        }
        if refused.is_empty() {
            refused.push("no cgroup with a pids controller".to_owned());
        }
        Err(refused.join(", "))
    }

    fn below(parent: &Path, tasks: u64) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let subtree = parent.join("cgroup.subtree_control");
        if subtree.exists()
            && !fs::read_to_string(&subtree)?
                .split_whitespace()
                .any(|name| name == "pids")
        {
            fs::write(&subtree, "+pids")?;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("rollcage-plugin-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let cgroup = Self { folder };
        fs::write(cgroup.folder.join("pids.max"), tasks.to_string())?;
        Ok(cgroup)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn members(&self) -> Vec<i32> {
        fs::read_to_string(self.folder.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }

    /// Ends everything in it. Blocks for moments.
    pub(crate) fn kill(&self) {
        // Newer kernels end all of it at once.
        let _ = fs::write(self.folder.join("cgroup.kill"), "1");
        for _ in 0..200 {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            for pid in members {
                tree::kill_if(pid, |_| self.members().contains(&pid));
            }
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.kill();
        for _ in 0..50 {
            // Busy until the kernel has taken the last dead process out of it.
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        tracing::warn!(folder = %self.folder.display(), "the cgroup of an ended plugin could not be removed");
    }
}

/// Where a cgroup with a limit of processes could be made, by the text of `/proc/self/cgroup`.
fn parents(own: &str, root: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for line in own.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let hierarchy = if controllers.is_empty() {
            root.to_owned()
        } else if controllers.split(',').any(|name| name == "pids") {
            root.join(controllers)
        } else {
            continue;
        };
        let folder = hierarchy.join(path.trim_start_matches('/'));
        let available = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        if !controllers.is_empty() || available.split_whitespace().any(|name| name == "pids") {
            found.push(folder);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_are_found() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/cgroup.controllers"), "cpu pids\n").unwrap();
        let own = "8:pids:/x\n5:devices:/y\n0::/a/b\nbroken\n";
        assert_eq!(
            parents(own, root.path()),
            [root.path().join("pids/x"), root.path().join("a/b")]
        );
        fs::write(root.path().join("a/b/cgroup.controllers"), "cpu\n").unwrap();
        assert_eq!(parents("0::/a/b", root.path()), Vec::<PathBuf>::new());
    }
}
