//! The page `/docs/`: the API read from `/openapi.json`, with forms to try it.
//! A client of the public API that shares its look with the manager's page.

use super::files::{Page, files};

/// The page.
pub(super) static PAGE: Page = Page {
    form: "/docs/",
    files: files! {
        "index.html" HTML,
        "docs.css" CSS,
        "main.js" SCRIPT,
        "document.js" SCRIPT,
        "field.js" SCRIPT,
        "login.js" SCRIPT,
        "operation.js" SCRIPT,
        "send.js" SCRIPT,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page may weigh on its way, the document aside.
    const PACKED_BYTES_MAX: usize = 15_000;

    #[test]
    fn every_file_of_the_page_is_part_of_the_binary_and_all_are_small() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/docs/assets");
        PAGE.holds(folder, PACKED_BYTES_MAX);
    }

    #[test]
    fn no_file_makes_markup_out_of_text_or_reaches_elsewhere() {
        PAGE.is_plain();
    }
}
