//! Tests in a process of their own: only there the memory, descriptors and threads of one test can be counted.
//!
//! Crates take this file in by its path: those below this one cannot depend on it.

use std::{any::type_name, env, fs, process::Command};

const ALONE: &str = "ROLLCAGE_TEST_ALONE";

/// Runs `body` in a new process of this test binary, and makes sure that its memory grows by at most `bytes` at its peak.
///
/// `body` is a closure that stands in the test function itself: its type's name says which test that is.
pub fn alone<F: FnOnce()>(bytes: u64, body: F) {
    let closure = type_name::<F>();
    let path = closure.split("::{{closure}}").next().unwrap();
    let (_, test) = path.split_once("::").unwrap();
    if env::var(ALONE).is_ok_and(|name| name == test) {
        let before = memory("VmRSS:");
        body();
        let grown = memory("VmHWM:").saturating_sub(before);
        println!("{} KiB of memory more, {} allowed", grown >> 10, bytes >> 10);
        assert!(
            grown <= bytes,
            "{grown} bytes of memory were needed, {bytes} are allowed"
        );
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--include-ignored", "--nocapture"])
        .env(ALONE, test)
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {said}");
    print!("{said}");
}

/// A size of this process in bytes.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}
