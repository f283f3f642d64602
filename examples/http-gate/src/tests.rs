//! The plugin as a whole, against a server in memory.

use rollcage_sdk::{step::Phase, testing::Host};
use serde_json::{Value, json};

use super::*;

const START: &str = "2026-01-01T00:00:00Z";

fn context(config: &Value, state: Option<String>) -> Context {
    Context {
        plugin_name: "rollcage/http-gate".to_owned(),
        config: config.to_string(),
        state,
    }
}

fn answering(status: u16, body: &str) -> Host {
    let body = body.as_bytes().to_vec();
    Host::new().on_http(move |_| {
        Ok(Response {
            status,
            headers: vec![],
            body: body.clone(),
        })
    })
}

fn run(host: &Host, config: &Value, state: Option<String>) -> Result<Outcome, Error> {
    host.run(|| HttpGate.run(&Rollout::default(), &context(config, state)))
}

fn state(seconds_ago: u32, tries: u32) -> String {
    let now = Timestamp::parse(START).unwrap().seconds() - i64::from(seconds_ago);
    let since = Timestamp::EPOCH + std::time::Duration::from_secs(u64::try_from(now).unwrap());
    json!({"since": since.to_string(), "tries": tries}).to_string()
}

#[test]
fn an_expected_status_says_go() {
    let config = json!({"url": "http://gate/x?token=a", "headers": [{"key": "X-Team", "value": "shop"}]});
    let host = answering(204, "");
    let outcome = run(&host, &config, None).unwrap();
    assert_eq!(outcome.phase, Some(Phase::Successful));
    assert_eq!(outcome.message, "http://gate/x says go (try 1)");
    let sent = &host.requests()[0];
    assert_eq!((sent.url.as_str(), sent.headers.len()), ("http://gate/x?token=a", 1));
}

#[test]
fn conditions_see_the_body() {
    for (json, body) in [(true, r#"{"go":true}"#), (false, "go!")] {
        let host = answering(200, body).on_condition(move |expression, sample| {
            assert_eq!(matches!(sample, Sample::Json(_)), json, "{sample:?}");
            match expression {
                "yes" => Ok(true),
                "no" => Ok(false),
                _ => Err("no field".to_owned()),
            }
        });
        for (success, failure, phase, says) in [
            ("yes", "no", Phase::Successful, "says go"),
            ("no", "no", Phase::Running, "successCondition does not hold: no"),
            ("yes", "yes", Phase::Failed, "says no: failureCondition holds: yes"),
            ("?", "no", Phase::Running, "successCondition: no field"),
            ("yes", "?", Phase::Running, "failureCondition: no field"),
        ] {
            let config = json!({"url": "http://gate", "successCondition": success, "failureCondition": failure});
            let outcome = run(&host, &config, None).unwrap();
            assert_eq!(outcome.phase, Some(phase), "{success} {failure}");
            assert!(outcome.message.contains(says), "{}", outcome.message);
        }
    }
}

#[test]
fn what_waiting_may_mend_is_waited_for() {
    let config = json!({"url": "http://gate", "interval": "20s"});
    let away = Host::new().on_http(|_| Err(HttpError::Connect("connection refused".to_owned())));
    for (host, why) in [
        (away, "connection refused"),
        (answering(503, ""), "status 503"),
        (answering(404, ""), "status 404"),
    ] {
        let outcome = run(&host, &config, None).unwrap();
        assert_eq!(
            (outcome.phase, outcome.requeue_after),
            (Some(Phase::Running), Some(20_000))
        );
        assert!(outcome.message.ends_with(why), "{}", outcome.message);
    }
    // `Host` denies what nobody answers.
    let error = run(&Host::new(), &config, None).unwrap_err();
    assert!(
        matches!(&error, Error::Denied(text) if text.starts_with("GET http://gate: ")),
        "{error:?}"
    );
}

#[test]
fn time_and_tries_end_the_waiting() {
    let config = json!({"url": "http://gate", "interval": "1m", "timeout": "5m", "attempts": 4});
    let host = answering(503, "");
    for (before, requeue) in [
        (None, 60_000),
        (Some(state(60, 1)), 60_000),
        (Some(state(270, 1)), 30_000),
        (Some(state(299, 1)), 10_001),
    ] {
        let outcome = run(&host, &config, before).unwrap();
        assert_eq!(
            (outcome.phase, outcome.requeue_after),
            (Some(Phase::Running), Some(requeue))
        );
    }
    for (before, says) in [
        (Some(state(300, 1)), "did not say go within 300 s (2 tries): status 503"),
        (Some(state(60, 3)), "did not say go in 4 tries: status 503"),
    ] {
        let outcome = run(&host, &config, before).unwrap();
        assert_eq!(outcome.phase, Some(Phase::Failed));
        assert!(outcome.message.ends_with(says), "{}", outcome.message);
    }
    // A word that comes at the last moment counts.
    let outcome = run(&answering(200, ""), &config, Some(state(900, 3))).unwrap();
    assert_eq!(outcome.phase, Some(Phase::Successful));
}

#[test]
fn the_count_goes_on_from_try_to_try() {
    let config = json!({"url": "http://gate", "attempts": 3});
    let host = answering(503, "");
    let mut state = None;
    let mut phases = Vec::new();
    for _ in 0..3 {
        let outcome = run(&host, &config, state).unwrap();
        phases.push(outcome.phase.unwrap());
        state = outcome.state;
    }
    assert_eq!(phases, [Phase::Running, Phase::Running, Phase::Failed]);
}

#[test]
fn ending_it_asks_nobody() {
    let host = answering(200, "");
    let context = context(&json!({"url": "http://gate"}), Some(state(60, 2)));
    let rollout = Rollout::default();
    for outcome in [
        host.run(|| HttpGate.abort(&rollout, &context)),
        host.run(|| HttpGate.terminate(&rollout, &context)),
    ] {
        let outcome = outcome.unwrap();
        assert_eq!(outcome.phase, Some(Phase::Successful));
        assert_eq!(outcome.message, "no longer waiting (tries: 2)");
    }
    assert!(host.requests().is_empty());
}
