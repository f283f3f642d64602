//! Bytes that are no plugin, or not one of this host.

use std::sync::Arc;

use rollcage_core::{FaultKind, Phase};
use rollcage_wat_guest::Guest;
use serde_json::json;

use super::{Act, Case};

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = other_bytes();
    cases.extend(other_contracts());
    cases
}

fn other_bytes() -> Vec<Case> {
    let component = Guest::metric().build();
    let half = component[..component.len() / 2].to_vec();
    let machine_code = wasmtime::Engine::default().precompile_component(&component).unwrap();
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x16\0\x01\0\0\0".to_vec();
    elf.resize(4096, 0);
    // The same numbers every time, so that it is the same digest.
    let random: Vec<u8> = (0_u32..4096)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0] | 0x81)
        .collect();
    let verify =
        |name: &str, bytes: &[u8], cause: &str| Case::load(name, bytes, Phase::Verify, FaultKind::NotAPlugin, cause);
    let mut absent = Case::load(
        "a file that is not there",
        Vec::new(),
        Phase::Fetch,
        FaultKind::NotFound,
        "no such file",
    );
    absent.bytes = None;
    vec![
        Case::load(
            "half a component",
            half,
            Phase::Compile,
            FaultKind::CompileFailed,
            "unexpected end",
        ),
        verify("a header cut off", b"\0asm", ""),
        verify("a core module", &wat::parse_str("(module)").unwrap(), "core"),
        verify("WebAssembly as text", b"(component)", "text"),
        verify("machine code", &machine_code, "compiled"),
        Case::load(
            "an ELF executable of another processor",
            elf,
            Phase::Verify,
            FaultKind::UnsupportedRuntime,
            "ELF",
        ),
        verify("a script", b"#!/bin/sh\nrm -rf /\n", "/bin/sh"),
        verify(
            "a web page",
            b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
            "Sign in",
        ),
        verify("a JSON document", br#"{"message": "not found"}"#, "not found"),
        verify(
            "a zip archive",
            b"PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "zip",
        ),
        verify("nothing", b"", "empty"),
        verify("anything", &random, ""),
        Case::load(
            "other bytes than named",
            Guest::metric().item("(global i32 (i32.const 7))").build(),
            Phase::Verify,
            FaultKind::DigestMismatch,
            "sha256",
        )
        .with(json!({"sha256": "ab".repeat(32)})),
        absent,
        Case::new(
            "a compile bomb",
            bomb(),
            Act::LoadTight,
            Phase::Compile,
            FaultKind::CompileLimit,
            "the machine code is larger than",
        ),
    ]
}

fn other_contracts() -> Vec<Case> {
    let link = |name: &str, guest: Guest, kind, cause: &str| Case::load(name, guest.build(), Phase::Link, kind, cause);
    let foreign = Guest::metric()
        .package(
            "package acme:gpu@1.0.0; interface compute { go: func(); }",
            "acme:gpu/compute@1.0.0",
        )
        .import(r#"(import "acme:gpu/compute@1.0.0" "go" (func $go))"#)
        .body("run", "(call $go) (i32.const 1024)");
    let later = Guest::metric()
        .contract(|text| text.replace("object: func() -> string;", "object: func() -> string; later: func();"))
        .import(r#"(import "rollcage:plugin/subject@0.1.0" "later" (func $later))"#)
        .body("run", "(call $later) (i32.const 1024)");
    vec![
        link(
            "an unknown import",
            foreign,
            FaultKind::UnknownImport,
            "it imports acme:gpu/compute@1.0.0#go",
        ),
        link(
            "an import of a later contract",
            later,
            FaultKind::UnknownImport,
            "it imports rollcage:plugin/subject@0.1.0#later",
        ),
        link(
            "another version of the contract",
            Guest::metric().contract(|text| text.replace("@0.1.0", "@0.2.0")),
            FaultKind::WrongContract,
            "the component speaks version 0.2.0 of the contract",
        ),
        link(
            "another world",
            Guest::router(),
            FaultKind::WrongContract,
            "the component is a traffic-router",
        ),
        link(
            "a function too few",
            Guest::metric().contract(|text| text.replace("get-metadata: func", "gets-metadata: func")),
            FaultKind::WrongContract,
            "has no function get-metadata",
        ),
        link(
            "a function of another type",
            Guest::metric().contract(|text| text.replace("limit: u32)", "limit: u64)")),
            FaultKind::WrongContract,
            "garbage-collect",
        ),
        Case::load(
            "a component without exports",
            wat::parse_str("(component)").unwrap(),
            Phase::Link,
            FaultKind::WrongContract,
            "the component exports nothing",
        ),
    ]
}

/// A component whose machine code is large.
fn bomb() -> Arc<[u8]> {
    let mut guest = Guest::metric();
    for function in 0..1000 {
        let body = (0..20).map(|n| format!("(local.set 0 (i32.mul (local.get 0) (i32.const {n})))"));
        let body = body.collect::<Vec<_>>().concat();
        guest = guest.item(&format!(
            "(func $f{function} (param i32) (result i32) {body} (local.get 0))"
        ));
    }
    guest.build()
}
