//! From an HTTP request to its answer.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response, header, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    delete::{DeleteOptions, Deleted},
    discovery,
    error::{ApiError, Details, field_forbidden, field_not_supported, field_required},
    hook::{Disturbance, RequestRecord},
    kind::View,
    object::read,
    patch::Patch,
    reply::{ResponseBody, Shape, encode, json as answer, refuse, respond},
    route::{Query, ResourcePath, Route, Verb},
    selector::Selector,
    server::ApiServer,
    store::{Store, Stored},
    watching::Watch,
    write::{Target, WriteOptions},
};

/// Content type of server-side apply. The body is read as JSON, which is YAML, and is what clients send.
const APPLY: &str = "application/apply-patch+yaml";

type Answer = Result<Response<ResponseBody>, ApiError>;

/// Answers one request. Refusals are answers too.
pub(crate) async fn handle<B>(server: Arc<ApiServer>, request: Request<B>) -> Response<ResponseBody>
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let answered = match receive(&server, body).await {
        Ok(body) => disturbed(&server, &parts, &body).await,
        Err(error) => Err(error),
    };
    answered.unwrap_or_else(|error| refuse(&error))
}

/// Answers a request as it is, unless a test asked for something else.
async fn disturbed(server: &Arc<ApiServer>, parts: &Parts, body: &Bytes) -> Answer {
    let path = match Route::parse(&parts.uri)? {
        Route::Resource(path) => path,
        Route::Other(path) => return other(server, parts, &path),
    };
    let query = Query::parse(&parts.uri)?;
    let verb = Verb::of(&parts.method, &path, &query)?;
    let mut lost = None;
    let mut refused = None;
    for disturbance in server.hooks.disturbances(verb, &path) {
        match disturbance {
            Disturbance::Delay(time) => tokio::time::sleep(time).await,
            Disturbance::Refuse(error) => refused = Some(error),
            Disturbance::LoseAnswer(error) => lost = Some(error),
        }
    }
    let answered = match refused {
        Some(error) => Err(error),
        None => dispatch(server, parts, &path, &query, verb, body),
    };
    let answered = lost.map_or(answered, Err);
    let code = answered
        .as_ref()
        .map_or_else(|error| error.code, |response| response.status().as_u16());
    server.hooks.record(|| RequestRecord {
        verb,
        uri: parts.uri.to_string(),
        content_type: text(&parts.headers, header::CONTENT_TYPE).into(),
        user_agent: text(&parts.headers, header::USER_AGENT).into(),
        body: body.clone(),
        code,
    });
    answered
}

async fn receive<B>(server: &ApiServer, body: B) -> Result<Bytes, ApiError>
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (most, time) = {
        let store = server.store();
        (store.limits.request, store.limits.body_time)
    };
    match timeout(time, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(format!(
            "Request entity too large: limit is {most}"
        ))),
        Ok(Err(error)) => Err(ApiError::bad_request(format!(
            "the body of the request cannot be read: {error}"
        ))),
        Err(_) => Err(ApiError::new(408, "the body of the request did not come in time")),
    }
}

fn dispatch(
    server: &Arc<ApiServer>,
    parts: &Parts,
    path: &ResourcePath,
    query: &Query,
    verb: Verb,
    body: &Bytes,
) -> Answer {
    let shape = Shape::negotiate(text(&parts.headers, header::ACCEPT))?;
    let mut store = server.store();
    let target = locate(&store, path)?;
    let call = Call {
        server,
        parts,
        query,
        target,
        shape,
    };
    match verb {
        Verb::Get => call.get(&store),
        Verb::List => call.list(&store),
        Verb::Watch => call.watch(&store),
        Verb::Create | Verb::Update | Verb::Patch => call.write(&mut store, verb, body),
        Verb::Delete => call.delete(&mut store, body),
        Verb::DeleteCollection => call.delete_collection(&mut store, body),
    }
}

