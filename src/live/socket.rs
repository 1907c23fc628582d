//! A viewer at the end of a websocket; the same for both doors.
//!
//! Reading, pings and goodbyes are tungstenite's. Messages are not: its way would copy each one for
//! each viewer and keep the copies of those who stall, while a [`Frame`] is shared by all and goes to
//! the connection as it is. That is sound as long as nothing of tungstenite's waits to be written, so
//! each message is written whole after a flush, and nothing is read meanwhile.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::server::create_response_with_body,
        http::{HeaderMap, Request, Response},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{frame::Frame, viewer::Viewer};

/// The largest message a viewer may send: it has nothing to say but pings and goodbyes.
const LARGEST: usize = 4096;

/// How long a viewer may take for one message.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a viewer is asked whether it is still there, and how long it may stay silent.
const PING: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(45);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What connections are set to. Viewers say little, and buffers are by the thousand.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(LARGEST)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * LARGEST)
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST))
}

/// Answers a request with these headers that asks for a websocket; a sentence if it does not.
pub fn handshake(headers: &HeaderMap) -> Result<Response<()>, String> {
    let mut request = Request::new(());
    headers.clone_into(request.headers_mut());
    create_response_with_body(&request, || ()).map_err(|error| format!("this address is a websocket: {error}"))
}

/// Shows what `viewer` sees to whoever asked for a websocket and was given `connection` for it.
pub async fn show<S>(connection: S, viewer: Viewer)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config())).await;
    forward(socket, viewer).await;
}

/// Sends every message until one side is gone or too slow.
pub(super) async fn forward<S>(mut socket: WebSocketStream<S>, mut viewer: Viewer)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = Instant::now();
    let mut ping = heard + PING;
    let farewell = loop {
        tokio::select! {
            frame = viewer.next() => {
                let Some(frame) = frame else { break CloseCode::Away };
                match timeout(PATIENCE, send(&mut socket, &frame)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => return viewer.cut(),
                }
            }
            said = socket.next() => match said {
                // Whatever it says, it lives; pings were answered already.
                Some(Ok(message)) if !message.is_close() => heard = Instant::now(),
                Some(Ok(_)) | None => break CloseCode::Normal,
                Some(Err(_)) => break CloseCode::Policy,
            },
            () = sleep_until(ping) => {
                if heard.elapsed() > SILENCE {
                    return viewer.cut();
                }
                ping = Instant::now() + PING;
                match timeout(PATIENCE, socket.send(Message::Ping("".into()))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => return viewer.cut(),
                }
            }
        }
    };
    let goodbye = CloseFrame { code: farewell, reason: "".into() };
    // Best effort: the other side may be the reason why we leave.
    let _ = timeout(GOODBYE, socket.close(Some(goodbye))).await;
}

async fn send<S>(socket: &mut WebSocketStream<S>, frame: &Frame) -> Result<(), ()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.flush().await.map_err(drop)?;
    let connection = socket.get_mut();
    connection.write_all(frame.bytes()).await.map_err(drop)?;
    connection.flush().await.map_err(drop)
}
