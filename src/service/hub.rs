//! Opens the hub that the configuration names.

use crate::{
    config::{Config, HubKind},
    publish::{self, DirectoryHub, Hub, PublishError, ZeroHub, zero_hub},
};

/// The hub, with its directories made.
pub(super) fn open(config: &Config) -> Result<Hub, PublishError> {
    let binaries = &config.binary.directory;
    let directory = DirectoryHub::open(&publish::Config {
        directory: config.hub.directory.clone(),
        binary_directory: (!binaries.as_os_str().is_empty()).then(|| binaries.clone()),
    })?;
    match config.hub.kind {
        HubKind::Directory => Ok(Hub::Directory(directory)),
        HubKind::ZeroHub => Ok(Hub::Zero { flists: ZeroHub::open(&settings(config))?, binaries: directory }),
    }
}

fn settings(config: &Config) -> zero_hub::Config {
    let hub = &config.hub;
    zero_hub::Config {
        url: hub.url.clone(),
        user: hub.user.clone(),
        token: hub.token.get().cloned().unwrap_or_default(),
        refresh_url: hub.refresh_url.clone(),
        directory: config.store.directory.join("outgoing"),
    }
}
