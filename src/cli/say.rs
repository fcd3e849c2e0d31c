//! Lines for the person at the terminal. Whoever does not read them to their
//! end, as `head` does, or has closed the other side, breaks nothing: a server
//! that says where it listens must not die of it.

/// Writes a line to standard output.
macro_rules! out {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Writes a line to standard error.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
