//! Watches: a cursor on the history, woken by every change. A slow reader holds no queue of its own; one that falls
//! behind the history is told so with 410 and lists again.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};

use crate::{
    error::{ApiError, field_forbidden},
    feed::ChangeType,
    history::Event,
    kind::View,
    reply::{ResponseBody, Shape, encode},
    route::Query,
    selector::Selector,
    server::ApiServer,
    store::Store,
};

/// Changes looked at while the store is locked.
const BATCH: usize = 256;

/// A watch.
pub(crate) struct Watch {
    server: Arc<ApiServer>,
    view: View,
    selector: Selector,
    shape: Shape,
    /// Changes up to here were told, or were not for this watch.
    cursor: u64,
    /// What is told first.
    initial: Option<Bytes>,
    /// The version of the last bookmark.
    marked: u64,
    bookmarks: bool,
    bookmark_every: Duration,
    bookmark_at: Instant,
    until: Instant,
    growth: watch::Receiver<u64>,
    ended: watch::Receiver<u64>,
    over: bool,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    /// Starts a watch. Refusals of the version are told as an event of the watch, as the real server does.
    pub(crate) fn start(
        server: &Arc<ApiServer>,
        store: &Store,
        view: View,
        selector: Selector,
        shape: Shape,
        query: &Query,
    ) -> Result<Self, ApiError> {
        let permit = server.watches.clone().try_acquire_owned();
        let permit = permit.map_err(|_| ApiError::new(429, "too many watches at a time").retry_after(1))?;
        let asked = query.number("resourceVersion")?.unwrap_or(0);
        let initial_events = query.is("sendInitialEvents");
        if query.has("sendInitialEvents") && query.get("resourceVersionMatch") != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            let cause = field_forbidden("resourceVersionMatch", why);
            return Err(ApiError::option("ListOptions", cause));
        }
        let time = query
            .number("timeoutSeconds")?
            .map_or(store.limits.watch_time, Duration::from_secs);
        let now = Instant::now();
        // Far enough to never come, near enough to be a time.
        let time = time.min(Duration::from_hours(24));
        let bookmarks = query.is("allowWatchBookmarks");
        let from_now = asked == 0 || initial_events;
        let mut watch = Self {
            server: server.clone(),
            cursor: if from_now { store.revision() } else { asked },
            initial: None,
            marked: 0,
            bookmarks,
            bookmark_every: store.limits.bookmark,
            bookmark_at: now + store.limits.bookmark,
            until: now + time,
            growth: store.growth(),
            ended: server.ended.subscribe(),
            over: false,
            _permit: permit,
            view,
            selector,
            shape,
        };
        // Without a version, or with 0, a watch begins with what there is, unless it says that it does not want it.
        if from_now && (initial_events || !query.has("sendInitialEvents")) {
            watch.initial = Some(watch.begin(store, initial_events && bookmarks));
        }
        Ok(watch)
    }

    fn begin(&mut self, store: &Store, mark_end: bool) -> Bytes {
        let mut lines = Vec::new();
        for stored in store.objects(&self.view.id, &self.selector.namespace) {
            if self.selector.matches(&stored.meta, &stored.value) {
                line(&mut lines, "ADDED", &self.shape.show(&self.view, stored));
            }
        }
        if mark_end {
            self.bookmark(&mut lines, true);
        }
        lines.into()
    }

    /// The body of the answer.
    pub(crate) fn into_body(self) -> ResponseBody {
        let frames = stream::unfold(self, |mut watch| async move {
            let bytes = watch.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), watch))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(initial) = self.initial.take().filter(|initial| !initial.is_empty()) {
            return Some(initial);
        }
        loop {
            if self.over {
                return None;
            }
            self.growth.mark_unchanged();
            let lines = self.read();
            if !lines.is_empty() {
                return Some(lines.into());
            }
            tokio::select! {
                biased;
                _ = self.ended.changed() => self.over = true,
                _ = self.growth.changed() => {}
                () = sleep_until(self.until) => {
                    self.over = true;
                    if let Some(bookmark) = self.bookmark_due() {
                        return Some(bookmark);
                    }
                }
                () = sleep_until(self.bookmark_at), if self.bookmarks => {
                    self.bookmark_at = Instant::now() + self.bookmark_every;
                    if let Some(bookmark) = self.bookmark_due() {
                        return Some(bookmark);
                    }
                }
            }
        }
    }

    /// The changes since the cursor, as lines.
    fn read(&mut self) -> Vec<u8> {
        let server = self.server.clone();
        let mut lines = Vec::new();
        loop {
            let (events, done) = {
                let store = server.store();
                let Some(after) = store.history.after(self.cursor) else {
                    let oldest = store.history.compacted() + 1;
                    self.over = true;
                    line(&mut lines, "ERROR", &ApiError::too_old(self.cursor, oldest).to_status());
                    return lines;
                };
                let events: Vec<Event> = after.take(BATCH).cloned().collect();
                let done = events.len() < BATCH;
                (events, done)
            };
            for event in events {
                self.cursor = event.revision;
                self.tell(&mut lines, &event);
            }
            if done || !lines.is_empty() {
                return lines;
            }
        }
    }

    fn tell(&self, lines: &mut Vec<u8>, event: &Event) {
        if event.kind != self.view.id {
            return;
        }
        let matches = |stored: &crate::store::Stored| self.selector.matches(&stored.meta, &stored.value);
        let before = event.previous.as_deref().is_some_and(matches);
        let after = event.change != ChangeType::Deleted && matches(&event.object);
        let change = match (before, after) {
            (false, false) => return,
            (false, true) => ChangeType::Added,
            (true, true) => ChangeType::Modified,
            (true, false) => ChangeType::Deleted,
        };
        let mut shown = self.shape.show(&self.view, &event.object);
        if let (ChangeType::Deleted, ChangeType::Modified, Some(previous)) = (change, event.change, &event.previous) {
            // It left the selection: the last state that was in it, under the version in which it left.
            shown = self.shape.show(&self.view, previous);
            if let Some(meta) = Arc::make_mut(&mut shown)
                .get_mut("metadata")
                .and_then(Value::as_object_mut)
            {
                meta.insert("resourceVersion".into(), event.revision.to_string().into());
            }
        }
        line(lines, change.as_str(), &shown);
    }

    fn bookmark_due(&mut self) -> Option<Bytes> {
        if !self.bookmarks || self.marked == self.cursor {
            return None;
        }
        let mut lines = Vec::new();
        self.bookmark(&mut lines, false);
        Some(lines.into())
    }

    fn bookmark(&mut self, lines: &mut Vec<u8>, end_of_initial: bool) {
        self.marked = self.cursor;
        let (api_version, kind) = match self.shape {
            Shape::Full => (self.view.api_version(), self.view.kind.kind.as_str()),
            Shape::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata"),
        };
        let mut metadata = json!({"resourceVersion": self.cursor.to_string()});
        if let (Some(map), true) = (metadata.as_object_mut(), end_of_initial) {
            map.insert("annotations".into(), json!({"k8s.io/initial-events-end": "true"}));
        }
        line(
            lines,
            "BOOKMARK",
            &json!({"kind": kind, "apiVersion": api_version, "metadata": metadata}),
        );
    }
}

fn line(lines: &mut Vec<u8>, kind: &str, object: &Value) {
    lines.extend_from_slice(b"{\"type\":\"");
    lines.extend_from_slice(kind.as_bytes());
    lines.extend_from_slice(b"\",\"object\":");
    lines.extend_from_slice(&encode(object));
    lines.extend_from_slice(b"}\n");
}
