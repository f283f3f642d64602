//! The definition in `deploy/` is that of the types.

use std::path::Path;

use rollcage_controller::plugins::{definition, definition_text};
use serde_json::{Value, json};

#[test]
fn the_definition_in_deploy_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crd/plugins.rollcage.dev.yaml");
    let text = definition_text().unwrap();
    if std::env::var_os("ROLLCAGE_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "deploy/crd/plugins.rollcage.dev.yaml is out of date: ROLLCAGE_BLESS=1 cargo test --workspace --test it definition"
    );
}

/// What the API server wants of a structural schema, for every schema in it.
fn check(schema: &Value, place: &str) {
    let fields = schema.as_object().unwrap();
    let open = ["x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"];
    assert!(
        fields.get("type").is_some_and(Value::is_string) || open.iter().any(|field| schema[field] == json!(true)),
        "{place} has no type: {schema}"
    );
    for field in [
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "default",
        "const",
        "$defs",
        "definitions",
        "examples",
        "title",
    ] {
        assert!(!fields.contains_key(field), "{place} has {field}: {schema}");
    }
    if let Some(format) = fields.get("format") {
        assert!(
            ["int64", "int32", "date-time", "double"]
                .iter()
                .any(|known| format == known),
            "{place}: {format}"
        );
    }
    if let Some(properties) = fields.get("properties") {
        for (name, schema) in properties.as_object().unwrap() {
            check(schema, &format!("{place}.{name}"));
        }
        assert!(
            !fields.contains_key("additionalProperties"),
            "{place} has both kinds of properties"
        );
    }
    for field in ["items", "additionalProperties"] {
        if let Some(schema) = fields.get(field) {
            check(schema, &format!("{place}.{field}"));
        }
    }
}

#[test]
fn the_schema_is_structural_and_knows_every_field() {
    let definition = definition();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    check(schema, "");
    let spec = &schema["properties"]["spec"];
    assert_eq!(spec["required"], json!(["kind", "name"]));
    assert_eq!(
        spec["properties"]["kind"]["enum"],
        json!(["MetricProvider", "TrafficRouter", "Step"])
    );
    assert_eq!(
        spec["properties"]["limits"]["properties"]["memory"]["x-kubernetes-int-or-string"],
        json!(true)
    );
    let grant = &spec["properties"]["permissions"]["properties"]["http"]["items"];
    assert_eq!(
        grant["x-kubernetes-preserve-unknown-fields"],
        json!(true),
        "a text or an object"
    );
    assert_eq!(spec["properties"]["env"]["additionalProperties"]["type"], "string");
    let status = &schema["properties"]["status"]["properties"];
    assert_eq!(status["replicas"]["x-kubernetes-list-map-keys"], json!(["name"]));
    assert_eq!(status["conditions"]["x-kubernetes-list-map-keys"], json!(["type"]));
}
