//! Matches of rules: what a header route or mirror asks for, within what a rule takes anyway.
//!
//! `Ok(None)` is: no request is taken by both.

use rollcage_sdk::{
    Error,
    router::{HeaderMatch, RequestMatch, TextMatch},
};
use serde_json::{Map, Value, json};

use crate::route::Kind;

const EXACT: &str = "Exact";
const PREFIX: &str = "PathPrefix";
const REGEX: &str = "RegularExpression";

/// The matches of a rule; one without any takes every request.
pub(crate) fn of(rule: &Value) -> Vec<Value> {
    match rule.get("matches").and_then(Value::as_array) {
        Some(matches) if !matches.is_empty() => matches.clone(),
        _ => vec![json!({})],
    }
}

/// Header matches as routes write them: a prefix becomes a regular expression.
pub(crate) fn headers(field: &str, matches: &[HeaderMatch]) -> Result<Vec<Value>, Error> {
    let one = |(index, header): (usize, &HeaderMatch)| {
        let (kind, value) = match &header.value {
            TextMatch::Exact(text) => (EXACT, text.clone()),
            TextMatch::Prefix(text) if text.is_empty() => (REGEX, String::new()),
            TextMatch::Prefix(text) => (REGEX, format!("{}.*", escape(text))),
            TextMatch::Regex(text) => (REGEX, text.clone()),
        };
        if value.is_empty() || header.name.is_empty() {
            return Err(Error::invalid_config(format!(
                "{field}[{index}]: name or value is empty"
            )));
        }
        Ok(json!({"type": kind, "name": header.name, "value": value}))
    };
    matches.iter().enumerate().map(one).collect()
}

/// A regular expression that matches this text alone.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if r"\.+*?()|[]{}^$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

/// A rule's match with further headers.
pub(crate) fn with_headers(source: &Value, headers: &[Value]) -> Option<Value> {
    let known = source.get("headers").and_then(Value::as_array).cloned();
    let mut all = known.unwrap_or_default();
    for header in headers {
        let text =
            |header: &Value, field: &str| header.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = |header: &Value| header.get("type").and_then(Value::as_str).unwrap_or(EXACT).to_owned();
        let name = text(header, "name");
        match all.iter().find(|known| text(known, "name").eq_ignore_ascii_case(&name)) {
            None => all.push(header.clone()),
            Some(known) if kind(known) == kind(header) && text(known, "value") == text(header, "value") => {}
            // One name cannot be matched twice.
            Some(_) => return None,
        }
    }
    let mut matched = source.as_object().cloned().unwrap_or_default();
    if !all.is_empty() {
        matched.insert("headers".to_owned(), Value::Array(all));
    }
    Some(Value::Object(matched))
}

/// A rule's match, narrowed to the requests of a mirror.
pub(crate) fn narrowed(kind: Kind, source: &Value, wanted: &RequestMatch) -> Result<Option<Value>, Error> {
    let headers = headers("setMirrorRoute.match[].headers", &wanted.headers)?;
    let Some(Value::Object(mut matched)) = with_headers(source, &headers) else {
        return Ok(None);
    };
    let fits = match kind {
        Kind::Http => http_method(&mut matched, wanted)? && http_path(&mut matched, wanted)?,
        Kind::Grpc => is_post(wanted)? && grpc_method(&mut matched, wanted)?,
    };
    Ok(fits.then_some(Value::Object(matched)))
}

fn unsupported(field: &str, why: &str) -> Error {
    Error::invalid_config(format!("setMirrorRoute.match[].{field}: {why}"))
}

fn http_method(matched: &mut Map<String, Value>, wanted: &RequestMatch) -> Result<bool, Error> {
    let method = match &wanted.method {
        None => return Ok(true),
        Some(TextMatch::Exact(method)) => method.to_uppercase(),
        Some(_) => return Err(unsupported("method", "routes match methods exactly, so set `exact`")),
    };
    if let Some(taken) = matched.get("method").and_then(Value::as_str) {
        return Ok(taken == method);
    }
    matched.insert("method".to_owned(), json!(method));
    Ok(true)
}

