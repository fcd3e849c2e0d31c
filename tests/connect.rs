//! `docs/connect.md`: its commands, run as they stand against the demo shop, and
//! the service in Node that it shows.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use support::{bash, demo};

const PAGE: &str = include_str!("../docs/connect.md");
/// The addresses that the page uses.
const TILLGATE: &str = "127.0.0.1:4000";
const SERVICE: &str = "127.0.0.1:8080";

/// The bash blocks of the page, in order.
fn blocks() -> Vec<&'static str> {
    let blocks = PAGE.split("```bash\n").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}

/// A service that was started by a command of the page. Killed when dropped.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start(command: &str) -> Self {
        let mut child = Command::new("bash")
            .args(["-euo", "pipefail", "-c"])
            // So that the service is the child itself and ends with it.
            .arg(command.trim().replace(" node ", " exec node "))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        read.expect("it speaks UTF-8");
        let address = line.trim().strip_prefix("service listening on http://");
        let address = address.unwrap_or_else(|| panic!("{command} {line}"));
        Self {
            address: address.to_owned(),
            child,
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status codes of answers, in order.
fn statuses(said: &str) -> Vec<&str> {
    let lines = said.lines().filter(|line| line.starts_with("HTTP/1.1 "));
    lines.filter_map(|line| line.split(' ').nth(1)).collect()
}

#[test]
fn a_service_is_told_who_asks_as_the_page_says() {
    let (server, _scratch) = demo();
    let said = bash(&blocks()[0].replace(TILLGATE, &server.address));
    assert_eq!(statuses(&said), ["204", "403"], "{said}");
    for header in ["user: 1", "device: P01", "env: CashRegister", "rights: pos"] {
        assert!(said.contains(&format!("x-auth-{header}")), "{said}");
    }
}

#[test]
fn the_service_in_node_lets_in_whom_the_page_says_and_nobody_without_tillgate() {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|output| output.status.success()) {
        let line = "\nSKIPPED connect: node is not installed (Debian: nodejs)\n";
        let _ = std::io::stdout().write_all(line.as_bytes());
        return;
    }
    let (server, _scratch) = demo();
    let [login, start, calls] = blocks()[..] else {
        panic!("the page has three blocks");
    };
    // The system chooses the port.
    let start = start.replace(TILLGATE, &server.address);
    let service = Service::start(&start.replace("PORT=8080", "PORT=0"));
    let script = format!("{login}\necho ----\n{calls}");
    let script = script.replace(TILLGATE, &server.address);

    let said = bash(&script.replace(SERVICE, &service.address));

    let (_, said) = said.split_once("----\n").expect("a line between");
    assert_eq!(statuses(said), ["401", "200", "403", "401"], "{said}");
    assert!(said.contains(r#""hello":"1","on":"P01""#), "{said}");

    let token = server.try_log_in("1", "demo-cashier", "P01").json();
    let token = token["tokenId"].as_str().expect("a token").to_owned();
    server.kill();
    let alone = bash(&format!(
        "curl -sS -i http://{}/hello -H 'Authorization: Bearer {token}'",
        service.address
    ));
    assert_eq!(statuses(&alone), ["503"], "{alone}");
}
