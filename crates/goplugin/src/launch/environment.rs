//! The environment of a native plugin: what of the host's own is passed on, what the entry adds, what go-plugin needs.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use rollcage_api::plugin::PluginKind;

use crate::handshake::APP_VERSION;

/// Key of the cookie by which a plugin of Argo Rollouts knows its host.
const COOKIE: &str = "ARGO_ROLLOUTS_RPC_PLUGIN";

/// Whether native plugins run, and what of the host's environment they see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvironmentPolicy {
    /// What a plugin under Argo Rollouts relies on: the shell's basics, the cluster, proxies, certificates.
    #[default]
    Argo,
    /// The shell's basics, and what the entry's `env` names.
    Restricted,
    /// Native plugins do not run.
    Off,
}

impl EnvironmentPolicy {
    fn passes(self, name: &OsStr) -> bool {
        // Names that are no text are nobody's.
        let Some(name) = name.to_str() else {
            return false;
        };
        match name {
            "PATH" | "HOME" => self != Self::Off,
            _ if self != Self::Argo => false,
            "TZ" | "LANG" | "KUBECONFIG" => true,
            _ => {
                name.starts_with("KUBERNETES_")
                    || name.starts_with("SSL_CERT_")
                    || name.ends_with("_PROXY")
                    || name.ends_with("_proxy")
            }
        }
    }
}

/// The whole environment of a plugin. Later rules win: what the host passes on and a folder for temporary files that goes with
/// the plugin, then the entry's `env`, then what go-plugin itself needs. Nothing that would change the handshake is inherited: neither a certificate nor another socket folder of a
/// host that was itself started as a plugin.
pub(crate) fn environment(
    policy: EnvironmentPolicy,
    host: impl Iterator<Item = (OsString, OsString)>,
    entry: &BTreeMap<String, String>,
    kind: PluginKind,
    sockets: &Path,
    temporary: &Path,
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = host.filter(|(name, _)| policy.passes(name)).collect();
    all.insert("TMPDIR".into(), temporary.into());
    let own = entry.iter().filter(|(name, value)| {
        // Such a variable cannot exist; setting it would fail the launch.
        !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') && !name.starts_with("PLUGIN_")
    });
    all.extend(own.map(|(name, value)| (name.into(), value.into())));
    let cookie = match kind {
        PluginKind::MetricProvider => "metricprovider",
        PluginKind::TrafficRouter => "trafficrouter",
        PluginKind::Step => "step",
    };
    let handshake: [(&str, &OsStr); 5] = [
        (COOKIE, cookie.as_ref()),
        ("PLUGIN_MIN_PORT", "10000".as_ref()),
        ("PLUGIN_MAX_PORT", "25000".as_ref()),
        ("PLUGIN_PROTOCOL_VERSIONS", APP_VERSION.as_ref()),
        ("PLUGIN_UNIX_SOCKET_DIR", sockets.as_os_str()),
    ];
    all.extend(handshake.map(|(name, value)| (name.into(), value.into())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: [(&str, &str); 14] = [
        ("PATH", "/bin"),
        ("HOME", "/root"),
        ("TMPDIR", "/t"),
        ("TZ", "UTC"),
        ("LANG", "C"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("KUBECONFIG", "/k"),
        ("HTTPS_PROXY", "http://p"),
        ("no_proxy", "x"),
        ("SSL_CERT_FILE", "/ca"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("PLUGIN_CLIENT_CERT", "pem"),
        ("PLUGIN_MULTIPLEX_GRPC", "true"),
        ("ARGO_ROLLOUTS_RPC_PLUGIN", "host's own"),
    ];

    fn names(policy: EnvironmentPolicy, entry: &[(&str, &str)]) -> BTreeMap<String, String> {
        let host = HOST.map(|(name, value)| (name.into(), value.into()));
        let entry = entry
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let [sockets, temporary] = ["/s", "/own"].map(Path::new);
        environment(policy, host.into_iter(), &entry, PluginKind::Step, sockets, temporary)
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .collect()
    }

    /// A list of names in place of the whole environment.
    #[test]
    fn h28_each_policy_passes_its_names() {
        let handshake = 5;
        let argo = names(EnvironmentPolicy::Argo, &[]);
        assert_eq!(argo.len(), 10 + handshake, "{argo:?}");
        assert!(!argo.contains_key("AWS_SECRET_ACCESS_KEY"));
        assert!(!argo.contains_key("PLUGIN_CLIENT_CERT") && !argo.contains_key("PLUGIN_MULTIPLEX_GRPC"));
        assert_eq!(argo["ARGO_ROLLOUTS_RPC_PLUGIN"], "step");
        let restricted = names(EnvironmentPolicy::Restricted, &[("LOG", "debug")]);
        assert_eq!(restricted.len(), 3 + 1 + handshake, "{restricted:?}");
        assert_eq!(restricted["LOG"], "debug");
        assert_eq!([&argo["TMPDIR"], &restricted["TMPDIR"]], ["/own", "/own"]);
    }

    #[test]
    fn h28_an_entry_may_add_and_replace_but_not_change_the_handshake() {
        let entry = [
            ("AWS_SECRET_ACCESS_KEY", "theirs"),
            ("PATH", "/own"),
            ("ARGO_ROLLOUTS_RPC_PLUGIN", "x"),
            ("PLUGIN_CLIENT_CERT", "x"),
            ("a=b", "x"),
            ("", "x"),
            ("NUL", "\0"),
        ];
        let got = names(EnvironmentPolicy::Argo, &entry);
        assert_eq!(got["AWS_SECRET_ACCESS_KEY"], "theirs");
        assert_eq!(got["PATH"], "/own");
        assert_eq!(got["ARGO_ROLLOUTS_RPC_PLUGIN"], "step");
        for absent in ["PLUGIN_CLIENT_CERT", "a=b", "", "NUL"] {
            assert!(!got.contains_key(absent), "{absent}");
        }
    }
}
