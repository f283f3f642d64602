use proptest::prelude::*;
use rollcage_api::plugin::PluginKind;

use super::*;

fn at(length: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; length];
    for (offset, part) in parts {
        bytes[*offset..*offset + part.len()].copy_from_slice(part);
    }
    bytes
}

fn elf(os: u8, kind: u16, machine: u16) -> Vec<u8> {
    at(
        64,
        &[
            (0, b"\x7fELF\x02\x01\x01"),
            (7, &[os]),
            (16, &kind.to_le_bytes()),
            (18, &machine.to_le_bytes()),
        ],
    )
}

#[test]
fn everything_has_its_own_sentence() {
    let fat = [
        &b"\xca\xfe\xba\xbe\0\0\0\x02"[..],
        &0x0100_0007_u32.to_be_bytes(),
        &[0; 16],
        &0x0100_000c_u32.to_be_bytes(),
        &[0; 16],
    ]
    .concat();
    let cases: &[(&[u8], &str)] = &[
        (b"\0asm\x0d\0\x01\0rest", "a WebAssembly component"),
        (b"\0asm\x01\0\0\0rest", "a core WebAssembly module"),
        (
            b"\0asm\x0a\0\x01\0",
            "WebAssembly of an unknown binary format (version 10, layer 1)",
        ),
        (b"\0asm", "the first bytes of a WebAssembly file and nothing more"),
        (&elf(200, 1, 0), "code that wasmtime compiled ahead of time"),
        (&elf(0, 2, 62), "an ELF executable for amd64"),
        (&elf(0, 3, 183), "an ELF executable or shared library for arm64"),
        (&elf(0, 1, 999), "an ELF object file for an unknown processor (999)"),
        (
            b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x16",
            "an ELF executable for s390x",
        ),
        (b"\x7fELF", "an ELF file for an unknown processor (0)"),
        (
            b"\xcf\xfa\xed\xfe\x0c\0\0\x01\0\0\0\0\x02\0\0\0",
            "a Mach-O executable for arm64",
        ),
        (&fat, "a Mach-O universal file for amd64 and arm64"),
        (b"\xca\xfe\xba\xbe\0\0\0\x41", "a Java class"),
        (
            &at(256, &[(0, b"MZ"), (0x3c, &[0x80]), (0x80, b"PE\0\0\x64\x86")]),
            "a PE executable for amd64",
        ),
        (
            &at(
                256,
                &[
                    (0, b"MZ"),
                    (0x3c, &[0x80]),
                    (0x80, b"PE\0\0\x64\xaa"),
                    (0x96, &[0, 0x20]),
                ],
            ),
            "a PE library for arm64",
        ),
        (&at(256, &[(0, b"MZ")]), "a DOS program"),
        (b"#!/bin/sh\nexec x", "a script for \"/bin/sh\""),
        (
            b"\n <!DOCTYPE html>\n<html><head><TITLE>Sign in\n to X</TITLE>",
            "an HTML page with the title \"Sign in to X\"",
        ),
        (b"<!-- hi --><html lang=\"en\">", "an HTML page"),
        (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>", "an HTML page"),
        (
            b"<?xml version=\"1.0\"?><Error><Message>Access Denied</Message></Error>",
            "an XML document that says \"Access Denied\"",
        ),
        (b"<Error><Code>NoSuchKey</Code></Error>", "an XML document"),
        (
            b"{\"errors\": [{\"code\": 1, \"message\": \"no access\"}]}",
            "a JSON document that says \"no access\"",
        ),
        (b"[1, 2]", "a JSON document"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:12",
            "a Git LFS pointer",
        ),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (&at(512, &[(0, b"plugin.wasm"), (257, b"ustar")]), "a tar archive"),
        (b"!<arch>\nx", "a static library"),
        (b"(component (core module))", "WebAssembly as text"),
        (b"Not Found\n", "text that begins with \"Not Found\""),
        (b"{not json", "text that begins with \"{not json\""),
        (b"", "empty"),
        (
            b"\x00\x01\x02\xff",
            "of an unknown format (they begin with 00 01 02 ff)",
        ),
        (
            b"\xff\xfeh\0t\0m\0l\0",
            "of an unknown format (they begin with ff fe 68 00 74 00 6d 00)",
        ),
    ];
    let id = PluginId {
        kind: PluginKind::MetricProvider,
        name: "a/b".into(),
    };
    for (bytes, sentence) in cases {
        let identity = identify(bytes);
        assert_eq!(identity.to_string(), *sentence, "{bytes:?}");
        let refusal = identity.refusal(&id);
        assert_eq!(
            refusal.is_none(),
            identity == Identity::Component || identity.runs_here()
        );
        if let Some(fault) = refusal {
            assert_eq!(fault.phase, Phase::Verify);
            assert!(fault.cause.contains(sentence) && !fault.hint.is_empty(), "{fault:?}");
        }
    }
}

#[test]
fn programs_of_other_processors_are_refused() {
    let id = PluginId {
        kind: PluginKind::Step,
        name: "a/b".into(),
    };
    let fault = identify(&elf(0, 2, 22)).refusal(&id).unwrap();
    assert_eq!(fault.kind, FaultKind::UnsupportedRuntime);
    assert_eq!(
        fault.to_string(),
        format!(
            "plugin a/b: verify: the bytes are an ELF executable for s390x, and what runs here is an ELF executable for {} \
             (name the plugin's build for this system and processor, or a WebAssembly component)",
            Architecture::ours()
        )
    );
    // Nor is a library a program.
    assert!(identify(&elf(0, 1, 62)).refusal(&id).is_some());
}

#[test]
fn the_running_program_is_native() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(identify(&program).runs_here(), "{:?}", identify(&program));
}

#[test]
fn long_texts_are_cut_and_still_texts() {
    let long = "é".repeat(LOOKED_AT);
    assert!(matches!(identify(format!("a{long}").as_bytes()), Identity::Text { .. }));
    let json = format!("{{\"a\": \"{long}\"}}");
    assert!(matches!(identify(json.as_bytes()), Identity::Json { .. }));
}

proptest! {
    #[test]
    fn survives_anything(
        magic in prop_oneof![
            Just(&b""[..]), Just(&b"\0asm"[..]), Just(&b"\x7fELF"[..]), Just(&b"MZ"[..]), Just(&b"\xca\xfe\xba\xbe"[..]),
            Just(&b"\xcf\xfa\xed\xfe"[..]), Just(&b"<html><title"[..]), Just(&b"<?xml"[..]), Just(&b"{"[..]), Just(&b"#!"[..]),
        ],
        rest in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "[ -~\u{130}é<>/\"{}:\n]{0,200}".prop_map(String::into_bytes),
        ],
    ) {
        let bytes = [magic, &rest].concat();
        let sentence = identify(&bytes).to_string();
        prop_assert!(!sentence.is_empty() && sentence.len() < 1000);
        prop_assert!(!sentence.contains(char::is_control));
    }
}