fn other(server: &ApiServer, parts: &Parts, path: &[String]) -> Answer {
    if parts.method != http::Method::GET {
        return Err(ApiError::method_not_allowed());
    }
    if let ["healthz" | "livez" | "readyz", ..] = path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        let mut ok = answer(200, Bytes::from_static(b"ok"));
        ok.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        return Ok(ok);
    }
    Shape::negotiate(text(&parts.headers, header::ACCEPT))?;
    discovery::answer(&server.store().kinds, path).map(|value| answer(200, encode(&value)))
}

/// The kind behind a path, and whether the path fits it.
fn locate(store: &Store, path: &ResourcePath) -> Result<Target, ApiError> {
    let view = store
        .kinds
        .by_path(&path.group, &path.version, &path.plural)
        .ok_or_else(ApiError::no_route)?;
    let in_namespace = !path.namespace.is_empty();
    if in_namespace != view.kind.namespaced && (in_namespace || !path.name.is_empty()) {
        return Err(ApiError::no_route());
    }
    let status = match path.subresource.as_str() {
        "" => false,
        "status" if view.kind.status => true,
        _ if !view.kind.typed => return Err(ApiError::not_found(&view, &path.name)),
        _ => return Err(ApiError::no_route()),
    };
    Ok(Target {
        view,
        namespace: path.namespace.clone(),
        name: path.name.clone(),
        status,
    })
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

struct Call<'a> {
    server: &'a Arc<ApiServer>,
    parts: &'a Parts,
    query: &'a Query,
    target: Target,
    shape: Shape,
}

