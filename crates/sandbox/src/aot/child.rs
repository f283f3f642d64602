//! The compiler's own process: a component comes in on stdin, machine code goes out on stdout, the cause of a failure on
//! stderr.

use std::{
    ffi::OsString,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::Engine;

use crate::engine;

/// The component is wrong.
pub(super) const REFUSED: u8 = 10;
/// The machine code could not be written.
pub(super) const UNWRITTEN: u8 = 11;
/// This program is not the one that asks.
pub(super) const OTHER_ENGINE: u8 = 12;

/// What the parent tells its compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Address space in bytes.
    pub(super) memory: u64,
    /// Processor time in seconds.
    pub(super) cpu: u64,
    /// Largest file in bytes.
    pub(super) output: u64,
    /// Settings that the machine code must have.
    pub(super) engine: u64,
}

impl Order {
    pub(super) fn arguments(self) -> [String; 4] {
        [self.memory, self.cpu, self.output, self.engine].map(|number| number.to_string())
    }

    fn parse(arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let numbers: Vec<u64> = arguments
            .map(|argument| argument.to_str().and_then(|text| text.parse().ok()))
            .collect::<Option<_>>()?;
        let [memory, cpu, output, engine] = numbers[..] else {
            return None;
        };
        Some(Self {
            memory,
            cpu,
            output,
            engine,
        })
    }
}

/// Settings as a number that both sides compute.
pub(super) fn settings(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// The whole program of a compiler process. `arguments` are those that the sandbox appended to
/// [`Compiler::Child`](crate::Compiler::Child)'s own.
pub fn compiler_main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(order) = Order::parse(arguments) else {
        return fail(2, "this is the compiler that the sandbox starts; it is not for people");
    };
    limit(order);
    match compile(order) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => fail(code, &text),
    }
}

fn fail(code: u8, text: &str) -> ExitCode {
    // Nobody is left to tell when stderr is gone.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(code)
}

/// Narrows what this process may use, before it looks at a single byte of the component.
fn limit(order: Order) {
    let exactly = |number| Rlimit {
        current: Some(number),
        maximum: Some(number),
    };
    for (resource, number) in [
        (Resource::As, order.memory),
        (Resource::Cpu, order.cpu),
        (Resource::Fsize, order.output),
        (Resource::Core, 0),
    ] {
        if let Err(error) = setrlimit(resource, exactly(number)) {
            // A hard limit that is lower already does the same.
            tracing::debug!(?resource, %error, "cannot set");
        }
    }
    // Compiling can wait; calls cannot.
    let _ = rustix::process::setpriority_process(None, 10);
}

fn compile(order: Order) -> Result<(), (u8, String)> {
    let engines: [fn() -> wasmtime::Result<Engine>; 2] = [engine::compiling, engine::baseline];
    let mut engines = engines.into_iter().filter_map(|engine| engine().ok());
    let Some(engine) = engines.find(|engine| settings(engine) == order.engine) else {
        return Err((OTHER_ENGINE, "the compiler is of another version than the host".into()));
    };
    let mut component = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut component)
        .map_err(|error| (REFUSED, format!("cannot read the component: {error}")))?;
    let code = engine
        .precompile_component(&component)
        .map_err(|error| (REFUSED, format!("{error:#}")))?;
    let mut out = io::stdout().lock();
    out.write_all(&code)
        .and_then(|()| out.flush())
        .map_err(|error| (UNWRITTEN, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_order_that_it_writes() {
        let order = Order {
            memory: 1,
            cpu: 2,
            output: 3,
            engine: u64::MAX,
        };
        let arguments = order.arguments();
        assert_eq!(Order::parse(arguments.iter().map(Into::into)), Some(order));
        assert_eq!(Order::parse(arguments.iter().take(3).map(Into::into)), None);
        assert_eq!(Order::parse(["a", "b", "c", "d"].iter().map(Into::into)), None);
    }
}
