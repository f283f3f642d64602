//! How a sandbox is set up: where compiled code lies, who compiles, how much may run.

use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use rollcage_api::ByteSize;

use crate::egress::Names;

/// Everything that [`Sandbox::new`](crate::Sandbox::new) needs to know.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Folder of the machine-code cache. What lies in it is only ever written and read by this user.
    pub cache_dir: PathBuf,
    /// Folder of machine code that came with the program, made by [`Sandbox::precompile`](crate::Sandbox::precompile). It is
    /// only read, and only used when nobody but the system's owner can have written to it.
    pub layer: Option<PathBuf>,
    /// Who compiles.
    pub compiler: Compiler,
    /// Threads that run guests.
    pub threads: NonZeroUsize,
    /// Time between two looks at the clock while a guest runs, at most 2 ms.
    pub tick: Duration,
    /// Instances that are prepared for.
    pub pool: Pool,
    /// Limits of the machine that no entry can change.
    pub ceilings: Ceilings,
    /// Who resolves names for plugins' requests: the system when absent.
    pub names: Option<Arc<dyn Names>>,
}

impl SandboxConfig {
    /// The defaults: as many guest threads as cores.
    pub fn new(cache_dir: impl Into<PathBuf>, compiler: Compiler) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            layer: None,
            compiler,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            tick: Duration::from_millis(1),
            pool: Pool::default(),
            ceilings: Ceilings::default(),
            names: None,
        }
    }
}

/// Who compiles components.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// A process of its own, which ends in [`compiler_main`](crate::compiler_main): what a hostile component does to
    /// the compiler stays there, and its memory goes back to the system.
    Child {
        /// The program, as an absolute path.
        program: PathBuf,
        /// Its first arguments; the compiler's own follow.
        args: Vec<OsString>,
        /// What one compilation may use.
        limits: CompilerLimits,
    },
    /// This process, without limits: for tests.
    InProcess,
}

impl Compiler {
    /// A child process with the default limits.
    pub fn child(program: impl Into<PathBuf>, args: impl IntoIterator<Item = OsString>) -> Self {
        Self::Child {
            program: program.into(),
            args: args.into_iter().collect(),
            limits: CompilerLimits::default(),
        }
    }
}

/// What one compilation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompilerLimits {
    /// Address space. The largest known guest (Python, 18 MB) takes 0.4 GiB of memory.
    pub memory: ByteSize,
    /// Real time, and processor time of each core. The same guest takes 7 s of one core.
    pub time: Duration,
    /// Size of the machine code. The same guest has 40 MB.
    pub output: ByteSize,
}

impl Default for CompilerLimits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mebi(4096),
            time: Duration::from_mins(2),
            output: ByteSize::mebi(512),
        }
    }
}

/// Instances that are prepared for. Only address space is taken in advance: about 0.6 GiB an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How many instances have a place; further ones, and larger ones, are made from scratch, some 10 us slower.
    pub instances: u32,
    /// Linear memory of a place, at most 128 MiB.
    pub memory: ByteSize,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            instances: 64,
            memory: ByteSize::mebi(128),
        }
    }
}

/// Limits of the machine that no entry can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Elements of one table. Python, linked dynamically, has the largest known one: some 10 000.
    pub table_elements: usize,
    /// Core instances in a component. Python has more than 32.
    pub instances: usize,
    /// Linear memories in a component. JavaScript engines have 3.
    pub memories: usize,
    /// Tables in a component.
    pub tables: usize,
    /// Handles (streams, requests, pollables) alive at the same time.
    pub handles: usize,
    /// Bytes of the call stack; the shadow stacks of languages lie in linear memory.
    pub stack: usize,
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            table_elements: 50_000,
            instances: 200,
            memories: 10,
            tables: 40,
            handles: 10_000,
            stack: 512 << 10,
        }
    }
}
