//! `rollcage plugin call`: one call, with what it used and what it changed.

use rollcage_core::CallUsage;
use serde::Serialize;
use serde_json::Value;

use crate::{
    error::CommandError,
    input::Input,
    method::Method,
    recording::{Deck, Tape},
    session::{Outcome, Session, SessionOptions},
    surroundings::{Surroundings, object_diff},
    workbench::Workbench,
};

/// What to call.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The plugin, with which rights.
    pub session: SessionOptions,
    /// The contract's name of the method.
    pub method: String,
    /// INPUT as name and text.
    pub input: (String, String),
    /// What is done with host calls.
    pub tape: Tape,
}

/// How a call went.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallReport {
    /// Always true: a call that did not answer is an error.
    pub ok: bool,
    /// The answer in Argo's shape; null for methods without one.
    pub result: Value,
    /// Real time of the call in microseconds.
    pub duration_us: u64,
    /// What it used.
    #[serde(flatten)]
    pub usage: CallUsage,
    /// With `--kube`: what it changed, a unified diff an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<ObjectDiff>>,
}

/// One changed object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectDiff {
    /// `Kind namespace/name`.
    pub object: String,
    /// Unified diff of the YAML before and after.
    pub diff: String,
}

/// A call and how it ended; what it used is told in both cases.
#[derive(Debug)]
pub struct Called {
    /// The report, or why there is none.
    pub result: Result<CallReport, CommandError>,
    /// Lines that the plugin logged.
    pub log: Vec<(String, String)>,
    /// In a replay: what was asked otherwise than recorded.
    pub differences: Vec<String>,
}

/// Calls once.
pub async fn call(workbench: &Workbench, options: CallOptions) -> Result<Called, CommandError> {
    let deck = Deck::open(&options.tape)?;
    let mut surroundings = Surroundings::of_options(options.session.kube.as_deref())?;
    let api = surroundings.api.clone();
    let reel = deck.enter(&options.method, &mut surroundings.host, api, true)?;
    let opened = Session::open_in(workbench, options.session, surroundings, |kind, _| {
        let method = Method::of(kind, &options.method)?;
        let (file, text) = &options.input;
        Ok((method, Input::read(file, text, method)?))
    })
    .await;
    let session = match opened {
        Ok(session) => session,
        Err(error) => {
            // What `init` asked is worth keeping.
            deck.leave(&reel);
            deck.finish()?;
            return Err(error);
        }
    };
    let Outcome {
        answer,
        usage,
        duration,
        changes,
    } = session.call().await;
    let log = usage.log.clone();
    let changes = changes.map(|changes| changes.iter().map(object_diff).collect());
    let result = answer
        .map_err(|error| CommandError::from_call(session.name(), error))
        .map(|result| CallReport {
            ok: true,
            result,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            usage,
            changes,
        });
    let differences = deck.leave(&reel);
    deck.finish()?;
    Ok(Called {
        result,
        log,
        differences,
    })
}
