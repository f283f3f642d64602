//! What the ConfigMaps say, good and bad.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::{FaultKind, Phase, PluginId};
use rollcage_registry::{
    Bundled, ConfigFile, ConfigMap, ConfigMaps,
    config::{Configuration, MAX_ENTRIES, Remembered, Wanted, read},
};

use crate::fake::{map, metric, metric_providers};

fn parse(entries: &str) -> Configuration {
    read(&[], &metric_providers(entries), &mut Remembered::default())
}

fn only(entries: &str) -> Wanted {
    let plugins = parse(entries).plugins;
    assert_eq!(plugins.len(), 1, "{entries}: {plugins:?}");
    plugins.into_values().next().unwrap()
}

/// `cause (hint)` of what is wrong with the only entry.
fn wrong(entries: &str) -> String {
    let fault = only(entries).entry.unwrap_err();
    assert_eq!((fault.phase, fault.kind), (Phase::Resolve, FaultKind::InvalidEntry));
    assert!(!fault.hint.is_empty(), "{entries}: no hint");
    format!("{} ({})", fault.cause, fault.hint)
}

#[test]
fn entries_are_read_as_argo_reads_them() {
    let sha = "A".repeat(64);
    let text = format!(
        "- NAME: argoproj-labs/sample.plugin_1\n  Location: https://server/plugin.wasm\n  sha256: {sha}\n  \
         args: [--flag, 7, true]\n  headersfrom:\n  - secretRef: {{name: token}}\n  something: else\n"
    );
    let wanted = only(&text);
    let entry = wanted.entry.unwrap();
    assert_eq!(entry.name, "argoproj-labs/sample.plugin_1");
    assert_eq!(entry.location, "https://server/plugin.wasm");
    assert_eq!(entry.sha256, "a".repeat(64));
    assert_eq!(entry.args, ["--flag", "7", "true"]);
    assert_eq!(entry.headers_from[0].secret_ref.name, "token");
    assert!(!entry.disabled);
    assert_eq!(
        wanted.notes,
        ["rollcage-config, metricProviderPlugins, line 7: the field something is not known and is ignored"]
    );
    assert_eq!((wanted.source.file, wanted.source.line), (ConfigFile::Rollcage, 1));
}

#[test]
fn good_entries() {
    for entry in [
        "{name: a/b, location: 'file:///x'}",
        "{name: a/b, location: 'file://./x', sha256: }",
        "{name: a/b, location: 'FILE://x'}",
        "{name: a/b, location: 'oci://registry/repository:tag'}",
        "{name: a/b, location: 'http://[::1]:8080/x'}",
        "{name: A-1/b_-.9, location: 'file:///x', usableFrom: ['*', team-1]}",
        "{name: a/b, location: 'file:///x', limits: {queue: 0, memory: 1Gi, deadline: 90s}}",
        "{name: a/b, disabled: yes}",
        "{name: a/b, location: 'file:///x', permissions: {http: ['a:80', {host: 'b:443', insecure: true}]}}",
        "{name: a/b, location: 'file:///x', permissions: {kubernetes: [{apiGroups: [''], resources: [services], \
         verbs: [get], namespaces: ['@object', other]}]}}",
        "{name: a/b, location: 'file:///x', permissions: {http: ['a:80'], credentials: [{name: c, header: \
         Authorization, hosts: ['A:80'], secretRef: {name: s, key: k}}]}}",
        "{name: a/b, location: 'file:///x', permissions: {http: ['*.example.com:80'], credentials: [{name: c, header: \
         Authorization, hosts: ['a.example.com:80'], secretRef: {name: s, key: k}}]}}",
        "{name: a/b, location: 'file:///x', env: {LOG_LEVEL: debug, EMPTY: ''}}",
    ] {
        let wanted = only(&format!("- {entry}"));
        assert!(wanted.entry.is_ok(), "{entry}: {:?}", wanted.entry);
        assert!(wanted.notes.is_empty(), "{entry}: {:?}", wanted.notes);
    }
}

