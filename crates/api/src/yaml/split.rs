//! Where the documents of a file begin.

/// Parts of `text`, each with the number of its first line. `---` at the begin of a line begins a document wherever it
/// stands, quotes and block scalars included, so cutting there cannot cut a document. Directives stay with the document
/// after them.
pub(super) fn split(text: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut begin, mut begin_line, mut offset) = (0, 1, 0);
    // Blank lines, comments and directives before a `---` belong to its document.
    let mut only_prologue = true;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let starts_document = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if starts_document && !only_prologue {
            parts.push((begin_line, slice(text, begin, offset)));
            (begin, begin_line) = (offset, index + 1);
        }
        if starts_document {
            only_prologue = false;
        } else if only_prologue {
            let content = line.trim_start_matches('\u{feff}').trim();
            only_prologue = content.is_empty() || content.starts_with('#') || line.starts_with('%');
        }
        offset += line.len();
    }
    parts.push((begin_line, slice(text, begin, text.len())));
    parts
}

fn slice(text: &str, begin: usize, end: usize) -> &str {
    text.get(begin..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_document_starts_only() {
        let cases: &[(&str, &[(usize, &str)])] = &[
            ("", &[(1, "")]),
            ("a: 1", &[(1, "a: 1")]),
            ("a: 1\n---\nb: 1\n", &[(1, "a: 1\n"), (3 - 1, "---\nb: 1\n")]),
            ("---\na: 1\n--- {b: 1}", &[(1, "---\na: 1\n"), (3, "--- {b: 1}")]),
            ("# c\n\n%YAML 1.1\n---\na: 1", &[(1, "# c\n\n%YAML 1.1\n---\na: 1")]),
            ("a: |\n  ---\nb: ----\n---x: 1", &[(1, "a: |\n  ---\nb: ----\n---x: 1")]),
            ("---\r\na: 1\r\n---\r\n", &[(1, "---\r\na: 1\r\n"), (3, "---\r\n")]),
        ];
        for (text, parts) in cases {
            assert_eq!(split(text), *parts, "{text:?}");
        }
    }
}
