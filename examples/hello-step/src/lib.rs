//! A step that greets a few times, then lets the Rollout go on.

use rollcage_sdk::{
    Error, export_step, info,
    step::{Context, Outcome, Rollout, Step},
};
use serde::{Deserialize, Serialize};

/// The step's `config`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    greeting: String,
    times: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            greeting: "hello".to_owned(),
            times: 1,
        }
    }
}

/// What one run leaves for the next.
#[derive(Default, Deserialize, Serialize)]
struct State {
    greeted: u32,
}

/// The plugin.
#[derive(Default)]
struct Hello;

impl Step for Hello {
    fn run(&self, rollout: &Rollout, context: &Context) -> Result<Outcome, Error> {
        let config: Config = context.parse_config::<Option<Config>>()?.unwrap_or_default();
        let mut state: State = context.parse_state()?.unwrap_or_default();
        state.greeted += 1;
        info!("{}, {}/{}", config.greeting, rollout.namespace, rollout.name);
        let outcome = if state.greeted < config.times {
            Outcome::running(15_000)
        } else {
            Outcome::successful()
        };
        outcome
            .with_message(format!("greeted {} of {} times", state.greeted, config.times))
            .with_state(&state)
    }
}

export_step!(Hello);

#[cfg(test)]
mod tests {
    use rollcage_sdk::{log::Level, step::Phase, testing::Host};

    use super::*;

    fn rollout() -> Rollout {
        Rollout {
            name: "guestbook".to_owned(),
            namespace: "shop".to_owned(),
            ..Rollout::default()
        }
    }

    fn context(config: &str, state: Option<String>) -> Context {
        Context {
            plugin_name: "rollcage/hello-step".to_owned(),
            config: config.to_owned(),
            state,
        }
    }

    #[test]
    fn greets_until_it_is_done() {
        let host = Host::new();
        let config = r#"{"greeting":"good morning","times":2}"#;
        let first = host.run(|| Hello.run(&rollout(), &context(config, None))).unwrap();
        assert_eq!((first.phase, first.requeue_after), (Some(Phase::Running), Some(15_000)));
        let second = host
            .run(|| Hello.run(&rollout(), &context(config, first.state)))
            .unwrap();
        assert_eq!(second.phase, Some(Phase::Successful));
        assert_eq!(second.message, "greeted 2 of 2 times");
        assert_eq!(
            host.lines(),
            vec![(Level::Info, "good morning, shop/guestbook".to_owned()); 2]
        );
    }

    #[test]
    fn a_step_without_config_greets_once() {
        let outcome = Host::new()
            .run(|| Hello.run(&rollout(), &context("null", None)))
            .unwrap();
        assert_eq!(outcome.phase, Some(Phase::Successful));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let error = Hello.run(&rollout(), &context(r#"{"times":-1}"#, None)).unwrap_err();
        assert!(error.message().starts_with("times: invalid value"), "{error}");
    }
}