#[test]
fn bad_entries_say_where_what_and_what_to_do() {
    let with = |more: &str| format!("- name: a/b\n  location: file:///x\n  {more}\n");
    let permissions = |more: &str| with(&format!("permissions: {more}"));
    let credential = |more: &str| {
        permissions(&format!(
            "{{http: ['a:80'], credentials: [{{name: c, secretRef: {{name: s, key: k}}, {more}}}]}}"
        ))
    };
    for (text, expected) in [
        ("- {}".to_owned(), "line 1: name: there is no name (write the name as"),
        (
            "- name: nonsense".to_owned(),
            "line 1: name: plugin repository (nonsense) must be in the format of <namespace>/<name>",
        ),
        ("- name: a/b/c".to_owned(), "must be in the format"),
        ("- name: a_b/c".to_owned(), "must be in the format"),
        ("- name: a/".to_owned(), "must be in the format"),
        ("- text".to_owned(), "line 1: "),
        ("- name: a/b".to_owned(), "line 1: location: there is no location"),
        (
            "- name: a/b\n  location: ftp://x/y".to_owned(),
            "line 2: location: plugin location must be of http(s), file or oci scheme (write file://",
        ),
        (
            "- name: a/b\n  location: /x/y".to_owned(),
            "must be of http(s), file or oci scheme",
        ),
        (
            "- name: a/b\n  location: http:///x".to_owned(),
            "location: plugin location",
        ),
        (
            "- name: a/b\n  location: file://".to_owned(),
            "plugin location has no path",
        ),
        (
            "- name: a/b\n  location: oci://x".to_owned(),
            "plugin location has no repository",
        ),
        (
            "- name: a/b\n  location: 'file:///x y'".to_owned(),
            "blanks or control characters",
        ),
        (
            with(&format!("sha256: {}", "a".repeat(40))),
            "line 3: sha256: this looks like SHA-1: 40 hexadecimal digits, where SHA-256 has 64 (write the output",
        ),
        (
            with(&format!("sha256: {}", "g".repeat(64))),
            "this is no SHA-256 digest",
        ),
        (with(&format!("sha256: sha256:{}", "a".repeat(64))), "without `sha256:`"),
        (with("args: --flag"), "line 3: args: "),
        (with("disabled: maybe"), "line 3: disabled: "),
        (
            with("headersFrom: [{secretRef: {}}]"),
            "headersFrom[0].secretRef.name: there is no name",
        ),
        (
            with("limits: {deadline: 5}"),
            "limits.deadline: time: missing unit in duration",
        ),
        (
            with("limits: {deadline: 0s}"),
            "line 3: limits.deadline: zero would let no call through",
        ),
        (
            with("limits: {memory: 64MB}"),
            "limits.memory: \"64MB\" is not a number of bytes",
        ),
        (with("limits: {concurrency: -1}"), "limits.concurrency: "),
        (with("limits: {concurrency: 0}"), "limits.concurrency: zero"),
        (
            with("limits: {queue: 1000000}"),
            "limits.queue: 1000000 is too large (write 10000 or less)",
        ),
        (with("breaker: {faults: 0}"), "breaker.faults: zero"),
        (with("instances: {mode: hot}"), "instances.mode: "),
        (with("unavailable: {action: explode}"), "unavailable.action: "),
        (
            with("usableFrom: [team-*]"),
            "usableFrom[0]: \"team-*\" is no namespace",
        ),
        (with("env: {'A=B': c}"), "env[A=B]: this is no environment variable"),
        (permissions("{http: ['']}"), "permissions.http[0]: "),
        (
            permissions("{http: ['a:80', b]}"),
            "line 3: permissions.http[1]: \"b\": ",
        ),
        (
            permissions("{http: ['http://a:80']}"),
            "a server is NAME:PORT, without scheme and path",
        ),
        (
            permissions("{http: [{host: 'a:443', ca: nonsense}]}"),
            "permissions.http[0]: ",
        ),
        (
            credential("header: 'a b', hosts: ['a:80']"),
            "permissions.credentials[0]: ",
        ),
        (
            permissions("{http: ['a:443', {host: 'A:443', insecure: true}]}"),
            "permissions.http[1]: A:443: granted twice, with different options",
        ),
        (
            permissions("{http: [{host: 'a:443', insecure: true, ca: pem}]}"),
            "`insecure` and `ca` contradict each other",
        ),
        (
            permissions("{kubernetes: [{apiGroups: [''], resources: [services]}]}"),
            "permissions.kubernetes[0].verbs: the list is empty, so that the grant allows nothing",
        ),
        (
            permissions("{kubernetes: [{apiGroups: [''], resources: [services], verbs: [get, watch]}]}"),
            "permissions.kubernetes[0].verbs[1]: \"watch\" is no verb that can be granted",
        ),
        (
            permissions("{kubernetes: [{apiGroups: [''], resources: [Service], verbs: [get]}]}"),
            "\"Service\" is no plural name",
        ),
        (
            permissions("{kubernetes: [{apiGroups: [''], resources: [services], verbs: [get], namespaces: []}]}"),
            "namespaces: the list is empty",
        ),
        (
            credential("x: 1"),
            "permissions.credentials[0].header: the credential can be neither sent nor read",
        ),
        (credential("header: A"), "hosts: the header is sent to no server"),
        (
            credential("readable: true, hosts: ['a:80']"),
            "hosts: servers without a header",
        ),
        (
            credential("header: A, hosts: ['b:80']"),
            "b:80: the credential is for a server that `permissions.http` does not grant",
        ),
        (
            permissions("{credentials: [{name: c, readable: true}]}"),
            "permissions.credentials[0].secretRef: there is no Secret",
        ),
        (
            permissions(
                "{credentials: [{name: c, readable: true, secretRef: {name: s, key: k}}, {name: c, readable: true, \
                 secretRef: {name: s, key: l}}]}",
            ),
            "permissions.credentials[1].name: there are two credentials named \"c\"",
        ),
    ] {
        let found = wrong(&text);
        assert!(found.contains(expected), "{text}\n  has {found}\n  not {expected}");
        assert!(
            found.starts_with("rollcage-config, metricProviderPlugins, line "),
            "{found}"
        );
    }
}

