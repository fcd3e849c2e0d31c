//! The command line: one file for each thing an operator types, and the
//! composition of everything else.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use serde_json::Value;

use self::args::{
    BackupArgs, BackupCommand, Cli, ClockCommand, Command, ConfigCommand, KeysCommand, Place,
    SessionsCommand, TlsCommand, UserCommand,
};
use self::control::Request;
use self::exit::{Exit, Failure};
use crate::config::{Config, Overrides};
use crate::telemetry;

#[macro_use]
mod say;

pub mod args;
mod backup;
mod certificate;
mod compose;
mod control;
pub mod describe;
mod doctor;
pub mod exit;
mod notify;
mod operate;
mod policy;
mod self_signed;
mod serve;
mod show;
mod store_file;

/// The number of the disk format that this version writes.
pub use crate::store::sled::FORMAT;

/// Runs one command.
///
/// # Errors
/// [`Failure`] with the exit code and the sentence for the person.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => {
            let config = load_with(&args.place, serve::overrides(&args))?;
            let _flush = start_logs(&config, telemetry::Noise::Server)?;
            serve::run(config, &args)
        }
        Command::Config(ConfigCommand::Show(place)) => {
            out!("{}", load(&place)?.show().trim_end());
            Ok(())
        }
        Command::Config(ConfigCommand::Check(place)) => {
            load(&place)?;
            out!("The configuration is good.");
            Ok(())
        }
        Command::Import { file, place } => import(&file, &place),
        Command::Export { file, place } => export(file.as_deref(), &place),
        Command::Backup(BackupArgs {
            command: Some(BackupCommand::Verify { file, json, place }),
            ..
        }) => backup::verify(&file, json, &place),
        Command::Backup(BackupArgs { file, place, .. }) => {
            backup::make(&file.expect("clap asks for it"), &place)
        }
        Command::Restore {
            file,
            without_key,
            place,
        } => backup::restore(&file, without_key, &place),
        Command::User(command) => user(command),
        Command::Sessions(command) => sessions(command),
        Command::Keys(command) => keys(command),
        Command::Clock(args) => clock(args.command, &args.place),
        Command::Doctor(args) => doctor::run(&args),
        Command::Tls(TlsCommand::SelfSigned(args)) => self_signed::make(&args),
        Command::Completions { shell } => describe::completions(shell),
        Command::Man { into } => describe::man(into.as_deref()),
        Command::Version => {
            out!(
                "tillgate {} (disk format {FORMAT})",
                env!("CARGO_PKG_VERSION")
            );
            Ok(())
        }
    }
}

fn load(place: &Place) -> Result<Config, Failure> {
    load_with(place, Overrides::default())
}

/// `overrides`: what the command line says beside the place.
fn load_with(place: &Place, overrides: Overrides) -> Result<Config, Failure> {
    let overrides = Overrides {
        data_dir: place.data_dir.clone(),
        key_file: place.key_file.clone(),
        ..overrides
    };
    Config::load(&overrides, std::env::vars_os(), place.config.as_deref())
        .map_err(|error| Failure::new(Exit::Config, error))
}

fn start_logs(
    config: &Config,
    noise: telemetry::Noise,
) -> Result<Option<telemetry::Flush>, Failure> {
    telemetry::start(config, noise).map_err(|error| Failure::new(Exit::Config, error))
}

/// Asks the running server, or opens the stopped store and does it here.
fn ask(place: &Place, request: Request) -> Result<Value, Failure> {
    let config = load(place)?;
    start_logs(&config, telemetry::Noise::Command)?;
    let runtime = runtime()?;
    let (progress, bar) = show::Progress::shared(request.caption());
    let done = runtime.block_on(async {
        if let Some(answer) = control::ask(&config.data_dir, &request, &*progress).await? {
            return Ok(answer);
        }
        must_exist(&config.data_dir)?;
        let app = compose::open(&config, compose::Faults::default())
            .await?
            .app;
        let gives_up = request.gives_up();
        let work = operate::carry_out(&app, request, progress);
        let done = if gives_up {
            backup::or_interrupted(work).await
        } else {
            work.await
        };
        app.store.close();
        done
    });
    bar.end();
    done
}

fn must_exist(data_dir: &Path) -> Result<(), Failure> {
    if data_dir.is_dir() {
        return Ok(());
    }
    let sentence = format!(
        "data_dir: {} does not exist; name the server's directory with --data-dir",
        data_dir.display()
    );
    Err(Failure::new(Exit::NoInput, sentence))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Io, error))
}

fn import(file: &Path, place: &Place) -> Result<(), Failure> {
    let config = load(place)?;
    start_logs(&config, telemetry::Noise::Command)?;
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(
            Exit::NoInput,
            format!("the store file {}: {error}", file.display()),
        )
    })?;
    let runtime = runtime()?;
    let loaded = runtime.block_on(async {
        if control::is_running(&config.data_dir).await {
            let sentence = "a server is running on this data directory; stop it, then import";
            return Err(Failure::new(Exit::Temporary, sentence));
        }
        let app = compose::open(&config, compose::Faults::default())
            .await?
            .app;
        let progress = show::Progress::start("hashing passwords");
        let loaded = store_file::load(&app, &text, |done, all| progress.at(done, all)).await;
        progress.end();
        app.store.close();
        loaded
    })?;
    out!("{loaded}");
    Ok(())
}

