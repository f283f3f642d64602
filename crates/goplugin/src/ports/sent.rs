//! Objects that were sent lately: one pass over a Rollout or an AnalysisRun sends the same object in several calls.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use rollcage_gob::{EncodeError, Encoded, Type};
use serde::Serialize;

/// As many passes as commonly run at the same time.
const KEPT: usize = 16;

/// Encodes objects, each once while somebody holds it.
#[derive(Debug)]
pub(super) struct Sent<T> {
    of: Type,
    kept: Mutex<VecDeque<(Weak<T>, Encoded)>>,
}

impl<T: Serialize> Sent<T> {
    pub(super) fn new(of: Type) -> Self {
        Self {
            of,
            kept: Mutex::default(),
        }
    }

    /// The object's bytes. It is known by where it is: as long as there is a weak pointer to it, nothing else is there,
    /// and nobody can change it.
    pub(super) fn encoded(&self, object: &Arc<T>) -> Result<Encoded, EncodeError> {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, encoded)) = kept.iter().find(|(held, _)| held.as_ptr() == Arc::as_ptr(object)) {
                return Ok(encoded.clone());
            }
            kept.retain(|(held, _)| held.strong_count() > 0);
        }
        let encoded = Encoded::of(self.of, &**object)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT - 1);
        kept.push_front((Arc::downgrade(object), encoded.clone()));
        Ok(encoded)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use rollcage_gob::types;
    use serde::Serializer;

    use super::*;

    /// A text that counts how often it is written.
    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Serialize for Counted {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            serializer.serialize_str("text")
        }
    }

    #[test]
    fn an_object_is_encoded_once() {
        let sent = Sent::new(types::STRING);
        let objects: Vec<_> = (0..KEPT).map(|_| Arc::new(Counted::default())).collect();
        for object in objects.iter().chain(&objects) {
            sent.encoded(object).unwrap();
            assert_eq!(object.0.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn no_more_is_kept_than_is_of_use() {
        let sent = Sent::new(types::STRING);
        let kept = || sent.kept.lock().unwrap().len();
        for _ in 0..3 {
            sent.encoded(&Arc::new(Counted::default())).unwrap();
            assert_eq!(kept(), 1, "nobody has the one before");
        }
        let objects: Vec<_> = (0..=KEPT).map(|_| Arc::new(Counted::default())).collect();
        for object in &objects {
            sent.encoded(object).unwrap();
        }
        assert_eq!(kept(), KEPT);
        sent.encoded(&objects[0]).unwrap();
        assert_eq!(objects[0].0.load(Ordering::Relaxed), 2, "the oldest went");
    }
}