fn http_path(matched: &mut Map<String, Value>, wanted: &RequestMatch) -> Result<bool, Error> {
    let Some(wanted) = &wanted.path else { return Ok(true) };
    let taken = |field: &str| {
        matched
            .get("path")
            .and_then(|path| path.get(field))
            .and_then(Value::as_str)
    };
    let (kind, value) = (taken("type").unwrap_or(PREFIX), taken("value").unwrap_or("/"));
    let (wanted_kind, wanted) = match wanted {
        TextMatch::Exact(path) => (EXACT, path.as_str()),
        TextMatch::Prefix(path) => (PREFIX, path.as_str()),
        TextMatch::Regex(path) => (REGEX, path.as_str()),
    };
    let takes_everything = |kind: &str, value: &str| kind == PREFIX && value == "/";
    let narrow = if (kind, value) == (wanted_kind, wanted) || takes_everything(wanted_kind, wanted) {
        false
    } else if takes_everything(kind, value) {
        true
    } else if kind == REGEX || wanted_kind == REGEX {
        let why = format!("{wanted} cannot be joined with the path {value} of a rule: one is a regular expression");
        return Err(unsupported("path", &why));
    } else if kind == PREFIX && is_below(wanted, value) {
        true
    } else if wanted_kind == PREFIX && is_below(value, wanted) {
        false
    } else {
        return Ok(false);
    };
    if narrow {
        matched.insert("path".to_owned(), json!({"type": wanted_kind, "value": wanted}));
    }
    Ok(true)
}

/// Whether a path is this prefix, or lies below it: whole parts count, as in routes.
fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Every gRPC request is a POST.
fn is_post(wanted: &RequestMatch) -> Result<bool, Error> {
    Ok(match &wanted.method {
        None => true,
        Some(TextMatch::Exact(method)) => method.eq_ignore_ascii_case("POST"),
        Some(TextMatch::Prefix(prefix)) => "POST".starts_with(prefix.as_str()),
        Some(TextMatch::Regex(_)) => {
            return Err(unsupported("method", "routes match methods exactly, so set `exact`"));
        }
    })
}