#[test]
fn one_bad_entry_is_its_own_fault_only() {
    let text = "- {name: x/a, location: 'file:///a'}\n- name: bad\n-\n- {name: x/c, limits: 7}\n- [1]\n\
                - {name: x/b, location: 'file:///b'}\n";
    let configuration = parse(text);
    let line = |(id, wanted): (&PluginId, &Wanted)| format!("{} {}", id.name, wanted.entry.is_ok());
    let lines: Vec<_> = configuration.plugins.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "bad false",
            "rollcage-config:metricProviderPlugins[2] false",
            "rollcage-config:metricProviderPlugins[4] false",
            "x/a true",
            "x/b true",
            "x/c false",
        ]
    );
}

#[test]
fn keys_that_cannot_be_read_have_a_state_of_their_own() {
    for (text, expected) in [
        ("- {name: [", "line 1"),
        (
            "a: b",
            "rollcage-config, metricProviderPlugins, line 1: this is no list of entries",
        ),
        ("just text", "this is no list of entries"),
        ("- a\n b: [}", "line 2"),
    ] {
        let configuration = parse(text);
        let wanted = &configuration.plugins[&metric("rollcage-config:metricProviderPlugins")];
        let fault = wanted.entry.as_ref().unwrap_err();
        assert!(fault.cause.contains(expected), "{text}: {fault}");
        assert!(fault.hint.contains("write a YAML list"), "{fault}");
    }
    for empty in ["", "~", "[]", "# nothing\n", "---\n"] {
        assert!(parse(empty).plugins.is_empty(), "{empty}");
    }
}

#[test]
fn the_first_of_equal_names_wins() {
    let text = "- {name: x/a, location: 'file:///1'}\n- {name: x/a, location: 'file:///2'}\n";
    let configuration = parse(text);
    let entry = configuration.plugins[&metric("x/a")].entry.clone().unwrap();
    assert_eq!(entry.location, "file:///1");
    assert_eq!(
        configuration.notes,
        [
            "rollcage-config, metricProviderPlugins, line 2: x/a is there a second time and is ignored, as the first one \
          (line 1) counts"
        ]
    );
    // One name in two keys is two plugins.
    let data = ["metricProviderPlugins", "stepPlugins", "trafficRouterPlugins"]
        .map(|key| (key.to_owned(), "- {name: x/a, location: 'file:///1'}".to_owned()));
    let maps = ConfigMaps {
        argo: ConfigMap::Present(BTreeMap::from(data)),
        rollcage: ConfigMap::Absent,
    };
    assert_eq!(read(&[], &maps, &mut Remembered::default()).plugins.len(), 3);
}

