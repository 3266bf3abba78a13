//! TLS towards the broker: the operator's PEM files become one rustls configuration, checked at the start.

use super::MqttError;
use crate::config::Tls;
use rumqttc_v5::TlsConfiguration;
use rumqttc_v5::tokio_rustls::rustls::pki_types::pem::PemObject;
use rumqttc_v5::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rumqttc_v5::tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The system's authorities, as Debian and Ubuntu (and so JetPack) keep them.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Reads every file that `tls` names.
pub(super) fn configuration(tls: &Tls) -> Result<TlsConfiguration, MqttError> {
    let ca = tls.ca_file.clone().unwrap_or_else(|| PathBuf::from(SYSTEM_BUNDLE));
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&ca)?);
    if roots.is_empty() {
        return Err(wrong(&ca, "holds no certificate that can be used"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&ca, &error.to_string()))?
        .with_root_certificates(roots);
    let config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| wrong(key, "holds no private key"))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, private)
                .map_err(|error| wrong(certificate, &error.to_string()))?
        }
    };
    Ok(TlsConfiguration::Rustls(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, MqttError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?).filter_map(Result::ok).collect();
    if found.is_empty() { Err(wrong(file, "holds no certificate")) } else { Ok(found) }
}

fn read(file: &Path) -> Result<Vec<u8>, MqttError> {
    std::fs::read(file).map_err(|error| wrong(file, &error.to_string()))
}

fn wrong(file: &Path, what: &str) -> MqttError {
    MqttError::File { file: file.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_certificate_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "not a certificate").expect("writes");
        let error = configuration(&Tls { ca_file: Some(file.clone()), client: None }).expect_err("refused");
        assert_eq!(error.to_string(), format!("mqtt {}: holds no certificate; give a PEM file", file.display()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = configuration(&Tls { ca_file: Some("/nowhere/ca.pem".into()), client: None }).expect_err("refused");
        assert_eq!(error.to_string(), "mqtt /nowhere/ca.pem: No such file or directory (os error 2); give a PEM file");
    }
}
