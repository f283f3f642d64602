//! `rollcage plugins`.

use std::io::IsTerminal as _;

use futures::StreamExt as _;
use rollcage_controller::{
    connect::{self, Target},
    plugins::report::{self, Report, Unknown},
};
use rollcage_harness::CommandError;

use crate::{
    args::PluginsArgs,
    output::{Out, note},
    render,
};

pub async fn run(args: PluginsArgs, out: Out) -> Result<(), CommandError> {
    let target = Target {
        kubeconfig: args.kubeconfig,
        context: args.context,
    };
    let client = connect::impatient_client(&target)
        .await
        .map_err(|error| CommandError::Unreachable {
            message: format!("no cluster is configured: {error}"),
            hint: "name a kubeconfig with --kubeconfig, or set KUBECONFIG".to_owned(),
        })?;
    let namespace = args.namespace.unwrap_or_else(connect::namespace);
    if !args.watch {
        let report = report::read(&client, &namespace).await.map_err(unreachable)?;
        show(&report, out);
        return if report.ok { Ok(()) } else { Err(CommandError::Reported) };
    }
    let mut reports = std::pin::pin!(report::follow(&client, &namespace));
    let (mut shown, mut said) = (None, None);
    while let Some(next) = reports.next().await {
        match next {
            Ok(report) if shown.as_ref() != Some(&report) => {
                if out.is_text() && std::io::stdout().is_terminal() {
                    // Home, and nothing below.
                    anstream::print!("\u{1b}[H\u{1b}[J");
                } else if out.is_text() && shown.is_some() {
                    anstream::println!();
                }
                show(&report, out);
                (shown, said) = (Some(report), None);
            }
            Ok(_) => {}
            Err(unknown) => {
                if said.as_ref() != Some(&unknown) {
                    note(&format!("{unknown}: {}", unknown.hint));
                    said = Some(unknown);
                }
            }
        }
    }
    Ok(())
}

fn show(report: &Report, out: Out) {
    out.result(report, || render::plugins::report(report));
}

fn unreachable(unknown: Unknown) -> CommandError {
    CommandError::Unreachable {
        message: unknown.cause,
        hint: unknown.hint,
    }
}
