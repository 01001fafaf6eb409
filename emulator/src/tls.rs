//! TLS material: the administrator's files, or a self-signed certificate for loopback that is made once.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::HostConfig;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The host's error.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The TLS configuration of a system folder; makes the self-signed certificate when it is missing.
///
/// # Errors
/// [`TlsError`] with the file.
pub fn load(system: &Path, config: &HostConfig) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificate, key) = match (&config.tls.certificate, &config.tls.key) {
        (Some(c), Some(k)) => (system.join(c), system.join(k)),
        _ => self_signed(system, &config.mail.domain)?,
    };
    let content = |path: &Path, reason: String| TlsError::Content { path: path.to_owned(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|e| content(&certificate, e.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|e| content(&key, e.to_string()))?;
    let builder = match &config.tls.client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(authorities) => {
            let path = system.join(authorities);
            let mut roots = RootCertStore::empty();
            let certificates =
                CertificateDer::pem_file_iter(&path).map_err(|e| content(&path, e.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| content(&path, e.to_string()))?;
                roots.add(certificate).map_err(|e| content(&path, e.to_string()))?;
            }
            // A client without a certificate logs on with his password as ever.
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build();
            ServerConfig::builder()
                .with_client_cert_verifier(verifier.map_err(|e| content(&path, e.to_string()))?)
        }
    };
    let config =
        builder.with_single_cert(chain, private).map_err(|e| content(&certificate, e.to_string()))?;
    Ok(Arc::new(config))
}

fn self_signed(system: &Path, domain: &str) -> Result<(PathBuf, PathBuf), TlsError> {
    let folder = system.join("tls");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Io { path, source }
    };
    fs::create_dir_all(&folder).map_err(io(&folder))?;
    let names = ["localhost".to_owned(), domain.to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|e| TlsError::Content { path: certificate.clone(), reason: e.to_string() })?;
    write_private(&key, &made.signing_key.serialize_pem()).map_err(io(&key))?;
    write_private(&certificate, &made.cert.pem()).map_err(io(&certificate))?;
    Ok((certificate, key))
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// The host's error.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
