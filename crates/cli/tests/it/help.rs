//! `--help` and completion; the command reference in the docs is what `--help` says.

use std::collections::BTreeSet;

use crate::support::{rollcage, root, run};

const COMMANDS: [&[&str]; 15] = [
    &[],
    &["controller"],
    &["dev"],
    &["plugin"],
    &["plugin", "new"],
    &["plugin", "inspect"],
    &["plugin", "call"],
    &["plugin", "test"],
    &["plugin", "bench"],
    &["plugin", "precompile"],
    &["plugin", "build"],
    &["plugins"],
    &["shim"],
    &["migrate"],
    &["completion"],
];

/// The reference as it should be.
fn reference() -> String {
    let mut text = String::from(
        "# Commands\n\nWhat `--help` prints. A test holds this page against the command; `ROLLCAGE_BLESS=1 cargo test -p \
         rollcage-cli reference` rewrites it.\n",
    );
    for command in COMMANDS {
        let ended = run(rollcage().args(command).arg("--help").env("COLUMNS", "100"));
        assert_eq!(ended.code, 0, "{ended:?}");
        let lines: Vec<&str> = ended.stdout.lines().map(str::trim_end).collect();
        let name = [&["rollcage"], command].concat().join(" ");
        text.extend(["\n## ", &name, "\n\n```\n", lines.join("\n").trim_end(), "\n```\n"]);
    }
    text
}

#[test]
fn reference_in_the_docs_is_what_help_says() {
    let path = root().join("docs/commands.md");
    let expected = reference();
    if std::env::var_os("ROLLCAGE_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/commands.md is out of date: ROLLCAGE_BLESS=1 cargo test -p rollcage-cli reference"
    );
}

/// Long flags of a text.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let flags = words.filter(|word| word.len() > 3 && word.starts_with("--") && !word.starts_with("---"));
    flags.map(str::to_owned).collect()
}

#[test]
fn flags_of_the_controller_are_those_of_its_page() {
    let help = run(rollcage().args(["controller", "--help"]).env("COLUMNS", "200")).stdout;
    let (_, options) = help.split_once("Options:").unwrap();
    let (options, _) = options.split_once("Examples:").unwrap();
    let starts = options.lines().filter(|line| line.trim_start().starts_with('-'));
    let is: BTreeSet<String> = starts.flat_map(|line| flags(line).into_iter().take(1)).collect();
    let page = std::fs::read_to_string(root().join("docs/controller.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `--"));
    let told: BTreeSet<String> = rows.flat_map(|row| flags(row.split('|').nth(1).unwrap())).collect();
    let ordinary = ["--help", "--version"].map(str::to_owned).into();
    assert_eq!(is.difference(&ordinary).cloned().collect::<BTreeSet<_>>(), told);
}

#[test]
fn completion_knows_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(rollcage().args(["completion", shell]));
        assert_eq!(ended.code, 0);
        assert!(ended.stdout.contains("inspect"), "{shell}");
    }
}

#[test]
fn a_wrong_command_line_is_usage() {
    for args in [
        &["plugin", "cal"][..],
        &["plugin", "call"],
        &["--nope"],
        &["plugin", "new", "x", "--kind", "y"],
    ] {
        assert_eq!(run(rollcage().args(args)).code, 2, "{args:?}");
    }
}
