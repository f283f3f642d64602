//! Components made of a few lines of WebAssembly text: the contract's functions with whatever body a test gives them.
//!
//! Every function that a test does not mention answers with zeros, which is `ok` of an empty answer. Memory:
//! `ZEROS` stays zero, 4096..16384 is for a test's own data, the heap follows.
//!
//! ```text
//! wit/ + a few bodies -> module (every function of the world) -> component
//! ```
//!
//! What a test writes is taken as it is: a mistake in it fails the test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a kit for tests: one that cannot go on fails"
)]

use std::{fmt::Write as _, path::Path, sync::Arc};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{
    Function, Resolve, WorldItem,
    abi::{AbiVariant, WasmType},
};

/// Where an answer of zeros lies.
pub const ZEROS: u32 = 1024;

/// A component in the making.
#[derive(Clone, Debug)]
pub struct Guest {
    world: &'static str,
    bodies: Vec<(String, String)>,
    imports: String,
    items: String,
    packages: Vec<String>,
    world_imports: String,
    memory: String,
    contract: String,
}

impl Guest {
    fn new(world: &'static str) -> Self {
        Self {
            world,
            bodies: Vec::new(),
            imports: String::new(),
            items: String::new(),
            packages: Vec::new(),
            world_imports: String::new(),
            memory: "1".to_owned(),
            contract: contract(),
        }
    }

    /// A metric provider.
    pub fn metric() -> Self {
        Self::new("metric-provider")
    }

    /// A traffic router.
    pub fn router() -> Self {
        Self::new("traffic-router")
    }

    /// A step.
    pub fn step() -> Self {
        Self::new("step")
    }

    /// The body of one function; its parameters are numbered.
    pub fn body(mut self, function: &str, body: &str) -> Self {
        self.bodies.push((function.to_owned(), body.to_owned()));
        self
    }

    /// Functions, globals, tables and data of the core module.
    pub fn item(mut self, item: &str) -> Self {
        self.items.push_str(item);
        self.items.push('\n');
        self
    }

    /// An import of the core module.
    pub fn import(mut self, import: &str) -> Self {
        self.imports.push_str(import);
        self.imports.push('\n');
        self
    }

    /// An interface outside the contract: its package, and the line that imports it.
    pub fn package(mut self, package: &str, import: &str) -> Self {
        self.packages.push(package.to_owned());
        self.world_import(import)
    }

    /// A line that imports an interface.
    pub fn world_import(mut self, import: &str) -> Self {
        let _ = writeln!(self.world_imports, "import {import};");
        self
    }

    /// Limits of the memory, such as `1 10`.
    pub fn memory(mut self, limits: &str) -> Self {
        limits.clone_into(&mut self.memory);
        self
    }

    /// Changes the contract that it is built against.
    pub fn contract(mut self, change: impl FnOnce(String) -> String) -> Self {
        self.contract = change(self.contract);
        self
    }

    /// `log.write` as `$log`: level, text pointer, text length.
    pub fn with_log(self) -> Self {
        self.import(r#"(import "rollcage:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#)
    }

    /// The component.
    pub fn build(&self) -> Arc<[u8]> {
        let mut resolve = Resolve::default();
        for package in self.packages.iter().map(String::as_str).chain([self.contract.as_str()]) {
            resolve.push_str("test.wit", package).unwrap();
        }
        let version = version(&self.contract);
        let world = format!(
            "package test:guest;\nworld guest {{ include rollcage:plugin/{}@{version};\n{} }}",
            self.world, self.world_imports
        );
        let package = resolve.push_str("world.wit", &world).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        let mut core = wat::parse_str(self.module(&resolve, world)).unwrap_or_else(|error| panic!("{error}"));
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).unwrap();
        let mut encoder = ComponentEncoder::default();
        encoder.validate(true).module(&core).unwrap();
        encoder.encode().unwrap_or_else(|error| panic!("{error:#}")).into()
    }

    fn module(&self, resolve: &Resolve, world: wit_parser::WorldId) -> String {
        let mut text = format!(
            "(module $guest\n{}\n(memory (export \"memory\") {})\n",
            self.imports, self.memory
        );
        text.push_str(REALLOC);
        text.push_str(&self.items);
        let mut unused: Vec<&str> = self.bodies.iter().map(|(name, _)| name.as_str()).collect();
        for (key, item) in &resolve.worlds[world].exports {
            let WorldItem::Interface { id, .. } = item else {
                continue;
            };
            for function in resolve.interfaces[*id].functions.values() {
                let name = format!("{}#{}", resolve.name_world_key(key), function.name);
                unused.retain(|unused| *unused != function.name);
                text.push_str(&self.function(resolve, &name, function));
            }
        }
        assert_eq!(unused, Vec::<&str>::new(), "no such function");
        text.push(')');
        text
    }

