//! How a store behaves.

use std::{collections::BTreeMap, io, path::PathBuf, time::Duration};

use rollcage_api::ByteSize;

use crate::{identity::Identity, problem::Problem};

/// Bounds and time-outs, with the reason for every default.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Plugins that come with the program, by the name after `bundled://`.
    pub bundled: BTreeMap<&'static str, &'static [u8]>,
    /// Relative `file://` locations start here. Default: the working directory, as Argo has it.
    pub base: PathBuf,
    /// Most bytes of one plugin: real native ones have 80 MB.
    pub max_plugin: ByteSize,
    /// Most bytes in the folder, apart from what is in use or known to be good.
    pub max_cache: ByteSize,
    /// Longest time until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// Longest time without a byte.
    pub idle_timeout: Duration,
    /// Longest time of one download, redirects and retries included: 512 MiB at 1 MiB/s.
    pub total_timeout: Duration,
    /// Tries of one download.
    pub attempts: usize,
    /// Pause before the second try; it doubles from try to try, with jitter.
    pub first_pause: Duration,
    /// PEM certificates trusted beside the system's.
    pub extra_ca: Vec<u8>,
    /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are followed, as the original does.
    pub proxies_from_environment: bool,
    /// Whether executables for other systems and processors are given out, too: for those who only look at them.
    pub foreign: bool,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            bundled: BTreeMap::new(),
            base: PathBuf::from("."),
            max_plugin: ByteSize::mebi(512),
            max_cache: ByteSize::mebi(2048),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_mins(10),
            attempts: 4,
            first_pause: Duration::from_millis(250),
            extra_ca: Vec::new(),
            proxies_from_environment: true,
            foreign: false,
        }
    }
}

impl StoreConfig {
    /// Why bytes that are this are not given out.
    pub(crate) fn refusal(&self, identity: &Identity) -> Option<Problem> {
        let looked_at = self.foreign && matches!(identity, Identity::Native { .. });
        if looked_at { None } else { identity.problem() }
    }
}

/// Why a store cannot be opened at all.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its folder can neither be made nor read.
    #[error("cache folder {path} cannot be used: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The extra certificates are none.
    #[error("the extra certificates are not PEM certificates: {0}")]
    ExtraCa(#[source] reqwest::Error),
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
}
