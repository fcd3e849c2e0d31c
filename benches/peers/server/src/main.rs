//! Servers that Tillgate is measured beside, one thread each: `peers redis PORT`
//! and `peers sqlite FILE` are axum with tower-sessions, `peers warp`, `peers
//! hyper` and `peers raw` are limits of the machine: one route, one answer,
//! nothing behind it. Each prints the address on which it listens.

mod limits;
mod tower;

/// As Tillgate has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the limits answer: as long as a session.
const BODY: &str = r#"{"sessionId":"soZIt6uj62fzs8ep4UvnNSxRXFryUiq3","identity":{"userName":"user-000000001","deviceName":"Office01","envName":"CashRegister","authenticationType":"Bearer"},"startedAt":"2023-08-04T11:19:38.015Z","expiresAt":"2023-08-04T23:19:38.015Z","lastAccessAt":"2023-08-04T11:19:39.985Z","_v":12}"#;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let place = arguments.next().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        println!("listening on http://{address}");
        match kind.as_str() {
            "warp" => limits::warp(listener).await,
            "hyper" => limits::hyper(listener).await,
            "raw" => limits::raw(listener).await,
            "redis" => tower::redis(listener, &place).await,
            "sqlite" => tower::sqlite(listener, &place).await,
            other => panic!("no such server: {other:?}"),
        }
    });
}
