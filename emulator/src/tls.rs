//! TLS material: the administrator's files, or a self-signed certificate for loopback that is made once. Files that change are
//! put in force while the system runs.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cms::network::HostNetwork;
use parking_lot::Mutex;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::HostConfig;

/// Time between two looks at the certificate files.
const LOOK_EVERY: Duration = Duration::from_secs(10);

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
    if chain.is_empty() {
        return Err(content(&certificate, "there is no certificate in it".into()));
    }
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

/// What the files hold, one after the other.
type Contents = Vec<Vec<u8>>;

/// The files of a configuration, and what they held when they were put in force.
pub struct Files {
    system: PathBuf,
    config: HostConfig,
    in_force: Mutex<Option<Contents>>,
}

impl Files {
    /// The files of a system folder, which are in force as they are now.
    pub fn new(system: &Path, config: &HostConfig) -> Self {
        let files = Self { system: system.to_owned(), config: config.clone(), in_force: Mutex::default() };
        *files.in_force.lock() = files.contents().ok();
        files
    }

    fn contents(&self) -> io::Result<Contents> {
        let tls = &self.config.tls;
        let own = |name: &str| self.system.join("tls").join(name);
        let (certificate, key) = match (&tls.certificate, &tls.key) {
            (Some(c), Some(k)) => (self.system.join(c), self.system.join(k)),
            _ => (own("certificate.pem"), own("key.pem")),
        };
        let authorities = tls.client_ca.as_ref().map(|a| self.system.join(a));
        [Some(certificate), Some(key), authorities].into_iter().flatten().map(fs::read).collect()
    }

    /// The configuration that the files make, when they are not those in force.
    ///
    /// # Errors
    /// [`TlsError`] with the file.
    pub fn look(&self) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        let mut in_force = self.in_force.lock();
        let before = self.contents().ok();
        if before.is_some() && *in_force == before {
            return Ok(None);
        }
        let loaded = load(&self.system, &self.config)?;
        // Files that change between the two are looked at again the next time.
        *in_force = before.or_else(|| self.contents().ok());
        Ok(Some(loaded))
    }
}

/// Looks at the files again and again, for as long as there is the network. What is wrong is told once.
pub async fn watch(network: Weak<HostNetwork>) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(network) = network.upgrade() else { return };
        let Ok(looked) = tokio::task::spawn_blocking(move || network.reload_tls()).await else { return };
        match looked {
            Ok(changed) => {
                told.clear();
                if changed {
                    tracing::warn!("TLS: the certificate files have changed and are in force");
                }
            }
            Err(reason) if reason != told => {
                tracing::error!("TLS: the former certificate stays in force: {reason}");
                told = reason;
            }
            Err(_) => {}
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_change_are_loaded_and_broken_ones_are_not() {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let config = HostConfig::default();
        load(folder.path(), &config).unwrap();
        load(other.path(), &config).unwrap();
        let files = Files::new(folder.path(), &config);
        let copy = |name: &str| {
            let name = Path::new("tls").join(name);
            fs::copy(other.path().join(&name), folder.path().join(&name)).unwrap();
        };
        assert!(files.look().unwrap().is_none());
        // Half of a change: the key is not that of the certificate.
        copy("certificate.pem");
        assert!(files.look().is_err() && files.look().is_err());
        copy("key.pem");
        assert!(files.look().unwrap().is_some());
        assert!(files.look().unwrap().is_none());
        fs::write(folder.path().join("tls/certificate.pem"), "rubbish").unwrap();
        let error = files.look().unwrap_err().to_string();
        assert!(error.contains("certificate.pem"), "{error}");
        copy("certificate.pem");
        assert!(files.look().unwrap().is_none());
    }
}
