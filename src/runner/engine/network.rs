//! The service's own bridge: builds reach the outside through it, not each other.
//!
//! One for all builds, because the engine needs 130 ms to make one and 210 ms to remove it. What keeps
//! builds apart is `enable_icc=false`, not the number of bridges.

use std::collections::HashMap;

use bollard::{models::NetworkCreateRequest, query_parameters::ListNetworksOptionsBuilder};

use super::{Engine, EngineError, QUICK, SLOW, label, unless_gone};

impl Engine {
    /// The name of our network, which is made if it is not there.
    pub async fn network(&self) -> Result<&str, EngineError> {
        let name = self.inner.network.get_or_try_init(|| async {
            match self.networks().await?.into_iter().next() {
                Some((_, name)) => Ok(name),
                None => self.create_network().await,
            }
        });
        name.await.map(String::as_str)
    }

    /// Removes our networks, except while a container uses them.
    pub async fn remove_networks(&self) -> Result<(), EngineError> {
        for (id, _) in self.networks().await? {
            let removed = self.call("remove a network", SLOW, self.docker()?.remove_network(&id)).await;
            match removed {
                // 403: "has active endpoints". A build that outlives us needs it.
                Err(EngineError::Refused { status: 403, .. }) => {}
                other => unless_gone(other)?,
            }
        }
        Ok(())
    }

    async fn networks(&self) -> Result<Vec<(String, String)>, EngineError> {
        let options = ListNetworksOptionsBuilder::default().filters(&self.own()).build();
        let found = self.call("list networks", QUICK, self.docker()?.list_networks(Some(options))).await?;
        Ok(found.into_iter().filter_map(|network| Some((network.id?, network.name?))).collect())
    }

    async fn create_network(&self) -> Result<String, EngineError> {
        let name = format!("autobuilder-{}", self.inner.instance);
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            options: Some(HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned())])),
            labels: Some(HashMap::from([
                (label::INSTANCE.to_owned(), self.inner.instance.clone()),
                (label::KIND.to_owned(), "network".to_owned()),
            ])),
            ..NetworkCreateRequest::default()
        };
        self.call("make a network", SLOW, self.docker()?.create_network(request)).await?;
        Ok(name)
    }
}
