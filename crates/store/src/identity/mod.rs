//! What bytes are, decided by looking at them: names and content types of servers are often wrong.

mod native;
mod text;

use std::fmt;

use rollcage_core::{Fault, FaultKind, Phase, PluginId};

use crate::problem::Problem;
pub use native::{Architecture, NativeFormat};

/// As far as texts are looked at; what binary formats need is within the first KiB.
const LOOKED_AT: usize = 64 << 10;

/// What bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A WebAssembly component: what a plugin is.
    Component,
    /// A WebAssembly component or module of a binary format that is not the one of today.
    OtherWasmVersion {
        /// Bytes 4 to 8: version and layer.
        version: [u8; 4],
    },
    /// A core WebAssembly module.
    CoreModule,
    /// Less than a WebAssembly header.
    TruncatedWasm,
    /// Code that a wasmtime compiled ahead of time.
    Precompiled,
    /// WebAssembly as text.
    WasmText,
    /// A program or library for processors.
    Native {
        /// Its format.
        format: NativeFormat,
        /// The processors that it is for; several in a universal Mach-O file.
        architectures: Vec<Architecture>,
        /// `executable`, `shared library` and the like.
        kind: &'static str,
    },
    /// `#!` and the interpreter.
    Script {
        /// The interpreter's path.
        interpreter: String,
    },
    /// A web page: usually a log-in page instead of the bytes.
    Html {
        /// Its title; empty when it has none.
        title: String,
    },
    /// A JSON document: usually a server's error.
    Json {
        /// Its message, where one was found.
        message: String,
    },
    /// An XML document: usually an object store's error.
    Xml {
        /// Its message, where one was found.
        message: String,
    },
    /// The stand-in that Git keeps for a large file.
    GitLfsPointer,
    /// A compressed file or an archive.
    Archive {
        /// Its format.
        format: &'static str,
    },
    /// Another binary format.
    Other {
        /// Its name, with article.
        format: &'static str,
    },
    /// Text of another kind.
    Text {
        /// The begin of its first line.
        start: String,
    },
    /// Nothing.
    Empty,
    /// Nothing that is known.
    Unknown {
        /// The first bytes.
        start: Vec<u8>,
    },
}

/// Looks at bytes. Only the first 64 KiB count, so this takes the same short time for any length.
pub fn identify(bytes: &[u8]) -> Identity {
    let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    if head.is_empty() {
        return Identity::Empty;
    }
    wasm(head)
        .or_else(|| native::identify(head))
        .or_else(|| binary(head))
        .or_else(|| text::identify(head, head.len() < bytes.len()))
        .unwrap_or_else(|| Identity::Unknown {
            start: head.iter().take(8).copied().collect(),
        })
}

fn wasm(bytes: &[u8]) -> Option<Identity> {
    let rest = bytes.strip_prefix(b"\0asm")?;
    Some(match rest.first_chunk::<4>() {
        None => Identity::TruncatedWasm,
        Some([1, 0, 0, 0]) => Identity::CoreModule,
        Some([0x0d, 0, 1, 0]) => Identity::Component,
        Some(version) => Identity::OtherWasmVersion { version: *version },
    })
}

fn binary(bytes: &[u8]) -> Option<Identity> {
    const ARCHIVES: &[(&[u8], &str)] = &[
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"PK\x07\x08", "zip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"\xed\xab\xee\xdb", "rpm"),
    ];
    const OTHERS: &[(&[u8], &str)] = &[
        (b"!<arch>\ndebian-binary", "a Debian package"),
        (b"!<arch>\n", "a static library"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"%PDF-", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"SQLite format 3\0", "an SQLite database"),
    ];
    if bytes.get(257..262) == Some(b"ustar") {
        return Some(Identity::Archive { format: "tar" });
    }
    let starts = |(magic, _): &&(&[u8], _)| bytes.starts_with(magic);
    let archive = ARCHIVES.iter().find(starts);
    let other = OTHERS.iter().find(starts);
    archive
        .map(|(_, format)| Identity::Archive { format })
        .or_else(|| other.map(|(_, format)| Identity::Other { format }))
}

