//! Asks a server on this machine how it is: the health check of an image without shell or curl.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("http://{address}{path}: no answer")]
    Unreachable { address: SocketAddr, path: &'static str, source: io::Error },
    #[error("http://{address}{path}: answered `{status}`")]
    Unwell { address: SocketAddr, path: &'static str, status: String },
}

const PATIENCE: Duration = Duration::from_secs(3);
/// Enough for a status line.
const HEAD_BYTES: usize = 64;

/// Succeeds if a GET is answered with 200. The address a server listens on will do, 0.0.0.0 included.
pub async fn probe(address: SocketAddr, path: &'static str, token: Option<&str>) -> Result<(), ProbeError> {
    let asking = async { timeout(PATIENCE, status(address, path, token)).await? };
    let status = asking.await.map_err(|source| ProbeError::Unreachable { address, path, source })?;
    if status.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(ProbeError::Unwell { address, path, status }) }
}

async fn status(address: SocketAddr, path: &str, token: Option<&str>) -> io::Result<String> {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{authorization}connection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::with_capacity(HEAD_BYTES);
    stream.take(HEAD_BYTES as u64).read_to_end(&mut head).await?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.lines().next().unwrap_or_default().to_owned())
}
