//! A reader of the websocket as 0-autobuilder's were: it knows `event` and `payload`, and passes over
//! events that it does not know.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Reader {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Reader {
    pub async fn connect(address: &str) -> Self {
        Self { socket: connect_async(address).await.unwrap().0 }
    }

    /// Connects as a page of this origin would; the code of the refusal if it is one.
    pub async fn from_page(address: &str, origin: &str) -> Result<Self, u16> {
        let mut request = address.into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// The next event; `None` when the other side has closed.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        let reading = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let mut message: Value = serde_json::from_str(&text).unwrap();
                        return Some((message["event"].as_str().unwrap().to_owned(), message["payload"].take()));
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(_)) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("nothing came")
    }

    /// The payload of the next event of that name that is as wanted.
    pub async fn until(&mut self, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (name, payload) = self.next().await.expect("the websocket stays open");
            if name == event && wanted(&payload) {
                return payload;
            }
        }
    }

    /// The two pictures that everybody is greeted with.
    pub async fn greeting(&mut self) -> (Value, Value) {
        let (first, history) = self.next().await.unwrap();
        let (second, status) = self.next().await.unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("history", "status"));
        (history, status)
    }
}