impl Call<'_> {
    fn view(&self) -> &View {
        &self.target.view
    }

    fn show(&self, code: u16, stored: &Stored) -> Response<ResponseBody> {
        answer(code, encode(&self.shape.show(self.view(), stored)))
    }

    fn get(&self, store: &Store) -> Answer {
        store.check_not_newer(self.query.number("resourceVersion")?)?;
        Ok(self.show(200, store.existing(&self.target)?.as_ref()))
    }

    fn selector(&self) -> Result<Selector, ApiError> {
        let (labels, fields) = (self.query.get("labelSelector"), self.query.get("fieldSelector"));
        let mut selector = Selector::parse(self.view(), &self.target.namespace, labels, fields)?;
        if !self.target.name.is_empty() {
            // A watch of one object.
            selector.require_name(&self.target.name);
        }
        Ok(selector)
    }

    fn list(&self, store: &Store) -> Answer {
        let page = store.list(self.view(), &self.selector()?, self.query)?;
        Ok(answer(200, self.shape.list(self.view(), &page)))
    }

    fn watch(&self, store: &Store) -> Answer {
        let (view, selector) = (self.view().clone(), self.selector()?);
        let watch = Watch::start(self.server, store, view, selector, self.shape, self.query)?;
        Ok(respond(200, watch.into_body()))
    }

    fn write(&self, store: &mut Store, verb: Verb, body: &Bytes) -> Answer {
        let content_type = text(&self.parts.headers, header::CONTENT_TYPE)
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let options = self.write_options(verb)?;
        if content_type == APPLY && verb == Verb::Patch {
            if self.query.get("fieldManager").is_empty() {
                let cause = field_required("fieldManager", "is required for apply patch");
                return Err(ApiError::option("PatchOptions", cause));
            }
            let (stored, made) = store.apply(&self.target, &options, decode(body)?)?;
            return Ok(self.show(if made { 201 } else { 200 }, &stored));
        }
        if verb == Verb::Patch {
            if self.query.has("force") {
                let cause = field_forbidden("force", "may not be specified for non-apply patch");
                return Err(ApiError::option("PatchOptions", cause));
            }
            if !Patch::is_known(content_type) {
                return Err(ApiError::generic(415, "415: Unsupported Media Type"));
            }
            let patch = Patch::parse(self.view(), content_type, decode(body)?)?;
            let stored = store.patch(&self.target, &options, &patch)?;
            return Ok(self.show(200, &stored));
        }
        if !matches!(content_type, "" | "application/json") {
            let why =
                "the body of the request was in an unknown format - accepted media types include: application/json";
            return Err(ApiError::new(415, why));
        }
        let value = decode(body)?;
        match verb {
            Verb::Create if self.target.namespace.is_empty() && self.view().kind.namespaced => {
                Err(ApiError::method_not_allowed())
            }
            Verb::Create => Ok(self.show(201, store.create(&self.target, &options, value)?.as_ref())),
            _ => Ok(self.show(200, store.replace(&self.target, &options, value)?.as_ref())),
        }
    }

    fn write_options(&self, verb: Verb) -> Result<WriteOptions, ApiError> {
        let dry_run = match self.query.get("dryRun") {
            "" => false,
            "All" => true,
            other => {
                let options = match verb {
                    Verb::Create => "CreateOptions",
                    Verb::Update => "UpdateOptions",
                    _ => "PatchOptions",
                };
                let cause = field_not_supported("dryRun", &format!("[{other:?}]"), "\"All\"");
                return Err(ApiError::option(options, cause));
            }
        };
        let manager = match self.query.get("fieldManager") {
            "" => text(&self.parts.headers, header::USER_AGENT)
                .split('/')
                .next()
                .unwrap_or_default(),
            manager => manager,
        };
        if manager.chars().count() > 128 || manager.chars().any(char::is_control) {
            return Err(ApiError::bad_request(
                "fieldManager must be at most 128 printable characters",
            ));
        }
        let manager = if manager.is_empty() { "unknown" } else { manager };
        Ok(WriteOptions {
            manager: manager.into(),
            dry_run,
            force: self.query.is("force"),
        })
    }

    fn delete_options(&self, body: &Bytes) -> Result<DeleteOptions, ApiError> {
        let mut options: DeleteOptions = if body.is_empty() {
            DeleteOptions::default()
        } else {
            read(decode(body)?, "DeleteOptions")?
        };
        if options.propagation_policy.is_none() && self.query.has("propagationPolicy") {
            options.propagation_policy = Some(self.query.get("propagationPolicy").into());
        }
        if self.query.has("dryRun") {
            options
                .dry_run
                .get_or_insert_default()
                .push(self.query.get("dryRun").into());
        }
        Ok(options)
    }

    fn delete(&self, store: &mut Store, body: &Bytes) -> Answer {
        if self.target.status {
            return Err(ApiError::method_not_allowed());
        }
        match store.delete(&self.target, &self.delete_options(body)?)? {
            Deleted::Held(stored) => Ok(self.show(200, &stored)),
            Deleted::Gone(stored) => {
                let details = Details {
                    name: stored.meta.name.clone(),
                    group: self.view().group.clone(),
                    kind: self.view().kind.plural.clone(),
                    uid: stored.meta.uid.clone(),
                    ..Details::default()
                };
                let status = json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
                });
                Ok(answer(200, encode(&status)))
            }
        }
    }

    fn delete_collection(&self, store: &mut Store, body: &Bytes) -> Answer {
        if self.target.namespace.is_empty() && self.view().kind.namespaced {
            return Err(ApiError::method_not_allowed());
        }
        let options = self.delete_options(body)?;
        let page = store.list(self.view(), &self.selector()?, &Query::default())?;
        for stored in &page.items {
            let target = Target {
                name: stored.meta.name.clone(),
                ..self.target.clone()
            };
            match store.delete(&target, &options) {
                // Deleting one may have deleted others.
                Err(error) if error.code != 404 => return Err(error),
                _ => {}
            }
        }
        Ok(answer(200, self.shape.list(self.view(), &page)))
    }
}

fn decode(body: &Bytes) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the body of the request is not JSON: {error}")))
}
