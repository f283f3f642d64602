//! Which processes belong to a plugin, read from `/proc`.

use std::{fs, os::unix::ffi::OsStrExt as _, path::Path};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    threads: u64,
    dead: bool,
}

fn parse(stat: &str) -> Option<Entry> {
    // The name is in parentheses and may hold anything: what follows begins behind the last one.
    let pid = stat.split(' ').next()?.parse().ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |index: usize| fields.get(index).and_then(|text| text.parse::<i32>().ok());
    Some(Entry {
        pid,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        threads: fields.get(17)?.parse().ok()?,
        dead: matches!(*fields.first()?, "Z" | "X"),
    })
}

fn read(pid: i32) -> Option<Entry> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn all() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return vec![];
    };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect()
}

/// Threads of the group of `leader`, of sessions that it leads, and of its descendants.
pub(crate) fn threads(leader: i32) -> u64 {
    let all = all();
    let mut members = vec![leader];
    loop {
        let before = members.len();
        for entry in &all {
            let belongs = entry.group == leader || entry.session == leader || members.contains(&entry.parent);
            if belongs && !members.contains(&entry.pid) {
                members.push(entry.pid);
            }
        }
        if members.len() == before {
            break;
        }
    }
    all.iter()
        .filter(|entry| members.contains(&entry.pid) && !entry.dead)
        .map(|entry| entry.threads)
        .sum()
}

/// Kills `pid` if it still is what `check` says once it is held fast: numbers of ended processes are used again.
pub(crate) fn kill_if(pid: i32, check: impl FnOnce(i32) -> bool) -> bool {
    let Some(process) = Pid::from_raw(pid) else {
        return false;
    };
    let Ok(held) = pidfd_open(process, PidfdFlags::empty()) else {
        return false;
    };
    check(pid) && pidfd_send_signal(held, Signal::KILL).is_ok()
}

/// Whether the environment of `pid` names the folder that only this plugin was given.
fn marked(pid: i32, marker: &Path) -> bool {
    let marker = marker.as_os_str().as_bytes();
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    pid != own
        && fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
            environment.split(|byte| *byte == 0).any(|variable| {
                variable
                    .strip_prefix(b"PLUGIN_UNIX_SOCKET_DIR=")
                    .is_some_and(|value| value == marker)
            })
        })
}

/// Kills what a plugin left behind outside its group: daemons of its own, which still carry its environment. Returns how
/// many. Blocks for moments.
pub(crate) fn sweep(marker: &Path) -> usize {
    let mut killed = 0;
    for _ in 0..10 {
        let left = all()
            .into_iter()
            .filter(|entry| !entry.dead && marked(entry.pid, marker))
            .filter(|entry| kill_if(entry.pid, |pid| marked(pid, marker)))
            .count();
        if left == 0 {
            break;
        }
        killed += left;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let stat = "42 (a) b (c) S 1 42 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 100 0 0";
        let entry = parse(stat).unwrap();
        assert_eq!((entry.pid, entry.parent, entry.group, entry.session), (42, 1, 42, 41));
        assert_eq!((entry.threads, entry.dead), (9, false));
        assert!(parse("").is_none() && parse("1 (x").is_none() && parse("1 (x) S 1").is_none());
    }

    #[test]
    fn own_threads_are_counted() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(threads(own) >= 1);
        assert!(read(own).is_some_and(|entry| !entry.dead));
    }
}