/// The path of a gRPC request is `/SERVICE/METHOD`.
fn grpc_method(matched: &mut Map<String, Value>, wanted: &RequestMatch) -> Result<bool, Error> {
    let path = match &wanted.path {
        None => return Ok(true),
        Some(TextMatch::Exact(path) | TextMatch::Prefix(path)) => path,
        Some(TextMatch::Regex(_)) => {
            let why = "a GRPCRoute has regular expressions of service and method, not of both: set `exact` or `prefix`";
            return Err(unsupported("path", why));
        }
    };
    let (service, method) = path
        .trim_start_matches('/')
        .split_once('/')
        .unwrap_or((path.trim_start_matches('/'), ""));
    if service.is_empty() {
        return Ok(true);
    }
    let taken = |field: &str| {
        let method = matched.get("method").and_then(|method| method.get(field));
        method.and_then(Value::as_str).map(str::to_owned)
    };
    if taken("type").is_some_and(|kind| kind != EXACT) {
        let why = format!("{path} cannot be joined with the regular expression of a rule");
        return Err(unsupported("path", &why));
    }
    let mut narrowed = json!({"type": EXACT});
    for (field, wanted) in [("service", service), ("method", method)] {
        let value = match taken(field).filter(|taken| !taken.is_empty()) {
            Some(taken) if !wanted.is_empty() && taken != wanted => return Ok(false),
            Some(taken) => taken,
            None => wanted.to_owned(),
        };
        if !value.is_empty()
            && let Some(fields) = narrowed.as_object_mut()
        {
            fields.insert(field.to_owned(), json!(value));
        }
    }
    matched.insert("method".to_owned(), narrowed);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Option<TextMatch>, path: Option<TextMatch>) -> RequestMatch {
        RequestMatch {
            method,
            path,
            headers: Vec::new(),
        }
    }

    fn exact(text: &str) -> TextMatch {
        TextMatch::Exact(text.to_owned())
    }

    fn prefix(text: &str) -> TextMatch {
        TextMatch::Prefix(text.to_owned())
    }

    fn regex(text: &str) -> TextMatch {
        TextMatch::Regex(text.to_owned())
    }

    #[test]
    fn headers_are_written_as_routes_write_them() {
        let header = |value| HeaderMatch {
            name: "X-A".to_owned(),
            value,
        };
        let written = headers("f", &[header(exact("v")), header(prefix("a.b")), header(regex("a|b"))]).unwrap();
        let expected = [
            ("Exact", "v"),
            ("RegularExpression", r"a\.b.*"),
            ("RegularExpression", "a|b"),
        ];
        let expected = expected.map(|(kind, value)| json!({"type": kind, "name": "X-A", "value": value}));
        assert_eq!(written, expected);
        let error = headers("f", &[header(exact("v")), header(exact(""))]).unwrap_err();
        assert_eq!(error.message(), "f[1]: name or value is empty");
    }

    #[test]
    fn further_headers_keep_the_rest_of_a_match() {
        let source = json!({"path": {"value": "/a"}, "headers": [{"name": "x-env", "value": "prod"}], "unknown": 1});
        let canary = json!({"type": "Exact", "name": "X-Canary", "value": "yes"});
        let same = json!({"type": "Exact", "name": "X-Env", "value": "prod"});
        let other = json!({"type": "Exact", "name": "X-Env", "value": "test"});
        let mut expected = source.clone();
        expected["headers"] = json!([source["headers"][0], canary]);
        assert_eq!(with_headers(&source, &[canary, same]), Some(expected));
        assert_eq!(with_headers(&source, &[other]), None);
    }

    #[test]
    fn http_paths_and_methods_are_joined() {
        let path = |kind: &str, value: &str| json!({"path": {"type": kind, "value": value}, "queryParams": [1]});
        let get = json!({"method": "GET"});
        for (source, wanted, expected) in [
            (json!({}), request(None, None), Some(json!({}))),
            (json!({}), request(Some(exact("get")), None), Some(get.clone())),
            (get.clone(), request(Some(exact("GET")), None), Some(get.clone())),
            (get.clone(), request(Some(exact("POST")), None), None),
            (
                path(PREFIX, "/"),
                request(None, Some(exact("/x"))),
                Some(path(EXACT, "/x")),
            ),
            (
                path(PREFIX, "/"),
                request(None, Some(regex("/x.*"))),
                Some(path(REGEX, "/x.*")),
            ),
            (
                path(REGEX, "/x.*"),
                request(None, Some(prefix("/"))),
                Some(path(REGEX, "/x.*")),
            ),
            (
                path(PREFIX, "/a"),
                request(None, Some(prefix("/a/b"))),
                Some(path(PREFIX, "/a/b")),
            ),
            (
                path(PREFIX, "/a/b"),
                request(None, Some(prefix("/a/"))),
                Some(path(PREFIX, "/a/b")),
            ),
            (
                path(EXACT, "/a/b"),
                request(None, Some(prefix("/a"))),
                Some(path(EXACT, "/a/b")),
            ),
            (path(PREFIX, "/a"), request(None, Some(prefix("/ab"))), None),
            (path(PREFIX, "/a"), request(None, Some(exact("/b"))), None),
            (path(EXACT, "/a"), request(None, Some(exact("/b"))), None),
        ] {
            assert_eq!(
                narrowed(Kind::Http, &source, &wanted).unwrap(),
                expected,
                "{source} {wanted:?}"
            );
        }
        for (source, wanted) in [
            (path(PREFIX, "/a"), request(None, Some(regex("/a.*")))),
            (path(REGEX, "/a"), request(None, Some(prefix("/a")))),
            (json!({}), request(Some(prefix("G")), None)),
        ] {
            let error = narrowed(Kind::Http, &source, &wanted).unwrap_err();
            assert!(
                matches!(error, Error::InvalidConfig(_)),
                "{source} {wanted:?}: {error:?}"
            );
        }
    }

    #[test]
    fn grpc_methods_are_paths() {
        let method =
            |service: &str, method: &str| json!({"method": {"type": EXACT, "service": service, "method": method}});
        let service = |service: &str| json!({"method": {"type": EXACT, "service": service}});
        for (source, wanted, expected) in [
            (json!({}), request(Some(exact("POST")), None), Some(json!({}))),
            (json!({}), request(Some(exact("GET")), None), None),
            (
                json!({}),
                request(None, Some(exact("/s.A/Do"))),
                Some(method("s.A", "Do")),
            ),
            (json!({}), request(None, Some(prefix("/s.A"))), Some(service("s.A"))),
            (
                service("s.A"),
                request(None, Some(exact("/s.A/Do"))),
                Some(method("s.A", "Do")),
            ),
            (
                method("s.A", "Do"),
                request(None, Some(prefix("/s.A/"))),
                Some(method("s.A", "Do")),
            ),
            (service("s.A"), request(None, Some(prefix("/s.B/"))), None),
            (service("s.A"), request(None, Some(prefix("/"))), Some(service("s.A"))),
        ] {
            assert_eq!(
                narrowed(Kind::Grpc, &source, &wanted).unwrap(),
                expected,
                "{source} {wanted:?}"
            );
        }
        let expression = json!({"method": {"type": REGEX, "service": "s.*"}});
        for (source, wanted) in [
            (expression, request(None, Some(prefix("/s.A")))),
            (json!({}), request(None, Some(regex("/s.*")))),
        ] {
            let error = narrowed(Kind::Grpc, &source, &wanted).unwrap_err();
            assert!(
                matches!(error, Error::InvalidConfig(_)),
                "{source} {wanted:?}: {error:?}"
            );
        }
    }
}
