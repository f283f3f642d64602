//! The requests.

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What it is about.
    pub name: &'static str,
    /// The method, then the kind of patch, or of what is accepted.
    pub verb: &'static str,
    /// With `NS` for the namespace.
    pub path: &'static str,
    pub body: &'static str,
    /// Keeps the answer under this name, for `@NAME.rv`.
    pub save: &'static str,
    /// Asks until this code comes, for what happens in its own time; 0 asks once.
    pub until: u16,
}

impl Step {
    pub const fn new(name: &'static str, verb: &'static str, path: &'static str, body: &'static str) -> Self {
        Self {
            name,
            verb,
            path,
            body,
            save: "",
            until: 0,
        }
    }

    pub const fn save_as(self, save: &'static str) -> Self {
        Self { save, ..self }
    }

    const fn until(self, until: u16) -> Self {
        Self { until, ..self }
    }
}

/// A kind with a schema that everything here keeps to: the in-process API has none.
pub const WIDGETS: &str = r#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.parity.example.com"},
    "spec": {"group": "parity.example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {
                    "n": {"type": "integer"},
                    "list": {"type": "array", "items": {"type": "integer"}},
                    "a": {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "integer"}}}}}},
                "status": {"type": "object", "properties": {
                    "phase": {"type": "string"}, "by": {"type": "string"}, "no": {"type": "integer"},
                    "lost": {"type": "boolean"}}}}}}}]}}"#;

/// Differences that are meant: step, where, why. docs/dev.md tells them by kind.
pub const KNOWN: &[(&str, &str, &str)] = &[
    ("replace with another uid", "/body/message", TEXT),
    ("secret of no base64", "/body/message", TEXT),
    ("merge patch that is no object", "/body/message", TEXT),
    ("merge patch of the uid", "/body/details/causes", TWICE),
    ("JSON patch that is none", "/body/message", TEXT),
    ("another kind", "/body/message", TEXT),
    ("no JSON", "/body/message", TEXT),
    ("no object", "/body/message", TEXT),
    ("nothing", "/body/message", TEXT),
    ("another content type", "/body/message", JSON),
    ("another answer", "/body/details", JSON),
    ("another answer", "/body/message", JSON),
    ("a bad finalizer", "/body/details/causes", TWICE),
    ("a bad finalizer", "/body/message", TWICE),
    ("hold it more", "/body/details/causes", TWICE),
    ("a wrong type", "", SCHEMA),
    ("an unknown group", "/body", TEXT),
    ("a limit that is no number", "/body/message", TEXT),
    ("a bad version", "", "the real server calls it an error of its own: 500"),
    (
        "let it go",
        "/body/metadata/resourceVersion",
        "it is the version in which the object went",
    ),
    (
        "leave the child",
        "/body",
        "what the garbage collector does happens at once",
    ),
    ("a widget without kind", "/body/message", TEXT),
    ("delete a status", "/body", TEXT),
    ("a bad page", "/body/message", TEXT),
    ("by nonsense", "/body/message", TEXT),
];

/// The real server's words are those of Go's decoders, or name its storage.
const TEXT: &str = "only the words differ";
const TWICE: &str = "the real server says it twice";
const JSON: &str = "it reads and writes JSON alone";
const SCHEMA: &str = "it has no schemas";

const MAPS: &str = "/api/v1/namespaces/NS/configmaps";
const MAP: &str = "/api/v1/namespaces/NS/configmaps/a";
const HELD: &str = "/api/v1/namespaces/NS/configmaps/held";
const ONE: &str =
    r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"l1","labels":{"l":"1","even":"no"}}}"#;
const TWO: &str =
    r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"l2","labels":{"l":"2"}}}"#;
const THREE: &str =
    r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"l3","labels":{"l":"3","even":"no"}}}"#;
const ITEMS: &str = "/apis/parity.example.com/v1/namespaces/NS/widgets";
const ITEM: &str = "/apis/parity.example.com/v1/namespaces/NS/widgets/w";
const STATUS: &str = "/apis/parity.example.com/v1/namespaces/NS/widgets/w/status";

/// All of them, in order.
pub fn steps() -> Vec<Step> {
    [objects(), patches(), refusals(), deletion(), custom(), lists()].concat()
}

