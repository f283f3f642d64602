//! What an executable tells about itself without being run.
//!
//! Go's linker leaves a block in every program: a magic, flags, then two texts with their lengths in front, the version of Go
//! and the modules that the program was built from (`debug/buildinfo`, since Go 1.18). It is found by its magic, so that
//! nothing here depends on the executable format, or on a table of sections that may be stripped.

use memchr::memmem;
use rollcage_api::plugin::PluginKind;

use crate::ports::service_name;

/// Begins the block; it is aligned to 16 bytes.
const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
/// From the magic to the texts.
const HEADER: usize = 32;
/// In the byte behind the pointer size: the texts follow in place.
const INLINE: u8 = 2;
/// Around the modules stand 16 bytes that mark them in memory.
const SENTINEL: usize = 16;
/// Longest text of modules; that of Argo's largest plugin has 10 KiB.
const MODULES: usize = 1 << 20;

/// What is known of an executable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// The kinds of plugin whose service it names.
    pub kinds: Vec<PluginKind>,
    /// How Go built it; none if it was not built by Go, or by one before 1.18.
    pub go: Option<GoBuild>,
}

impl Examined {
    /// Its kind, if it can be only one.
    pub fn kind(&self) -> Option<PluginKind> {
        match *self.kinds {
            [kind] => Some(kind),
            _ => None,
        }
    }
}

/// Go's build information.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoBuild {
    /// Version of Go, such as `go1.26.8`.
    pub version: String,
    /// Import path of the main package.
    pub path: String,
    /// The module that it is in, and its version; `(devel)` for one that was not downloaded.
    pub module: Option<(String, String)>,
    /// Version of `github.com/argoproj/argo-rollouts`.
    pub argo_rollouts: Option<String>,
    /// Version of `github.com/hashicorp/go-plugin`.
    pub go_plugin: Option<String>,
}

/// Reads what `bytes` tell. Takes the time of a search through them.
pub fn examine(bytes: &[u8]) -> Examined {
    let kinds = PluginKind::ALL
        .into_iter()
        .filter(|kind| memmem::find(bytes, service_name(*kind).as_bytes()).is_some())
        .collect();
    // Programs that read such blocks have the magic in their texts as well.
    let go = memmem::find_iter(bytes, MAGIC)
        .filter(|at| at % ALIGNMENT == 0)
        .find_map(|at| build(bytes.get(at..)?));
    Examined { kinds, go }
}

fn build(block: &[u8]) -> Option<GoBuild> {
    if block.get(MAGIC.len() + 1)? & INLINE == 0 {
        return None;
    }
    let mut rest = block.get(HEADER..)?;
    let version = std::str::from_utf8(text(&mut rest)?).ok()?;
    if !version.starts_with("go1") && !version.starts_with("devel ") {
        return None;
    }
    let modules = text(&mut rest).unwrap_or_default();
    let modules = modules
        .get(SENTINEL..modules.len().saturating_sub(SENTINEL))
        .unwrap_or_default();
    let mut build = GoBuild {
        version: version.to_owned(),
        ..GoBuild::default()
    };
    let mut dependency = "";
    for line in String::from_utf8_lossy(modules).lines() {
        let mut fields = line.split('\t');
        let (what, name, version) = (fields.next(), fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        match what {
            Some("path") => name.clone_into(&mut build.path),
            Some("mod") => {
                build.module = Some((name.to_owned(), version.to_owned()));
                dependency = build.note(name, version);
            }
            Some("dep") => dependency = build.note(name, version),
            // What was really taken in the place of the line before.
            Some("=>") => {
                build.note(dependency, version);
            }
            _ => {}
        }
    }
    Some(build)
}

impl GoBuild {
    /// Keeps the versions that matter; the name under which they are known.
    fn note(&mut self, module: &str, version: &str) -> &'static str {
        const ARGO: &str = "github.com/argoproj/argo-rollouts";
        const GO_PLUGIN: &str = "github.com/hashicorp/go-plugin";
        let (name, kept) = match module {
            ARGO => (ARGO, &mut self.argo_rollouts),
            GO_PLUGIN => (GO_PLUGIN, &mut self.go_plugin),
            _ => return "",
        };
        *kept = Some(version.to_owned());
        name
    }
}

/// A text with its length in front, seven bits a byte.
fn text<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let mut length = 0_usize;
    for (index, byte) in rest.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if length > MODULES {
                return None;
            }
            let (text, behind) = rest.get(index + 1..)?.split_at_checked(length)?;
            *rest = behind;
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn program(version: &str, modules: &str) -> Vec<u8> {
        // A program that knows the magic, and one text of a plugin.
        let mut bytes = b"\x7fELF ... \xff Go buildinf: is how it begins. RpcStepPlugin".to_vec();
        bytes.resize(160, 0);
        bytes.extend_from_slice(b"\xff Go buildinf:\x08\x02");
        bytes.resize(192, 0);
        let modules = [
            b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6",
            modules.as_bytes(),
            &[0; 16],
        ]
        .concat();
        for text in [version.as_bytes(), &modules] {
            let mut length = text.len();
            while length >= 0x80 {
                bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                length >>= 7;
            }
            bytes.push(u8::try_from(length).unwrap());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    #[test]
    fn tells_what_go_built_it_from() {
        let modules = "path\texample.org/steps/cmd\nmod\texample.org/steps\t(devel)\t\n\
            dep\tgithub.com/argoproj/argo-rollouts\tv1.9.2\th1:x=\n\
            dep\tgithub.com/hashicorp/go-plugin\tv1.6.3\n=>\texample.org/fork\tv1.6.4\n\
            dep\texample.org/other\tv0.1.0\n=>\t../other\t\nbuild\tGOARCH=amd64\n";
        let examined = examine(&program("go1.26.8", modules));
        assert_eq!(examined.kind(), Some(PluginKind::Step));
        let go = examined.go.unwrap();
        assert_eq!(go.version, "go1.26.8");
        assert_eq!(go.path, "example.org/steps/cmd");
        assert_eq!(go.module, Some(("example.org/steps".into(), "(devel)".into())));
        assert_eq!(go.argo_rollouts.as_deref(), Some("v1.9.2"));
        assert_eq!(go.go_plugin.as_deref(), Some("v1.6.4"), "the one that was taken");
    }

    #[test]
    fn says_nothing_of_what_it_does_not_know() {
        assert_eq!(examine(b"#!/bin/sh\nexec plugin"), Examined::default());
        let both = examine(b"RpcMetricProviderPlugin RpcTrafficRouterPlugin");
        assert_eq!((both.kinds.len(), both.kind(), both.go), (2, None, None));
        assert_eq!(examine(&program("go1.26.8", "")).go.unwrap().argo_rollouts, None);
        assert_eq!(examine(&program("rust", "")).go, None);
        let cut = program("go1.26.8", "path\tx\n");
        assert_eq!(examine(&cut[..195]).go, None, "in the middle of the version");
    }

    proptest! {
        #[test]
        fn survives_anything(before in 0..3_usize, rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = vec![0; before * 16];
            bytes.extend_from_slice(MAGIC);
            bytes.extend(rest);
            examine(&bytes);
        }
    }
}
