//! HTTP/2 by hand, for what no library does on purpose.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::grpc_frame;

pub struct Frames(TcpStream);

/// What it is, and of which request.
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
}

const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE_BYTES: usize = 24;
const STATUS_200: u8 = 0x88;

impl Frames {
    /// Shakes hands.
    pub async fn open(stream: TcpStream) -> Option<Self> {
        let mut frames = Self(stream);
        frames.0.read_exact(&mut [0; PREFACE_BYTES]).await.ok()?;
        frames.write(SETTINGS, 0, 0, b"").await;
        Some(frames)
    }

    /// The next frame; None where the connection ends.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, rest @ ..] = head;
        self.0.read_exact(&mut vec![0; u32::from_be_bytes([0, a, b, c]) as usize]).await.ok()?;
        if (kind, flags & ACK) == (SETTINGS, 0) {
            self.write(SETTINGS, ACK, 0, b"").await;
        }
        Some(Frame { kind, stream: u32::from_be_bytes(rest) })
    }

    /// The stream of the next request, whose body is left to `next`.
    pub async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.next().await?;
            if frame.kind == HEADERS {
                return Some(frame.stream);
            }
        }
    }

    pub async fn answer(&mut self, stream: u32, message: &[u8]) {
        self.write(HEADERS, END_HEADERS, stream, &[STATUS_200]).await;
        self.write(DATA, 0, stream, &grpc_frame(message)).await;
        // A literal without an index: the lengths and texts of name and value.
        let trailers = [&[0, 11][..], b"grpc-status", &[1], b"0"].concat();
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await;
    }

    /// Says that no stream after `last` has been looked at, and that none will be.
    pub async fn go_away(&mut self, last: u32) {
        self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await;
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&[a, b, c, kind, flags][..], &stream.to_be_bytes()].concat();
        // The client may be gone.
        let _ = self.0.write_all(&[&head, payload].concat()).await;
    }
}
