//! Which certificates are trusted: the system's, and those that a grant adds.

use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::{
    error::EgressError,
    grants::{Grants, Trust},
};

/// A client's side of TLS for this trust.
pub(super) fn config(trust: &Trust, grants: &Grants) -> Result<ClientConfig, EgressError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: &dyn std::fmt::Display| EgressError::Host(format!("TLS cannot be set up: {error}"));
    let verifier: Arc<dyn ServerCertVerifier> = if trust.insecure {
        Arc::new(WithoutChain {
            algorithms: provider.signature_verification_algorithms,
            verdict: Ok(()),
        })
    } else {
        verifier(trust, grants, &provider).map_err(|error| failed(&error))?
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn verifier(
    trust: &Trust,
    grants: &Grants,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, rustls::client::VerifierBuilderError> {
    let mut roots = system_roots();
    if !trust.authorities.is_empty() || roots.is_empty() {
        let store = Arc::make_mut(&mut roots);
        let extra = trust.authorities.iter().flat_map(|index| grants.authority(*index));
        // Checked when the grant was read.
        store.add_parsable_certificates(extra.cloned());
    }
    if roots.is_empty() {
        // A machine without certificates trusts nobody; the builder would refuse, and say less.
        return Ok(Arc::new(WithoutChain {
            algorithms: provider.signature_verification_algorithms,
            verdict: Err(NO_AUTHORITIES),
        }));
    }
    Ok(WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build()?)
}

/// The system's certificates, read once: an image's do not change under a running process.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS
        .get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a system certificate cannot be read");
            }
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(found.certs);
            Arc::new(store)
        })
        .clone()
}

/// Looks at no chain of certificates, only at whether the server has the key of its own.
#[derive(Debug)]
struct WithoutChain {
    algorithms: WebPkiSupportedAlgorithms,
    /// What is said of every certificate.
    verdict: Result<(), &'static str>,
}

/// Where the system has no certificates.
const NO_AUTHORITIES: &str = "this machine has no CA certificates; install them, or give the grant a `ca`";

impl ServerCertVerifier for WithoutChain {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.verdict {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(cause) => Err(rustls::Error::General(cause.into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
