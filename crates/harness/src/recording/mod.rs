//! `--record` and `--replay`: what plugins asked their host is kept in a file, and answered out of it.
//!
//! ```text
//! plugin -> sandbox (grants, limits) -> recorder -> network, API, Secrets      -> session.yaml, secrets masked
//! plugin -> sandbox (grants, limits) -> player   <- session.yaml; no network    -> what was asked otherwise
//! ```
//!
//! Invariants: grants and limits hold as without a recording. HTTP is compared by method, address and body, Kubernetes by
//! the whole request; an answer is given once, in the recorded order of equal requests. Where there is an in-process API
//! (`dev`, `test`, `--kube`) it answers for Kubernetes itself. No secret value is written.

mod format;
mod mask;
mod player;
mod recorder;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rollcage_apiserver::ApiServer;
use rollcage_core::host::HostServices;

use self::{
    format::{Recording, Session, VERSION},
    player::Player,
    recorder::Recorder,
};
use crate::{error::CommandError, files::read_text};

/// What is done with host calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tape {
    /// Nothing.
    #[default]
    Off,
    /// They are kept in this file.
    Record(PathBuf),
    /// They are answered out of this file.
    Replay(PathBuf),
}

/// A tape that runs.
#[derive(Debug)]
pub enum Deck {
    /// Nothing is done.
    Off,
    /// Sessions are collected.
    Recording(PathBuf, Mutex<Vec<Session>>),
    /// Sessions are played.
    Replaying(PathBuf, Recording),
}

/// One session of a deck.
#[derive(Debug)]
pub enum Reel {
    /// Nothing is done.
    Off,
    /// It is recorded.
    Recorder(Arc<Recorder>),
    /// It is played.
    Player(Arc<Player>),
}

impl Deck {
    /// Reads the recording that is to be played.
    pub fn open(tape: &Tape) -> Result<Self, CommandError> {
        match tape {
            Tape::Off => Ok(Self::Off),
            Tape::Record(path) => Ok(Self::Recording(path.clone(), Mutex::default())),
            Tape::Replay(path) => {
                let name = path.display().to_string();
                let hint = "name a file that --record wrote";
                let text = read_text(path, rollcage_api::yaml::MAX_BYTES as u64)
                    .map_err(|cause| CommandError::usage(format!("{name}: {cause}"), hint))?;
                let recording: Recording = rollcage_api::yaml::from_str(&name, &text)
                    .map_err(|error| CommandError::usage(error.to_string(), hint))?;
                if recording.recording != VERSION {
                    let version = recording.recording;
                    let cause = format!("{name}: version {version} of the format, and only {VERSION} is known");
                    return Err(CommandError::usage(cause, "record it again"));
                }
                Ok(Self::Replaying(path.clone(), recording))
            }
        }
    }

    /// Whether something is recorded or played.
    pub fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Puts a session between plugins and `host`.
    pub fn enter(
        &self,
        name: &str,
        host: &mut HostServices,
        api: Option<Arc<ApiServer>>,
        real_time: bool,
    ) -> Result<Reel, CommandError> {
        match self {
            Self::Off => Ok(Reel::Off),
            Self::Recording(..) => Ok(Reel::Recorder(Recorder::enter(name, host, api, real_time))),
            Self::Replaying(path, recording) => {
                let found = recording.sessions.iter().find(|session| session.name == name);
                let session = found.cloned().ok_or_else(|| {
                    let has: Vec<&str> = recording.sessions.iter().map(|session| session.name.as_str()).collect();
                    CommandError::usage(
                        format!("{}: there is no session {name:?}", path.display()),
                        format!("record it; the file has: {}", has.join("; ")),
                    )
                })?;
                Ok(Reel::Player(Player::enter(session, host, api, real_time)))
            }
        }
    }

    /// A session is over: it is kept, or what was asked otherwise is told.
    pub fn leave(&self, reel: &Reel) -> Vec<String> {
        match (self, reel) {
            (Self::Recording(_, sessions), Reel::Recorder(recorder)) => {
                let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
                sessions.push(recorder.session());
                Vec::new()
            }
            (_, Reel::Player(player)) => player.differences(),
            _ => Vec::new(),
        }
    }

    /// Writes what was recorded.
    pub fn finish(self) -> Result<(), CommandError> {
        let Self::Recording(path, sessions) = self else {
            return Ok(());
        };
        let recording = Recording {
            recording: VERSION,
            sessions: sessions.into_inner().unwrap_or_else(PoisonError::into_inner),
        };
        let failed = |cause: String, hint: &str| CommandError::usage(format!("{}: {cause}", path.display()), hint);
        let text =
            rollcage_api::yaml::to_string(&recording).map_err(|error| failed(error.to_string(), "this is a defect"))?;
        if text.len() > rollcage_api::yaml::MAX_BYTES {
            let cause = format!("{} bytes are more than a recording may have", text.len());
            return Err(failed(cause, "record less at once"));
        }
        std::fs::write(&path, text).map_err(|error| failed(error.to_string(), "name a file that can be written"))
    }
}
