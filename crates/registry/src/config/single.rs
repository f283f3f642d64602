//! One entry on its own, as a file holds it.

use std::sync::Arc;

use rollcage_api::{
    plugin::PluginKind,
    yaml::{self, Value},
};
use rollcage_core::PluginId;

use super::{ConfigFile, Source, Wanted, check, fault, text::Item};

const HINT: &str = "write one plugin entry into the file, as it would stand in the ConfigMap";

/// Reads one entry. `name` makes the name that the entry has out of the one that is written.
pub fn single(kind: PluginKind, text: &str, name: impl FnOnce(&str) -> String) -> (PluginId, Wanted) {
    let wrong = |name: String, line: usize, field: &str, cause: &str, hint: &str| {
        let (id, source) = (PluginId { kind, name }, at(kind, line));
        let entry = Err(Arc::new(fault(&id, &source, field, cause, hint)));
        let wanted = Wanted {
            source,
            entry,
            notes: Vec::new(),
        };
        (id, wanted)
    };
    let document = match yaml::document_like_argo("", text) {
        Ok(document) => document,
        Err(error) => return wrong(name(""), error.line, &error.field, &error.cause, HINT),
    };
    let document = match &document.root().value {
        Value::Mapping(_) => document,
        // Copied out of a ConfigMap, with its dash.
        Value::Sequence(items) if items.len() == 1 => match document.into_items().and_then(|mut items| items.pop()) {
            Some(item) => item,
            None => return wrong(name(""), 1, "", "this is no entry", HINT),
        },
        Value::Sequence(items) => {
            let cause = format!("there are {} entries, and one is served", items.len());
            return wrong(name(""), document.mark().line, "", &cause, HINT);
        }
        _ => return wrong(name(""), document.mark().line, "", "this is no entry", HINT),
    };
    let item = Item::new(document);
    let source = at(kind, item.line());
    let id = PluginId {
        kind,
        name: name(item.name().unwrap_or_default()),
    };
    let entry = item.entry().and_then(|mut entry| {
        entry.name.clone_from(&id.name);
        match check::check(&mut entry) {
            Ok(()) => Ok(Arc::new(entry)),
            Err(problem) => Err(item.place(problem)),
        }
    });
    let entry = entry.map_err(|wrong| {
        Arc::new(fault(
            &id,
            &at(kind, wrong.line),
            &wrong.field,
            &wrong.cause,
            wrong.hint,
        ))
    });
    let notes = item
        .unknown_fields()
        .into_iter()
        .map(|(line, field)| format!("{}: the field {field} is not known and is ignored", at(kind, line)))
        .collect();
    (id, Wanted { source, entry, notes })
}

fn at(kind: PluginKind, line: usize) -> Source {
    Source::new(ConfigFile::Entry, kind, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Result<String, String>) {
        let (id, wanted) = single(PluginKind::Step, text, |written| {
            if written.is_empty() { "x/default" } else { written }.to_owned()
        });
        let entry = wanted.entry.map(|entry| format!("{} {}", entry.name, entry.location));
        (id.name, entry.map_err(|fault| fault.cause.clone()))
    }

    #[test]
    fn an_entry_is_read_alone_or_with_the_dash_of_a_list() {
        let expected = ("a/b".to_owned(), Ok("a/b file:///p.wasm".to_owned()));
        assert_eq!(read("name: a/b\nlocation: file:///p.wasm\n"), expected);
        assert_eq!(read("- name: a/b\n  location: file:///p.wasm\n"), expected);
        assert_eq!(read(r#"{"name": "a/b", "location": "file:///p.wasm"}"#), expected);
        let named = ("x/default".to_owned(), Ok("x/default file:///p.wasm".to_owned()));
        assert_eq!(read("location: file:///p.wasm"), named);
    }

    #[test]
    fn what_is_wrong_has_its_line_and_no_configmap() {
        for (text, name, cause) in [
            ("", "x/default", "this is no entry"),
            ("a: [", "x/default", "entry file"),
            ("[]", "x/default", "there are 0 entries"),
            ("- {}\n- {}", "x/default", "there are 2 entries"),
            ("name: a/b\nlocation: nowhere\n", "a/b", "entry file, line 2: location"),
            (
                "name: a/b\nlocation: file:///p\nlimits: {memory: x}",
                "a/b",
                "entry file, line 3: limits.memory",
            ),
            ("name: ab\nlocation: file:///p", "ab", "entry file, line 1: name"),
        ] {
            let (id, entry) = read(text);
            let error = entry.unwrap_err();
            assert!(id == name && error.contains(cause), "{text:?}: {id}: {error}");
            assert!(!error.contains("stepPlugins"), "{error}");
        }
    }
}
