//! JSON Schemas of the files that authors and operators write, for editors.

use schemars::{
    JsonSchema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Value, json};

use crate::cases::file::CasesFile;

/// A schema and the name of its file.
#[derive(Clone, Copy, Debug)]
pub struct SchemaFile {
    /// File name.
    pub name: &'static str,
    generate: fn(SchemaGenerator) -> schemars::Schema,
}

/// All schemas.
pub const ALL: [SchemaFile; 2] = [
    SchemaFile {
        name: "cases.json",
        generate: of::<CasesFile>,
    },
    SchemaFile {
        name: "entry.json",
        generate: of::<rollcage_api::plugin::PluginEntry>,
    },
];

impl SchemaFile {
    /// The schema. Unlike Argo, which ignores them, it refuses unknown fields: nearly all are slips of the pen.
    pub fn schema(self) -> Value {
        let mut schema = (self.generate)(SchemaSettings::draft2020_12().into_generator());
        RecursiveTransform(closed).transform(&mut schema);
        schema.to_value()
    }

    /// The text of the file.
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema())
    }
}

fn of<T: JsonSchema>(generator: SchemaGenerator) -> schemars::Schema {
    generator.into_root_schema_for::<T>()
}

/// An object with known fields has no others.
fn closed(schema: &mut schemars::Schema) {
    let Some(fields) = schema.as_object_mut() else { return };
    if fields.contains_key("properties") {
        fields.entry("additionalProperties").or_insert(json!(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_refuse_unknown_fields_and_know_the_fields() {
        for file in ALL {
            let schema = file.schema();
            assert_eq!(schema["additionalProperties"], json!(false), "{}", file.name);
            assert!(file.text().ends_with("}\n"));
        }
        let schema = ALL.map(SchemaFile::schema);
        assert!(schema[0]["properties"]["cases"].is_object());
        assert_eq!(schema[1]["$defs"]["BreakerEntry"]["additionalProperties"], json!(false));
    }
}
