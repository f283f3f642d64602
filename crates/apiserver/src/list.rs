//! Lists: selectors, pages, and the recent past.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    error::{ApiError, field_forbidden, field_not_supported},
    kind::{KindId, View},
    route::Query,
    selector::Selector,
    store::{Key, Store, Stored},
};

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    pub items: Vec<Arc<Stored>>,
    pub revision: u64,
    /// Continues the list; empty at its end.
    pub next: String,
    /// How many follow, where that is known.
    pub remaining: Option<usize>,
}

/// What a continue token says.
#[derive(Serialize, Deserialize)]
struct Continue {
    rv: u64,
    namespace: String,
    name: String,
}

/// A token is at most as long as two names and a number.
const LONGEST_TOKEN: usize = 2048;

impl Store {
    /// A page of a list at one version of the store.
    pub(crate) fn list(&self, view: &View, selector: &Selector, query: &Query) -> Result<Page, ApiError> {
        let limit = query.number("limit")?.filter(|&limit| limit > 0);
        let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let asked = query.number("resourceVersion")?;
        let (revision, start) = match query.get("continue") {
            "" => (self.list_version(asked, query)?, None),
            _ if asked.is_some_and(|version| version > 0) => {
                return Err(ApiError::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            token => {
                let token = parse_token(token)?;
                (token.rv, Some(Key::new(&token.namespace, &token.name)))
            }
        };
        let all = self.at(&view.id, &selector.namespace, revision)?;
        let after = all
            .into_iter()
            .filter(|stored| start.as_ref().is_none_or(|start| Key::of(&stored.meta) > *start));
        let mut wanted = after.filter(|stored| selector.matches(&stored.meta, &stored.value));
        let items: Vec<_> = wanted.by_ref().take(limit).collect();
        let more = wanted.count();
        let last = items.last().filter(|_| more > 0);
        let next = last
            .map(|last| write_token(revision, &last.meta.namespace, &last.meta.name))
            .unwrap_or_default();
        Ok(Page {
            items,
            revision,
            next,
            remaining: (more > 0 && !selector.selects()).then_some(more),
        })
    }

    /// Refuses a version that does not exist yet.
    pub(crate) fn check_not_newer(&self, asked: Option<u64>) -> Result<(), ApiError> {
        match asked {
            Some(asked) if asked > self.revision() => Err(ApiError::too_new(asked, self.revision())),
            _ => Ok(()),
        }
    }

    fn list_version(&self, asked: Option<u64>, query: &Query) -> Result<u64, ApiError> {
        self.check_not_newer(asked)?;
        match (query.get("resourceVersionMatch"), asked) {
            ("", Some(version)) if version > 0 && query.has("limit") => Ok(version),
            ("", _) | ("NotOlderThan", Some(_)) => Ok(self.revision()),
            ("Exact", Some(version)) if version > 0 => Ok(version),
            ("Exact" | "NotOlderThan", None) => {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                let cause = field_forbidden("resourceVersionMatch", why);
                Err(ApiError::option("ListOptions", cause))
            }
            ("Exact", _) => {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                let cause = field_forbidden("resourceVersionMatch", why);
                Err(ApiError::option("ListOptions", cause))
            }
            (other, _) => {
                let all = "\"Exact\", \"NotOlderThan\", \"\"";
                let cause = field_not_supported("resourceVersionMatch", &format!("{other:?}"), all);
                Err(ApiError::option("ListOptions", cause))
            }
        }
    }

    /// The objects of a kind as they were: the newest, with the changes since undone.
    fn at(&self, id: &KindId, namespace: &str, revision: u64) -> Result<Vec<Arc<Stored>>, ApiError> {
        if revision >= self.revision() {
            return Ok(self.objects(id, namespace).cloned().collect());
        }
        let since = self.history.after(revision).ok_or_else(ApiError::expired)?;
        let mut then: BTreeMap<Key, Arc<Stored>> = self
            .objects(id, namespace)
            .map(|stored| (Key::of(&stored.meta), stored.clone()))
            .collect();
        for event in since.rev().filter(|event| event.kind == *id) {
            let key = Key::of(&event.object.meta);
            match &event.previous {
                Some(previous) => then.insert(key, previous.clone()),
                None => then.remove(&key),
            };
        }
        Ok(then.into_values().collect())
    }
}

fn write_token(rv: u64, namespace: &str, name: &str) -> String {
    let token = Continue {
        rv,
        namespace: namespace.into(),
        name: name.into(),
    };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn parse_token(token: &str) -> Result<Continue, ApiError> {
    let bytes = (token.len() <= LONGEST_TOKEN)
        .then(|| URL_SAFE_NO_PAD.decode(token).ok())
        .flatten();
    let token = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    token.ok_or_else(|| ApiError::bad_request("continue key is not valid"))
}
