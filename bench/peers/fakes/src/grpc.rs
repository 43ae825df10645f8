//! The orders over bare h2: every call has the same reply.

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::SendResponse;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::route::{Service, asked};

/// The message as gRPC frames it.
pub fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
}

pub async fn serve(stream: TcpStream, reply: Bytes) {
    // Whoever hangs up is done.
    let _ = calls(stream, reply).await;
}

async fn calls(stream: TcpStream, reply: Bytes) -> Result<(), h2::Error> {
    let _ = stream.set_nodelay(true);
    let mut connection = h2::server::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        .max_concurrent_streams(1024)
        .max_pending_accept_reset_streams(1 << 16)
        .handshake::<_, Bytes>(stream)
        .await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        spawn_local(answer(request, respond, reply.clone()));
    }
    Ok(())
}

async fn answer(request: http::Request<h2::RecvStream>, mut respond: SendResponse<Bytes>, reply: Bytes) {
    let is_known = request.uri().path() == "/orders.v1.OrderService/ListOrders";
    let mut body = request.into_body();
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
    }
    asked(Service::Orders, 0).await;
    let mut head = http::Response::new(());
    head.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    if is_known {
        let _ = stream.send_data(reply, false);
    }
    let status = http::HeaderValue::from_static(if is_known { "0" } else { "12" });
    let _ = stream.send_trailers(http::HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), status)]));
}
