//! A plugin's own configuration.

use serde::de::DeserializeOwned;

use crate::Error;

/// Reads the plugin's own configuration (JSON). What is wrong becomes [`Error::InvalidConfig`] with the path of the
/// field, such as `authentication.basicAuth.username: invalid type: integer ..., expected a string`.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let cause = without_position(&error.into_inner().to_string());
        Error::InvalidConfig(if matches!(path.as_str(), "." | "?") {
            cause
        } else {
            format!("{path}: {cause}")
        })
    })?;
    deserializer
        .end()
        .map_err(|error| Error::InvalidConfig(without_position(&error.to_string())))?;
    Ok(value)
}

/// The position inside the JSON helps nobody: authors write YAML.
fn without_position(message: &str) -> String {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Inner,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        name: String,
    }

    #[test]
    fn errors_name_the_field() {
        let cases = [
            (
                r#"{"inner":{"name":1}}"#,
                "inner.name: invalid type: integer `1`, expected a string",
            ),
            (r#"{"inner":{}}"#, "inner: missing field `name`"),
            (r#"{"iner":{}}"#, "iner: unknown field `iner`, expected `inner`"),
            ("{}", "missing field `inner`"),
            ("{", "EOF while parsing an object"),
            (r#"{"inner":{"name":"a"}} x"#, "trailing characters"),
        ];
        for (json, expected) in cases {
            assert_eq!(parse::<Outer>(json), Err(Error::invalid_config(expected)), "{json}");
        }
    }
}
