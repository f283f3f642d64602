//! `--help` and completion; the command reference in the docs is what `--help` says.

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
