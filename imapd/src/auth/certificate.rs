//! Whom a client certificate stands for.
//!
//! The certificate has been verified by TLS against the configured authority. Its names are, in this order: mail addresses
//! of the subject's alternative names, then common names of the subject.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Most names taken from one certificate.
const MAX_NAMES: usize = 16;

/// The login names in a certificate; none when it cannot be read.
pub fn names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let mut names = Vec::new();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::RFC822Name(address) => Some((*address).to_owned()),
            _ => None,
        }));
    }
    let common = certificate.subject().iter_common_name();
    names.extend(common.filter_map(|name| name.as_str().ok().map(str::to_owned)));
    names.truncate(MAX_NAMES);
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    #[test]
    fn addresses_before_common_names() {
        let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name("alice@vm.localhost".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "Alice");
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(names(made.der()), ["alice@vm.localhost", "Alice"]);
        assert_eq!(names(&made.der()[1..]), Vec::<String>::new());
    }
}
