//! `rollcage plugin ...`.

use std::path::Path;

use rollcage_api::plugin::PluginEntry;
use rollcage_harness::{CommandError, bench, build, call, inspect, new, session::SessionOptions, workbench::Workbench};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::read;
use crate::{
    args::{BenchArgs, BuildArgs, CallArgs, InspectArgs, Language, NewArgs, PluginArgs, PrecompileArgs},
    output::{Out, note},
    render,
};

pub fn new(args: &NewArgs, out: Out) -> Result<(), CommandError> {
    let language = match args.lang {
        Language::Rust => new::Language::Rust,
        Language::Js => new::Language::JavaScript,
    };
    let created = new::create(Path::new("."), &args.name, args.kind, language)?;
    out.result(&created, || created.next_steps());
    Ok(())
}

pub async fn build(args: BuildArgs, out: Out) -> Result<(), CommandError> {
    let built = build::build(args.dir, args.out).await?;
    out.result(&built, || {
        vec![format!("{} ({} bytes)", built.file.display(), built.size)]
    });
    Ok(())
}

pub async fn precompile(args: PrecompileArgs, workbench: &Workbench, out: Out) -> Result<(), CommandError> {
    let made = workbench.precompile(&args.files, args.bundled, &args.out).await?;
    out.result(&json!({"precompiled": made}), || {
        let lines = made.iter();
        let lines = lines.map(|one| format!("{}: {} bytes of machine code ({})", one.name, one.bytes, one.digest));
        lines.collect()
    });
    Ok(())
}

pub async fn inspect(args: InspectArgs, workbench: &Workbench, out: Out) -> Result<(), CommandError> {
    let entry = args.entry.as_deref().map(parse::<PluginEntry>).transpose()?;
    let options = inspect::InspectOptions {
        file: args.file,
        entry,
        kind: args.kind,
        run: args.run,
    };
    let inspection = inspect::inspect(workbench, options).await?;
    out.result(&inspection, || render::plugin::inspection(&inspection));
    Ok(())
}

pub async fn call(args: CallArgs, workbench: &Workbench, out: Out) -> Result<(), CommandError> {
    let options = call::CallOptions {
        session: session(args.plugin)?,
        method: args.method,
        input: read(&args.input)?,
        tape: super::tape(args.tape),
    };
    let called = call::call(workbench, options).await?;
    for (level, line) in &called.log {
        note(&format!("{level:>5}  {line}"));
    }
    for difference in &called.differences {
        note(&format!("replay: {difference}"));
    }
    let report = called.result?;
    out.result(&report, || render::plugin::call(&report));
    if called.differences.is_empty() {
        Ok(())
    } else {
        Err(CommandError::Reported)
    }
}

pub async fn bench(args: BenchArgs, workbench: &Workbench, out: Out) -> Result<(), CommandError> {
    let options = bench::BenchOptions {
        session: session(args.plugin)?,
        method: args.method,
        input: args.input.as_deref().map(read).transpose()?,
        calls: args.calls,
        concurrency: args.concurrency,
        budgets: args.budget,
    };
    let benched = bench::bench(workbench, options).await?;
    // One JSON object in every case: with `--output json` a budget that does not hold is told by the error alone.
    if out.is_text() || benched.verdict.is_ok() {
        out.result(&benched.report, || render::plugin::bench(&benched.report));
    }
    benched.verdict
}

fn session(args: PluginArgs) -> Result<SessionOptions, CommandError> {
    Ok(SessionOptions {
        file: args.file,
        entry: args.entry.as_deref().map(parse).transpose()?,
        config: args.config.as_deref().map(parse).transpose()?,
        name: args.name,
        kind: args.kind,
        allow_http: args.allow_http,
        kube: args.kube,
        deadline: args.deadline,
        memory: args.memory,
    })
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    let (file, text) = read(path)?;
    rollcage_api::yaml::from_str(&file, &text)
        .map_err(|error| CommandError::usage(error.to_string(), "docs/configuration.md lists the fields of an entry"))
}
