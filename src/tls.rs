//! The one TLS stack: rustls, with ring for its cryptography.
//!
//! reqwest is built without a cryptography of its own and panics on its first client unless the process has chosen
//! one. So whoever is about to make a client calls [`install`] first; a service that never speaks TLS loads nothing.

use std::{error::Error, io, iter};

use rustls::CertificateError;

/// Chooses ring for this process. The first call counts, later ones cost a look.
pub fn install() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error says that another thread came first, with the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// What is wrong with a host's certificate, if that is why `error` happened; fits after "could not reach it: ".
pub fn refusal(error: &(dyn Error + 'static)) -> Option<String> {
    let why = iter::successors(Some(error), |error| within(*error)).find_map(|error| match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(why)) => Some(why),
        _ => None,
    })?;
    Some(match why {
        CertificateError::UnknownIssuer => {
            "its certificate is from an authority that this machine does not trust; add \
                                            the authority to the system's, or name its file in SSL_CERT_FILE"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        other => format!("its certificate is refused: {other}"),
    })
}

/// The error within an error. An I/O error that wraps another passes it over in its own `source`.
fn within<'error>(error: &'error (dyn Error + 'static)) -> Option<&'error (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_made_after_any_number_of_calls() {
        install();
        install();
        assert!(reqwest::Client::builder().build().is_ok());
    }

    #[test]
    fn a_refused_certificate_is_found_however_deep() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::other(refused));
        assert!(refusal(&wrapped).is_some_and(|why| why.contains("SSL_CERT_FILE")));
        assert_eq!(refusal(&io::Error::other("something else")), None);
    }
}
