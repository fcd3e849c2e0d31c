//! The command line: every command and option, with the help that people see.

#![allow(
    missing_docs,
    reason = "clap shows doc comments as help, and flattened groups need none"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::describe::CompletedShell;

/// The session server of a shop.
#[derive(Debug, Parser)]
#[command(name = "tillgate", version, about, max_term_width = 100)]
#[command(after_help = "\
Options may also stand in the environment (TILLGATE_LISTEN, ...) or in a TOML \
file (--config); the command line wins, then the environment.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 repaired, 65 data damaged, 66 not found, \
74 disk or network, 75 in use or busy, 76 data of a newer version, 77 refused by a rule, 78 wrong configuration.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that say which installation is meant.
#[derive(Args, Clone, Debug, Default)]
pub struct Place {
    /// Where the sessions are kept [default: data/db]
    #[arg(long, value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// The installation key, outside the data directory [default: the data directory with .key behind it]
    #[arg(long, value_name = "FILE", global = true)]
    pub key_file: Option<PathBuf>,
    /// A TOML file with options
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Serve),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Load roles, devices and users from a JSON file into a stopped store
    Import {
        /// The store file: {"roles": [], "devices": [], "users": []}
        file: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Write roles, devices and users as JSON, passwords as their hashes
    Export {
        /// Where to; standard output when left out
        file: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Write everything into one checked file, beside a running server or of a stopped store
    Backup(BackupArgs),
    /// Make a store from a backup, in an empty directory; all sessions are ended
    Restore {
        /// The backup
        file: PathBuf,
        /// Go on without the installation key: API keys then need new secrets
        #[arg(long)]
        without_key: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Manage users
    #[command(subcommand)]
    User(UserCommand),
    /// Look at sessions and end them
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Look at the keys that sign tokens, rotate and revoke them
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Look at the trusted time, confirm or reset it
    Clock(ClockArgs),
    /// Check the data directory of a stopped server, and repair it
    Doctor(DoctorArgs),
    /// Make what HTTPS needs
    #[command(subcommand)]
    Tls(TlsCommand),
    /// Print what a shell completes this command line with
    Completions {
        /// The shell
        shell: CompletedShell,
    },
    /// Print the manual page, or write those of all commands
    Man {
        /// Write the pages of all commands into this folder
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
    /// Show version and disk format
    Version,
}

/// Options of `serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// Address and port [default: 127.0.0.1:4000]; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// The certificate to show, in PEM: HTTPS instead of HTTP; 'tillgate tls self-signed' makes one
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Let other machines use this server without TLS: everybody on the network reads passwords along
    #[arg(long)]
    pub plain_http_off_loopback: bool,
    /// Start with a demo shop in an empty directory of its own, on loopback
    #[arg(long)]
    pub demo: bool,
    /// Leave out the sync of the disk, so that the power-cut test has something to find
    #[cfg(feature = "faults")]
    #[arg(long, hide = true)]
    pub fault_no_sync: bool,
    /// Be a version with another disk format, so that the upgrade has something to do
    #[cfg(feature = "faults")]
    #[arg(long, hide = true)]
    pub fault_format: Option<u8>,
    #[command(flatten)]
    pub place: Place,
}

/// `config ...`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every option with its value and where it comes from
    Show(Place),
    /// Say whether the configuration is good
    Check(Place),
}

/// `user ...`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user; the password is asked for, or read from standard input
    Add {
        /// The name to log in with
        user_name: String,
        /// The name to show [default: the user name]
        #[arg(long)]
        name: Option<String>,
        /// A device and the roles there, as P01 or P01=cashier,owner; may be repeated
        #[arg(long = "device", value_name = "DEVICE[=ROLE,...]")]
        devices: Vec<String>,
        /// The password must be changed at the first login
        #[arg(long)]
        must_change_password: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Set a user's password; ends the user's sessions
    SetPassword {
        /// The name the user logs in with
        user_name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Disable a user; ends the user's sessions
    Disable {
        /// The name the user logs in with
        user_name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Forget a user's failed logins, so that nothing is locked any more
    Unlock {
        /// The name the user logs in with
        user_name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List all users
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// `sessions ...`
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List live sessions
    List {
        /// An NData query, as after the '?' of GET /sessions
        query: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// End a session
    End {
        /// The session's id
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

/// `keys ...`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys whose tokens may be good, and the revoked ones
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Sign new tokens with a fresh key; old tokens stay good until they end
    Rotate(Place),
    /// End all tokens of a key, and the sessions whose newest token is one
    Revoke {
        /// The key's name, as 'keys list' shows it; it may begin with a hyphen
        #[arg(allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        place: Place,
    },
}

/// `backup ...`
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupArgs {
    /// What else to do with a backup
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// Where to; nothing may be there yet
    #[arg(required = true)]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub place: Place,
}

/// What to do with a backup.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Read all of a backup, hold it against its checksums, and say what is in it
    Verify {
        /// The backup
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// `clock ...`
#[derive(Args, Debug)]
pub struct ClockArgs {
    /// What to do; without it the clock is shown
    #[command(subcommand)]
    pub command: Option<ClockCommand>,
    #[command(flatten)]
    pub place: Place,
}

/// `doctor`
#[derive(Args, Debug)]
#[command(after_help = "\
Names file and place of each fault. Without --fix nothing is changed. Where the sessions can not be \
trusted, --fix does what the next start would do: users, devices and roles stay, everybody has to \
log in again. Nothing that has ended comes back.

Exit codes: 0 nothing wrong, 3 everything that was wrong is repaired, 65 something is wrong, \
66 no such directory, 74 the disk refused, 75 a server is running, 76 data of a newer \
version, 78 wrong configuration.")]
pub struct DoctorArgs {
    /// Repair what can be repaired
    #[arg(long)]
    pub fix: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub place: Place,
}

/// `tls ...`
#[derive(Debug, Subcommand)]
pub enum TlsCommand {
    /// Make a key, a certificate of the server's own, and the file that clients trust it by
    SelfSigned(SelfSigned),
}

/// Options of `tls self-signed`.
#[derive(Args, Debug)]
pub struct SelfSigned {
    /// Where to; the folder is made, and files that are there are left alone
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Names and addresses by which clients reach the server, beside localhost, 127.0.0.1, ::1 and
    /// this machine's name
    #[arg(long = "name", value_name = "HOST", num_args = 1..)]
    pub names: Vec<String>,
    /// How many days it is good. Apple's devices take no more than 825
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: u32,
}

/// What to do with the clock.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ClockCommand {
    /// The computer's clock is right: take its time over
    Confirm,
    /// The kept time was wrong: take the computer's time over and end all sessions
    Reset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_whose_name_begins_with_a_hyphen_can_be_named() {
        for kid in ["-ATEjS3vcVwped37", "-hTEjS3vcVwped37", "--EjS3vcVwped37x"] {
            let args = ["tillgate", "keys", "revoke", kid, "--data-dir", "db"];
            let parsed = Cli::try_parse_from(args).unwrap();
            let Command::Keys(KeysCommand::Revoke { kid: named, .. }) = parsed.command else {
                panic!("another command");
            };
            assert_eq!(named, kid);
        }
    }
}
