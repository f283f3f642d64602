//! Not acting on an object that is older than our own last write of it.

use std::{
    cmp::Ordering,
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Versions that we wrote, by object. Forgotten when the object ended or is gone.
#[derive(Debug, Default)]
pub struct OwnWrites(Mutex<HashMap<(String, String), Wrote>>);

#[derive(Debug, Default)]
struct Wrote {
    version: String,
    /// There is nothing to do about this version before.
    rests_until: Option<Timestamp>,
}

impl OwnWrites {
    /// This version is what the API server made of our write, or a newer one that we know of: nothing older counts.
    pub fn wrote(&self, namespace: &str, name: &str, version: Option<&str>) {
        let Some(version) = version else {
            return;
        };
        let mut versions = self.lock();
        let known = versions.entry((namespace.to_owned(), name.to_owned())).or_default();
        if compare(version, &known.version) != Some(Ordering::Less) {
            version.clone_into(&mut known.version);
            known.rests_until = None;
        }
    }

    /// The version that was written last was decided to be looked at again then, and not before.
    pub fn rests_until(&self, namespace: &str, name: &str, at: Timestamp) {
        if let Some(wrote) = self.lock().get_mut(&(namespace.to_owned(), name.to_owned())) {
            wrote.rests_until = Some(at);
        }
    }

    /// Until when there is nothing to do about `object`, if it is exactly what we wrote.
    pub fn rest(&self, namespace: &str, name: &str, object: &ObjectMeta) -> Option<Timestamp> {
        let key = (namespace.to_owned(), name.to_owned());
        let writes = self.lock();
        let wrote = writes.get(&key)?;
        wrote
            .rests_until
            .filter(|_| object.resource_version.as_ref() == Some(&wrote.version))
    }

    /// Whether `object` was read before our last write. Versions that cannot be compared are not held against it.
    pub fn is_stale(&self, namespace: &str, name: &str, object: &ObjectMeta) -> bool {
        let Some(read) = &object.resource_version else {
            return false;
        };
        let key = (namespace.to_owned(), name.to_owned());
        let order = self.lock().get(&key).and_then(|wrote| compare(read, &wrote.version));
        order == Some(Ordering::Less)
    }

    /// Nothing more will be written.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Wrote>> {
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
        writes.wrote("ns", "r", Some("10"));
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

    #[test]
    fn only_exactly_what_we_wrote_rests() {
        let writes = OwnWrites::default();
        let at = Timestamp::from_second(60).unwrap();
        writes.rests_until("ns", "r", at);
        assert_eq!(writes.rest("ns", "r", &object("10")), None, "nothing was written");
        writes.wrote("ns", "r", Some("10"));
        assert_eq!(writes.rest("ns", "r", &object("10")), None);
        writes.rests_until("ns", "r", at);
        assert_eq!(writes.rest("ns", "r", &object("10")), Some(at));
        for other in ["9", "11", ""] {
            assert_eq!(writes.rest("ns", "r", &object(other)), None, "{other:?}");
        }
        writes.wrote("ns", "r", Some("11"));
        assert_eq!(writes.rest("ns", "r", &object("11")), None, "it was not decided yet");
    }
}
