//! The system calls of a server that change files, as strace writes them down:
//! one file for each thread, every line with the instant and the duration.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::strace;

/// Longest text that strace shows whole: no write is longer.
const TEXT_BYTES_MAX: &str = "16777216";
/// What changes files, or says that changes are on the disk. `sync_file_range`
/// is left out: it promises nothing.
const CALLS: &str = "trace=open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,\
                     truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,\
                     rmdir,link,linkat,copy_file_range,msync,fsync,fdatasync,exit_group";

/// Microseconds since 1970.
pub(crate) type Instant = u64;

/// One call that worked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// When it was made.
    pub(crate) start: Instant,
    /// When it came back.
    pub(crate) end: Instant,
    /// Its name.
    pub(crate) name: String,
    /// Paths and data among its arguments, in their order; a file handle counts
    /// as the path of its file.
    pub(crate) texts: Vec<Vec<u8>>,
    /// Everything else among its arguments, as strace spells it.
    pub(crate) words: Vec<String>,
    /// What it returned.
    pub(crate) returned: i64,
}

/// The command, watched by strace. The process that is started is the command
/// itself: strace stands beside it, and ends when it ends.
pub(crate) fn watched(command: &Command, traces: &Path) -> Command {
    let mut watched = Command::new("strace");
    watched.args(["-D", "-ff", "--seccomp-bpf", "-ttt", "-T", "-y", "-xx"]);
    watched.args(["-s", TEXT_BYTES_MAX, "-e", CALLS, "-o"]);
    watched.arg(traces.join("trace"));
    strace::let_run(&mut watched, command);
    watched
}

/// Reads what strace has written, in the order of the instants. `None` as long
/// as a thread's file has no end.
pub(crate) fn read(traces: &Path) -> Option<Vec<Call>> {
    let mut calls = Vec::new();
    for entry in std::fs::read_dir(traces).ok()? {
        let text = std::fs::read_to_string(entry.ok()?.path()).ok()?;
        if !text.trim_end().ends_with("+++") {
            return None;
        }
        calls.extend(text.lines().filter_map(call));
    }
    calls.sort_by_key(|call| call.start);
    Some(calls)
}

/// One line; `None` when it is no call, or one that failed or never came back.
fn call(line: &str) -> Option<Call> {
    let (start, rest) = line.split_once(' ')?;
    let (name, rest) = rest.split_once('(')?;
    let (rest, duration) = rest.trim_end().strip_suffix('>')?.rsplit_once(" <")?;
    let (arguments, returned) = rest.rsplit_once(" = ")?;
    let returned = returned.split(['<', ' ']).next()?.parse().ok()?;
    if returned < 0 {
        return None;
    }
    let start = micros(start)?;
    let (texts, words) = arguments_of(arguments.trim_end().strip_suffix(')')?)?;
    Some(Call {
        start,
        end: start + micros(duration)?,
        name: name.to_owned(),
        texts,
        words,
        returned,
    })
}

fn micros(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.')?;
    let fraction: u64 = fraction.parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 1_000_000 + fraction)
}

/// Splits `3<\x2f>, "\x41", 0`: every text is in hexadecimal, so no quote,
/// comma or bracket stands in one.
fn arguments_of(text: &str) -> Option<(Vec<Vec<u8>>, Vec<String>)> {
    let (mut texts, mut words) = (Vec::new(), Vec::new());
    for argument in text.split(", ") {
        if let Some(quoted) = argument.strip_prefix('"') {
            texts.push(bytes(quoted.strip_suffix('"')?)?);
        } else if let Some((handle, path)) = argument.split_once('<') {
            words.push(handle.to_owned());
            // A file that has no name any more is told so behind the bracket.
            let path = path.strip_suffix('>').unwrap_or("");
            texts.push(bytes(path).unwrap_or_default());
        } else {
            words.push(argument.to_owned());
        }
    }
    Some((texts, words))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let mut pieces = hex.split("\\x");
    if !pieces.next()?.is_empty() {
        return None;
    }
    let digits = pieces.map(|piece| u8::from_str_radix(piece, 16).ok());
    digits.collect()
}

/// A path among the texts.
pub(crate) fn path(text: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(text).into_owned())
}

/// Where each file handle stands; reading moves none of those that write.
#[derive(Debug, Default)]
pub(crate) struct Positions(HashMap<String, u64>);

impl Positions {
    /// A handle was opened or moved.
    pub(crate) fn set(&mut self, handle: &str, at: u64) {
        self.0.insert(handle.to_owned(), at);
    }

    /// Where a write of this many bytes goes.
    pub(crate) fn advance(&mut self, handle: &str, by: u64) -> u64 {
        let at = self.0.entry(handle.to_owned()).or_default();
        let here = *at;
        *at += by;
        here
    }
}
