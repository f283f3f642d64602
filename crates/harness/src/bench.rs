//! `rollcage plugin bench`: how quickly a plugin answers, through the same path as in the controller.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rollcage_api::GoDuration;
use rollcage_core::Call;
use serde::Serialize;

use crate::{
    error::CommandError,
    input::Input,
    invoke::invoke,
    method::Method,
    session::{Session, SessionOptions},
    workbench::Workbench,
};

/// What to measure.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// The plugin, with which rights.
    pub session: SessionOptions,
    /// The method; the kind's main one when absent.
    pub method: Option<String>,
    /// INPUT as name and text; the smallest one when absent.
    pub input: Option<(String, String)>,
    /// How many calls are measured.
    pub calls: u32,
    /// How many at the same time.
    pub concurrency: u32,
    /// Budgets as written.
    pub budgets: Vec<String>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BenchReport {
    /// Calls measured.
    pub calls: u32,
    /// Median latency of a call in microseconds.
    pub p50_us: f64,
    /// 90th percentile.
    pub p90_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Calls that ended, a second.
    pub calls_per_second: f64,
    /// Processor time of this process, all threads, a call, in microseconds.
    pub cpu_us_per_call: f64,
    /// Resident memory of this process at the end, in MiB.
    #[serde(rename = "rssMiB")]
    pub rss_mib: f64,
    /// `fresh`, `warm` or `process`.
    pub instance: String,
}

/// A report and whether it holds its budgets.
#[derive(Debug)]
pub struct Benched {
    /// What was measured.
    pub report: BenchReport,
    /// An error names the first figure that is above its budget.
    pub verdict: Result<(), CommandError>,
}

/// A figure that must not be above a duration.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Budget {
    figure: &'static str,
    most: Duration,
}

/// Measures. A call that does not answer is an error.
pub async fn bench(workbench: &Workbench, options: BenchOptions) -> Result<Benched, CommandError> {
    let budgets = options
        .budgets
        .iter()
        .map(|text| budget(text))
        .collect::<Result<Vec<_>, _>>()?;
    let session = Session::open(workbench, options.session, |kind, name| {
        let method = options
            .method
            .as_ref()
            .map_or(Ok(Method::main_of(kind)), |name| Method::of(kind, name))?;
        let input = match &options.input {
            Some((file, text)) => Input::read(file, text, method)?,
            None => Input::smallest(kind, name.unwrap_or("bench/plugin")),
        };
        Ok((method, input))
    })
    .await?;
    let session = Arc::new(session);
    run(&session, options.calls / 10, options.concurrency).await?;
    let (cpu, started) = (cpu_time(), Instant::now());
    let mut latencies = run(&session, options.calls, options.concurrency).await?;
    let (cpu, wall) = (cpu_time().saturating_sub(cpu), started.elapsed());
    latencies.sort_unstable();
    let calls = f64::from(options.calls.max(1));
    let report = BenchReport {
        calls: options.calls,
        p50_us: percentile(&latencies, 50),
        p90_us: percentile(&latencies, 90),
        p99_us: percentile(&latencies, 99),
        calls_per_second: calls / wall.as_secs_f64(),
        cpu_us_per_call: cpu.as_secs_f64() * 1e6 / calls,
        rss_mib: rss_mib(),
        instance: session.instance_mode().to_owned(),
    };
    let verdict = hold(&report, &budgets);
    Ok(Benched { report, verdict })
}

/// Makes `calls` calls, `concurrency` at a time, and answers their latencies.
async fn run(session: &Arc<Session>, calls: u32, concurrency: u32) -> Result<Vec<Duration>, CommandError> {
    let concurrency = concurrency.max(1);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..concurrency {
        let session = Arc::clone(session);
        let share = calls / concurrency + u32::from(caller < calls % concurrency);
        callers.spawn(async move {
            let call = Call::for_namespace(session.namespace());
            let mut latencies = Vec::with_capacity(share as usize);
            for _ in 0..share {
                let started = Instant::now();
                invoke(session.port(), session.method(), session.input(), &call).await?;
                latencies.push(started.elapsed());
            }
            Ok::<_, rollcage_core::CallError>(latencies)
        });
    }
    let mut all = Vec::with_capacity(calls as usize);
    while let Some(caller) = callers.join_next().await {
        let latencies = caller.map_err(|error| {
            CommandError::usage(format!("the benchmark itself failed: {error}"), "this is a defect")
        })?;
        all.extend(latencies.map_err(|error| CommandError::from_call(session.name(), error))?);
    }
    Ok(all)
}

fn budget(text: &str) -> Result<Budget, CommandError> {
    let wrong = || {
        CommandError::usage(
            format!("--budget {text}: not FIGURE=DURATION"),
            "write p50, p90 or p99, such as p99=100us",
        )
    };
    let (figure, most) = text.split_once('=').ok_or_else(wrong)?;
    let figure = ["p50", "p90", "p99"]
        .into_iter()
        .find(|known| *known == figure)
        .ok_or_else(wrong)?;
    let most: GoDuration = most.parse().map_err(|_| wrong())?;
    Ok(Budget { figure, most: most.0 })
}

fn hold(report: &BenchReport, budgets: &[Budget]) -> Result<(), CommandError> {
    for budget in budgets {
        let figure = match budget.figure {
            "p50" => report.p50_us,
            "p90" => report.p90_us,
            _ => report.p99_us,
        };
        let most = budget.most.as_secs_f64() * 1e6;
        if figure > most {
            let message = format!("{} is {figure:.1} us, above its budget of {most:.1} us", budget.figure);
            return Err(CommandError::Expectation { message });
        }
    }
    Ok(())
}

/// The value below which `percent` of the sorted latencies are, in microseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
}

/// Processor time of this process, all threads.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Resident memory of this process, out of `/proc`; 0 where there is none.
fn rss_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .map(|rest| rest.trim().trim_end_matches(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_held() {
        assert_eq!(
            budget("p99=100us").unwrap(),
            Budget {
                figure: "p99",
                most: Duration::from_micros(100)
            }
        );
        for wrong in ["p99", "p98=1s", "p99=fast", "=1s"] {
            assert_eq!(budget(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
        let report = BenchReport {
            calls: 1,
            p50_us: 10.0,
            p90_us: 50.0,
            p99_us: 120.0,
            calls_per_second: 1.0,
            cpu_us_per_call: 1.0,
            rss_mib: 1.0,
            instance: "fresh".into(),
        };
        assert!(hold(&report, &[budget("p90=100us").unwrap()]).is_ok());
        let error = hold(&report, &[budget("p99=100us").unwrap()]).unwrap_err();
        assert_eq!(error.to_string(), "p99 is 120.0 us, above its budget of 100.0 us");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn percentiles_of_a_hundred() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!(
            [50, 90, 99].map(|percent| format!("{:.0}", percentile(&sorted, percent))),
            ["51", "91", "100"]
        );
        assert!(percentile(&[], 50).abs() < f64::EPSILON);
    }
}
