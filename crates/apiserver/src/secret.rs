//! Secrets: `stringData` goes into `data`, which is base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use crate::{
    error::ApiError,
    object::{Object, read},
};

/// Moves `stringData` into `data`, and refuses values that are not base64.
pub(crate) fn encode(object: &mut Object) -> Result<(), ApiError> {
    let mut data: Map<String, Value> = match object.body.shift_remove("data") {
        Some(data) => read(data, "data")?,
        None => Map::new(),
    };
    for (key, value) in &data {
        let valid = value.as_str().is_some_and(|text| STANDARD.decode(text).is_ok());
        if !valid {
            return Err(ApiError::bad_request(format!(
                "data[{key:?}] of the Secret is not base64"
            )));
        }
    }
    if let Some(plain) = object.body.shift_remove("stringData") {
        let plain: std::collections::BTreeMap<String, String> = read(plain, "stringData")?;
        data.extend(
            plain
                .into_iter()
                .map(|(key, value)| (key, STANDARD.encode(value).into())),
        );
    }
    if !data.is_empty() {
        object.body.insert("data".into(), data.into());
    }
    Ok(())
}
