//! `rollcage plugin test`.

use std::path::Path;

use rollcage_harness::{
    CommandError,
    cases::{TestOptions, junit, test},
    workbench::Workbench,
};

use crate::{args::TestArgs, output::Out, render};

pub async fn run(args: TestArgs, workbench: &Workbench, out: Out) -> Result<(), CommandError> {
    let options = TestOptions {
        file: args.file,
        kind: args.kind,
        cases: args.cases,
        filter: args.filter,
        fail_fast: args.fail_fast,
        without_conformance: args.no_conformance,
        tape: super::tape(args.tape),
    };
    // Each case is told when it has ended; what went wrong comes together at the end.
    let report = test(workbench, options, &mut |case| out.line(|| render::test::case(case))).await?;
    if let Some(path) = &args.junit {
        write(path, &junit(&report))?;
    }
    out.result(&report, || render::test::summary(&report));
    if report.ok { Ok(()) } else { Err(CommandError::Reported) }
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    std::fs::write(path, text).map_err(|error| {
        CommandError::usage(
            format!("{}: {error}", path.display()),
            "name a file that can be written",
        )
    })
}