#[test]
fn ours_overrides_even_when_it_is_wrong() {
    let maps = ConfigMaps {
        argo: map(
            "stepPlugins",
            "- {name: x/a, location: 'file:///1'}\n- {name: x/b, location: 'file:///2'}",
        ),
        rollcage: map("stepPlugins", "- {name: x/a, location: 'nowhere'}"),
    };
    let configuration = read(&[], &maps, &mut Remembered::default());
    let id = |name: &str| PluginId {
        kind: PluginKind::Step,
        name: name.into(),
    };
    assert!(
        configuration.plugins[&id("x/a")].entry.is_err(),
        "never the grants of the other map"
    );
    assert!(configuration.plugins[&id("x/b")].entry.is_ok());
}

#[test]
fn the_number_of_entries_is_bounded() {
    let lines: Vec<_> = (0..MAX_ENTRIES + 7).map(|n| format!("- name: x/{n}\n")).collect();
    let text = lines.concat();
    let configuration = parse(&text);
    assert_eq!(configuration.plugins.len(), MAX_ENTRIES);
    assert!(configuration.notes[0].contains("only the first 1000 of 1007 entries are read"));
}

/// Pieces of entries, whole and broken, and noise between them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just("- {name: x/good, location: 'file:///good'}\n".to_owned()),
        2 => "- name: [a-z/]{0,6}\n",
        1 => "  (location|sha256|limits|permissions|args|env|usableFrom): [\\[\\]{}a-z:/'\"*&]{0,8}\n",
        1 => "  permissions: \\{http: \\[[a-z:*'{}]{0,6}\\]\\}\n",
        1 => ".{0,20}",
        1 => Just("\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_survived(text in pieces(), noise in ".{0,200}") {
        for text in [text.as_str(), noise.as_str()] {
            let maps = ConfigMaps {
                argo: map("trafficRouterPlugins", text),
                rollcage: map("metricProviderPlugins", text),
            };
            let mut remembered = Remembered::default();
            let configuration = read(&[], &maps, &mut remembered);
            let told = configuration.plugins.values().all(|wanted| match &wanted.entry {
                Ok(entry) => !entry.name.is_empty(),
                Err(fault) => fault.phase == Phase::Resolve && !fault.cause.is_empty() && !fault.hint.is_empty(),
            });
            prop_assert!(told);
            // The same again is the same again.
            prop_assert_eq!(configuration, read(&[], &maps, &mut remembered));
        }
    }

    /// Whatever stands beside it in the other map, a good entry is wanted.
    #[test]
    fn a_good_entry_is_wanted_whatever_the_other_map_says(noise in pieces()) {
        let maps = ConfigMaps {
            argo: map("metricProviderPlugins", "- {name: x/other, location: 'file:///other'}"),
            rollcage: map("metricProviderPlugins", &noise),
        };
        let configuration = read(&[], &maps, &mut Remembered::default());
        prop_assert!(configuration.plugins[&metric("x/other")].entry.is_ok());
    }
}

#[test]
fn bundled_plugins_serve_unless_an_entry_says_otherwise() {
    let bundled = [Bundled {
        kind: PluginKind::MetricProvider,
        entry: Arc::new(PluginEntry {
            name: "rollcage/web".into(),
            location: "bundled://web".into(),
            ..PluginEntry::default()
        }),
    }];
    let wanted = |entries: &str| {
        let configuration = read(&bundled, &metric_providers(entries), &mut Remembered::default());
        let wanted = &configuration.plugins[&metric("rollcage/web")];
        (wanted.source.to_string(), wanted.entry.clone())
    };
    let (source, entry) = wanted("[]");
    assert_eq!(source, "bundled, metricProviderPlugins");
    assert_eq!(entry.unwrap().location, "bundled://web");
    let (source, entry) = wanted("- {name: rollcage/web, location: 'file:///own.wasm'}");
    assert_eq!(source, "rollcage-config, metricProviderPlugins, line 1");
    assert_eq!(entry.unwrap().location, "file:///own.wasm");
    // A wrong one is told, rather than that the other one serves with rights that were to be taken from it.
    let (_, entry) = wanted("- {name: rollcage/web, location: nowhere}");
    assert!(entry.is_err());
    let (_, entry) = wanted("- {name: rollcage/web, disabled: true}");
    assert!(entry.unwrap().disabled);
}