    fn function(&self, resolve: &Resolve, name: &str, function: &Function) -> String {
        let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
        let types = |types: &[WasmType]| {
            let types = types.iter().map(|kind| match kind {
                WasmType::I64 | WasmType::PointerOrI64 => "i64",
                WasmType::F32 => "f32",
                WasmType::F64 => "f64",
                _ => "i32",
            });
            types.collect::<Vec<_>>().join(" ")
        };
        let given = self.bodies.iter().rev().find(|(body, _)| *body == function.name);
        let zeros = format!("(i32.const {ZEROS})");
        let body = given.map_or(zeros.as_str(), |(_, body)| body.as_str());
        format!(
            "(func ${} (export \"{name}\") (param {}) (result {})\n{body})\n",
            function.name,
            types(&signature.params),
            types(&signature.results)
        )
    }
}

/// Gives memory out and never takes it back; grows when there is no more.
const REALLOC: &str = r#"
(global $heap (mut i32) (i32.const 16384))
(func $realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
  (global.set $heap (i32.add (local.get $at) (local.get $size)))
  (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
    (then (drop (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1))))))
  (local.get $at))
"#;

/// The contract as one text.
fn contract() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut text = String::from("package rollcage:plugin@0.1.0;\n");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            let file = std::fs::read_to_string(path).unwrap();
            text.push_str(&file.replace("package rollcage:plugin@0.1.0;", ""));
        }
    }
    text
}

fn version(contract: &str) -> &str {
    let rest = contract.split_once('@').unwrap().1;
    rest.split_once(';').unwrap().0
}

/// Memory laid out by hand, for answers that are not zeros. Offsets are those of the canonical ABI.
#[derive(Clone, Debug)]
pub struct Blob {
    at: u32,
    bytes: Vec<u8>,
    tail: u32,
}

impl Blob {
    /// An answer of `size` bytes at an address; texts follow it.
    pub fn new(at: u32, size: usize) -> Self {
        Self {
            at,
            bytes: vec![0; size],
            tail: u32::try_from(size).unwrap(),
        }
    }

    /// `result<measurement, error>`.
    pub fn measurement(at: u32) -> Self {
        Self::new(at, 8 + 96)
    }

    /// A byte of the answer.
    pub fn byte(mut self, offset: usize, byte: u8) -> Self {
        self.bytes[offset] = byte;
        self
    }

    /// A number of the answer.
    pub fn u32(mut self, offset: usize, number: u32) -> Self {
        self.bytes[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
        self
    }

    /// A floating-point number of the answer.
    pub fn f64(mut self, offset: usize, number: f64) -> Self {
        self.bytes[offset..offset + 8].copy_from_slice(&number.to_le_bytes());
        self
    }

    /// A text: its pointer and length at `offset`.
    pub fn text(self, offset: usize, text: &str) -> Self {
        self.raw(offset, text.as_bytes())
    }

    /// Bytes where a text should be.
    pub fn raw(self, offset: usize, text: &[u8]) -> Self {
        let (pointer, length) = (self.at + self.tail, u32::try_from(text.len()).unwrap());
        let mut with = self.u32(offset, pointer).u32(offset + 4, length);
        with.bytes.extend_from_slice(text);
        with.tail += length;
        with
    }

    /// `phase` of a measurement: running 0, successful 1, failed 2, inconclusive 3, error 4.
    pub fn phase(self, phase: u8) -> Self {
        self.byte(8, 1).byte(9, phase)
    }

    /// `message` of a measurement.
    pub fn message(self, text: &str) -> Self {
        self.text(8 + 4, text)
    }

    /// `value` of a measurement.
    pub fn value(self, text: &str) -> Self {
        self.text(8 + 36, text)
    }

    /// `sample` of a measurement, a number.
    pub fn number(self, number: f64) -> Self {
        self.byte(8 + 48, 1).byte(8 + 56, 0).f64(8 + 64, number)
    }

    /// `resume-at` of a measurement.
    pub fn resume_at(self, text: &str) -> Self {
        self.byte(8 + 80, 1).text(8 + 84, text)
    }

    /// As a data segment.
    pub fn data(&self) -> String {
        let mut text = format!("(data (i32.const {}) \"", self.at);
        for byte in &self.bytes {
            let _ = write!(text, "\\{byte:02x}");
        }
        text.push_str("\")");
        text
    }
}

/// `result<_, error>` and `result<measurement, error>` with an error of a kind: invalid-config 0, unavailable 1, denied 2,
/// conflict 3, internal 4.
pub fn error(at: u32, kind: u8, message: &str, payload: usize) -> Blob {
    Blob::new(at, 64)
        .byte(0, 1)
        .byte(payload, kind)
        .text(payload + 4, message)
}