fn objects() -> Vec<Step> {
    let s = Step::new;
    vec![
        s(
            "create",
            "POST",
            MAPS,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"app":"x"}},"data":{"k":"v"}}"#,
        )
        .save_as("first"),
        s(
            "create without kind",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"kindless"}}"#,
        ),
        s("create twice", "POST", MAPS, r#"{"metadata":{"name":"a"}}"#),
        s("get", "GET", MAP, ""),
        s(
            "get what is not there",
            "GET",
            "/api/v1/namespaces/NS/configmaps/none",
            "",
        ),
        s(
            "replace with the same",
            "PUT",
            MAP,
            r#"{"metadata":{"name":"a","labels":{"app":"x"}},"data":{"k":"v"}}"#,
        ),
        s(
            "replace",
            "PUT",
            MAP,
            r#"{"metadata":{"name":"a","resourceVersion":"@first.rv"},"data":{"k":"w"}}"#,
        ),
        s(
            "replace an older version",
            "PUT",
            MAP,
            r#"{"metadata":{"name":"a","resourceVersion":"@first.rv"},"data":{"k":"z"}}"#,
        ),
        s(
            "replace with another uid",
            "PUT",
            MAP,
            r#"{"metadata":{"name":"a","uid":"11111111-1111-1111-1111-111111111111"}}"#,
        ),
        s(
            "replace what is not there",
            "PUT",
            "/api/v1/namespaces/NS/configmaps/none",
            r#"{"metadata":{"name":"none"}}"#,
        ),
        s(
            "generate a name",
            "POST",
            MAPS,
            r#"{"metadata":{"generateName":"made-"}}"#,
        ),
        s(
            "generate from a long name",
            "POST",
            MAPS,
            r#"{"metadata":{"generateName":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-"}}"#,
        ),
        s(
            "dry run of a creation",
            "POST",
            "/api/v1/namespaces/NS/configmaps?dryRun=All",
            r#"{"metadata":{"name":"dry"}}"#,
        ),
        s("nothing came of it", "GET", "/api/v1/namespaces/NS/configmaps/dry", ""),
        s(
            "dry run of a patch",
            "PATCH merge",
            "/api/v1/namespaces/NS/configmaps/a?dryRun=All",
            r#"{"data":{"dry":"run"}}"#,
        ),
        s("nothing came of that either", "GET", MAP, ""),
        s(
            "another dry run",
            "POST",
            "/api/v1/namespaces/NS/configmaps?dryRun=Some",
            r#"{"metadata":{"name":"dry"}}"#,
        ),
        s(
            "immutable",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"fixed"},"immutable":true,"data":{"k":"v"}}"#,
        ),
        s(
            "change what is immutable",
            "PATCH merge",
            "/api/v1/namespaces/NS/configmaps/fixed",
            r#"{"data":{"k":"w"}}"#,
        ),
        s(
            "secret of text",
            "POST",
            "/api/v1/namespaces/NS/secrets",
            r#"{"metadata":{"name":"s"},"stringData":{"k":"value"}}"#,
        ),
        s(
            "secret of no base64",
            "POST",
            "/api/v1/namespaces/NS/secrets",
            r#"{"metadata":{"name":"t"},"data":{"k":"!"}}"#,
        ),
        s(
            "lease",
            "POST",
            "/apis/coordination.k8s.io/v1/namespaces/NS/leases",
            r#"{"metadata":{"name":"l"},"spec":{"holderIdentity":"me","leaseDurationSeconds":15}}"#,
        )
        .save_as("lease"),
        s(
            "lease without a version",
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/NS/leases/l",
            r#"{"metadata":{"name":"l"},"spec":{"holderIdentity":"you"}}"#,
        ),
        s(
            "take the lease",
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/NS/leases/l",
            r#"{"metadata":{"name":"l","resourceVersion":"@lease.rv"},"spec":{"holderIdentity":"you"}}"#,
        ),
        s(
            "take it from the same version",
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/NS/leases/l",
            r#"{"metadata":{"name":"l","resourceVersion":"@lease.rv"},"spec":{"holderIdentity":"they"}}"#,
        ),
    ]
}

