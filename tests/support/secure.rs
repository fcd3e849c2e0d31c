//! A place with a certificate, clients that trust it, and an HTTP/2 client that
//! sends any frames at all.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tillgate::server::fingerprint;

use super::{PATIENCE, Place, Server, good};

/// A client's end of a connection.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// The test shop with a certificate of its own in the folder `tls`.
pub fn place() -> Place {
    let place = Place::with_shop();
    good(&place, &["tls", "self-signed", "--out", "tls"]);
    let file = |name: &str| place.path().join("tls").join(name).display().to_string();
    let (certificate, key) = (file("server.pem"), file("server.key"));
    place
        .option("TLS__CERT", &certificate)
        .option("TLS__KEY", &key)
}

/// What clients of a place trust.
pub fn trust(place: &Place) -> PathBuf {
    place.path().join("tls/trust.pem")
}

/// What a client that trusts these files speaks TLS with.
pub fn client(trusted: &[&Path], protocol: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for file in trusted {
        let root = CertificateDer::from_pem_file(file).expect("a certificate");
        roots.add(root).expect("a root");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Arc::new(config)
}

/// A connection whose handshake is complete.
pub fn connect(server: &Server, client: &Arc<ClientConfig>) -> std::io::Result<Stream> {
    let mut socket = TcpStream::connect(&server.address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = ClientConnection::new(Arc::clone(client), name).map_err(std::io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(tls, socket))
}

/// The certificate that a connection was shown.
pub fn shown(stream: &Stream) -> String {
    let chain = stream.conn.peer_certificates().expect("a certificate");
    fingerprint(&chain[0])
}

// Kinds of frames, and flags.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame that the server sent.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// One frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A head, written out in full.
pub fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            let mut left = text.len();
            if left < 127 {
                bytes.push(u8::try_from(left).expect("short"));
            } else {
                bytes.push(127);
                left -= 127;
                while left >= 128 {
                    bytes.push(u8::try_from(left % 128 + 128).expect("a byte"));
                    left /= 128;
                }
                bytes.push(u8::try_from(left).expect("a byte"));
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// The head of a `GET` with one host.
pub fn get(path: &str, host: &str) -> Vec<u8> {
    head(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", host),
        (":path", path),
    ])
}

/// A connection that HTTP/2 is spoken on, frame by frame.
pub struct Http2(pub Stream);

impl Http2 {
    /// Connects and says what a client says first, with these settings.
    pub fn connect(server: &Server, place: &Place, settings: &[u8]) -> Self {
        let client = client(&[&trust(place)], "h2");
        let stream = connect(server, &client).expect("the server answers");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        let mut connection = Self(stream);
        connection.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        connection.say(&frame(SETTINGS, 0, 0, settings));
        connection
    }

    /// Sends bytes; whether the other side was still there.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.0
            .write_all(bytes)
            .and_then(|()| self.0.flush())
            .is_ok()
    }

    /// The next frame; `None` when the connection is over.
    pub fn hear(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// Listens until the connection is over; what came.
    pub fn hear_all(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// The body of the answer on a stream; `None` when the connection ends, or
    /// the stream is reset, before it is there.
    pub fn body(&mut self, stream: u32) -> Option<String> {
        let mut body = Vec::new();
        loop {
            let frame = self.hear()?;
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                RST_STREAM => return None,
                DATA => body.extend_from_slice(&frame.payload),
                _ => {}
            }
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                return Some(String::from_utf8_lossy(&body).into_owned());
            }
        }
    }
}
