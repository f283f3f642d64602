//! Secret values out of a recording, in every shape that they commonly take on their way.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use rollcage_apiserver::ApiServer;
use rollcage_core::secret::{MASK, Masker};
use rollcage_sandbox::egress::shapes;
use serde_json::Value;

use super::format::{Body, HttpExchange, KubernetesExchange};

/// Values of Secrets that nobody has read are masked from this length on: shorter ones are parts of too much else.
const UNREAD: usize = 4;
/// Fields of an answer whose values are secrets that the server has just made.
const TOKENS: [&str; 3] = ["access_token", "refresh_token", "id_token"];
/// Headers whose values are secrets whatever they are.
const HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
];

/// Masks these values, in every shape that they take on their way.
pub fn masker(values: impl IntoIterator<Item = String>) -> Masker {
    Masker::new(values.into_iter().flat_map(|value| shapes(&value)))
}

/// Values of all Secrets of an API, but for the shortest.
pub fn secrets_of(api: &ApiServer) -> Vec<String> {
    let secrets = api.objects("v1", "Secret", "");
    let values = secrets.iter().flat_map(|secret| {
        let data = secret
            .get("data")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        data.into_values().collect::<Vec<_>>()
    });
    let texts = values.filter_map(|value| String::from_utf8(BASE64_STANDARD.decode(value.as_str()?).ok()?).ok());
    texts.filter(|text| text.len() >= UNREAD).collect()
}

/// Tokens in the JSON of an answer.
pub fn tokens_in(exchange: &HttpExchange) -> Vec<String> {
    let Body::Text(text) = &exchange.body else {
        return Vec::new();
    };
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let tokens = TOKENS.iter().filter_map(|name| fields.get(*name)?.as_str());
    tokens.map(str::to_owned).collect()
}

/// The exchange without secrets.
pub fn http(exchange: HttpExchange, masker: &Masker) -> HttpExchange {
    let text = |text: &str| masker.mask(text).into_owned();
    let headers = |headers: &[(String, String)]| {
        let shown = headers.iter().map(|(name, value)| {
            let hidden = HEADERS.iter().any(|hidden| name.eq_ignore_ascii_case(hidden));
            (name.clone(), if hidden { MASK.to_owned() } else { text(value) })
        });
        shown.collect()
    };
    HttpExchange {
        request: text(&exchange.request),
        request_headers: headers(&exchange.request_headers),
        request_body: body(&exchange.request_body, masker),
        headers: headers(&exchange.headers),
        body: body(&exchange.body, masker),
        failure: exchange.failure.map(|mut failure| {
            failure.cause = text(&failure.cause);
            failure
        }),
        ..exchange
    }
}

/// A body without secrets. Bytes that hold one are not kept at all.
pub fn body(body: &Body, masker: &Masker) -> Body {
    match body {
        Body::Text(text) => Body::Text(masker.mask(text).into_owned()),
        Body::Bytes { .. } => {
            let bytes = body.bytes();
            let text = String::from_utf8_lossy(&bytes);
            if masker.mask(&text) == text {
                body.clone()
            } else {
                Body::Text(MASK.to_owned())
            }
        }
    }
}

/// The exchange without secrets; the data of a Secret is none of a recording's business.
pub fn kubernetes(mut exchange: KubernetesExchange, masker: &Masker) -> KubernetesExchange {
    for value in [&mut exchange.request, &mut exchange.answer] {
        hide_secrets(value);
        masker.mask_json(value);
    }
    exchange
}

fn hide_secrets(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_secret = fields.get("kind").is_some_and(|kind| kind == "Secret");
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::Object(data) if is_secret && (key == "data" || key == "stringData") => {
                        data.values_mut().for_each(|value| *value = Value::from(MASK));
                    }
                    Value::Object(_) if is_secret && key == "sent" => *value = Value::from(MASK),
                    value => hide_secrets(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_secrets),
        _ => {}
    }
}

/// Values of a Secret as texts.
pub fn texts(secret: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    secret
        .values()
        .filter_map(|value| String::from_utf8(value.clone()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_shape() {
        let secret = "s3cr&t \"x\"/ü";
        let masker = masker([format!("Bearer {secret}\n")]);
        let mut form = reqwest::Url::parse("http://h/").unwrap();
        form.query_pairs_mut().append_pair("token", secret);
        for text in [
            secret.to_owned(),
            form.to_string(),
            serde_json::json!({"token": secret}).to_string(),
            BASE64_STANDARD.encode(secret),
            BASE64_STANDARD.encode(secret).trim_end_matches('=').to_owned(),
        ] {
            let shown = masker.mask(&text);
            assert!(shown.contains(MASK), "{text}: {shown}");
            assert!(!shown.contains("s3cr"), "{text}: {shown}");
        }
    }

    #[test]
    fn tokens_and_secrets_of_answers_are_found() {
        let exchange = HttpExchange {
            request: "POST http://h/token".into(),
            request_headers: vec![("Authorization".into(), "Basic abc".into())],
            request_body: Body::default(),
            status: Some(200),
            headers: vec![("Set-Cookie".into(), "s=1".into())],
            body: Body::Text(r#"{"access_token": "t0ken", "expires_in": 3600}"#.into()),
            failure: None,
            at: jiff::Timestamp::UNIX_EPOCH,
        };
        let masked = http(exchange.clone(), &masker(tokens_in(&exchange)));
        let text = serde_json::to_string(&masked).unwrap();
        for secret in ["t0ken", "Basic", "s=1"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("3600"));
        let mut object = serde_json::json!({"items": [{"kind": "Secret", "data": {"k": "djEyMw=="}}]});
        hide_secrets(&mut object);
        assert_eq!(object["items"][0]["data"]["k"], MASK);
    }
}
