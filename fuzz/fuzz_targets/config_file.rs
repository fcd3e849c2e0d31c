#![no_main]

#[allow(dead_code, reason = "each target knocks at one door")]
#[path = "../doors.rs"]
mod doors;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| doors::config_file(bytes));
