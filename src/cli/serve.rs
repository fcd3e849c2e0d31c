//! `tillgate serve`: everything put together, run, and taken apart again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Serve;
use super::certificate::Speech;
use super::compose::{self, Composed};
use super::exit::{Exit, Failure};
use super::{control, notify, policy, store_file};
use crate::config::{Config, Overrides};
use crate::http::{self, Answers as _};
use crate::model::SessionAccess;
use crate::server;
use crate::service::{App, backups, rehash, sweep, unused, webhooks};
use crate::store::sled::SledStore;

/// How often the trusted time goes to the disk when nothing else does.
const MARK_EVERY: Duration = Duration::from_secs(60);
/// How often the clock looks for jumps.
const CLOCK_TICK: Duration = Duration::from_millis(500);
/// The demo shop.
const DEMO_STORE: &str = include_str!("../../data/demo/store.json");

/// Runs the server until it is told to stop.
pub fn run(config: Config, args: &Serve) -> Result<(), Failure> {
    #[cfg(feature = "faults")]
    if let Some(format) = args.fault_format {
        crate::store::sled::pretend(format);
    }
    refuse_foreign_addresses(&config, args.demo)?;
    let demo = args.demo.then(|| DemoDir::make(&config)).transpose()?;
    let config = demo
        .as_ref()
        .map_or(config.clone(), |demo| demo.config(config));
    let runtime = runtime()?;
    runtime.block_on(serve(&config, args, demo.as_ref()))
}

/// One serving thread fewer than cores: a second one on a small machine buys
/// no throughput and costs latency (measured).
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores <= 2 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(cores - 1);
        builder
    };
    builder
        .enable_all()
        .thread_name("tillgate-serve")
        .build()
        .map_err(|error| Failure::new(Exit::Io, format!("the runtime does not start: {error}")))
}

/// What the command line says beside the place.
pub fn overrides(args: &Serve) -> Overrides {
    Overrides {
        listen: args.listen.clone(),
        tls_cert: args.tls_cert.clone(),
        tls_key: args.tls_key.clone(),
        plain_off_loopback: args.plain_http_off_loopback,
        ..Overrides::default()
    }
}

/// Passwords and tokens go over no network that anybody can read, unless
/// somebody has said so; and everybody knows those of the demo.
fn refuse_foreign_addresses(config: &Config, is_demo: bool) -> Result<(), Failure> {
    let (listen, port) = (config.listen, config.listen.port());
    if listen.ip().is_loopback() {
        return Ok(());
    }
    let sentence = if is_demo {
        format!(
            "listen: {listen} can be reached from other machines, and everybody knows the passwords \
             of the demo; use --listen 127.0.0.1:{port}"
        )
    } else if config.tls.cert.is_some() {
        return Ok(());
    } else if config.http.plain_off_loopback {
        tracing::warn!(
            target: "serve",
            "http.plain_off_loopback: passwords and tokens go over the network as everybody there can read them"
        );
        return Ok(());
    } else {
        format!(
            "listen: {listen} can be reached from other machines, and without TLS everybody on the \
             way reads passwords along; name a certificate with --tls-cert and --tls-key \
             ('tillgate tls self-signed' makes one), or use --listen 127.0.0.1:{port}, or allow it \
             with --plain-http-off-loopback"
        )
    };
    Err(Failure::new(Exit::Config, sentence))
}

