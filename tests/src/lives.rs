//! A host in a process of its own that starts one native plugin many times, ends it in every way, and tells what is left: of
//! a process that does nothing else, the numbers mean something.

use std::{ffi::OsString, fs, path::Path, process::ExitCode, sync::Arc, time::Duration};

use rollcage_api::plugin::PluginKind;
use rollcage_core::{Call, PluginId, TrafficRouter as _};
use rollcage_goplugin::{CallLimits, CallRules, Launcher, NativeTrafficRouter, Service, Spec};
use serde_json::{Value, json};

/// The whole program: `EXECUTABLE FOLDER COUNT`, where the executable is our own plugin.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let [executable, folder, count] = &arguments.collect::<Vec<_>>()[..] else {
        return ExitCode::from(2);
    };
    let count: usize = count.to_str().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let told = runtime.block_on(live(executable.as_ref(), folder.as_ref(), count));
    println!("{told}");
    ExitCode::SUCCESS
}

async fn live(executable: &Path, folder: &Path, count: usize) -> Value {
    // Whatever a process makes once is there after these.
    many(executable, folder, 8).await;
    let before = told(folder).await;
    many(executable, folder, count).await;
    json!({"lives": count, "before": before, "after": told(folder).await})
}

async fn many(executable: &Path, folder: &Path, count: usize) {
    for life in (0..count).step_by(4) {
        tokio::join!(
            Box::pin(one(executable, folder, life)),
            Box::pin(one(executable, folder, life + 1)),
            Box::pin(one(executable, folder, life + 2)),
            Box::pin(one(executable, folder, life + 3)),
        );
    }
}

/// One plugin, from its start to its end.
async fn one(executable: &Path, folder: &Path, life: usize) {
    let id = PluginId {
        kind: PluginKind::TrafficRouter,
        name: "test/own".to_owned(),
    };
    let mut spec = Spec::new(id, executable);
    spec.folder = Some(folder.to_owned());
    let fault = ["none", "exit", "error-init", "prints-first"][life % 4];
    spec.arguments = vec!["-fault".into(), fault.into()];
    let rules = CallRules {
        deadline: Duration::from_mins(1),
        sizes: CallLimits::default(),
        log: 1 << 10,
    };
    let launcher = Launcher {
        program: std::env::current_exe().unwrap(),
        arguments: vec!["launch".into()],
    };
    let started = Service::start(&launcher, &spec, rules, Arc::new(|_| ())).await;
    let Ok(service) = started else {
        assert!(matches!(fault, "error-init" | "prints-first"), "{fault}: {started:?}");
        return;
    };
    let mut ended = service.ended();
    let router = NativeTrafficRouter::new(service);
    let call = Call::for_namespace("shop");
    let answer = router.set_weight(&call, &Arc::default(), 20, &[]).await;
    assert_eq!(answer.is_ok(), fault == "none", "{fault}: {answer:?}");
    drop(router);
    // Its keeper ends it: then nobody can say any more why it ended.
    while ended.changed().await.is_ok() {}
}

/// What this process has, once what just ended is gone.
async fn told(folder: &Path) -> Value {
    let own = std::process::id();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    // Tasks of what ended close their descriptors a moment later.
    let (mut had, mut steady) = (0, 0);
    for _ in 0..500 {
        let now = descriptors();
        let is_steady = now == had && left(folder).is_empty() && children(own).is_empty();
        steady = if is_steady { steady + 1 } else { 0 };
        if steady == 20 {
            break;
        }
        had = now;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    json!({
        "descriptors": descriptors(),
        "threads": number("Threads:"),
        "residentKib": number("VmRSS:"),
        "children": children(own),
        "left": left(folder),
    })
}

fn left(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// Processes that this one started, ended ones that it did not take notice of included.
fn children(own: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{own}/task")).unwrap().flatten();
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    children
        .flat_map(|line| {
            line.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}
