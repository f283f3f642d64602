//! The plugin as a whole, against a host that answers for Prometheus.

use rollcage_sdk::{http::HttpError, metric::Sample, testing::Host, time::Timestamp};
use serde_json::{Value, json};

use super::*;

const VECTOR: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.5"]}]}}"#;

fn ok(body: &str) -> Response {
    Response {
        status: 200,
        headers: vec![],
        body: body.as_bytes().to_vec(),
    }
}

fn host() -> Host {
    let now = Timestamp::parse("2026-11-22T12:00:00.5Z").unwrap();
    Host::new().at(now).on_http(|_| Ok(ok(VECTOR)))
}

fn measure(host: &Host, args: &[&str], config: &Value) -> Result<Measurement, Error> {
    host.run(|| {
        let mut plugin = Prometheus::default();
        plugin.init(&args.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        plugin.run(&AnalysisRun::default(), &Metric::with_config(config.to_string()))
    })
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut headers = request.headers.iter();
    headers
        .find(|header| header.name == name)
        .map(|header| header.value.as_str())
}

#[test]
fn asks_at_the_hosts_time_and_leaves_the_verdict_to_the_host() {
    let host = host();
    let measurement = measure(
        &host,
        &[],
        &json!({"address": "http://p:9090/", "query": "up{a=\"b\"}"}),
    )
    .unwrap();
    assert_eq!((measurement.phase, measurement.value.as_str()), (None, "[0.5]"));
    assert_eq!(measurement.sample, Some(Sample::Numbers(vec![0.5])));
    let requests = host.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "http://p:9090/api/v1/query")
    );
    assert_eq!(request.body, b"query=up%7Ba%3D%22b%22%7D&time=1795348800.5");
    assert_eq!((request.timeout, request.skip_tls_verify), (Some(30_000), false));
}

#[test]
fn a_range_is_evaluated_by_the_host() {
    let host = host().on_time(|expression| match expression {
        "now() - duration(\"1h\")" => Ok("2026-11-22T11:00:00Z".to_owned()),
        "now()" => Ok("2026-11-22T12:00:00Z".to_owned()),
        other => Err(format!("unknown name {other}")),
    });
    let config = |start: &str, step: &str| {
        let range = json!({"start": start, "end": "now()", "step": step});
        json!({"address": "http://p", "query": "up", "rangeQuery": range})
    };
    measure(&host, &[], &config("now() - duration(\"1h\")", "1m30s")).unwrap();
    let [request] = host.requests().try_into().unwrap();
    assert_eq!(request.url, "http://p/api/v1/query_range");
    assert_eq!(request.body, b"end=1795348800&query=up&start=1795345200&step=90");

    let error = measure(&host, &[], &config("then", "1m")).unwrap_err();
    assert_eq!(
        error,
        Error::invalid_config("failed to parse rangeQuery.start as time: unknown name then")
    );
    let error = measure(&host, &[], &config("now()", "x")).unwrap_err();
    assert_eq!(
        error,
        Error::invalid_config("failed to parse rangeQuery.step as duration: time: invalid duration \"x\"")
    );
}

#[test]
fn options_reach_the_request() {
    let host = host();
    let config = json!({
        "address": "https://p/prefix?tenant=a", "query": "up", "timeout": 7, "insecure": true,
        "headers": [{"key": "X-Scope-OrgID", "value": "tenant_a"}],
        "authentication": {"basicAuth": {"username": "me", "password": "secret"}},
    });
    measure(&host, &[], &config).unwrap();
    let [request] = host.requests().try_into().unwrap();
    assert_eq!(request.url, "https://p/prefix/api/v1/query?tenant=a");
    assert!(request.body.ends_with(b"&tenant=a&time=1795348800.5"));
    assert_eq!((request.timeout, request.skip_tls_verify), (Some(7_000), true));
    assert_eq!(header(&request, "X-Scope-OrgID"), Some("tenant_a"));
    assert_eq!(header(&request, "Authorization"), Some("Basic bWU6c2VjcmV0"));
}