async fn serve(config: &Config, args: &Serve, demo: Option<&DemoDir>) -> Result<(), Failure> {
    let settings = compose::settings(config)?;
    let speech = Speech::open(config)?;
    let listener = bind(config.listen).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::new(Exit::Io, error))?;
    let near = speech.url(from_here(address));
    let Composed { app, set_up_code } = compose::open(config, compose::Faults::from(args)).await?;
    if let Some(demo) = demo {
        store_file::load(&app, DEMO_STORE, |_, _| {}).await?;
        demo.welcome(&near, &curl(config));
    } else if let Some(code) = set_up_code {
        note!("{}", set_up_help(&code, &near, &curl(config)));
    }
    policy::tell(&app, config).await;
    let stop = Stop::listen()?;
    let hangups = signal(SignalKind::hangup()).map_err(|error| Failure::new(Exit::Io, error))?;
    let mut background = start_background(&app, &config.data_dir);
    let (url, transport) = (speech.url(address), speech.transport());
    let manager = notify::Manager::from_environment().map(Arc::new);
    let certificate = speech.look_after(Arc::clone(&app), hangups, manager.clone());
    background.push(tokio::spawn(certificate));
    let signals = stop.wait();
    tokio::spawn(end_waits(Arc::clone(&app), signals.clone()));
    say_who_reaches_sessions(config.sessions.access);
    out!("tillgate listening on {url}");
    let routes = http::routes(&app, settings);
    if let Some(manager) = manager {
        let connections = Arc::clone(routes.connections());
        let full = move || connections.open() >= connections.max();
        let (app, signals) = (Arc::clone(&app), signals.clone());
        tokio::spawn(notify::run(manager, app, address, full, signals));
    }
    let limits = compose::limits(config);
    let drained = server::serve(listener, transport, routes, limits, signals).await;
    tracing::info!(target: "serve", ?drained, "no longer serving");
    background.iter().for_each(tokio::task::JoinHandle::abort);
    let _ = std::fs::remove_file(control::socket_path(&config.data_dir));
    let closing = Arc::clone(&app);
    // Ends the writer after a last flush.
    let has_ended = tokio::task::spawn_blocking(move || closing.store.close())
        .await
        .map_err(|error| Failure::new(Exit::Failure, error))?;
    if !has_ended {
        let sentence = "stopped without waiting longer for the data directory: the disk gives no \
                        answer, or a long backup was being read; everything that was answered is \
                        on the disk, and the next start checks that";
        return Err(Failure::new(Exit::Io, sentence));
    }
    Ok(())
}

/// Whoever runs a server should not have to know the documented default.
fn say_who_reaches_sessions(access: SessionAccess) {
    match access {
        SessionAccess::Open => tracing::info!(
            target: "serve",
            "sessions.access is open, as the API documents: every authenticated caller may list, read and end every session; own restricts this"
        ),
        SessionAccess::Own => tracing::info!(
            target: "serve",
            "sessions.access is own: sessions of others need sessionReadAny or sessionDeleteAny"
        ),
    }
}

async fn bind(listen: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(listen).await.map_err(|error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program uses this port: choose one with --listen"
            }
            std::io::ErrorKind::PermissionDenied => {
                "this port needs more rights: choose one above 1023 with --listen"
            }
            _ => "choose another address with --listen",
        };
        Failure::new(Exit::Io, format!("listen: {listen}: {error}; {remedy}"))
    })
}

fn start_background(
    app: &Arc<App<SledStore>>,
    data_dir: &Path,
) -> Vec<tokio::task::JoinHandle<()>> {
    let mut tasks = vec![
        tokio::spawn(sweep::run(Arc::clone(app))),
        tokio::spawn(unused::run(Arc::clone(app))),
        tokio::spawn(backups::run(Arc::clone(app))),
        tokio::spawn(rehash::run(Arc::clone(app))),
        tokio::spawn(webhooks::run(Arc::clone(app))),
        tokio::spawn(mark_time(Arc::clone(app))),
        tokio::spawn(watch_clock(Arc::clone(app))),
    ];
    match control::listen(data_dir) {
        Ok(listener) => tasks.push(tokio::spawn(control::serve(listener, Arc::clone(app)))),
        Err(error) => tracing::warn!(
            target: "control", %error,
            "no control socket: commands beside this server will not work; a shorter --data-dir may help"
        ),
    }
    tasks
}

/// Who waits for the next ending would hold up the drain.
async fn end_waits(app: Arc<App<SledStore>>, mut signals: server::StopSignals) {
    signals.stopping().await;
    app.feed.close();
}

