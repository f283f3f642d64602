//! `rollcage dev`.

use rollcage_harness::{
    CommandError,
    dev::{DevOptions, dev},
    workbench::Workbench,
};

use crate::{args::DevArgs, output::Out, progress::DevProgress, render};

pub async fn run(args: DevArgs, workbench: &Workbench, out: Out) -> Result<(), CommandError> {
    let mut progress = DevProgress::new();
    let options = DevOptions {
        dir: args.dir,
        fast_forward: args.fast_forward,
        listen: args.listen,
        tape: super::tape(args.tape),
    };
    let report = dev(workbench, options, &mut |report| progress.show(report)).await;
    progress.finish();
    let report = report?;
    out.result(&report, || render::dev::summary(&report));
    if report.ok { Ok(()) } else { Err(CommandError::Reported) }
}