fn patches() -> Vec<Step> {
    let s = Step::new;
    vec![
        s(
            "merge patch",
            "PATCH merge",
            MAP,
            r#"{"data":{"l":"1","k":null},"metadata":{"annotations":{"n":"1"}}}"#,
        ),
        s("merge patch of nothing", "PATCH merge", MAP, "{}"),
        s(
            "merge patch of an older version",
            "PATCH merge",
            MAP,
            r#"{"metadata":{"resourceVersion":"@first.rv"},"data":{"l":"2"}}"#,
        ),
        s(
            "merge patch of what is not there",
            "PATCH merge",
            "/api/v1/namespaces/NS/configmaps/none",
            r#"{"data":{"a":"b"}}"#,
        ),
        s("merge patch that is no object", "PATCH merge", MAP, "[1]"),
        s(
            "merge patch of the name",
            "PATCH merge",
            MAP,
            r#"{"metadata":{"name":"b"}}"#,
        ),
        s(
            "merge patch of the uid",
            "PATCH merge",
            MAP,
            r#"{"metadata":{"uid":"11111111-1111-1111-1111-111111111111"}}"#,
        ),
        s(
            "JSON patch",
            "PATCH json",
            MAP,
            r#"[{"op":"test","path":"/data/l","value":"1"},{"op":"add","path":"/data/m","value":"2"}]"#,
        ),
        s(
            "JSON patch whose test fails",
            "PATCH json",
            MAP,
            r#"[{"op":"test","path":"/data/l","value":"9"}]"#,
        ),
        s(
            "JSON patch of a missing path",
            "PATCH json",
            MAP,
            r#"[{"op":"remove","path":"/data/none"}]"#,
        ),
        s("JSON patch that is none", "PATCH json", MAP, r#"{"op":"add"}"#),
        s(
            "strategic patch",
            "PATCH strategic",
            MAP,
            r#"{"data":{"m":null,"n":"3"}}"#,
        ),
        s("patch of no kind", "PATCH text", MAP, "x"),
        s(
            "apply",
            "PATCH apply",
            "/api/v1/namespaces/NS/configmaps/applied?fieldManager=one",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"k":"1","l":"1"}}"#,
        ),
        s(
            "apply the same",
            "PATCH apply",
            "/api/v1/namespaces/NS/configmaps/applied?fieldManager=one",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"k":"1","l":"1"}}"#,
        ),
        s(
            "apply against another",
            "PATCH apply",
            "/api/v1/namespaces/NS/configmaps/applied?fieldManager=two",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"k":"2"}}"#,
        ),
        s(
            "apply with force",
            "PATCH apply",
            "/api/v1/namespaces/NS/configmaps/applied?fieldManager=two&force=true",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"},"data":{"k":"2"}}"#,
        ),
        s(
            "apply less",
            "PATCH apply",
            "/api/v1/namespaces/NS/configmaps/applied?fieldManager=one",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"}}"#,
        ),
        s(
            "apply by nobody",
            "PATCH apply",
            "/api/v1/namespaces/NS/configmaps/applied",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"}}"#,
        ),
        s(
            "apply with managed fields",
            "PATCH apply",
            "/api/v1/namespaces/NS/configmaps/applied?fieldManager=one",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied","managedFields":[{"manager":"x"}]}}"#,
        ),
        s(
            "force of another patch",
            "PATCH merge",
            "/api/v1/namespaces/NS/configmaps/a?force=true",
            "{}",
        ),
    ]
}

fn refusals() -> Vec<Step> {
    let s = Step::new;
    vec![
        s("a bad name", "POST", MAPS, r#"{"metadata":{"name":"Bad_Name"}}"#),
        s("no name", "POST", MAPS, r#"{"metadata":{}}"#),
        s(
            "a version at creation",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"v","resourceVersion":"5"}}"#,
        ),
        s(
            "another namespace",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"n","namespace":"elsewhere"}}"#,
        ),
        s(
            "a namespace that is not there",
            "POST",
            "/api/v1/namespaces/no-such/configmaps",
            r#"{"metadata":{"name":"n"}}"#,
        ),
        s(
            "another name than the path's",
            "PUT",
            MAP,
            r#"{"metadata":{"name":"b"}}"#,
        ),
        s(
            "another kind",
            "POST",
            MAPS,
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"k"}}"#,
        ),
        s("no JSON", "POST", MAPS, "{"),
        s("no object", "POST", MAPS, "[]"),
        s("nothing", "POST", MAPS, " "),
        s("another content type", "POST text", MAPS, "{}"),
        s("another answer", "GET xml", MAP, ""),
        s(
            "a bad label",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"l","labels":{"a":"b c"}}}"#,
        ),
        s(
            "a bad label's name",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"l","labels":{"a b":"c"}}}"#,
        ),
        s(
            "a bad annotation",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"l","annotations":{"a b":"c"}}}"#,
        ),
        s(
            "a bad finalizer",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"l","finalizers":["a b"]}}"#,
        ),
        s(
            "an owner without a uid",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"l","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"a"}]}}"#,
        ),
        s(
            "create with a name in the path",
            "POST",
            MAP,
            r#"{"metadata":{"name":"a"}}"#,
        ),
        s("patch a collection", "PATCH merge", MAPS, "{}"),
        s("an unknown resource", "GET", "/api/v1/namespaces/NS/nothings", ""),
        s("an unknown group", "GET", "/apis/none.example.com/v1/nothings", ""),
        s(
            "an unknown subresource",
            "GET",
            "/api/v1/namespaces/NS/configmaps/a/none",
            "",
        ),
        s(
            "create in no namespace",
            "POST",
            "/api/v1/configmaps",
            r#"{"metadata":{"name":"n"}}"#,
        ),
        s(
            "a limit that is no number",
            "GET",
            "/api/v1/namespaces/NS/configmaps?limit=x",
            "",
        ),
        s(
            "a bad version",
            "GET",
            "/api/v1/namespaces/NS/configmaps/a?resourceVersion=x",
            "",
        ),
    ]
}

