use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::*;
use crate::plugin::PluginEntry;

fn json(text: &str) -> Json {
    from_str("t.yaml", text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn error(text: &str) -> String {
    match from_str::<Json>("t.yaml", text) {
        Ok(value) => panic!("{text:?} is {value}"),
        Err(error) => error.to_string(),
    }
}

/// The same cases are compared with Go in the oracle test; these hold without Go.
#[test]
fn scalars_mean_what_go_reads() {
    let cases = [
        ("yes", json!(true)),
        ("'yes'", json!("yes")),
        ("Off", json!(false)),
        ("oFF", json!("oFF")),
        ("y", json!(true)),
        ("012", json!(10)),
        ("\"012\"", json!("012")),
        ("08", json!(8)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("-0b11", json!(-3)),
        ("1_000", json!(1000)),
        ("+1", json!(1)),
        ("1e3", json!(1000)),
        (".5", json!(0.5)),
        ("1.", json!(1)),
        ("1.10", json!(1.1)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1e400", json!("1e400")),
        ("2001-01-01", json!("2001-01-01")),
        ("190:20:30", json!("190:20:30")),
        ("~", Json::Null),
        ("", Json::Null),
        ("NULL", Json::Null),
        ("nULL", json!("nULL")),
        ("_1", json!("_1")),
        ("!!str 12", json!("12")),
        ("!!int \"12\"", json!(12)),
        ("!!float 1", json!(1)),
        ("!!binary aGk=", json!("hi")),
        ("!custom 12", json!("12")),
        ("! 12", json!("12")),
        (".5_0", json!(0.5)),
        (".5_", json!(".5_")),
        ("1\n 2", json!("1 2")),
    ];
    for (text, expected) in cases {
        assert_eq!(json(&format!("a: {text}")), json!({ "a": expected }), "{text:?}");
    }
    for text in [
        ".inf",
        "-.Inf",
        ".NaN",
        "!!int x",
        "!!bool 1",
        "!!null x",
        "!!binary '*'",
    ] {
        let _ = error(&format!("a: {text}"));
    }
}

#[test]
fn structures_mean_what_go_reads() {
    let cases = [
        ("", Json::Null),
        ("# nothing\n", Json::Null),
        ("---\n...\n", Json::Null),
        (
            "1: a\ntrue: b\n1.5: c\n1e9: d\n.inf: e",
            json!({"1": "a", "true": "b", "1.5": "c", "1e+09": "d", ".inf": "e"}),
        ),
        ("a: &x {b: 1}\nc: *x", json!({"a": {"b": 1}, "c": {"b": 1}})),
        (
            "d: &d {a: 1, b: 2}\ne:\n  <<: *d\n  b: 3",
            json!({"d": {"a": 1, "b": 2}, "e": {"a": 1, "b": 3}}),
        ),
        ("b: 3\n<<: {b: 2}", json!({"b": 2})),
        ("<<: [{a: 1}, {a: 2, c: 3}]", json!({"a": 1, "c": 3})),
        ("'<<': 1", json!({"<<": 1})),
        (
            "a: |\n  x\n   y\n\nb: >-\n  x\n  y\n",
            json!({"a": "x\n y\n", "b": "x y"}),
        ),
        ("a: |\n  x", json!({"a": "x"})),
        ("- - 1\n  - 2\n- {}\n- []", json!([[1, 2], {}, []])),
        (
            "{\"a\":\"\\u00e9\\n\", b: , c: [1,]}",
            json!({"a": "é\n", "b": null, "c": [1]}),
        ),
        ("\u{feff}a: 1", json!({"a": 1})),
        ("a: &x 1\nb: &x 2\nc: *x", json!({"a": 1, "b": 2, "c": 2})),
    ];
    for (text, expected) in cases {
        assert_eq!(json(text), expected, "{text:?}");
    }
}

#[test]
fn errors_name_file_line_and_field() {
    let cases = [
        (
            "a: 1\nb:\n  c: 1\n  c: 2",
            "t.yaml:4:3: b.c: this key is already on line 3: remove one of them",
        ),
        (
            "a:\n  1: x\n  \"1\": y",
            "t.yaml:3:3: a.1: this key is already on line 2: remove one of them",
        ),
        (
            "a: [1, .nan]",
            "t.yaml:1:8: a[1]: JSON has neither infinity nor NaN: put the value into quotes if it is meant as text",
        ),
        (
            "a:\n  - !!int x",
            "t.yaml:2:11: a[0]: \"x\" is a text, not what its tag says",
        ),
        ("a: *b", "t.yaml:1:4: "),
        ("a: &a [*a]", "t.yaml:1:8: a[0]: an anchor's value contains itself"),
        ("~: 1", "t.yaml:1:1: a key cannot be null"),
        ("[1]: 1", "t.yaml:1:1: a key cannot be a list"),
        (
            "a:\n  <<: 1",
            "t.yaml:2:7: a: `<<` takes a mapping, an alias of one, or a list of them",
        ),
        ("a: 1\n---\nb: 2", "t.yaml:3:1: a second document begins here"),
        ("a: 'x", "t.yaml:1:"),
        ("a:\n\t- b", "t.yaml:2:"),
        ("a: b: c", "t.yaml:1:"),
        ("a: [?x]", "t.yaml:1:5: this can be read in more than one way"),
    ];
    for (text, expected) in cases {
        let error = error(text);
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Target {
    name: String,
    count: u8,
    max_size: Option<f64>,
    flag: bool,
    list: Vec<String>,
    labels: BTreeMap<String, String>,
    mode: Mode,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Fast,
    Slow {
        seconds: u32,
    },
}

#[test]
fn reads_types_as_go_does() {
    let text = "name: 012\ncount: 3.0\nmaxSize: 2\nflag: on\nlist: [1, yes, 1.50, ~, x]\nlabels: {a: , b: 1e6}\nmode:";
    let target: Target = from_str("t.yaml", text).unwrap();
    assert_eq!(
        target,
        Target {
            name: "10".into(),
            count: 3,
            max_size: Some(2.0),
            flag: true,
            list: ["1", "true", "1.5", "", "x"].map(Into::into).into(),
            labels: BTreeMap::from([("a".into(), String::new()), ("b".into(), "1e+06".into())]),
            mode: Mode::Fast,
        }
    );
    let target: Target = from_str("t.yaml", "mode: {slow: {seconds: 3}}").unwrap();
    assert_eq!(target.mode, Mode::Slow { seconds: 3 });
    assert_eq!(from_str::<Target>("t.yaml", "mode: fast").unwrap().mode, Mode::Fast);
    assert_eq!(from_str::<Target>("t.yaml", "").unwrap(), Target::default());
}

#[test]
fn type_errors_name_the_field() {
    let cases = [
        (
            "name: x\ncount: many",
            "t.yaml:2:8: count: invalid type: string \"many\", expected u8",
        ),
        (
            "count: 300",
            "t.yaml:1:8: count: invalid value: integer `300`, expected u8",
        ),
        (
            "list:\n- a\n- {b: c}",
            "t.yaml:3:3: list[1]: invalid type: map, expected a string",
        ),
        (
            "labels:\n  a/b: [1]",
            "t.yaml:2:8: labels[a/b]: invalid type: sequence, expected a string",
        ),
        (
            "mode: quick",
            "t.yaml:1:7: mode: unknown variant `quick`, expected `fast` or `slow`",
        ),
        (
            "mode: {slow: {seconds: x}}",
            "t.yaml:1:24: mode.slow.seconds: invalid type: string \"x\", expected u32",
        ),
        ("[]", "t.yaml:1:1: invalid type: sequence, expected struct Target"),
    ];
    for (text, expected) in cases {
        let error = from_str::<Target>("t.yaml", text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text:?}");
        assert_eq!(error.kind, YamlErrorKind::Value);
    }
}

#[test]
fn like_argo_is_lenient_where_go_is() {
    let read = |text| from_str_like_argo::<Vec<PluginEntry>>("argo-rollouts-config", text);
    let entries = read("- Name: a/b\n  LOCATION: file://x\n  headersfrom: [{SecretRef: {name: s}}]\n  name: c/d\n  args: [--port, 80]\n---\n- {").unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].name, "c/d");
    assert_eq!(entries[0].location, "file://x");
    assert_eq!(entries[0].headers_from[0].secret_ref.name, "s");
    assert_eq!(entries[0].args, ["--port", "80"]);
    assert_eq!(read("- name: a/b\n  name: c/d").unwrap()[0].name, "c/d");
    assert!(from_str::<Vec<PluginEntry>>("f", "- name: a/b\n  name: c/d").is_err());
    assert_eq!(read("").unwrap(), []);
    assert!(from_str_like_argo::<Json>("f", "a: [").is_err());
}

#[test]
fn one_broken_document_does_not_hide_the_others() {
    let text = "a: 1\n---\n# nothing\n---\nb: [\n---\nc: 3\n...\n---\nd: 4\n---\n";
    let all = documents("t.yaml", text);
    let shown: Vec<_> = all
        .iter()
        .map(|document| match document {
            Ok(document) => format!("{} {}", document.mark().line, document.read::<Json>().unwrap()),
            Err(error) => format!("error on line {}", error.line),
        })
        .collect();
    assert_eq!(
        shown,
        ["1 {\"a\":1}", "error on line 5", "7 {\"c\":3}", "10 {\"d\":4}"],
        "{all:?}"
    );
    let document = all[0].as_ref().unwrap();
    assert_eq!(document.error_at(&["a", "b"], "no").to_string(), "t.yaml:1:1: a.b: no");
}

#[test]
fn everything_is_bounded() {
    let too_deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
    let deep_enough = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    json(&deep_enough);
    let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().concat();
    let laughs = lines(120, &|level| match level.checked_sub(1) {
        Some(below) => format!("a{level}: &a{level} [{}]\n", format!("*a{below}, ").repeat(6)),
        None => "a0: &a0 [x, x, x]\n".to_owned(),
    });
    let tower = lines(120, &|level| match level.checked_sub(1) {
        Some(below) => format!("a{level}: &a{level} [*a{below}]\n"),
        None => "a0: &a0 [x]\n".to_owned(),
    });
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), "*a, ".repeat(40));
    let anchors = format!(
        "{}{}{}",
        lines(90, &|level| format!("&a{level} [")),
        "1, ".repeat(10_000),
        "]".repeat(90)
    );
    let cases = [
        ("nested deeper than 100", too_deep),
        ("nested deeper than 100", "[".repeat(1 << 20)),
        (
            "nested deeper than 100",
            lines(200, &|level| format!("{}a:\n", " ".repeat(level))),
        ),
        ("values when aliases are followed", laughs),
        ("nested deeper than 100 when aliases are followed", tower),
        ("bytes of text when aliases are followed", long),
        ("values when aliases are followed", anchors),
        (
            "more than 500000 values",
            "[1,\n".to_owned() + &"1,\n".repeat(600_000) + "]",
        ),
        ("are more than", " ".repeat(MAX_BYTES + 1)),
    ];
    for (expected, text) in cases {
        let error = from_str::<Json>("t.yaml", &text).unwrap_err();
        assert_eq!(error.kind, YamlErrorKind::Bound, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn items_are_read_one_by_one() {
    let text = "- name: a\n- NAME: b\n  disabled: 7\n- c\n";
    let items = document_like_argo("c", text).unwrap().into_items().unwrap();
    let read: Vec<_> = items.iter().map(Document::read::<PluginEntry>).collect();
    assert_eq!(read[0].as_ref().unwrap().name, "a");
    let wrong = read[1].as_ref().unwrap_err();
    assert_eq!((wrong.line, wrong.field.as_str()), (3, "disabled"));
    assert_eq!(read[2].as_ref().unwrap_err().line, 4);
    assert_eq!(items[1].error_at(&["disabled"], "no").line, 3);
    assert!(document_like_argo("c", "").unwrap().into_items().unwrap().is_empty());
    assert!(document_like_argo("c", "a: 1").unwrap().into_items().is_none());
}

/// Pieces that make more YAML of interest than random characters do.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("- ".to_owned()),
        Just(": ".to_owned()),
        Just("? ".to_owned()),
        Just("\n".to_owned()),
        Just("\n  ".to_owned()),
        Just("---\n".to_owned()),
        Just("...\n".to_owned()),
        Just("<<: ".to_owned()),
        Just("%YAML 1.1\n".to_owned()),
        Just("\u{feff}".to_owned()),
        "[&*][a-c] ",
        "[\\[\\]{},#|>!'\"%@`\t\\\\-]",
        "(!!(str|int|float|bool|null|binary|set) |!<[a-z:]*> |! )",
        "(yes|no|on|~|null|[0-9_.xobe+-]{1,6})",
        "[a-z]{1,3}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const WRITTEN: &str = r#"http:
- prometheus.monitoring.svc:9090
- host: 10.0.0.0/8:443
  methods:
  - GET
"yes": "no"
"n": 1
empty: {}
none: []
nil: null
nested:
- - 1
  - - 2
- - {}
texts:
- "yes"
- "012"
- ""
- " x"
- "a: b"
- "a #b"
- "x:"
- "- x"
- "1.5"
- "~"
- "2001-01-01"
- "<<"
- "@object"
- é
- "a\u0007"
query: |
  sum(x{a="b"})
  /
  sum(y)
script: |-
  a
    b
odd: "a \nb"
"12": "="
"#;

#[test]
fn writes_what_kubectl_would() {
    let value = json!({
        "http": ["prometheus.monitoring.svc:9090", {"host": "10.0.0.0/8:443", "methods": ["GET"]}],
        "yes": "no", "n": 1, "empty": {}, "none": [], "nil": null, "nested": [[1, [2]], [{}]],
        "texts": ["yes", "012", "", " x", "a: b", "a #b", "x:", "- x", "1.5", "~", "2001-01-01", "<<", "@object", "é", "a\u{7}"],
        "query": "sum(x{a=\"b\"})\n/\nsum(y)\n", "script": "a\n  b", "odd": "a \nb", "12": "=",
    });
    let text = to_string(&value).unwrap();
    assert_eq!(text, WRITTEN);
    assert_eq!(json(&text), value);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn survives_anything(text in yamlish()) {
        for document in documents("t.yaml", &text) {
            match document {
                Ok(document) => { let _ = document.read::<Json>(); let _ = document.read::<Vec<PluginEntry>>(); }
                Err(error) => prop_assert!(!error.cause.is_empty() && error.line >= 1, "{error:?}"),
            }
        }
        let _ = from_str_like_argo::<Vec<PluginEntry>>("t.yaml", &text);
    }

    #[test]
    fn json_is_yaml(value in arbitrary_json("[ -~é\u{1F600}\n]{0,12}")) {
        prop_assert_eq!(json(&value.to_string()), value);
    }

    #[test]
    fn what_it_writes_it_reads(value in arbitrary_json("[a-z\n :#|>-]{0,16}|\\PC{0,4}|[\u{0}-\u{a0}]{1,3}")) {
        let text = to_string(&value).unwrap();
        prop_assert_eq!(json(&text), value, "{}", text);
    }
}

fn arbitrary_json(texts: &'static str) -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>()
            .prop_filter("no whole ones: 1.0 is read as 1", |float| float.fract() != 0.0
                && float.is_finite())
            .prop_map(|float| json!(float)),
        texts.prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[a-zA-Z0-9 <~/.]{0,4}", inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}
