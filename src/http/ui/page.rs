//! The files of the manager's page.

use crate::http::files::{Page, files};

/// The page.
pub(in crate::http) static PAGE: Page = Page {
    form: "/ui/",
    files: files! {
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
        "views/hooks.js" SCRIPT,
        "views/audit.js" SCRIPT,
        "views/server.js" SCRIPT,
        "views/welcome.js" SCRIPT,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    /// What the whole page, all views and languages, may weigh on its way.
    const PACKED_BYTES_MAX: usize = 60_000;

    #[test]
    fn every_file_of_the_page_is_part_of_the_binary_and_all_are_small() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/ui/assets");
        PAGE.holds(folder, PACKED_BYTES_MAX);
    }

    #[test]
    fn no_file_makes_markup_out_of_text_or_reaches_elsewhere() {
        PAGE.is_plain();
    }

    #[test]
    fn every_text_is_there_in_both_languages() {
        let keys = |path: &str| -> Vec<String> {
            let file = PAGE.files.iter().find(|file| file.path == path);
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
}
