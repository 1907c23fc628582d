//! One try to bring an artifact to the hub, from where the last one stopped.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::warn;

use super::{
    Inner, Tell, Turn, ZeroHub,
    archive::Contents,
    client::Session,
    error::HubError,
    outgoing::Parcel,
    upload::{human, upload},
};
use crate::{
    model::Artifact,
    publish::{LinkMoved, LinkOrder, PublishError, Published},
};

impl ZeroHub {
    /// Brings the artifact of a build to the hub and moves its link, unless a newer push has it. To be
    /// repeated without harm: an upload that was verified is not made twice.
    pub async fn deliver(
        &self,
        turn: &Turn<'_>,
        order: &LinkOrder,
        tell: &Tell<'_>,
    ) -> Result<Published, PublishError> {
        let mut parcel = self.inner.outgoing.read(order.build)?;
        if parcel.linked {
            return Ok(published(parcel, LinkMoved::Yes));
        }
        // Before it is sent for nothing.
        self.inner.ledger.allows(&parcel.name.link, order)?;
        let mut session = self.inner.client.connect().await?;
        if !parcel.uploaded {
            self.send(&mut session, order, &parcel, tell).await?;
            parcel = self.note(order, Parcel { uploaded: true, ..parcel }).await?;
        }
        turn.succeeded();
        let link = self.link(&session, order, parcel.clone(), tell).await?;
        Ok(published(parcel, link))
    }

    async fn send(
        &self,
        session: &mut Session<'_>,
        order: &LinkOrder,
        parcel: &Parcel,
        tell: &Tell<'_>,
    ) -> Result<(), PublishError> {
        let wanted = &parcel.name.versioned;
        tell(format!("uploading `{wanted}` ({}) to {} as `{}`", human(parcel.size), session.url(), session.username));
        let stored = match self.send_once(session, order, parcel, tell).await {
            Err(PublishError::Hub(HubError::Token { .. })) if session.renew().await? => {
                self.send_once(session, order, parcel, tell).await?
            }
            other => other?,
        };
        if stored != *wanted {
            session.rename(&stored, wanted).await?;
        }
        tell(format!("the hub has all of it: {}", described(&parcel.contents)));
        Ok(())
    }

    /// Under which name the hub has it.
    async fn send_once(
        &self,
        session: &Session<'_>,
        order: &LinkOrder,
        parcel: &Parcel,
        tell: &Tell<'_>,
    ) -> Result<String, PublishError> {
        let (build, known) = (order.build, parcel.clone());
        let file = self.blocking(move |inner| inner.outgoing.open_artifact(build, &known)).await?;
        let reply = upload(session, file, parcel.size, &parcel.name.upload(), tell).await?;
        match reply.stored(session.url(), &parcel.contents) {
            Ok(name) => Ok(name),
            Err((error, left)) => {
                if let Some(name) = left {
                    discard(session, &name).await;
                }
                Err(error.into())
            }
        }
    }

    /// The claim is written first and the link noted last: what a crash leaves between is done again.
    async fn link(
        &self,
        session: &Session<'_>,
        order: &LinkOrder,
        parcel: Parcel,
        tell: &Tell<'_>,
    ) -> Result<LinkMoved, PublishError> {
        let (source, link) = (parcel.name.versioned.clone(), parcel.name.link.clone());
        if let LinkMoved::No { newer } = self.inner.ledger.allows(&link, order)? {
            tell(format!("the link `{link}` stays where the newer push of build {newer} brought it"));
            return Ok(LinkMoved::No { newer });
        }
        let (claimed, claim) = (link.clone(), order.clone());
        self.blocking(move |inner| inner.ledger.claim(&claimed, &claim)).await?;
        if let Err(error) = session.link(&source, &link).await {
            if matches!(error, HubError::Gone(_)) {
                self.note(order, Parcel { uploaded: false, ..parcel }).await?;
            }
            return Err(error.into());
        }
        self.note(order, Parcel { linked: true, ..parcel }).await?;
        tell(format!("the link `{link}` points to it"));
        Ok(LinkMoved::Yes)
    }

    async fn note(&self, order: &LinkOrder, parcel: Parcel) -> Result<Parcel, PublishError> {
        let build = order.build;
        self.blocking(move |inner| inner.outgoing.write(build, &parcel).map(|()| parcel)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Inner) -> Result<T, PublishError> + Send + 'static,
    ) -> Result<T, PublishError> {
        let inner = Arc::clone(&self.inner);
        let done = spawn_blocking(move || act(&inner)).await;
        done.map_err(|error| self.inner.outgoing.failed("work with what goes to the hub")(error.into()))?
    }
}

fn published(parcel: Parcel, link: LinkMoved) -> Published {
    let Parcel { name, size, sha256, .. } = parcel;
    Published { artifact: Artifact { name, size, sha256 }, link }
}

/// Nobody should fetch half a flist. Best effort: the next try replaces it anyway.
async fn discard(session: &Session<'_>, name: &str) {
    if let Err(error) = session.delete(name).await {
        warn!("The hub keeps `{name}`, which it did not store whole: {error}");
    }
}

fn described(contents: &Contents) -> String {
    let Contents { regular, symlink, fullsize, .. } = contents;
    format!("{} files, {} symbolic links, {} unpacked", regular.most, symlink.most, human(fullsize.most))
}
