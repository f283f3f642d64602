//! The launcher as a program of its own, for hosts that are not `rollcage` itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    rollcage_goplugin::launcher_main(std::env::args_os().skip(1))
}
