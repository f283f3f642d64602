//! How a command ends badly: one type for all commands, with its exit code and its JSON.

use rollcage_core::{CallError, Fault, Phase, PluginError};
use serde_json::{Value, json};

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Flags, INPUT or files that the author wrote are wrong.
    #[error("{message}")]
    Usage {
        /// What is wrong, with file, line and field where known.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The cluster does not answer.
    #[error("{message}")]
    Unreachable {
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The plugin answered with its own typed error.
    #[error("plugin {plugin}: {error}")]
    Plugin {
        /// Its name.
        plugin: String,
        /// Its answer.
        error: PluginError,
    },
    /// The plugin could not be loaded, or did not answer.
    #[error(transparent)]
    Fault(#[from] Box<Fault>),
    /// The report, which was written already, tells what does not hold.
    #[error("not everything is as expected")]
    Reported,
    /// An expectation, case or budget does not hold.
    #[error("{message}")]
    Expectation {
        /// Which one, and how it differs.
        message: String,
    },
}

impl CommandError {
    /// A usage error.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The end of a call on plugin `name`.
    pub fn from_call(name: &str, error: CallError) -> Self {
        match error {
            CallError::Plugin(error) => Self::Plugin {
                plugin: name.to_owned(),
                error,
            },
            CallError::Fault(fault) => Self::Fault(fault),
        }
    }

    /// 1: the plugin's own error, or an expectation that does not hold; 2: usage; 3: not loaded, or no cluster; 4: a fault in
    /// `init` or a call.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plugin { .. } | Self::Expectation { .. } | Self::Reported => 1,
            Self::Usage { .. } => 2,
            Self::Unreachable { .. } => 3,
            Self::Fault(fault) => match fault.phase {
                Phase::Resolve | Phase::Fetch | Phase::Verify | Phase::Compile | Phase::Link => 3,
                Phase::Init | Phase::Call => 4,
            },
        }
    }

    /// What to do.
    pub fn hint(&self) -> &str {
        match self {
            Self::Usage { hint, .. } | Self::Unreachable { hint, .. } => hint,
            Self::Fault(fault) => &fault.hint,
            Self::Plugin { .. } | Self::Expectation { .. } | Self::Reported => "",
        }
    }

    /// `{ok: false, error: {kind, phase, plugin, message, hint, causes}}`.
    pub fn to_json(&self) -> Value {
        let (kind, phase, plugin, message, causes) = match self {
            Self::Usage { message, .. } => (json!("usage"), Value::Null, Value::Null, message.clone(), Vec::new()),
            Self::Unreachable { message, .. } => (
                json!("unreachable"),
                Value::Null,
                Value::Null,
                message.clone(),
                Vec::new(),
            ),
            Self::Expectation { .. } | Self::Reported => (
                json!("expectation"),
                Value::Null,
                Value::Null,
                self.to_string(),
                Vec::new(),
            ),
            Self::Plugin { plugin, error } => (
                json!(error.kind),
                json!(Phase::Call),
                json!(plugin),
                error.message.clone(),
                Vec::new(),
            ),
            Self::Fault(fault) => {
                let name = json!(fault.plugin.name);
                (
                    json!(fault.kind),
                    json!(fault.phase),
                    name,
                    fault.cause.clone(),
                    fault.backtrace.clone(),
                )
            }
        };
        json!({"ok": false, "error": {
            "kind": kind, "phase": phase, "plugin": plugin, "message": message, "hint": self.hint(), "causes": causes
        }})
    }
}

#[cfg(test)]
mod tests {
    use rollcage_api::plugin::PluginKind;
    use rollcage_core::{FaultKind, PluginErrorKind, PluginId};

    use super::*;

    #[test]
    fn every_end_has_its_exit_code() {
        let id = PluginId {
            kind: PluginKind::Step,
            name: "a/b".into(),
        };
        let fault = |phase| CommandError::from(Box::new(Fault::new(&id, phase, FaultKind::Trap, "cause", "hint")));
        for (phase, code) in [
            (Phase::Resolve, 3),
            (Phase::Fetch, 3),
            (Phase::Verify, 3),
            (Phase::Compile, 3),
            (Phase::Link, 3),
            (Phase::Init, 4),
            (Phase::Call, 4),
        ] {
            assert_eq!(fault(phase).exit_code(), code, "{phase}");
        }
        assert_eq!(CommandError::usage("m", "h").exit_code(), 2);
        let unreachable = CommandError::Unreachable {
            message: "m".into(),
            hint: "h".into(),
        };
        assert_eq!((unreachable.exit_code(), unreachable.hint()), (3, "h"));
        let error = PluginError {
            kind: PluginErrorKind::InvalidConfig,
            message: "no address".into(),
            retry_after: None,
        };
        let error = CommandError::from_call("a/b", error.into());
        assert_eq!(error.exit_code(), 1);
        assert_eq!(
            error.to_json(),
            json!({"ok": false, "error": {
                "kind": "invalid-config", "phase": "call", "plugin": "a/b", "message": "no address",
                "hint": "", "causes": []
            }})
        );
    }
}
