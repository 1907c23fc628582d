//! The one TLS stack: rustls, with ring for its cryptography.
//!
//! reqwest is built without a cryptography of its own and panics on its first client unless the process has chosen
//! one. So whoever is about to make a client calls [`install`] first; a service that never speaks TLS loads nothing.

/// Chooses ring for this process. The first call counts, later ones cost a look.
pub fn install() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error says that another thread came first, with the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
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
}
