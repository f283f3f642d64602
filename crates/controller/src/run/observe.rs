//! Who is told what happens, to count it.

use std::{fmt, time::Duration};

use crate::client::ApiRequest;

/// A pass over an object that ended.
#[derive(Clone, Copy, Debug)]
pub struct PassReport<'a> {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// How long the pass took.
    pub took: Duration,
    /// Whether it failed, and is tried again.
    pub failed: bool,
    /// The object's phase after the pass; empty when it has none, or is not known.
    pub phase: &'static str,
}

/// Is told what happens. Nothing may wait here.
pub trait Observer: Send + Sync + fmt::Debug {
    /// A pass ended.
    fn pass(&self, pass: &PassReport<'_>) {
        let _ = pass;
    }

    /// There is an object.
    fn seen(&self, namespace: &str, name: &str) {
        let _ = (namespace, name);
    }

    /// An object is gone.
    fn gone(&self, namespace: &str, name: &str) {
        let _ = (namespace, name);
    }

    /// A request to the API server ended.
    fn request(&self, request: &ApiRequest<'_>) {
        let _ = request;
    }

    /// Another controller writes an object of this kind that is ours.
    fn foreign_write(&self, kind: &'static str) {
        let _ = kind;
    }

    /// Whether we lead.
    fn leading(&self, leading: bool) {
        let _ = leading;
    }
}
