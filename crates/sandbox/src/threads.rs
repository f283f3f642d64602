//! The threads that run guests: as many as cores, with less priority than the host's.

use std::{io, num::NonZeroUsize};

use tokio::runtime::{Builder, Runtime};

use crate::lookout::{Expecting, Job};

/// How much a guest gives way: a third of a host thread's share when both want a core.
const NICE: i32 = 5;

/// The guests' own runtime. It has no I/O: host functions do that where the caller runs.
#[derive(Debug)]
pub(crate) struct Threads {
    runtime: Option<Runtime>,
}

impl Threads {
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.get())
            .thread_name("rollcage-guest")
            // A spinning guest gives up its thread once a tick. Looking for new calls and due timers each time keeps their
            // delay at a tick instead of the usual 61.
            .event_interval(1)
            .global_queue_interval(1)
            .enable_time()
            .on_thread_start(|| {
                // Without the right to change priorities guests run like everyone else.
                if let Err(error) = rustix::process::setpriority_process(None, NICE) {
                    tracing::debug!(%error, "guest thread keeps its priority");
                }
            })
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs a call on a guest thread, and those that are expected after it. When the sandbox is going away it is dropped.
    pub(crate) fn run(&self, job: Job) {
        self.spawn(async move {
            let mut expecting = job.await;
            while let Some(job) = expecting.and_then(Expecting::next) {
                expecting = job.await;
            }
        });
    }

    /// Runs something for the guests on one of their threads.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(future);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Dropping a runtime waits for its threads, which is not allowed where futures run.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