fn deletion() -> Vec<Step> {
    let s = Step::new;
    vec![
        s(
            "delete what is not there",
            "DELETE",
            "/api/v1/namespaces/NS/configmaps/none",
            "",
        ),
        s(
            "delete another uid",
            "DELETE",
            MAP,
            r#"{"preconditions":{"uid":"11111111-1111-1111-1111-111111111111"}}"#,
        ),
        s(
            "delete another version",
            "DELETE",
            MAP,
            r#"{"preconditions":{"resourceVersion":"@first.rv"}}"#,
        ),
        s(
            "dry run of a deletion",
            "DELETE",
            "/api/v1/namespaces/NS/configmaps/kindless?dryRun=All",
            "",
        ),
        s("still there", "GET", "/api/v1/namespaces/NS/configmaps/kindless", ""),
        s("delete", "DELETE", "/api/v1/namespaces/NS/configmaps/kindless", ""),
        s("gone", "GET", "/api/v1/namespaces/NS/configmaps/kindless", ""),
        s(
            "create with a finalizer",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"held","finalizers":["example.com/hold"]}}"#,
        ),
        s("delete what is held", "DELETE", HELD, ""),
        s("it is marked", "GET", HELD, ""),
        s("delete it again", "DELETE", HELD, ""),
        s(
            "hold it more",
            "PATCH merge",
            HELD,
            r#"{"metadata":{"finalizers":["example.com/hold","example.com/more"]}}"#,
        ),
        s("change it meanwhile", "PATCH merge", HELD, r#"{"data":{"a":"b"}}"#),
        s("let it go", "PATCH merge", HELD, r#"{"metadata":{"finalizers":null}}"#),
        s("it went", "GET", HELD, ""),
        s("an owner", "POST", MAPS, r#"{"metadata":{"name":"owner"}}"#).save_as("owner"),
        s(
            "its child",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"child","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"@owner.uid"}]}}"#,
        ),
        s(
            "delete the owner",
            "DELETE",
            "/api/v1/namespaces/NS/configmaps/owner",
            r#"{"propagationPolicy":"Background"}"#,
        ),
        s("its child goes", "GET", "/api/v1/namespaces/NS/configmaps/child", "").until(404),
        s("a leaving owner", "POST", MAPS, r#"{"metadata":{"name":"leaving"}}"#).save_as("leaving"),
        s(
            "a child that stays",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"orphan","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"leaving","uid":"@leaving.uid"}]}}"#,
        ),
        s(
            "leave the child",
            "DELETE",
            "/api/v1/namespaces/NS/configmaps/leaving?propagationPolicy=Orphan",
            "",
        ),
        s("the owner goes", "GET", "/api/v1/namespaces/NS/configmaps/leaving", "").until(404),
        s(
            "an unknown policy",
            "DELETE",
            "/api/v1/namespaces/NS/configmaps/a?propagationPolicy=None",
            "",
        ),
        s(
            "some",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"some","labels":{"some":"yes"}}}"#,
        ),
        s(
            "delete some",
            "DELETE",
            "/api/v1/namespaces/NS/configmaps?labelSelector=some%3Dyes",
            "",
        ),
        s("some are gone", "GET", "/api/v1/namespaces/NS/configmaps/some", ""),
    ]
}

