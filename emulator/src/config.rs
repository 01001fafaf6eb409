//! `endicott.toml`: what VM had no statement for.
//!
//! Addresses and ports, TLS files, the mail domain. Everything else is VM's own and lives inside the system. Unknown keys
//! are refused with their name, so that a misspelt one is not silently without effect.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

/// The file's name in the system folder.
pub const FILE_NAME: &str = "endicott.toml";

/// What a generated system starts with.
pub const TEMPLATE: &str = include_str!("../templates/endicott.toml");

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// `[listen]`.
    pub listen: Listen,
    /// `[tls]`.
    pub tls: Tls,
    /// `[mail]`.
    pub mail: Mail,
    /// `[system]`.
    pub system: SystemSection,
}

/// `[system]`: identity and time.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SystemSection {
    /// System identifier, 1 to 8 characters.
    pub id: String,
    /// Time zone name of the host's time zone database; the host's own when absent.
    pub timezone: Option<String>,
}

impl Default for SystemSection {
    fn default() -> Self {
        Self { id: "ENDICOTT".into(), timezone: None }
    }
}

/// `[listen]`: one address, a port for each service. 0 is any free port; `false` switches a service off.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Address that all services listen on.
    pub address: IpAddr,
    /// IMAP with STARTTLS.
    pub imap: Port,
    /// IMAP over TLS.
    pub imaps: Port,
    /// SMTP.
    pub smtp: Port,
    /// Mail submission by this system's users.
    pub submission: Port,
    /// LMTP.
    pub lmtp: Port,
    /// TN3270 terminals.
    pub tn3270: Port,
    /// Metrics.
    pub metrics: Port,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            imap: Port::On(1143),
            imaps: Port::On(1993),
            smtp: Port::On(1025),
            submission: Port::On(1587),
            lmtp: Port::Switch(false),
            tn3270: Port::On(3270),
            metrics: Port::Switch(false),
        }
    }
}

/// A port number, or `false` / `"off"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Port {
    /// This port; 0 is any free one.
    On(u16),
    /// `false`: not listened on.
    Switch(bool),
    /// `"off"`.
    Word(Off),
}

/// The word `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Off {
    /// `"off"`.
    Off,
}

/// `[tls]`: PEM files; a self-signed certificate is made when there are none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Private key, PEM.
    pub key: Option<PathBuf>,
    /// Authorities whose certificates clients may show, PEM (AUTHENTICATE EXTERNAL).
    pub client_ca: Option<PathBuf>,
}

/// `[mail]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// Domain of the mail addresses of this system.
    pub domain: String,
}

impl Default for Mail {
    fn default() -> Self {
        Self { domain: "vm.localhost".into() }
    }
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The host's error.
        source: std::io::Error,
    },
    /// Is not what it should be; the text names line and key.
    #[error("{path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and key.
        source: toml::de::Error,
    },
    /// A value that makes no sense.
    #[error("{path}: {reason}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Key and reason.
        reason: String,
    },
}

/// Services that exist in this version; the others are accepted in the file and said to be absent.
pub const SERVICES: &[&str] = &["imap", "imaps", "smtp", "submission"];

impl HostConfig {
    /// Reads the file of a system folder; an absent file is all defaults.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and key.
    pub fn load(system: &Path) -> Result<Self, ConfigError> {
        let path = system.join(FILE_NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        let config: Self =
            toml::from_str(&text).map_err(|source| ConfigError::Syntax { path: path.clone(), source })?;
        config.check().map_err(|reason| ConfigError::Value { path, reason })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        cp::name::UserId::new(&self.system.id).map_err(|e| format!("[system] id: {e}"))?;
        let host = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if self.mail.domain.is_empty() || self.mail.domain.len() > 255 || !self.mail.domain.chars().all(host)
        {
            return Err(format!("[mail] domain: '{}' is not a domain name", self.mail.domain));
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            return Err("[tls]: certificate and key go together".into());
        }
        for (name, port) in self.ports() {
            if port == Port::Switch(true) {
                return Err(format!("[listen] {name}: give a port number, or false"));
            }
        }
        Ok(())
    }

    fn ports(&self) -> [(&'static str, Port); 7] {
        let l = &self.listen;
        [
            ("imap", l.imap),
            ("imaps", l.imaps),
            ("smtp", l.smtp),
            ("submission", l.submission),
            ("lmtp", l.lmtp),
            ("tn3270", l.tn3270),
            ("metrics", l.metrics),
        ]
    }

    /// Name and address of every service that is on and exists.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.ports()
            .into_iter()
            .filter(|(name, _)| SERVICES.contains(name))
            .filter_map(|(name, port)| match port {
                Port::On(number) => Some((name.to_owned(), SocketAddr::new(self.listen.address, number))),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_the_defaults() {
        let config: HostConfig = toml::from_str(TEMPLATE).unwrap();
        config.check().unwrap();
        assert_eq!(config.addresses(), HostConfig::default().addresses());
        assert_eq!(config.addresses()["imap"].to_string(), "127.0.0.1:1143");
    }

    #[test]
    fn switches_and_errors() {
        let config: HostConfig =
            toml::from_str("[listen]\nimap = 0\nsmtp = false\nimaps = \"off\"\n").unwrap();
        let addresses = config.addresses();
        assert_eq!(addresses["imap"].port(), 0);
        assert!(!addresses.contains_key("smtp") && !addresses.contains_key("imaps"));
        assert!(toml::from_str::<HostConfig>("[listen]\nimpa = 1\n").is_err());
        let bad: HostConfig = toml::from_str("[mail]\ndomain = \"a b\"\n").unwrap();
        assert!(bad.check().is_err());
    }
}
