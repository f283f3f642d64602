//! A host of one native plugin and of nothing else, as `tests/peers/go/client` is one: it starts the plugin, calls it, and
//! prints what that cost.
//!
//! `rollcage-bridge-host run|set-weight PLUGIN OBJECT CALLERS CALLS`

use std::{
    env, fs,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rollcage_api::{
    analysis::{AnalysisPhase, AnalysisRun},
    plugin::PluginKind,
    rollout::Rollout,
};
use rollcage_core::{Call, MetricProvider, PluginId, TrafficRouter};
use rollcage_goplugin::{
    CallLimits, CallRules, LAUNCH, Launcher, LogRecord, NativeMetricProvider, NativeTrafficRouter, Service, Spec,
    launcher_main,
};

use rollcage_tests::measured::{Measured, microseconds, percentile, processor_time, processor_time_of, resident_bytes};

fn main() -> Result<ExitCode> {
    let mut arguments = env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == LAUNCH) {
        return Ok(launcher_main(env::args_os().skip(2)));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // As a task: what the caller of a plugin is in the controller.
    runtime.block_on(async {
        tokio::spawn(host(arguments.collect()))
            .await
            .context("the host panicked")?
    })?;
    Ok(ExitCode::SUCCESS)
}

/// How often a pass of the controller calls a router with one Rollout: `UpdateHash`, `SetWeight`, `VerifyWeight`.
const CALLS_OF_A_PASS: usize = 3;

/// What is called, by one caller.
enum Port {
    /// Every call with another object: a run with one metric.
    Run(NativeMetricProvider, Arc<AnalysisRun>),
    /// So many calls with one object as a pass has.
    SetWeight(NativeTrafficRouter, Arc<Rollout>),
}

/// An object that no host has seen, without the cost of making one.
fn renewed<T>(object: Arc<T>) -> Result<Arc<T>> {
    Arc::try_unwrap(object)
        .map(Arc::new)
        .map_err(|_| anyhow!("the object is still in use"))
}

impl Port {
    /// The same for another caller, who has an object of their own.
    fn copied(&self) -> Self {
        match self {
            Self::Run(provider, run) => Self::Run(provider.clone(), Arc::new(AnalysisRun::clone(run))),
            Self::SetWeight(router, rollout) => Self::SetWeight(router.clone(), Arc::new(Rollout::clone(rollout))),
        }
    }

    /// What the next call, which has this number, is made with.
    fn renewed(self, number: usize) -> Result<Self> {
        Ok(match self {
            Self::Run(provider, run) => Self::Run(provider, renewed(run)?),
            Self::SetWeight(router, rollout) if number.is_multiple_of(CALLS_OF_A_PASS) => {
                Self::SetWeight(router, renewed(rollout)?)
            }
            same @ Self::SetWeight(..) => same,
        })
    }

    async fn call(&self, call: &Call) -> Result<()> {
        match self {
            Self::Run(provider, run) => {
                let metric = run.spec.metrics.first().context("a run without metrics")?;
                let answer = provider.run(call, run, metric).await;
                let answer = answer.map_err(|error| anyhow!("{error:?}"))?;
                ensure!(
                    answer.phase == AnalysisPhase::Successful && answer.value == "1",
                    "the plugin answered {answer:?}"
                );
            }
            Self::SetWeight(router, rollout) => {
                let answer = router.set_weight(call, rollout, 20, &[]).await;
                answer.map_err(|error| anyhow!("{error:?}"))?;
            }
        }
        Ok(())
    }
}

async fn host(arguments: Vec<String>) -> Result<()> {
    let [kind, plugin, object, callers, calls] = arguments.as_slice() else {
        bail!("run|set-weight PLUGIN OBJECT CALLERS CALLS");
    };
    let (callers, calls): (usize, usize) = (callers.parse()?, calls.parse()?);
    let object = fs::read(object)?;
    let started = Instant::now();
    let kind = match kind.as_str() {
        "run" => PluginKind::MetricProvider,
        "set-weight" => PluginKind::TrafficRouter,
        other => bail!("there is no {other:?}"),
    };
    let service = start(kind, Path::new(plugin)).await?;
    let pid = service.plugin().pid().to_string();
    let port = if kind == PluginKind::MetricProvider {
        Port::Run(
            NativeMetricProvider::new(service.clone()),
            Arc::new(serde_json::from_slice(&object)?),
        )
    } else {
        Port::SetWeight(
            NativeTrafficRouter::new(service.clone()),
            Arc::new(serde_json::from_slice(&object)?),
        )
    };
    let call = Call::for_namespace("shop");
    port.call(&call).await?;
    let start_ms = microseconds(started.elapsed()) / 1e3;
    call_all(&port, &call, callers, (calls / 10).max(1)).await?;
    let (own, plugin, began) = (processor_time()?, processor_time_of(&pid)?, Instant::now());
    let mut times = call_all(&port, &call, callers, calls).await?;
    let elapsed = began.elapsed();
    let made = f64::from(u32::try_from(times.len())?);
    let own = microseconds(processor_time()?.saturating_sub(own)) / made;
    let plugin = microseconds(processor_time_of(&pid)?.saturating_sub(plugin)) / made;
    let measured = Measured {
        p50_us: microseconds(percentile(&mut times, 50)),
        p99_us: microseconds(percentile(&mut times, 99)),
        calls_per_second: made / elapsed.as_secs_f64(),
        cpu_us_per_call: own + plugin,
        host_cpu_us_per_call: own,
        host_rss_bytes: resident_bytes("self")?,
        plugin_rss_bytes: resident_bytes(&pid)?,
        start_ms,
    };
    println!("{}", serde_json::to_string(&measured)?);
    service.plugin().quit().await;
    Ok(())
}

async fn start(kind: PluginKind, plugin: &Path) -> Result<Arc<Service>> {
    let launcher = Launcher::rollcage(env::current_exe()?);
    let id = PluginId {
        kind,
        name: "test/minimal".to_owned(),
    };
    let rules = CallRules {
        deadline: Duration::from_secs(30),
        sizes: CallLimits::default(),
        log: 0,
    };
    let silent = Arc::new(|_: &LogRecord| {});
    let service = Service::start(&launcher, &Spec::new(id, plugin), rules, silent).await;
    service.map_err(|fault| anyhow!("{fault}"))
}

async fn call_all(port: &Port, call: &Call, callers: usize, calls: usize) -> Result<Vec<Duration>> {
    let each = calls.div_ceil(callers);
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (mut port, call) = (port.copied(), call.clone());
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each);
                for number in 0..each {
                    port = port.renewed(number)?;
                    let began = Instant::now();
                    port.call(&call).await?;
                    times.push(began.elapsed());
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut all = Vec::with_capacity(each * callers);
    for task in tasks {
        all.extend(task.await.context("a caller panicked")??);
    }
    Ok(all)
}