fn custom() -> Vec<Step> {
    let s = Step::new;
    vec![
        s("create a widget", "POST", ITEMS, r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"n":1,"list":[1,2]},"status":{"lost":true}}"#)
            .save_as("widget"),
        s("a widget without kind", "POST", ITEMS, r#"{"metadata":{"name":"x"}}"#),
        s("change its spec", "PATCH merge", ITEM, r#"{"spec":{"n":2}}"#),
        s("change its labels", "PATCH merge", ITEM, r#"{"metadata":{"labels":{"a":"b"}}}"#),
        s("its status by the main resource", "PATCH merge", ITEM, r#"{"status":{"no":1}}"#),
        s("change its status", "PATCH merge", STATUS, r#"{"status":{"phase":"Running"},"spec":{"n":9}}"#),
        s("an older status", "PATCH merge", STATUS, r#"{"metadata":{"resourceVersion":"@widget.rv"},"status":{"phase":"Old"}}"#),
        s("apply its status", "PATCH apply", "/apis/parity.example.com/v1/namespaces/NS/widgets/w/status?fieldManager=s", r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"w"},"status":{"by":"apply"}}"#),
        s("get its status", "GET", STATUS, ""),
        s("a strategic patch", "PATCH strategic", ITEM, r#"{"spec":{"n":3}}"#),
        s("a JSON patch", "PATCH json", ITEM, r#"[{"op":"add","path":"/spec/list/-","value":3}]"#),
        s("replace without a version", "PUT", ITEM, r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"n":4}}"#),
        s("replace an old widget", "PUT", ITEM, r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"w","resourceVersion":"@widget.rv"},"spec":{"n":4}}"#),
        s("delete a status", "DELETE", STATUS, ""),
        s("apply a new widget", "PATCH apply", "/apis/parity.example.com/v1/namespaces/NS/widgets/y?fieldManager=s", r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"y"},"spec":{"a":{"b":[1]}}}"#),
        s("delete a widget", "DELETE", "/apis/parity.example.com/v1/namespaces/NS/widgets/y", ""),
        s("a status without status", "GET", "/apis/argoproj.io/v1alpha1/namespaces/NS/analysisruns/none/status", ""),
        s("an AnalysisRun", "POST", "/apis/argoproj.io/v1alpha1/namespaces/NS/analysisruns", r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"AnalysisRun","metadata":{"name":"r"},"spec":{"metrics":[{"name":"m","provider":{"plugin":{"a/b":{"c":1}}}}]}}"#)
            .save_as("run"),
        s("its status raises its generation", "PATCH merge", "/apis/argoproj.io/v1alpha1/namespaces/NS/analysisruns/r", r#"{"metadata":{"resourceVersion":"@run.rv"},"status":{"phase":"Running","metricResults":[{"name":"m","phase":"Running"}]}}"#),
        s("and a second time from the same version", "PATCH merge", "/apis/argoproj.io/v1alpha1/namespaces/NS/analysisruns/r", r#"{"metadata":{"resourceVersion":"@run.rv"},"status":{"phase":"Failed"}}"#),
    ]
}

fn lists() -> Vec<Step> {
    let s = Step::new;
    vec![
        s(
            "a list of a built-in kind",
            "GET",
            "/api/v1/namespaces/NS/configmaps?labelSelector=app%3Dx",
            "",
        ),
        s("one", "POST", ITEMS, ONE),
        s("two", "POST", ITEMS, TWO),
        s("three", "POST", ITEMS, THREE),
        s("all", "GET", ITEMS, ""),
        s(
            "the first page",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?limit=2",
            "",
        )
        .save_as("page"),
        s(
            "the second page",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?limit=2&continue=@page.continue",
            "",
        )
        .save_as("page"),
        s(
            "the last page",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?limit=2&continue=@page.continue",
            "",
        ),
        s(
            "a bad page",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?limit=2&continue=bad",
            "",
        ),
        s(
            "by a label",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=l%3D2",
            "",
        ),
        s(
            "by another label",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=l%21%3D2",
            "",
        ),
        s(
            "by a set",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=l+in+(1,3),even",
            "",
        ),
        s(
            "by another set",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=l+notin+(1),l",
            "",
        ),
        s(
            "by a missing label",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=%21even,l",
            "",
        ),
        s(
            "by a number",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=l%3E1",
            "",
        ),
        s(
            "by nonsense",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=a+b+c",
            "",
        ),
        s(
            "by name",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?fieldSelector=metadata.name%3Dl2",
            "",
        ),
        s(
            "by not this name",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?fieldSelector=metadata.name%21%3Dl2&labelSelector=l",
            "",
        ),
        s(
            "by another field",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?fieldSelector=spec.n%3D1",
            "",
        ),
        s(
            "of any version",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?resourceVersion=0&labelSelector=l%3D1",
            "",
        ),
        s(
            "only metadata",
            "GET metadata",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?labelSelector=l%3D1",
            "",
        ),
        s(
            "of no namespace",
            "GET",
            "/apis/parity.example.com/v1/namespaces/no-such/widgets",
            "",
        ),
        s(
            "a wrong type",
            "POST",
            MAPS,
            r#"{"metadata":{"name":"wrong"},"data":{"k":1}}"#,
        ),
        s(
            "of an exact version without one",
            "GET",
            "/apis/parity.example.com/v1/namespaces/NS/widgets?resourceVersionMatch=Exact",
            "",
        ),
    ]
}
