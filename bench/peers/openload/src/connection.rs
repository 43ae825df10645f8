//! One keep-alive connection: HTTP/1.1 on the socket, as much of it as answers need.

use std::io::{self, ErrorKind};

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Connection {
    address: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What the head of an answer says.
struct Head {
    len: usize,
    status: u16,
    body: Body,
    closes: bool,
}

#[derive(Clone, Copy)]
enum Body {
    Length(usize),
    Chunked,
}

impl Connection {
    pub fn new(address: String) -> Self {
        Self { address, stream: None, buffer: Vec::with_capacity(32 << 10) }
    }

    /// The status of the answer, once all of it is here.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        self.buffer.clear();
        stream.write_all(request).await?;
        let head = loop {
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
            self.read(&mut stream).await?;
        };
        while !is_complete(&self.buffer[head.len..], head.body)? {
            self.read(&mut stream).await?;
        }
        if !head.closes {
            self.stream = Some(stream);
        }
        Ok(head.status)
    }

    async fn read(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        match stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [EMPTY_HEADER; 64];
    let mut response = Response::new(&mut headers);
    let Status::Complete(len) = response.parse(bytes).map_err(io::Error::other)? else { return Ok(None) };
    let value = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let body = match value("content-length").map(str::parse) {
        Some(Ok(len)) => Body::Length(len),
        Some(Err(_)) => return Err(ErrorKind::InvalidData.into()),
        None if value("transfer-encoding").is_some() => Body::Chunked,
        None => Body::Length(0),
    };
    let closes = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Head { len, status: response.code.unwrap_or(0), body, closes }))
}

fn is_complete(bytes: &[u8], body: Body) -> io::Result<bool> {
    match body {
        Body::Length(len) => Ok(bytes.len() >= len),
        Body::Chunked => has_last_chunk(bytes),
    }
}

fn has_last_chunk(bytes: &[u8]) -> io::Result<bool> {
    let mut at = 0;
    loop {
        let Some(rest) = bytes.get(at..) else { return Ok(false) };
        match httparse::parse_chunk_size(rest).map_err(|_| ErrorKind::InvalidData)? {
            Status::Partial => return Ok(false),
            // No service of the workload sends trailers.
            Status::Complete((size_len, 0)) => return Ok(rest.len() >= size_len + 2),
            Status::Complete((size_len, len)) => at += size_len + len as usize + 2,
        }
    }
}
