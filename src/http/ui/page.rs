//! The page itself: files that are part of the binary, with the headers that
//! let a browser load nothing and run nothing but them.

use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;

use warp::http::StatusCode;
use warp::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};

use crate::http::i18n::weighed;
use crate::http::problem::ApiError;
use crate::http::reply::Reply;
use crate::http::request::{Request, Verb, strip_prefix};

/// Where the page begins, as logs name it.
pub(in crate::http) const FORM: &str = "/ui/";
/// The methods of every file.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// Scripts, styles and pictures of our own only, nothing inline, in no frame,
/// and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// One file.
struct File {
    /// Its path behind `/ui/`.
    path: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

/// The list of files, each with its path and kind.
macro_rules! files {
    ($($path:literal $kind:ident),+ $(,)?) => {
        const FILES: &[File] = &[$(File {
            path: $path,
            kind: $kind,
            bytes: include_bytes!(concat!("assets/", $path)),
        }),+];
    };
}

files! {
    "index.html" HTML,
    "app.css" CSS,
    "icon.svg" PICTURE,
    "main.js" SCRIPT,
    "api.js" SCRIPT,
    "chart.js" SCRIPT,
    "dialog.js" SCRIPT,
    "directory.js" SCRIPT,
    "dom.js" SCRIPT,
    "form.js" SCRIPT,
    "i18n.js" SCRIPT,
    "live.js" SCRIPT,
    "names.js" SCRIPT,
    "sessions.js" SCRIPT,
    "shell.js" SCRIPT,
    "table.js" SCRIPT,
    "time.js" SCRIPT,
    "lang/en.js" SCRIPT,
    "lang/sk.js" SCRIPT,
    "views/now.js" SCRIPT,
    "views/past.js" SCRIPT,
    "views/users.js" SCRIPT,
    "views/devices.js" SCRIPT,
    "views/roles.js" SCRIPT,
    "views/keys.js" SCRIPT,
    "views/audit.js" SCRIPT,
    "views/server.js" SCRIPT,
    "views/welcome.js" SCRIPT,
}

/// What is made out of a file, at its first use.
#[derive(Default)]
struct Made {
    packed: OnceLock<Vec<u8>>,
    tag: OnceLock<HeaderValue>,
}

/// In the order of the files.
static MADE: LazyLock<Vec<Made>> =
    LazyLock::new(|| FILES.iter().map(|_| Made::default()).collect());

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let written = packer.write_all(bytes).and_then(|()| packer.finish());
    written.expect("memory takes every byte")
}

fn tag(bytes: &[u8]) -> HeaderValue {
    let text = format!("W/\"{:08x}\"", crc32fast::hash(bytes));
    HeaderValue::try_from(text).expect("hex digits in quotes")
}

/// Whether the client unpacks what was packed.
fn unpacks(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let mut ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .map(weighed);
    ranges.any(|(coding, quality)| coding.eq_ignore_ascii_case("gzip") && quality > 0)
}

/// The answer, if the request is for the page or one of its files.
pub(in crate::http) fn answer(request: &Request) -> Option<Result<Reply, ApiError>> {
    let path = strip_prefix(request.path.strip_prefix('/')?);
    if path == "ui" {
        return Some(only_read(request, || {
            // Relative, so that every prefix and every proxy stays as it is.
            let to = HeaderValue::from_static("ui/");
            Reply::empty(StatusCode::PERMANENT_REDIRECT).with(LOCATION, to)
        }));
    }
    let name = path.strip_prefix("ui/")?;
    let name = if name.is_empty() { "index.html" } else { name };
    let place = FILES.iter().position(|file| file.path == name)?;
    Some(only_read(request, || reply(place, request)))
}

fn only_read(request: &Request, read: impl FnOnce() -> Reply) -> Result<Reply, ApiError> {
    match Verb::from(&request.method) {
        Verb::Get => Ok(read()),
        Verb::Options => {
            let allow = HeaderValue::from_static(METHODS);
            Ok(Reply::empty(StatusCode::NO_CONTENT).with(ALLOW, allow))
        }
        _ => Err(ApiError::MethodNotAllowed(METHODS)),
    }
}

/// A file; only that it is still the same one when the browser has it. A new
/// version of the server is seen at once.
fn reply(place: usize, request: &Request) -> Reply {
    let (file, made) = (&FILES[place], &MADE[place]);
    let tag = made.tag.get_or_init(|| tag(file.bytes));
    let mut reply = Reply::empty(StatusCode::OK);
    if request.headers.get(IF_NONE_MATCH) == Some(tag) {
        reply.status = StatusCode::NOT_MODIFIED;
    } else if unpacks(&request.headers) {
        let packed = made.packed.get_or_init(|| packed(file.bytes));
        reply.body.clone_from(packed);
        reply = reply.with(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    } else {
        reply.body = file.bytes.to_vec();
    }
    let fixed: [(HeaderName, &'static str); 7] = [
        (CONTENT_TYPE, file.kind),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let reply = fixed.into_iter().fold(reply, |reply, (name, value)| {
        reply.with(name, HeaderValue::from_static(value))
    });
    reply.with(ETAG, tag.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the whole page, all views and languages, may weigh on its way.
    const PACKED_BYTES_MAX: usize = 60_000;

    #[test]
    fn every_file_of_the_page_is_part_of_the_binary() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/ui/assets");
        let mut there = Vec::new();
        for sub in ["", "lang/", "views/"] {
            let entries = std::fs::read_dir(format!("{folder}/{sub}")).expect("a folder");
            for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
                there.push(format!("{sub}{}", entry.file_name().to_string_lossy()));
            }
        }
        let mut listed: Vec<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
        there.sort();
        listed.sort();
        assert_eq!(listed, there);
    }

    #[test]
    fn the_whole_page_is_small() {
        let bytes: usize = FILES.iter().map(|file| packed(file.bytes).len()).sum();
        assert!(bytes <= PACKED_BYTES_MAX, "{bytes}");
    }

    #[test]
    fn every_text_is_there_in_both_languages() {
        let keys = |path: &str| -> Vec<String> {
            let file = FILES.iter().find(|file| file.path == path);
            let text = std::str::from_utf8(file.expect("a language").bytes).expect("UTF-8");
            // A key stands at the beginning of its line, in quotes or bare.
            let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
            let keys = lines.filter(|line| !line.starts_with([' ', '}']));
            keys.filter_map(|line| Some(line.split_once(": ")?.0.trim_matches('\'').to_owned()))
                .collect()
        };
        let (english, slovak) = (keys("lang/en.js"), keys("lang/sk.js"));
        assert!(english.len() > 200, "{}", english.len());
        assert_eq!(english, slovak);
    }

    #[test]
    fn no_file_makes_markup_out_of_text_or_reaches_elsewhere() {
        for file in FILES.iter().filter(|file| file.kind != PICTURE) {
            let text = std::str::from_utf8(file.bytes).expect("UTF-8");
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "http://",
                "https://",
                "<style",
                " style=",
                "onclick=",
            ] {
                assert!(!text.contains(word), "{}: {word}", file.path);
            }
        }
    }
}
