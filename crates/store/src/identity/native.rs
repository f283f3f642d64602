//! ELF, Mach-O and PE by their headers: format, processor, what kind of file.

use std::fmt;

use super::Identity;

/// An executable format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeFormat {
    /// Linux and most other systems.
    Elf,
    /// macOS.
    MachO,
    /// Windows.
    Pe,
}

impl fmt::Display for NativeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "an ELF",
            Self::MachO => "a Mach-O",
            Self::Pe => "a PE",
        })
    }
}

/// A processor, named as Go and container images name it where they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// One that is known.
    Known(&'static str),
    /// One that is not, by the format's number.
    Number(u32),
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(name) => f.write_str(name),
            Self::Number(number) => write!(f, "an unknown processor ({number})"),
        }
    }
}

impl Architecture {
    /// That of this host.
    pub fn ours() -> Self {
        Self::Known(match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        })
    }

    fn find(table: &[(u32, &'static str)], number: u32) -> Self {
        table
            .iter()
            .find(|(known, _)| *known == number)
            .map_or(Self::Number(number), |(_, name)| Self::Known(name))
    }
}

/// The operating-system field of wasmtime's precompiled code, which is an ELF file of its own kind.
const ELFOSABI_WASMTIME: u8 = 200;

pub(super) fn identify(bytes: &[u8]) -> Option<Identity> {
    elf(bytes).or_else(|| mach_o(bytes)).or_else(|| pe(bytes))
}

/// Reads numbers of either byte order; `None` past the end.
struct Reader<'b> {
    bytes: &'b [u8],
    big_endian: bool,
}

impl Reader<'_> {
    fn u16(&self, offset: usize) -> Option<u16> {
        let chunk = *self.bytes.get(offset..)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(chunk)
        } else {
            u16::from_le_bytes(chunk)
        })
    }

    fn u32(&self, offset: usize) -> Option<u32> {
        let chunk = *self.bytes.get(offset..)?.first_chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(chunk)
        } else {
            u32::from_le_bytes(chunk)
        })
    }
}

fn native(format: NativeFormat, architecture: Architecture, kind: &'static str) -> Identity {
    Identity::Native {
        format,
        architectures: vec![architecture],
        kind,
    }
}

fn elf(bytes: &[u8]) -> Option<Identity> {
    const MACHINES: &[(u32, &str)] = &[
        (3, "386"),
        (8, "mips"),
        (20, "ppc"),
        (21, "ppc64"),
        (22, "s390x"),
        (40, "arm"),
        (62, "amd64"),
        (183, "arm64"),
        (243, "riscv64"),
        (247, "bpf"),
        (258, "loong64"),
    ];
    let rest = bytes.strip_prefix(b"\x7fELF")?;
    if rest.get(3) == Some(&ELFOSABI_WASMTIME) {
        return Some(Identity::Precompiled);
    }
    let reader = Reader {
        bytes,
        big_endian: rest.get(1) == Some(&2),
    };
    let kind = match reader.u16(16) {
        Some(1) => "object file",
        Some(2) => "executable",
        Some(3) => "executable or shared library",
        Some(4) => "core dump",
        _ => "file",
    };
    let machine = reader.u16(18).map_or(0, u32::from);
    Some(native(NativeFormat::Elf, Architecture::find(MACHINES, machine), kind))
}

const MACH_PROCESSORS: &[(u32, &str)] = &[
    (7, "386"),
    (0x0100_0007, "amd64"),
    (12, "arm"),
    (0x0100_000c, "arm64"),
    (18, "ppc"),
    (0x0100_0012, "ppc64"),
];

fn mach_o(bytes: &[u8]) -> Option<Identity> {
    let magic = Reader {
        bytes,
        big_endian: true,
    }
    .u32(0)?;
    let big_endian = match magic {
        0xfeed_face | 0xfeed_facf => true,
        0xcefa_edfe | 0xcffa_edfe => false,
        0xcafe_babe | 0xcafe_babf => return Some(universal(bytes, magic == 0xcafe_babf)),
        _ => return None,
    };
    let reader = Reader { bytes, big_endian };
    let kind = match reader.u32(12) {
        Some(1) => "object file",
        Some(2) => "executable",
        Some(6) => "shared library",
        Some(8) => "bundle",
        _ => "file",
    };
    let architecture = Architecture::find(MACH_PROCESSORS, reader.u32(4).unwrap_or_default());
    Some(native(NativeFormat::MachO, architecture, kind))
}

/// A universal file holds one program for several processors. Java classes have the same first bytes, and then a version
/// of at least 45 where this has a small number.
fn universal(bytes: &[u8], wide: bool) -> Identity {
    let reader = Reader {
        bytes,
        big_endian: true,
    };
    let count = reader.u32(4).unwrap_or_default();
    if count == 0 || count >= 45 {
        return Identity::Other { format: "a Java class" };
    }
    let entry = if wide { 32 } else { 20 };
    let architectures = (0..count.min(8))
        .filter_map(|index| reader.u32(8 + usize::try_from(index).ok()? * entry))
        .map(|processor| Architecture::find(MACH_PROCESSORS, processor))
        .collect();
    Identity::Native {
        format: NativeFormat::MachO,
        architectures,
        kind: "universal file",
    }
}

fn pe(bytes: &[u8]) -> Option<Identity> {
    const MACHINES: &[(u32, &str)] = &[(0x014c, "386"), (0x8664, "amd64"), (0x01c4, "arm"), (0xaa64, "arm64")];
    const DLL: u16 = 0x2000;
    bytes.strip_prefix(b"MZ")?;
    let reader = Reader {
        bytes,
        big_endian: false,
    };
    let header = usize::try_from(reader.u32(0x3c)?).ok()?;
    if bytes.get(header..)?.get(..4)? != b"PE\0\0" {
        return Some(Identity::Other {
            format: "a DOS program",
        });
    }
    let machine = u32::from(reader.u16(header.checked_add(4)?)?);
    let is_library = reader
        .u16(header.checked_add(22)?)
        .is_some_and(|flags| flags & DLL != 0);
    let kind = if is_library { "library" } else { "executable" };
    Some(native(NativeFormat::Pe, Architecture::find(MACHINES, machine), kind))
}
