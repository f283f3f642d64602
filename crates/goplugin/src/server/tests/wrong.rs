//! Calls that are none of a method: each is an error of that call, and the stream lives.

use super::*;

/// What is sent as an argument.
enum Argument {
    Nil,
    Bare,
    Named(&'static str),
}

struct Calls {
    host: Host,
    service: Client,
}

impl Calls {
    async fn new() -> Self {
        let kind = PluginKind::MetricProvider;
        let host = host(kind, true).await;
        let service = host.service(kind).await;
        Self { host, service }
    }

    /// What a call ends with. The next one is as good as ever.
    async fn says(&self, method: &'static str, argument: Argument) -> String {
        let metric = json!({"analysisRun": {}, "metric": {"name": "m"}});
        let write = |encoder: &mut Encoder, to: &mut Vec<u8>| match argument {
            Argument::Nil => nil(encoder, to),
            Argument::Bare => encoder.value(types::METRIC_RUN_ARGS, &metric, to),
            Argument::Named(name) => encoder.interface(name, types::METRIC_RUN_ARGS, &metric, to),
        };
        let result = self.service.call(method, write, |_| Ok(()), SOON).await;
        assert_eq!(name_of(&self.service).await.unwrap(), "a/b", "{method}");
        result.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }
}

#[tokio::test]
async fn n05_services_and_methods_that_are_none() {
    let calls = Calls::new().await;
    let run = Argument::Named("RunArgs");
    assert_eq!(calls.says("Other.Run", run).await, "rpc: can't find service Other.Run");
    let run = Argument::Named("RunArgs");
    assert_eq!(
        calls.says("Plugin.SetWeight", run).await,
        "rpc: can't find method Plugin.SetWeight"
    );
    assert_eq!(
        calls.says("Run", Argument::Nil).await,
        "rpc: service/method request ill-formed: Run"
    );
    let long = calls.host.control(&format!("Control.{}", "x".repeat(20_000))).await;
    let long = long.unwrap_err().to_string();
    assert!(
        long.starts_with("rpc: can't find method Control.xxx") && long.len() < 2000,
        "{long}"
    );
    // Larger than the control stream takes: that call is lost, the next is answered.
    let error = calls.host.dispense(&"x".repeat(100_000)).await.unwrap_err();
    assert!(error.to_string().contains("more than this plugin takes"), "{error}");
    calls.host.control("Control.Ping").await.unwrap();
}

/// Go's own server never answers this one.
#[tokio::test]
async fn n06_an_unknown_method_with_nothing() {
    let calls = Calls::new().await;
    assert_eq!(
        calls.says("Plugin.Nope", Argument::Nil).await,
        "rpc: can't find method Plugin.Nope"
    );
}

/// A message out of pieces.
fn message(pieces: &[&[u8]]) -> Vec<u8> {
    let content = pieces.concat();
    [vec![u8::try_from(content.len()).unwrap()], content].concat()
}

/// Types that come with the argument of a method that does not exist are types all the same.
#[tokio::test]
async fn n07_an_unknown_method_with_new_types() {
    let calls = Calls::new().await;
    let run = Argument::Named("RunArgs");
    assert_eq!(
        calls.says("Plugin.Nope", run).await,
        "rpc: can't find method Plugin.Nope"
    );
    assert_eq!(calls.says("Plugin.Run", Argument::Named("RunArgs")).await, "fine");

    // As Go sends them: inside the value. 1000 is GetMetadataArgs, 1001 its Metric.
    let (stream, _) = calls.host.stream(PluginKind::MetricProvider).await;
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    let mut head = |seq: u64, method: &str, to: &mut Vec<u8>| {
        let service_method = format!("Plugin.{method}");
        encoder
            .value(types::RPC_REQUEST, &wire::Request { service_method, seq }, to)
            .unwrap();
    };
    let name = b"\x10\x00\x0fGetMetadataArgs";
    head(1, "Nope", &mut bytes);
    bytes.extend(message(&[
        name,
        b"\xfe\x07\xcf\x03\x01\x01\x0fGetMetadataArgs\x01\xfe\x07\xd0\x00\x01\x01\x01\x06Metric\x01\xfe\x07\xd2\x00\x00\x00",
    ]));
    bytes.extend(message(&[
        b"\xfe\x07\xd1\x03\x01\x01\x06Metric\x01\xfe\x07\xd2\x00\x01\x01\x01\x04Name\x01\x0c\x00\x00\x00",
    ]));
    let value = b"\xfe\x07\xd0\x06\x01\x01\x01m\x00\x00";
    bytes.extend(message(&[value]));
    head(2, "GetMetadata", &mut bytes);
    bytes.extend(message(&[name, value]));
    stream.push(bytes.into()).unwrap();
    stream.close();
    let mut all = Vec::new();
    while let Some(bytes) = within(stream.recv()).await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    let (mut decoder, mut rest, mut answers) = (Decoder::new(Limits::default()), &all[..], Vec::new());
    while let Some(value) = decoder.next(&mut rest).unwrap() {
        let head: wire::Response = value.decode(types::RPC_RESPONSE).unwrap();
        let body = decoder.next(&mut rest).unwrap().unwrap();
        let of = if head.error.is_empty() {
            types::STRINGS
        } else {
            types::RPC_EMPTY
        };
        answers.push((head.seq, head.error, body.decode::<Value>(of).unwrap()));
    }
    answers.sort_by_key(|(seq, ..)| *seq);
    assert_eq!(
        answers,
        [
            (1, "rpc: can't find method Plugin.Nope".to_owned(), json!({})),
            (2, String::new(), json!({"query": "m"})),
        ]
    );
}

#[tokio::test]
async fn n09_a_struct_without_an_interface() {
    let calls = Calls::new().await;
    // Go goes on with what the type was.
    assert_eq!(
        calls.says("Plugin.Run", Argument::Bare).await,
        "gob: local interface type *interface {} can only be decoded from remote interface type"
    );
}

#[tokio::test]
async fn n10_names_of_other_arguments_and_of_none() {
    let calls = Calls::new().await;
    let unknown = calls.says("Plugin.Run", Argument::Named("Nobody")).await;
    assert_eq!(unknown, "gob: name not registered for interface: \"Nobody\"");
    let other = calls.says("Plugin.Run", Argument::Named("GetMetadataArgs")).await;
    assert!(other.starts_with("invalid args"), "{other}");
    assert_eq!(calls.says("Plugin.Run", Argument::Nil).await, "invalid args %!s(<nil>)");
    assert_eq!(
        calls.says("Plugin.InitPlugin", Argument::Named("RunArgs")).await,
        "fine"
    );
}
