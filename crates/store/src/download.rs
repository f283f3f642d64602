//! Getting bytes from a web server that may be slow, broken, or not the one it seems.

use std::{error::Error, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use http::{
    HeaderMap, StatusCode,
    header::{ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER},
};
use reqwest::{Certificate, Client, Response, redirect};
use rollcage_api::GoDuration;
use rollcage_core::{FaultKind, Phase};
use tokio::{sync::watch, time};
use url::Url;

use crate::{
    config::{StoreConfig, StoreError},
    disk::{Disk, Writing},
    location::shown,
    problem::{Problem, first_cause},
    work::{Stage, Transfer, blocking},
};

/// As many redirects as browsers and Go's client follow.
const MAX_REDIRECTS: usize = 10;
/// Chunks are gathered to this size before they go to the disk's thread.
const GATHERED: usize = 256 << 10;
/// Longest entity tag that is kept.
const MAX_ETAG: usize = 1024;
/// Longest time that one download waits because a server wants it to.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// What to get.
#[derive(Debug)]
pub(crate) struct Order {
    pub url: Url,
    /// For the host in `url` alone.
    pub headers: HeaderMap,
    /// Of the bytes that are here already.
    pub etag: Option<String>,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Bytes, not yet checked.
    Bytes {
        /// Where they are.
        writing: Writing,
        /// The server's tag for them.
        etag: Option<String>,
    },
    /// Those that are here already.
    Unchanged,
}

/// A client with the store's time-outs.
#[derive(Debug)]
pub(crate) struct Downloader {
    client: Client,
    config: StoreConfig,
    disk: Arc<Disk>,
}

impl Downloader {
    pub(crate) fn new(config: StoreConfig, disk: Arc<Disk>) -> Result<Self, StoreError> {
        // Whoever came first has installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let extra = if config.extra_ca.is_empty() {
            Vec::new()
        } else {
            Certificate::from_pem_bundle(&config.extra_ca).map_err(StoreError::ExtraCa)?
        };
        let builder = || {
            let builder = Client::builder()
                .user_agent(concat!("rollcage/", env!("CARGO_PKG_VERSION")))
                // Followed here, where headers can be kept from other hosts.
                .redirect(redirect::Policy::none())
                .connect_timeout(config.connect_timeout)
                .read_timeout(config.idle_timeout);
            if config.proxies_from_environment {
                builder
            } else {
                builder.no_proxy()
            }
        };
        let client = builder().tls_certs_merge(extra.clone()).build().or_else(|error| {
            // An image without certificates can still load by plain HTTP.
            tracing::warn!(
                cause = first_cause(&error),
                "no system certificates: https locations will fail"
            );
            builder().tls_certs_only(extra).build().map_err(StoreError::Client)
        })?;
        Ok(Self { client, config, disk })
    }

    /// Gets the bytes, with as many tries as the configuration has.
    pub(crate) async fn download(
        &self,
        order: &Order,
        progress: &watch::Sender<Transfer>,
    ) -> Result<Delivery, Problem> {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.config.first_pause)
            .with_max_delay(self.config.first_pause * 16)
            .with_max_times(self.config.attempts.saturating_sub(1))
            .with_jitter();
        let tries = (|| self.attempt(order, progress))
            .retry(pauses)
            .when(|problem: &Problem| problem.retryable && problem.kind != FaultKind::Storage)
            .adjust(|problem: &Problem, pause| match problem.retry_after {
                // Whoever wants these bytes asks again of his own accord.
                Some(wanted) if wanted > MAX_RETRY_AFTER => None,
                Some(wanted) => pause.map(|pause| pause.max(wanted)),
                None => pause,
            })
            .notify(|problem, pause| {
                tracing::info!(
                    url = shown(&order.url),
                    cause = problem.cause,
                    ?pause,
                    "trying a download again"
                );
            });
        time::timeout(self.config.total_timeout, tries)
            .await
            .unwrap_or_else(|_| {
                let cause = format!(
                    "{} took longer than {} ({} bytes came)",
                    shown(&order.url),
                    GoDuration(self.config.total_timeout),
                    progress.borrow().received
                );
                Err(unreachable(
                    cause,
                    "the server or the network is too slow: try a nearer server",
                ))
            })
    }

    async fn attempt(&self, order: &Order, progress: &watch::Sender<Transfer>) -> Result<Delivery, Problem> {
        let response = self.request(order).await?;
        let from = shown(response.url());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if order.etag.is_some() => return Ok(Delivery::Unchanged),
            status => return Err(unwanted_status(&from, status, retry_after(response.headers()))),
        }
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.filter(|etag| etag.len() <= MAX_ETAG).map(str::to_owned);
        let writing = self.receive(response, &from, progress).await?;
        Ok(Delivery::Bytes { writing, etag })
    }

    /// Asks, and follows redirects: never from https to http, and with the headers only as long as the host is the same.
    async fn request(&self, order: &Order) -> Result<Response, Problem> {
        let mut url = order.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.get(url.clone());
            if is_same_host(&order.url, &url) {
                request = request.headers(order.headers.clone());
            }
            if let Some(etag) = &order.etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            let response = request.send().await.map_err(|error| self.send_problem(&url, error))?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect {
                return Ok(response);
            }
            url = redirect_target(&url, &response)?;
        }
        let cause = format!("{} redirects more than {MAX_REDIRECTS} times", shown(&order.url));
        Err(bad_answer(cause, "name the address at which the redirects end"))
    }

    async fn receive(
        &self,
        mut response: Response,
        from: &str,
        progress: &watch::Sender<Transfer>,
    ) -> Result<Writing, Problem> {
        let total = response.content_length();
        if let Some(total) = total {
            self.check_size(from, total, "announces")?;
        }
        let mut writing = blocking({
            let disk = Arc::clone(&self.disk);
            move || disk.write(total.unwrap_or_default())
        })
        .await?;
        let mut gathered = Vec::new();
        let mut received = 0;
        loop {
            let chunk = response
                .chunk()
                .await
                .map_err(|error| self.body_problem(from, received, total, &error))?;
            let is_last = chunk.is_none();
            if let Some(chunk) = chunk {
                received += chunk.len() as u64;
                self.check_size(from, received, "sends")?;
                gathered.extend_from_slice(&chunk);
            }
            if is_last || gathered.len() >= GATHERED {
                progress.send_replace(Transfer {
                    stage: Stage::Fetching,
                    received,
                    total,
                });
                let bytes = std::mem::take(&mut gathered);
                writing = blocking(move || {
                    writing.append(&bytes)?;
                    Ok(writing)
                })
                .await?;
            }
            if is_last {
                return Ok(writing);
            }
        }
    }

    fn check_size(&self, from: &str, size: u64, verb: &str) -> Result<(), Problem> {
        let max = self.config.max_plugin;
        if size <= max.0 {
            return Ok(());
        }
        let amount = if verb == "announces" {
            format!("{size} bytes")
        } else {
            "more".to_owned()
        };
        let cause = format!("{from} {verb} {amount}, and a plugin has at most {max}");
        Err(Problem::new(
            Phase::Fetch,
            FaultKind::TooLarge,
            cause,
            "check that the location names a plugin",
        ))
    }

    fn send_problem(&self, url: &Url, error: reqwest::Error) -> Problem {
        let from = shown(url);
        let error = error.without_url();
        let cause = first_cause(&error);
        if error.is_timeout() {
            return if error.is_connect() {
                let time = GoDuration(self.config.connect_timeout);
                unreachable(format!("connecting to {from} took longer than {time}"), CHECK_SERVER)
            } else {
                self.idle_problem(&from, 0)
            };
        }
        // A certificate does not become good by itself.
        if cause.contains("certificate") {
            let hint = "trust the server's certificate authority, or use the address that its certificate names";
            let mut problem = unreachable(format!("{from}: {cause}"), hint);
            problem.retryable = false;
            return problem;
        }
        if error.is_builder() || error.is_request() && is_invalid(&error) {
            return bad_answer(
                format!("{from}: {cause}"),
                "check the location and the headers of headersFrom",
            );
        }
        unreachable(format!("{from}: {cause}"), CHECK_SERVER)
    }

    fn body_problem(&self, from: &str, received: u64, total: Option<u64>, error: &reqwest::Error) -> Problem {
        if error.is_timeout() {
            return self.idle_problem(from, received);
        }
        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
        let cause = format!("{from} broke off after {received}{of} bytes: {}", first_cause(error));
        unreachable(cause, CHECK_SERVER)
    }

    fn idle_problem(&self, from: &str, received: u64) -> Problem {
        let time = GoDuration(self.config.idle_timeout);
        unreachable(
            format!("{from} sent nothing for {time} ({received} bytes came)"),
            CHECK_SERVER,
        )
    }
}

