//! What the server answers.

use rollcage_sdk::{Error, http::Response, metric::Sample};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::RawValue;

/// What was measured.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    /// For people.
    pub(crate) value: String,
    /// For conditions.
    pub(crate) sample: Sample,
    /// The server's remarks.
    pub(crate) warnings: Vec<String>,
}

/// The envelope of every answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(default)]
    status: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(default)]
    result_type: String,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

/// A series of an instant vector. One that holds a histogram has no value; it counts as 0, as for Prometheus' client.
#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    value: Option<Point>,
}

/// A series of a range vector; histograms are left out, as by Prometheus' client.
#[derive(Deserialize)]
struct Stream {
    values: Option<Vec<Point>>,
}

/// `[TIME, "VALUE"]`.
#[derive(Deserialize)]
struct Point(IgnoredAny, Number);

/// A number as Prometheus writes it: text, so that it may be NaN or infinite.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text
            .parse()
            .map_err(|_| serde::de::Error::custom(format!("`{text}` is no number")));
        parsed.map(Self)
    }
}

/// Reads the server's answer, in the order in which Prometheus' client does.
pub(crate) fn parse(response: &Response) -> Result<Answer, Error> {
    let status = response.status;
    // These two come with an error in the body.
    if !matches!(status, 200..=299 | 400 | 422) {
        return Err(status_error(status));
    }
    let envelope: Envelope<'_> = read(&response.body)?;
    if envelope.status == "error" {
        return Err(server_error(&envelope.error_type, &envelope.error));
    }
    if !matches!(status, 200..=299) {
        return Err(Error::internal("bad_response: inconsistent body for response code"));
    }
    let data: Data<'_> = read(envelope.data.map_or("null", RawValue::get).as_bytes())?;
    let result = data.result.map_or("null", RawValue::get).as_bytes();
    let (value, sample) = match data.result_type.as_str() {
        "scalar" => {
            let Point(_, Number(number)) = read(result)?;
            (format(number), Sample::Number(number))
        }
        "vector" => {
            let series: Option<Vec<Series>> = read(result)?;
            let points = series.unwrap_or_default().into_iter().map(|series| series.value);
            list(
                points
                    .map(|point| point.map_or(0.0, |Point(_, Number(number))| number))
                    .collect(),
            )
        }
        "matrix" => {
            let streams: Option<Vec<Stream>> = read(result)?;
            let points = streams
                .unwrap_or_default()
                .into_iter()
                .flat_map(|stream| stream.values.unwrap_or_default());
            list(points.map(|Point(_, Number(number))| number).collect())
        }
        other => return Err(Error::internal(format!("unexpected value type {other:?}"))),
    };
    Ok(Answer {
        value,
        sample,
        warnings: envelope.warnings.unwrap_or_default(),
    })
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(json).map_err(|error| Error::internal(format!("bad_response: {error}")))
}

fn status_error(status: u16) -> Error {
    match status {
        401 | 403 => Error::Denied(format!("client_error: client error: {status}")),
        400..=499 => Error::internal(format!("client_error: client error: {status}")),
        500..=599 => Error::unavailable(format!("server_error: server error: {status}")),
        _ => Error::internal(format!("bad_response: bad response code {status}")),
    }
}

fn server_error(kind: &str, message: &str) -> Error {
    let text = format!("{kind}: {message}");
    match kind {
        // The query is wrong.
        "bad_data" => Error::invalid_config(text),
        "timeout" | "canceled" | "unavailable" => Error::unavailable(text),
        _ => Error::internal(text),
    }
}

fn list(numbers: Vec<f64>) -> (String, Sample) {
    let texts: Vec<_> = numbers.iter().copied().map(format).collect();
    (format!("[{}]", texts.join(",")), Sample::Numbers(numbers))
}

