//! strace, for those modes that look at the system calls of the real binary or
//! make them fail.

use std::process::{Command, Stdio};

/// Whether strace can watch a process here; why not.
pub(crate) fn can_trace() -> Result<(), String> {
    let traced = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    match traced {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("strace may not trace here".to_owned()),
        Err(_) => Err("strace is not installed (Debian: strace)".to_owned()),
    }
}

/// Gives a tracing command what it is to run: program, arguments, environment.
pub(crate) fn let_run(tracing: &mut Command, command: &Command) {
    tracing.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tracing.env(name, value),
            None => tracing.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tracing.current_dir(folder);
    }
}
