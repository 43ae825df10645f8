//! HTTP/1.1 with keep-alive: the first line of a request is all that counts.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::route;

pub async fn serve(stream: TcpStream) {
    // Whoever hangs up is done.
    let _ = requests(stream).await;
}

async fn requests(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(8192);
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = buffer.split_to(end);
        let target = head[..].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let (response, service, delay_ms) = route::answer(target);
        if let Some(service) = service {
            route::asked(service, delay_ms).await;
        }
        stream.write_all(&response).await?;
    }
}
