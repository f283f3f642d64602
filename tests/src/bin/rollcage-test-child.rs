//! The process that tests start: the sandbox's compiler, the launcher of native plugins, a host that is killed, and one that starts
//! many plugins.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|word| word.to_str()) {
        Some("compile") => rollcage_sandbox::compiler_main(arguments),
        Some("launch") => rollcage_goplugin::launcher_main(arguments),
        Some("lives") => rollcage_tests::lives::main(arguments),
        Some("serve") => rollcage_tests::victim::main(arguments),
        _ => ExitCode::from(2),
    }
}
