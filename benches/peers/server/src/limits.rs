//! As little as there can be: one answer to every request.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warp::Filter;

use crate::BODY;

/// Longest request that the raw responder reads.
const REQUEST_BYTES_MAX: usize = 4_096;

/// warp with one route, served by warp itself.
pub async fn warp(listener: TcpListener) {
    let route = warp::path("sessions")
        .map(|| warp::reply::with_header(BODY, "content-type", "application/json"));
    warp::serve(route).incoming(listener).run().await;
}

/// hyper without a router.
pub async fn hyper(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.set_nodelay(true);
        let service = service_fn(|_| async {
            let answer = hyper::Response::builder()
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from_static(BODY.as_bytes())));
            Ok::<_, Infallible>(answer.expect("it is well formed"))
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

/// A socket that answers whenever a request has ended.
pub async fn raw(listener: TcpListener) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let answer: &'static str = answer.leak();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.set_nodelay(true);
        tokio::spawn(respond(stream, answer));
    }
}

async fn respond(mut stream: TcpStream, answer: &str) {
    let mut request = [0; REQUEST_BYTES_MAX];
    let mut length = 0;
    loop {
        match stream.read(&mut request[length..]).await {
            Ok(0) | Err(_) => return,
            Ok(read) => length += read,
        }
        if request[..length].ends_with(b"\r\n\r\n") {
            length = 0;
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
