//! At most two control planes of disruptive tests at once on a machine: each takes two thirds of a gigabyte.

use std::{
    env,
    fs::{File, TryLockError},
    path::PathBuf,
    thread,
    time::Duration,
};

const AT_ONCE: usize = 2;

/// A turn; whoever waits gets it when this is dropped, or its process ends.
#[derive(Debug)]
pub(super) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits for one.
    pub(super) fn take() -> Self {
        loop {
            for place in 0..AT_ONCE {
                let file = File::options()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(path(place))
                    .unwrap();
                match file.try_lock() {
                    Ok(()) => return Self { _lock: file },
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => panic!("{}: {error}", path(place).display()),
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn path(place: usize) -> PathBuf {
    env::temp_dir().join(format!("rollcage-controlplane-{place}.lock"))
}
