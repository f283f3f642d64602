//! Secrets of a run's own namespace, read anew in every pass that asks somebody.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rollcage_api::analysis::Argument;
use rollcage_core::analysis::{ResolveError, SecretData, secret_names};

/// Why a run's arguments are not known.
#[derive(Debug)]
pub(super) enum Unread {
    /// Trying again does not help: the run ends.
    Invalid(ResolveError),
    /// The API server does not answer now.
    NotNow { secret: String, source: kube::Error },
}

impl From<ResolveError> for Unread {
    fn from(error: ResolveError) -> Self {
        Self::Invalid(error)
    }
}

/// The Secrets that the arguments need; those that do not exist are left out.
pub(super) async fn read(
    client: &Client,
    namespace: &str,
    arguments: &[Argument],
) -> Result<BTreeMap<String, SecretData>, Unread> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let mut secrets = BTreeMap::new();
    for name in secret_names(arguments) {
        let secret = match api.get_opt(name).await {
            Ok(None) => continue,
            Ok(Some(secret)) => secret,
            Err(kube::Error::Api(status)) if matches!(status.code, 400..=428 | 431..=499) => {
                return Err(ResolveError::Refused(status.message).into());
            }
            Err(source) => {
                return Err(Unread::NotNow {
                    secret: name.to_owned(),
                    source,
                });
            }
        };
        let data = secret.data.unwrap_or_default();
        let data = data.into_iter().map(|(key, value)| (key, value.0)).collect();
        secrets.insert(name.to_owned(), data);
    }
    Ok(secrets)
}