async fn mark_time(app: Arc<App<SledStore>>) {
    loop {
        tokio::time::sleep(MARK_EVERY).await;
        // Refused marks show in health as a store that can not write.
        let _ = app.store.mark_clock(app.now(), false, None).await;
    }
}

async fn watch_clock(app: Arc<App<SledStore>>) {
    loop {
        tokio::time::sleep(CLOCK_TICK).await;
        let clock = Arc::clone(&app.clock);
        if clock.wants_confirmation() {
            // Asks another program, so off the serving thread.
            let _ = tokio::task::spawn_blocking(move || clock.tick()).await;
        } else {
            clock.tick();
        }
    }
}

/// Signals that end the server: the first drains, the second cuts.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> Result<Self, Failure> {
        let to = |kind| signal(kind).map_err(|error| Failure::new(Exit::Io, error));
        Ok(Self {
            terminate: to(SignalKind::terminate())?,
            interrupt: to(SignalKind::interrupt())?,
        })
    }

    fn wait(self) -> server::StopSignals {
        let Self {
            mut terminate,
            mut interrupt,
        } = self;
        let (sender, signals) = server::stop_signals();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                sender.stop();
            }
        });
        signals
    }
}

/// A directory of the demo's own, gone when the server ends.
struct DemoDir(PathBuf);

impl DemoDir {
    fn make(config: &Config) -> Result<Self, Failure> {
        if let Some(dir) = config.data_dir_given() {
            let empty = std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
            if !empty {
                let sentence = format!(
                    "data_dir: {} is not empty, and --demo starts with an empty directory of its \
                     own; leave --data-dir out",
                    dir.display()
                );
                return Err(Failure::new(Exit::Config, sentence));
            }
        }
        let name = format!("tillgate-demo-{:016x}", rand::random::<u64>());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).map_err(|error| {
            Failure::new(
                Exit::Io,
                format!("the demo's directory {}: {error}", dir.display()),
            )
        })?;
        Ok(Self(dir))
    }

    fn config(&self, mut config: Config) -> Config {
        config.data_dir = self.0.join("db");
        config.key_file = self.0.join("db.key");
        config
    }

    fn welcome(&self, url: &str, curl: &str) {
        note!(
            "
A demo shop, gone when this server ends ({dir}).

  user  password      name            devices
  999   demo-owner    Majiteľ         P01 P02 PDA1 BackOffice LINK (may do everything)
  1     demo-cashier  Jana Nováková   P01 P02 PDA1

The page for people: {url}/ui/ (log in as 999)

Log in, list, and look at yourself:

  TOKEN=$({curl} -s {url}/api/auth -H 'Content-Type: application/json' -d '{{\"userName\":\"999\",\"password\":\"demo-owner\",\"deviceName\":\"P01\"}}' | sed 's/.*\"tokenId\":\"\\([^\"]*\\)\".*/\\1/')
  {curl} -s {url}/sessions -H \"Authorization: Bearer $TOKEN\"
  {curl} -s {url}/api/auth -H \"Authorization: Bearer $TOKEN\"
",
            dir = self.0.display(),
        );
    }
}

impl Drop for DemoDir {
    fn drop(&mut self) {
        // A demo that can not tidy up behind itself has lost nothing.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where a program of this machine finds a server that listens here.
fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    (ip, address.port()).into()
}

/// How curl is called so that it trusts this server.
fn curl(config: &Config) -> String {
    let trust = config.tls.cert.as_ref();
    trust.map_or("curl".to_owned(), |file| {
        format!("curl --cacert {}", file.display())
    })
}

fn set_up_help(code: &str, url: &str, curl: &str) -> String {
    format!(
        "
There is no user yet. Create the first administrator within the hour with this one-time code:

  {code}

Open {url}/ui/ in a browser of this machine, or:

  {curl} {url}/setup -H 'Content-Type: application/json' -d '{{\"code\":\"{code}\",\"userName\":\"admin\",\"name\":\"Administrator\",\"password\":\"CHOOSE-ONE\",\"deviceName\":\"Office\"}}'
"
    )
}