const CHECK_SERVER: &str = "check that the server runs and can be reached from here";

fn unreachable(cause: String, hint: &str) -> Problem {
    Problem::new(Phase::Fetch, FaultKind::Unreachable, cause, hint).retryable()
}

fn bad_answer(cause: String, hint: &str) -> Problem {
    Problem::new(Phase::Fetch, FaultKind::BadAnswer, cause, hint)
}

/// Whether hyper refused to send the request at all.
fn is_invalid(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_user) {
            return true;
        }
        source = error.source();
    }
    false
}

/// `Retry-After` in seconds; dates, which servers hardly ever send here, count as absent.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn unwanted_status(from: &str, status: StatusCode, retry_after: Option<Duration>) -> Problem {
    let cause = format!("{from} answers {status}");
    let problem = match status.as_u16() {
        404 | 410 => Problem::new(
            Phase::Fetch,
            FaultKind::NotFound,
            cause,
            "check the location, and that the file was uploaded",
        ),
        401 | 403 | 407 => bad_answer(
            cause,
            "the server wants credentials: put them into a Secret and name it in headersFrom",
        ),
        408 | 425 | 429 | 500.. => bad_answer(cause, "the server has a problem: try again later").retryable(),
        _ => bad_answer(cause, "the location has to answer a GET with status 200 and the bytes"),
    };
    Problem { retry_after, ..problem }
}

