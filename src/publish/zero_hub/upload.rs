//! Sends an archive as one multipart field, from the open file, and watches that it moves.
//!
//! There is no limit on the whole, which may be large and the line slow; but a line on which nothing
//! moves any more is given up, and so is a hub that never answers.

use std::{fs::File, pin::pin, time::Duration};

use futures_util::TryStreamExt;
use reqwest::{
    Body, Method,
    header::HeaderValue,
    multipart::{Form, Part},
};
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::io::ReaderStream;

use super::{
    Tell,
    client::{self, Session},
    error::HubError,
    reply::Reply,
};

const CHUNK: usize = 128 * 1024;

/// How long nothing may move while we send.
const STALLED: Duration = Duration::from_secs(120);

/// How long a hub may unpack and store, and so much more for each of these.
const STORING: Duration = Duration::from_secs(600);
const STORING_EACH: u64 = 1 << 20;

/// Between two lines about how far it is.
const LINES: Duration = Duration::from_secs(10);

/// Sends `file` from its beginning. `original` is the name it is to be known by; its name on the way is
/// one that nobody else has, because a hub keeps all that arrive in one folder.
pub(super) async fn upload(
    session: &Session<'_>,
    file: File,
    size: u64,
    original: &str,
    tell: &Tell<'_>,
) -> Result<Reply, HubError> {
    let (sent, progress) = watch::channel(0_u64);
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK)
        .inspect_ok(move |chunk| sent.send_modify(|sent| *sent += chunk.len() as u64));
    let on_the_way = format!("autobuilder-{}.tar.gz", uuid::Uuid::now_v7().simple());
    let part = Part::stream_with_length(Body::wrap_stream(stream), size).file_name(on_the_way);
    let mut request = session.request(Method::POST, "flist/me/upload")?;
    // A header takes plain text only; other names are put right after the upload.
    if original.is_ascii()
        && let Ok(name) = HeaderValue::from_str(original)
    {
        request = request.header("X-Original-Name", name);
    }
    let exchange = async {
        let response = request.multipart(Form::new().part("file", part)).send().await?;
        client::read(response).await
    };
    select! {
        biased;
        reply = exchange => reply.map_err(|error| session.broken(error)),
        silence = watched(progress, size, tell) => Err(silence),
    }
}

/// Tells how far it is, and returns when nothing moves any more.
async fn watched(mut progress: watch::Receiver<u64>, size: u64, tell: &Tell<'_>) -> HubError {
    let mut told = Instant::now();
    let mut deadline = Instant::now() + STALLED;
    let mut sending = true;
    loop {
        let mut silence = pin!(sleep_until(deadline));
        select! {
            changed = progress.changed(), if sending => {
                let sent = *progress.borrow_and_update();
                sending = changed.is_ok() && sent < size;
                let storing = STORING + Duration::from_secs(size / STORING_EACH);
                deadline = Instant::now() + if sending { STALLED } else { storing };
                if told.elapsed() >= LINES {
                    told = Instant::now();
                    tell(format!("uploaded {} of {}", human(sent), human(size)));
                }
            }
            () = &mut silence => {
                let seconds = if sending { STALLED } else { STORING }.as_secs();
                let what = if sending { "takes nothing more of the upload" } else { "does not answer to the upload" };
                return HubError::Silent(format!("{what}: nothing moved for {seconds} s and more"));
            }
        }
    }
}

/// `4.1 MiB`.
pub(super) fn human(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit < units.len() - 1 {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", units[unit]) }
}