/// Shortest decimal without exponent that reads back as the same number; infinities as Go writes them.
fn format(number: f64) -> String {
    if number == f64::INFINITY {
        "+Inf".to_owned()
    } else if number == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Answer, Error> {
        parse(&Response {
            status,
            headers: vec![],
            body: body.as_bytes().to_vec(),
        })
    }

    fn data(data: &str) -> Result<(String, Sample), Error> {
        answer(200, &format!(r#"{{"status":"success","data":{data}}}"#)).map(|answer| (answer.value, answer.sample))
    }

    #[test]
    fn every_type_of_value() {
        let numbers = |numbers: &[f64]| Sample::Numbers(numbers.to_vec());
        let cases = [
            (
                r#"{"resultType":"scalar","result":[1.5,"10"]}"#,
                "10",
                Sample::Number(10.0),
            ),
            (
                r#"{"resultType":"vector","result":[{"metric":{},"value":[1,"0.95"]},{"metric":{},"value":[1,"2"]}]}"#,
                "[0.95,2]",
                numbers(&[0.95, 2.0]),
            ),
            (r#"{"resultType":"vector","result":[]}"#, "[]", numbers(&[])),
            (r#"{"resultType":"vector","result":null}"#, "[]", numbers(&[])),
            (
                r#"{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"3"}]}]}"#,
                "[0]",
                numbers(&[0.0]),
            ),
            (
                r#"{"resultType":"vector","result":[{"value":[1,"+Inf"]},{"value":[1,"-Inf"]}]}"#,
                "[+Inf,-Inf]",
                numbers(&[f64::INFINITY, f64::NEG_INFINITY]),
            ),
            (
                r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"11"],[2,"12"]]},{"values":[[1,"13"]]},{"histograms":[]}]}"#,
                "[11,12,13]",
                numbers(&[11.0, 12.0, 13.0]),
            ),
        ];
        for (json, value, sample) in cases {
            assert_eq!(data(json), Ok((value.to_owned(), sample)), "{json}");
        }
    }

    #[test]
    fn not_a_number_is_a_value() {
        let (value, sample) = data(r#"{"resultType":"vector","result":[{"value":[1,"NaN"]}]}"#).unwrap();
        assert_eq!(value, "[NaN]");
        assert!(matches!(sample, Sample::Numbers(numbers) if numbers.len() == 1 && numbers[0].is_nan()));
    }

    #[test]
    fn numbers_are_written_without_exponent() {
        let cases = [
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "-0"),
        ];
        for (number, expected) in cases {
            assert_eq!(format(number), expected);
        }
    }

    #[test]
    fn errors_are_typed() {
        let body = |kind: &str| format!(r#"{{"status":"error","errorType":"{kind}","error":"why"}}"#);
        let cases = [
            (400, body("bad_data"), Error::invalid_config("bad_data: why")),
            (422, body("execution"), Error::internal("execution: why")),
            (200, body("timeout"), Error::unavailable("timeout: why")),
            (
                503,
                "busy".to_owned(),
                Error::unavailable("server_error: server error: 503"),
            ),
            (404, String::new(), Error::internal("client_error: client error: 404")),
            (
                403,
                String::new(),
                Error::Denied("client_error: client error: 403".into()),
            ),
            (
                302,
                String::new(),
                Error::internal("bad_response: bad response code 302"),
            ),
            (
                400,
                r#"{"status":"success"}"#.to_owned(),
                Error::internal("bad_response: inconsistent body for response code"),
            ),
        ];
        for (status, body, expected) in cases {
            assert_eq!(answer(status, &body), Err(expected), "{status} {body}");
        }
    }

    #[test]
    fn other_bodies_are_errors() {
        assert_eq!(
            data(r#"{"resultType":"string","result":[1,"x"]}"#),
            Err(Error::internal("unexpected value type \"string\""))
        );
        for body in [
            "",
            "<html>",
            "[]",
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,2]}}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"x"]}}"#,
            r#"{"status":"success"}"#,
        ] {
            let error = answer(200, body).unwrap_err();
            assert!(error.message().starts_with("bad_response: "), "{body}: {error}");
        }
    }
}