/// Where a redirect leads.
fn redirect_target(from: &Url, response: &Response) -> Result<Url, Problem> {
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok());
    let target = target.and_then(|target| from.join(target).ok());
    let hint = "name the address at which the redirects end";
    let Some(target) = target else {
        return Err(bad_answer(format!("{} redirects to no address", shown(from)), hint));
    };
    match (from.scheme(), target.scheme()) {
        (_, "https") | ("http", "http") => Ok(target),
        ("https", "http") => {
            let cause = format!(
                "{} redirects to {}, which is not encrypted",
                shown(from),
                shown(&target)
            );
            Err(bad_answer(
                cause,
                "redirects from https to http are not followed: name an https address",
            ))
        }
        _ => Err(bad_answer(
            format!("{} redirects to {}", shown(from), shown(&target)),
            hint,
        )),
    }
}

/// Whether a redirect stayed where the headers may go: the same scheme, host and port, or https instead of http on the
/// same host with both at their usual ports.
fn is_same_host(start: &Url, now: &Url) -> bool {
    let is_upgrade =
        start.scheme() == "http" && now.scheme() == "https" && start.port().is_none() && now.port().is_none();
    start.host() == now.host()
        && (is_upgrade
            || (start.scheme() == now.scheme() && start.port_or_known_default() == now.port_or_known_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_to_the_same_host_only() {
        let cases = [
            ("https://a/x", "https://a/y", true),
            ("https://a/x", "https://a:443/y", true),
            ("https://a/x", "https://b/x", false),
            ("https://a/x", "https://a:8443/x", false),
            ("https://a/x", "https://a.b/x", false),
            ("http://a/x", "https://a/x", true),
            ("http://a:8080/x", "https://a/x", false),
            ("http://a/x", "https://a:8443/x", false),
        ];
        for (start, now, same) in cases {
            let (start, now): (Url, Url) = (start.parse().unwrap(), now.parse().unwrap());
            assert_eq!(is_same_host(&start, &now), same, "{start} {now}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, retryable) in [
            (500, true),
            (503, true),
            (429, true),
            (404, false),
            (401, false),
            (204, false),
        ] {
            let problem = unwanted_status("http://a/", StatusCode::from_u16(status).unwrap(), None);
            assert_eq!(problem.retryable, retryable, "{status}");
        }
    }
}