impl Identity {
    /// What to do about it; empty for what can be loaded.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Component => "",
            Self::OtherWasmVersion { .. } => "build it again with a current toolchain",
            Self::CoreModule => "wrap it with `wasm-tools component new`, or build for the target wasm32-wasip2",
            Self::TruncatedWasm => "the file is not complete: upload it again",
            Self::Precompiled => {
                "name the WebAssembly component itself: compiled code from outside is never run, and compiling is done here"
            }
            Self::WasmText => "turn it into a binary with `wasm-tools parse`",
            Self::Native { .. } if self.runs_here() => "",
            Self::Native { .. } => "name the plugin's build for this system and processor, or a WebAssembly component",
            Self::Script { .. } => "name the WebAssembly component that the plugin's build made",
            Self::Html { .. } => {
                "the server may want a log-in: check the location in a browser, and use headersFrom for credentials"
            }
            Self::Json { .. } | Self::Xml { .. } => {
                "the server answered with a document instead of the plugin: check the location, and use headersFrom for credentials"
            }
            Self::GitLfsPointer => "name the file's media address, or run `git lfs pull` before uploading",
            Self::Archive { .. } => "unpack it and name the component inside",
            Self::Other { .. } | Self::Text { .. } | Self::Empty | Self::Unknown { .. } => {
                "check that the location names the WebAssembly component"
            }
        }
    }

    /// Whether these bytes are a program of this system and processor.
    pub fn runs_here(&self) -> bool {
        let Self::Native {
            format: NativeFormat::Elf,
            architectures,
            kind,
        } = self
        else {
            return false;
        };
        let ours = Architecture::ours();
        kind.starts_with("executable") && architectures.contains(&ours)
    }

    /// Why these bytes cannot be loaded; `None` for a component, and for a program that runs here.
    pub fn refusal(&self, id: &PluginId) -> Option<Box<Fault>> {
        self.problem().map(|problem| problem.fault(id))
    }

    pub(crate) fn problem(&self) -> Option<Problem> {
        let (kind, cause) = match self {
            Self::Component => return None,
            Self::Native { .. } if self.runs_here() => return None,
            Self::Native { .. } => (
                FaultKind::UnsupportedRuntime,
                format!(
                    "the bytes are {self}, and what runs here is an ELF executable for {}",
                    Architecture::ours()
                ),
            ),
            Self::Precompiled => (FaultKind::NotAPlugin, format!("the bytes are {self}, which is refused")),
            _ => (
                FaultKind::NotAPlugin,
                format!("the bytes are {self}, not a WebAssembly component"),
            ),
        };
        Some(Problem::new(Phase::Verify, kind, cause, self.hint()))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component => f.write_str("a WebAssembly component"),
            Self::OtherWasmVersion { version } => {
                let both = u32::from_le_bytes(*version);
                let (version, layer) = (both & 0xffff, both >> 16);
                write!(
                    f,
                    "WebAssembly of an unknown binary format (version {version}, layer {layer})"
                )
            }
            Self::CoreModule => f.write_str("a core WebAssembly module"),
            Self::TruncatedWasm => f.write_str("the first bytes of a WebAssembly file and nothing more"),
            Self::Precompiled => f.write_str("code that wasmtime compiled ahead of time"),
            Self::WasmText => f.write_str("WebAssembly as text"),
            Self::Native {
                format,
                architectures,
                kind,
            } => {
                write!(f, "{format} {kind} for ")?;
                for (index, architecture) in architectures.iter().enumerate() {
                    let separator = if index == 0 { "" } else { " and " };
                    write!(f, "{separator}{architecture}")?;
                }
                Ok(())
            }
            Self::Script { interpreter } => write!(f, "a script for {interpreter:?}"),
            Self::Html { title } if title.is_empty() => f.write_str("an HTML page"),
            Self::Html { title } => write!(f, "an HTML page with the title {title:?}"),
            Self::Json { message } if message.is_empty() => f.write_str("a JSON document"),
            Self::Json { message } => write!(f, "a JSON document that says {message:?}"),
            Self::Xml { message } if message.is_empty() => f.write_str("an XML document"),
            Self::Xml { message } => write!(f, "an XML document that says {message:?}"),
            Self::GitLfsPointer => f.write_str("a Git LFS pointer"),
            Self::Archive { format } => write!(f, "a {format} archive"),
            Self::Other { format } => f.write_str(format),
            Self::Text { start } => write!(f, "text that begins with {start:?}"),
            Self::Empty => f.write_str("empty"),
            Self::Unknown { start } => {
                f.write_str("of an unknown format (they begin with")?;
                for byte in start {
                    write!(f, " {byte:02x}")?;
                }
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests;
