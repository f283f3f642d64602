//! What the environment says: that this is a plugin's start, of which kind, and where its socket goes.

use std::{ffi::OsString, path::PathBuf};

use rollcage_api::plugin::PluginKind;

use crate::handshake::APP_VERSION;

/// The variable that tells a plugin from a program that somebody started by hand.
const COOKIE: &str = "ARGO_ROLLOUTS_RPC_PLUGIN";

/// A start as a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What Argo Rollouts takes the plugin for: the key of the ConfigMap under which it is listed.
    pub kind: PluginKind,
    /// Where the socket goes.
    pub(super) folder: PathBuf,
    /// The group that may use the socket: a name or a number.
    pub(super) group: Option<String>,
    /// Whether the host wants the line's seventh field.
    pub(super) multiplex: bool,
}

/// Not started as a plugin. Shown to whoever started it, in go-plugin's words, which other hosts look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "This binary is a plugin. These are not meant to be executed directly.\nPlease execute the program that consumes \
     these plugins, which will\nload any plugins automatically"
)]
pub struct NotInvited;

impl Invitation {
    /// Reads it from the process's environment.
    pub fn from_environment() -> Result<Self, NotInvited> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads it from variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, NotInvited> {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        let kind = match variable(COOKIE).as_deref().and_then(|cookie| cookie.to_str()) {
            Some("metricprovider") => PluginKind::MetricProvider,
            Some("trafficrouter") => PluginKind::TrafficRouter,
            Some("step") => PluginKind::Step,
            _ => return Err(NotInvited),
        };
        let versions = text("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
        if !versions
            .to_string_lossy()
            .split(',')
            .any(|version| version == APP_VERSION)
        {
            // As go-plugin does: the host is told the version that there is, and refuses it.
            tracing::warn!(
                ?versions,
                "the host does not offer version {APP_VERSION} of Argo's protocol"
            );
        }
        if text("PLUGIN_CLIENT_CERT").is_some() {
            tracing::warn!("the host offers TLS, which Argo Rollouts does not use: it is left out");
        }
        Ok(Self {
            kind,
            folder: text("PLUGIN_UNIX_SOCKET_DIR")
                .or_else(|| text("TMPDIR"))
                .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from),
            group: text("PLUGIN_UNIX_SOCKET_GROUP").map(|group| group.to_string_lossy().into_owned()),
            multiplex: text("PLUGIN_MULTIPLEX_GRPC").is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Invitation, NotInvited> {
        Invitation::from_variables(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn h15_only_the_cookies_of_argo_start_a_plugin() {
        for (cookie, kind) in [
            ("metricprovider", Ok(PluginKind::MetricProvider)),
            ("trafficrouter", Ok(PluginKind::TrafficRouter)),
            ("step", Ok(PluginKind::Step)),
            ("Step", Err(NotInvited)),
            ("step ", Err(NotInvited)),
            ("", Err(NotInvited)),
        ] {
            assert_eq!(
                read(&[(COOKIE, cookie)]).map(|invited| invited.kind),
                kind,
                "{cookie:?}"
            );
        }
        assert_eq!(read(&[]), Err(NotInvited));
        assert_eq!(NotInvited.to_string().lines().count(), 3);
    }

    #[test]
    fn h24_the_host_says_where_the_socket_goes() {
        let folder = |variables: &[(&str, &str)]| {
            let all = [&[(COOKIE, "step")], variables].concat();
            read(&all).unwrap().folder
        };
        assert_eq!(folder(&[]), PathBuf::from("/tmp"));
        assert_eq!(folder(&[("TMPDIR", "/t")]), PathBuf::from("/t"));
        let both = [("TMPDIR", "/t"), ("PLUGIN_UNIX_SOCKET_DIR", "/s")];
        assert_eq!(folder(&both), PathBuf::from("/s"));
        assert_eq!(
            folder(&[("TMPDIR", "/t"), ("PLUGIN_UNIX_SOCKET_DIR", "")]),
            PathBuf::from("/t")
        );
    }
}
