//! A step that needs three runs. Its first argument names the one rule of steps that it breaks; without it, it keeps them
//! all.

use std::cell::Cell;

use rollcage_sdk::{
    Error, export_step,
    step::{Context, Outcome, Rollout, Step},
};
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    note: String,
}

#[derive(Default, Deserialize, Serialize)]
struct State {
    runs: u32,
}

#[derive(Default)]
struct Runs {
    breaks: String,
    runs: Cell<u32>,
}

impl Step for Runs {
    fn init(&mut self, args: &[String]) -> Result<(), Error> {
        self.breaks = args.first().cloned().unwrap_or_default();
        Ok(())
    }

    fn run(&self, _rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        let config: Config = context.parse_config::<Option<Config>>()?.unwrap_or_default();
        let mut state: State = context.parse_state()?.unwrap_or_default();
        self.runs.set(self.runs.get() + 1);
        // In memory it survives nothing but a warm instance.
        state.runs = if self.breaks == "restart" {
            self.runs.get()
        } else {
            state.runs + 1
        };
        let outcome = if state.runs < 3 {
            Outcome::running(15_000)
        } else {
            Outcome::successful()
        };
        outcome.with_message(config.note).with_state(&state)
    }

    fn terminate(&self, _rollout: &Rollout, _context: &Context) -> Result<Outcome, Error> {
        Ok(if self.breaks == "terminate" {
            Outcome::running(15_000)
        } else {
            Outcome::successful()
        })
    }

    fn abort(&self, _rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        assert!(self.breaks != "abort", "nothing to undo: {}", context.config);
        Ok(Outcome::successful())
    }
}

export_step!(Runs);
