//! Pages that are part of the binary: files with the headers that let a browser
//! load nothing and run nothing but them.

use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use warp::http::StatusCode;
use warp::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};

use super::i18n::weighed;
use super::problem::ApiError;
use super::reply::Reply;
use super::request::{Request, Verb, strip_prefix};

/// The methods of every file.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// Scripts, styles and pictures of our own only, nothing inline, in no frame,
/// and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const CSS: &str = "text/css; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const PICTURE: &str = "image/svg+xml";

/// One file.
pub(super) struct File {
    /// Its path behind that of the page.
    pub path: &'static str,
    pub kind: &'static str,
    pub bytes: &'static [u8],
    /// Made at its first use.
    packed: OnceLock<Vec<u8>>,
    tag: OnceLock<HeaderValue>,
}

impl File {
    pub(super) const fn new(path: &'static str, kind: &'static str, bytes: &'static [u8]) -> Self {
        Self {
            path,
            kind,
            bytes,
            packed: OnceLock::new(),
            tag: OnceLock::new(),
        }
    }

    fn packed(&self) -> &[u8] {
        self.packed.get_or_init(|| {
            let mut packer = GzEncoder::new(Vec::new(), Compression::best());
            let written = packer.write_all(self.bytes).and_then(|()| packer.finish());
            written.expect("memory takes every byte")
        })
    }

    fn tag(&self) -> &HeaderValue {
        self.tag.get_or_init(|| {
            let text = format!("W/\"{:08x}\"", crc32fast::hash(self.bytes));
            HeaderValue::try_from(text).expect("hex digits in quotes")
        })
    }

    /// The file; only that it is still the same one when the browser has it. A
    /// new version of the server is seen at once.
    fn reply(&self, request: &Request) -> Reply {
        let tag = self.tag();
        let mut reply = Reply::empty(StatusCode::OK);
        if request.headers.get(IF_NONE_MATCH) == Some(tag) {
            reply.status = StatusCode::NOT_MODIFIED;
        } else if unpacks(&request.headers) {
            reply.body = self.packed().to_vec();
            reply = reply.with(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        } else {
            reply.body = self.bytes.to_vec();
        }
        let fixed: [(HeaderName, &'static str); 7] = [
            (CONTENT_TYPE, self.kind),
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
}

/// Makes the files of a page out of a list of paths and kinds.
macro_rules! files {
    ($($path:literal $kind:ident),+ $(,)?) => {{
        use $crate::http::files::{self, File};
        const COUNT: usize = [$($path),+].len();
        static FILES: [File; COUNT] = [$(File::new(
            $path,
            files::$kind,
            include_bytes!(concat!("assets/", $path)),
        )),+];
        &FILES
    }};
}
pub(super) use files;

/// One page and its files.
pub(super) struct Page {
    /// Where it begins, as logs name it: `/ui/`.
    pub form: &'static str,
    /// Its files, `index.html` among them.
    pub files: &'static [File],
}

impl Page {
    /// The answer, if the request is for the page or one of its files.
    pub(super) fn answer(&self, request: &Request) -> Option<Result<Reply, ApiError>> {
        let path = strip_prefix(request.path.strip_prefix('/')?);
        let folder = self.form.trim_matches('/');
        let behind = path.strip_prefix(folder)?;
        if behind.is_empty() {
            return Some(only_read(request, || {
                // Relative, so that every prefix and every proxy stays as it is.
                let to = HeaderValue::from_static(&self.form[1..]);
                Reply::empty(StatusCode::PERMANENT_REDIRECT).with(LOCATION, to)
            }));
        }
        let name = behind.strip_prefix('/')?;
        let name = if name.is_empty() { "index.html" } else { name };
        let file = self.files.iter().find(|file| file.path == name)?;
        Some(only_read(request, || file.reply(request)))
    }
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

/// What must hold for the files of every page.
#[cfg(test)]
impl Page {
    /// Everything in the folder is listed, and weighs no more than this packed.
    pub(super) fn holds(&self, folder: &str, packed_bytes_max: usize) {
        let mut there = Vec::new();
        for sub in ["", "lang/", "views/"] {
            let Ok(entries) = std::fs::read_dir(format!("{folder}/{sub}")) else {
                continue;
            };
            for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
                there.push(format!("{sub}{}", entry.file_name().to_string_lossy()));
            }
        }
        let mut listed: Vec<_> = self.files.iter().map(|file| file.path.to_owned()).collect();
        there.sort();
        listed.sort();
        assert_eq!(listed, there);
        let bytes: usize = self.files.iter().map(|file| file.packed().len()).sum();
        assert!(bytes <= packed_bytes_max, "{bytes}");
    }

    /// No file makes markup out of text or reaches elsewhere.
    pub(super) fn is_plain(&self) {
        for file in self.files.iter().filter(|file| file.kind != PICTURE) {
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
