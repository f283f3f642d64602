//! How many bytes a value has on its way into or out of a guest.

use crate::bindings::{
    exports::rollcage::plugin::{metrics, routing, stepping},
    rollcage::plugin::{evaluate, http, kubernetes, types},
};

/// Bytes of everything of variable length.
pub(crate) trait Size {
    fn size(&self) -> usize;
}

impl Size for String {
    fn size(&self) -> usize {
        self.len()
    }
}

impl Size for Vec<u8> {
    fn size(&self) -> usize {
        self.len()
    }
}

impl<T: Size> Size for [T] {
    fn size(&self) -> usize {
        // A list of empty texts is not for nothing either.
        self.iter().map(|item| item.size().saturating_add(size_of::<T>())).sum()
    }
}

impl<T: Size> Size for Option<T> {
    fn size(&self) -> usize {
        self.as_ref().map_or(0, Size::size)
    }
}

macro_rules! sum {
    ($($type:ty { $($field:ident),+ })+) => {$(
        impl Size for $type {
            fn size(&self) -> usize {
                0 $(+ self.$field.size())+
            }
        }
    )+};
}

macro_rules! lists {
    ($($type:ty),+) => {$(
        impl Size for Vec<$type> {
            fn size(&self) -> usize {
                self.as_slice().size()
            }
        }
    )+};
}

lists!(
    String,
    types::Pair,
    routing::Destination,
    routing::HeaderMatch,
    routing::RequestMatch
);

sum! {
    types::Pair { name, value }
    types::PingPong { ping_service, pong_service, stable }
    types::Rollout {
        namespace, name, uid, labels, annotations, canary_service, stable_service, ping_pong, canary_hash, stable_hash,
        managed_routes
    }
    metrics::AnalysisRun { namespace, name, uid, labels, annotations, arguments, started_at }
    metrics::Metric { name, success_condition, failure_condition, config }
    metrics::Measurement { message, started_at, finished_at, value, sample, metadata, resume_at }
    routing::Destination { service, pod_template_hash }
    routing::HeaderMatch { name, value }
    routing::HeaderRoute { name, matches }
    routing::RequestMatch { method, path, headers }
    routing::MirrorRoute { name, matches }
    stepping::Context { plugin_name, config, state }
    http::Request { method, url, headers, body }
    kubernetes::Kind { group, version, kind }
    kubernetes::Reference { kind, namespace, name }
}

impl Size for evaluate::Sample {
    fn size(&self) -> usize {
        match self {
            Self::Number(_) => 8,
            Self::Numbers(numbers) => numbers.len().saturating_mul(8),
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Nothing => 0,
        }
    }
}

impl Size for routing::TextMatch {
    fn size(&self) -> usize {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Regex(text) => text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_texts_and_lists() {
        let pair = |name: &str, value: &str| types::Pair {
            name: name.into(),
            value: value.into(),
        };
        assert_eq!(pair("ab", "cde").size(), 5);
        assert_eq!(vec![pair("", ""); 10].size(), 10 * size_of::<types::Pair>());
        assert_eq!(Some("abc".to_owned()).size(), 3);
        assert_eq!(evaluate::Sample::Numbers(vec![1.0, 2.0]).size(), 16);
    }
}