fn export(file: Option<&Path>, place: &Place) -> Result<(), Failure> {
    let value = ask(place, Request::Export)?;
    let text = format!("{value:#}\n");
    match file {
        None => std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|e| Failure::new(Exit::Io, e)),
        Some(file) => store_file::write_private(file, &text),
    }
}

fn user(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add {
            user_name,
            name,
            devices,
            must_change_password,
            place,
        } => {
            let new = operate::NewUser {
                name: name.unwrap_or_else(|| user_name.clone()),
                password: read_password(&user_name)?,
                devices: devices.iter().map(|text| device_and_roles(text)).collect(),
                user_name,
                must_change_password,
            };
            let user = ask(&place, Request::UserAdd(new))?;
            out!(
                "User {} is there, id {}.",
                show::text(&user["userName"]),
                show::text(&user["id"])
            );
        }
        UserCommand::SetPassword { user_name, place } => {
            let password = read_password(&user_name)?;
            ask(
                &place,
                Request::UserSetPassword {
                    user_name: user_name.clone(),
                    password,
                },
            )?;
            out!("The password of {user_name} is set; its sessions are ended.");
        }
        UserCommand::Disable { user_name, place } => {
            ask(
                &place,
                Request::UserDisable {
                    user_name: user_name.clone(),
                },
            )?;
            out!("{user_name} is disabled; its sessions are ended.");
        }
        UserCommand::Unlock { user_name, place } => {
            let request = Request::UserUnlock {
                user_name: user_name.clone(),
            };
            ask(&place, request)?;
            out!("The failed logins of {user_name} are forgotten.");
        }
        UserCommand::List { json, place } => {
            let users = ask(&place, Request::UserList)?;
            show::list(&users, json, &["userName", "name", "isActive", "id"]);
        }
    }
    Ok(())
}

fn device_and_roles(text: &str) -> (String, Vec<String>) {
    let (device, roles) = text.split_once('=').unwrap_or((text, ""));
    let roles = roles
        .split(',')
        .filter(|role| !role.is_empty())
        .map(str::to_owned);
    (device.to_owned(), roles.collect())
}

/// Asks for a password without showing it, or reads the first line of standard
/// input when that is no terminal.
fn read_password(user_name: &str) -> Result<String, Failure> {
    let io = |error: std::io::Error| Failure::new(Exit::Io, format!("the password: {error}"));
    if std::io::stdin().is_terminal() {
        let password =
            rpassword::prompt_password(format!("Password for {user_name}: ")).map_err(io)?;
        let again = rpassword::prompt_password("Once more: ").map_err(io)?;
        if password != again {
            return Err(Failure::new(
                Exit::Usage,
                "the two passwords differ; nothing was changed",
            ));
        }
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(io)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn sessions(command: SessionsCommand) -> Result<(), Failure> {
    match command {
        SessionsCommand::List { query, json, place } => {
            let page = ask(&place, Request::SessionsList { query })?;
            if json {
                show::list(&page, true, &[]);
                return Ok(());
            }
            let columns = [
                "sessionId",
                "identity.userName",
                "identity.deviceName",
                "identity.envName",
                "startedAt",
                "lastAccessAt",
                "expiresAt",
            ];
            show::list(&page["items"], false, &columns);
            out!("{} of {}", page["count"], page["totalCount"]);
        }
        SessionsCommand::End { id, place } => {
            ask(&place, Request::SessionsEnd { id })?;
            out!("The session is ended.");
        }
    }
    Ok(())
}

fn keys(command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::List { json, place } => {
            let keys = ask(&place, Request::KeysList)?;
            show::list(&keys, json, &["kid", "standing", "since", "until"]);
        }
        KeysCommand::Rotate(place) => {
            let key = ask(&place, Request::KeysRotate)?;
            let kid = show::text(&key["kid"]);
            out!("Tokens are signed with key {kid} from here on.");
        }
        KeysCommand::Revoke { kid, place } => {
            ask(&place, Request::KeysRevoke { kid: kid.clone() })?;
            out!("Key {kid} is revoked; its tokens and their sessions are ended.");
        }
    }
    Ok(())
}

fn clock(command: Option<ClockCommand>, place: &Place) -> Result<(), Failure> {
    let request = match command {
        None => Request::ClockShow,
        Some(ClockCommand::Confirm) => Request::ClockConfirm,
        Some(ClockCommand::Reset) => Request::ClockReset,
    };
    let clock = ask(place, request)?;
    out!("state    {}", show::text(&clock["state"]));
    out!("computer {}", show::text(&clock["wall"]));
    out!("trusted  {}", show::text(&clock["trusted"]));
    Ok(())
}
