//! What went wrong, before it is known for which plugin: several may wait for the same bytes.

use std::{error::Error, io, path::Path, time::Duration};

use rollcage_core::{Fault, FaultKind, Phase, PluginId};

/// A failure that can be told to any number of plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub phase: Phase,
    pub kind: FaultKind,
    pub cause: String,
    pub hint: String,
    /// Another try may end otherwise.
    pub retryable: bool,
    /// How long the server wants to be left alone before that.
    pub retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(phase: Phase, kind: FaultKind, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            phase,
            kind,
            cause: cause.into(),
            hint: hint.into(),
            retryable: false,
            retry_after: None,
        }
    }

    pub(crate) fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    pub(crate) fn entry(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Phase::Resolve, FaultKind::InvalidEntry, cause, hint)
    }

    /// The cache folder does not do its work.
    pub(crate) fn storage(doing: &str, path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind as Kind;
        let hint = match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                "make room on that volume, or choose another cache folder with --cache-dir"
            }
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => {
                "the cache folder has to be writable: mount a volume there, or choose another with --cache-dir"
            }
            _ => "check the volume of the cache folder, or choose another with --cache-dir",
        };
        let cause = format!("{doing} {}: {}", path.display(), os_message(error));
        let problem = Self::new(Phase::Fetch, FaultKind::Storage, cause, hint);
        // Evicting may help.
        let is_full = matches!(error.kind(), Kind::StorageFull | Kind::QuotaExceeded);
        if is_full { problem.retryable() } else { problem }
    }

    /// As a fault of one plugin.
    pub(crate) fn fault(&self, id: &PluginId) -> Box<Fault> {
        Box::new(Fault::new(id, self.phase, self.kind, &self.cause, &self.hint))
    }
}

/// The system's words, lower case and without the number.
pub(crate) fn os_message(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" (os error")
        .map_or(text.as_str(), |(message, _)| message);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "unknown error".to_owned(),
    }
}

/// The first cause of a chain of errors: libraries put what happened at the end.
pub(crate) fn first_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<io::Error>() {
        Some(error) => os_message(error),
        None => cause.to_string(),
    }
}
