//! The WebSocket echo of tokio-tungstenite, as its user would write it, on one pinned thread.

use std::io::{self, Read};

use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use super::child::{self, Transport};

/// Serves until standard input closes.
pub(crate) fn serve(core: usize) -> io::Result<()> {
    child::pin(core);
    let socket = child::listen(Transport::Tcp, 0)?;
    socket.set_nonblocking(true)?;
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::abort();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(socket.into())?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(echo(stream));
        }
    })
}

async fn echo(stream: TcpStream) {
    use futures_util::{SinkExt, StreamExt};
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        let answered = match message {
            Message::Text(_) | Message::Binary(_) => socket.send(message).await,
            Message::Close(_) => return,
            _ => Ok(()),
        };
        if answered.is_err() {
            return;
        }
    }
}