#[test]
fn a_bearer_header_goes_before_basic_auth() {
    let host = host();
    let config = json!({
        "address": "http://p", "query": "up",
        "headers": [{"key": "Authorization", "value": "Bearer token"}],
        "authentication": {"basicAuth": {"username": "me", "password": "secret"}},
    });
    measure(&host, &[], &config).unwrap();
    let [request] = host.requests().try_into().unwrap();
    assert_eq!(header(&request, "Authorization"), Some("Bearer token"));
}

#[test]
fn the_address_has_three_sources() {
    let url = |host: Host, args: &[&str], config: Value| {
        measure(&host, args, &config)?;
        let [request] = host.requests().try_into().unwrap();
        Ok::<_, Error>(request.url.replace("/api/v1/query", ""))
    };
    let with_env = || host().with_env(ADDRESS_VARIABLE, "http://env");
    assert_eq!(
        url(with_env(), &["--address=http://arg"], json!({"address": "http://own"})).unwrap(),
        "http://own"
    );
    assert_eq!(
        url(with_env(), &["--address=http://arg"], json!({})).unwrap(),
        "http://arg"
    );
    assert_eq!(
        url(with_env(), &["--address", "http://arg"], json!({})).unwrap(),
        "http://arg"
    );
    assert_eq!(url(with_env(), &[], json!({})).unwrap(), "http://env");
    let error = url(host(), &[], json!({})).unwrap_err();
    assert_eq!(
        error,
        Error::invalid_config("address: prometheus address is not configured")
    );
    let error = url(host(), &[], json!({"address": "p:9090"})).unwrap_err();
    assert_eq!(
        error,
        Error::invalid_config("address: prometheus address is not in url format: p:9090")
    );
    let error = url(host(), &["--addres=x"], json!({})).unwrap_err();
    assert_eq!(error, Error::invalid_config("args: unknown argument `--addres=x`"));
}

#[test]
fn a_server_without_post_is_asked_by_get() {
    let host = host().on_http(|request| {
        Ok(match request.method.as_str() {
            "POST" => Response { status: 405, ..ok("") },
            _ => ok(VECTOR),
        })
    });
    measure(&host, &[], &json!({"address": "http://p?tenant=a", "query": "up"})).unwrap();
    let requests = host.requests();
    assert_eq!(requests[1].method, "GET");
    assert_eq!(
        requests[1].url,
        "http://p/api/v1/query?query=up&tenant=a&time=1795348800.5"
    );
}

#[test]
fn warnings_are_kept_with_the_measurement() {
    let body = VECTOR.replace("\"status\"", r#""warnings":["slow","partial"],"status""#);
    let host = host().on_http(move |_| Ok(ok(&body)));
    let measurement = measure(&host, &[], &json!({"address": "http://p", "query": "up"})).unwrap();
    assert_eq!(measurement.metadata("warnings"), Some("\"slow\", \"partial\""));
    assert!(host.lines()[0].1.ends_with(": \"slow\", \"partial\""));
}

#[test]
fn a_server_that_does_not_answer_is_unavailable() {
    let host = host().on_http(|_| Err(HttpError::Connect("connection refused".into())));
    let error = measure(&host, &[], &json!({"address": "http://p", "query": "up"})).unwrap_err();
    assert_eq!(
        error,
        Error::unavailable("POST http://p/api/v1/query: connection refused")
    );
}

#[test]
fn metadata_shows_the_resolved_query() {
    let metadata = |config: &str| Prometheus::default().metadata(&Metric::with_config(config)).unwrap();
    assert_eq!(
        metadata(r#"{"query":"up"}"#),
        [Pair::new("ResolvedPrometheusQuery", "up")]
    );
    assert_eq!(metadata("{}"), []);
    assert_eq!(metadata(r#"{"quer":"up"}"#), []);
}
