//! An object whose bytes are kept, to be sent more than once.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{Output, value};
use crate::{EncodeError, Type};

/// Under which name a [`Encoded`] tells an [`Encoder`](super::Encoder) what it is.
pub(super) const NAME: &str = "rollcage_gob::Encoded";

/// Bytes of the type's number, in front of the value's.
const NUMBER: usize = size_of::<i64>();

/// An object's bytes, which are the same on every stream: our types have the same numbers everywhere, and definitions are
/// no part of a value.
///
/// It serializes only into an [`Encoder`](super::Encoder), in a place of its own type.
#[derive(Clone, Debug)]
pub struct Encoded(Arc<Vec<u8>>);

impl Encoded {
    /// Encodes an object of a struct type.
    pub fn of<T: Serialize + ?Sized>(of: Type, value: &T) -> Result<Self, EncodeError> {
        let mut output = Output::default();
        value::write(&mut output, of.0, true, value)?;
        let mut bytes = Vec::with_capacity(NUMBER + output.len());
        bytes.extend(of.0.id().to_le_bytes());
        output.send(&mut bytes);
        Ok(Self(Arc::new(bytes)))
    }
}

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(NAME, &Bytes(&self.0))
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The value's bytes, if they are of the type with this number.
pub(super) fn value_of(encoded: &[u8], id: i64) -> Option<&[u8]> {
    let (number, value) = encoded.split_first_chunk::<NUMBER>()?;
    (i64::from_le_bytes(*number) == id).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Encoder, types, wire};

    fn args<R>(rollout: R) -> wire::WeightArgs<R, ()> {
        wire::WeightArgs {
            rollout,
            desired_weight: 20,
            additional_destinations: (),
        }
    }

    #[test]
    fn what_was_encoded_before_is_sent_as_the_object_itself() {
        for rollout in [
            json!({}),
            json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "a", "image": "i"}]}}}}),
            json!({"status": {"phase": "Healthy"}, "metadata": {"labels": {"b": "1", "a": "2"}, "name": "shop"}}),
        ] {
            let encoded = Encoded::of(types::ROLLOUT, &rollout).unwrap();
            let of = types::ROUTER_SET_WEIGHT_AND_VERIFY_WEIGHT_ARGS;
            let (mut plain, mut kept) = (Vec::new(), Vec::new());
            let (mut direct, mut other) = (Encoder::new(), Encoder::new());
            for _ in 0..2 {
                direct.value(of, &args(&rollout), &mut plain).unwrap();
                other.value(of, &args(encoded.clone()), &mut kept).unwrap();
            }
            assert_eq!(plain, kept);
        }
    }

    #[test]
    fn it_fits_only_where_its_type_is_asked_for() {
        let run = Encoded::of(types::ANALYSIS_RUN, &json!({})).unwrap();
        let mut to = Vec::new();
        let written = Encoder::new().value(types::ROUTER_SET_WEIGHT_AND_VERIFY_WEIGHT_ARGS, &args(run), &mut to);
        assert_eq!(
            written.unwrap_err().to_string(),
            "rollout: bytes instead of an object (Rollout)"
        );
        assert!(to.is_empty());
        let error = Encoded::of(types::ROLLOUT, &json!({"spec": {"replicas": "three"}})).unwrap_err();
        assert_eq!(error.to_string(), "spec.replicas: a text instead of a number");
    }
}
