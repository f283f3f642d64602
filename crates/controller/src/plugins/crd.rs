//! The definition of `plugins.rollcage.dev`, out of the types.

use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use rollcage_api::{
    plugin_object::{self as object, PluginSpec, PluginStatus},
    yaml,
};
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Value, json};

/// Argo's pattern of names; or the place of an entry without a usable name, which only the controller writes.
const NAME: &str = r"^([a-zA-Z0-9-]+/[a-zA-Z0-9_.-]+|(argo-rollouts-config|rollcage-config):.+)$";

/// Longest name.
const NAME_LENGTH: u32 = 253;

/// The CustomResourceDefinition.
pub fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": object::CRD_NAME},
        "spec": {
            "group": object::GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": object::KIND,
                "listKind": "PluginList",
                "plural": object::PLURAL,
                "singular": "plugin",
                "shortNames": [object::SHORT_NAME]
            },
            "versions": [{
                "name": object::VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": "A plugin of Rollcage: its entry, and how it is. Objects with the label rollcage.dev/source \
                        stand for entries of a ConfigMap, which are edited there.",
                    "required": ["spec"],
                    "properties": {"spec": spec(), "status": status()}
                }}
            }]
        }
    })
}

/// The definition as a file.
pub fn text() -> Result<String, serde_json::Error> {
    Ok(format!(
        "# Generated from the types: ROLLCAGE_BLESS=1 cargo test --workspace --test it definition\n{}",
        yaml::to_string(&definition())?
    ))
}

fn columns() -> Value {
    let column = |name: &str, kind: &str, path: &str, priority: u32, description: &str| json!({"name": name, "type": kind, "jsonPath": path, "priority": priority, "description": description});
    let condition = |kind: &str| format!(".status.conditions[?(@.type==\"{kind}\")].status");
    json!([
        column("Kind", "string", ".spec.kind", 0, "What the plugin extends"),
        column(
            "Plugin",
            "string",
            ".spec.name",
            0,
            "The name by which analyses and Rollouts use it"
        ),
        column(
            "State",
            "string",
            ".status.state",
            0,
            "Where the leader's plugin is on its way"
        ),
        column("Runtime", "string", ".status.runtime", 0, "What runs it"),
        column(
            "Ready",
            "string",
            &condition(object::READY),
            0,
            "Whether calls are answered"
        ),
        column("Age", "date", ".metadata.creationTimestamp", 0, "Age of the object"),
        column(
            "Up-to-date",
            "string",
            &condition(object::UP_TO_DATE),
            1,
            "Whether the wanted version answers"
        ),
        column("Digest", "string", ".status.servingDigest", 1, "SHA-256 of what serves"),
        column("Phase", "string", ".status.failure.phase", 1, "Where it failed"),
        column(
            "Cause",
            "string",
            ".status.failure.cause",
            1,
            "Why what should serve does not"
        ),
        column("Source", "string", ".status.source", 1, "Where the entry is written")
    ])
}

fn spec() -> Value {
    let mut spec = schema::<PluginSpec>();
    // A default in the types is no default here: an object stays as it was written.
    put(
        &mut spec,
        "",
        &json!({
            "required": ["kind", "name"],
            "x-kubernetes-validations": [
                {"rule": "self.kind == oldSelf.kind", "message": "kind never changes: make another object"},
                {"rule": "self.name == oldSelf.name", "message": "name never changes: make another object"}
            ]
        }),
    );
    put(
        &mut spec,
        "/properties/name",
        &json!({"minLength": 1, "maxLength": NAME_LENGTH, "pattern": NAME}),
    );
    put(
        &mut spec,
        "/properties/sha256",
        &json!({"pattern": "^([0-9a-fA-F]{64})?$"}),
    );
    spec
}

fn status() -> Value {
    let mut status = schema::<PluginStatus>();
    for (list, key) in [("replicas", "name"), ("conditions", "type")] {
        let by_key = json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]});
        put(&mut status, &format!("/properties/{list}"), &by_key);
    }
    put(
        &mut status,
        "/properties/replicas/items",
        &json!({"required": ["name"]}),
    );
    status
}

/// Sets fields of the schema at a place.
fn put(schema: &mut Value, place: &str, fields: &Value) {
    if let (Some(schema), Some(fields)) = (
        schema.pointer_mut(place).and_then(Value::as_object_mut),
        fields.as_object(),
    ) {
        schema.extend(fields.clone());
    }
}

/// A type's schema, structural.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings
        .with_transform(RecursiveTransform(open))
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    RecursiveTransform(plain).transform(&mut schema);
    schema.to_value()
}

/// Kubernetes has two kinds of values that are of more than one type: whole numbers or texts, and anything.
fn open(schema: &mut Schema) {
    let Some(fields) = schema.as_object_mut() else { return };
    let types = |fields: &serde_json::Map<String, Value>| -> Vec<String> {
        let texts = |value: &Value| match value {
            Value::String(one) => vec![one.clone()],
            Value::Array(many) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        fields.get("type").map(texts).unwrap_or_default()
    };
    let own = types(fields);
    if own.iter().any(|one| one == "integer") && own.iter().any(|one| one == "string") {
        fields.shift_remove("type");
        fields.insert("x-kubernetes-int-or-string".to_owned(), json!(true));
    }
    let branches = fields.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let branches: Vec<String> = branches.filter_map(Value::as_object).flat_map(types).collect();
    if branches.iter().any(|one| one == "string") && branches.iter().any(|one| one == "object") {
        fields.shift_remove("anyOf");
        fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
    }
}

/// Drops what a definition does not have, or what would change objects.
fn plain(schema: &mut Schema) {
    let Some(fields) = schema.as_object_mut() else { return };
    for field in ["default", "title", "examples", "$schema"] {
        fields.shift_remove(field);
    }
    if fields.get("format").is_some_and(|format| format == "uint32") {
        fields.insert("format".to_owned(), json!("int64"));
    }
}
