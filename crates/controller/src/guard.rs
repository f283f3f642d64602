//! Not acting on an object that is older than our own last write of it.

use std::{
    cmp::Ordering,
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Versions that we wrote, by object. Forgotten when the object ended or is gone.
#[derive(Debug, Default)]
pub struct OwnWrites(Mutex<HashMap<(String, String), String>>);

impl OwnWrites {
    /// `object` is what the API server made of our write, or a newer version that we know of: nothing older counts.
    pub fn wrote(&self, namespace: &str, name: &str, object: &ObjectMeta) {
        let Some(version) = &object.resource_version else {
            return;
        };
        let mut versions = self.lock();
        let known = versions.entry((namespace.to_owned(), name.to_owned())).or_default();
        if compare(version, known) != Some(Ordering::Less) {
            known.clone_from(version);
        }
    }

    /// Whether `object` was read before our last write. Versions that cannot be compared are not held against it.
    pub fn is_stale(&self, namespace: &str, name: &str, object: &ObjectMeta) -> bool {
        let Some(read) = &object.resource_version else {
            return false;
        };
        let key = (namespace.to_owned(), name.to_owned());
        let order = self.lock().get(&key).and_then(|wrote| compare(read, wrote));
        order == Some(Ordering::Less)
    }

    /// Nothing more will be written.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares versions as numbers of any length, as Kubernetes does.
pub(crate) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let well_formed = |version: &str| !version.starts_with('0') && version.bytes().all(|byte| byte.is_ascii_digit());
    if a.is_empty() || b.is_empty() || !well_formed(a) || !well_formed(b) {
        return None;
    }
    Some(a.len().cmp(&b.len()).then_with(|| a.cmp(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: &str) -> ObjectMeta {
        ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn older_than_our_last_write_is_stale() {
        let writes = OwnWrites::default();
        assert!(!writes.is_stale("ns", "r", &object("1")));
        writes.wrote("ns", "r", &object("10"));
        for (version, stale) in [
            ("9", true),
            ("10", false),
            ("11", false),
            ("x9", false),
            ("", false),
            ("09", false),
        ] {
            assert_eq!(writes.is_stale("ns", "r", &object(version)), stale, "{version}");
        }
        assert!(!writes.is_stale("other", "r", &object("9")));
        writes.forget("ns", "r");
        assert!(!writes.is_stale("ns", "r", &object("9")));
    }
}
