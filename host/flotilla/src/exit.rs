//! How commands end: exit codes and the one line that says why.

use std::process::ExitCode;

/// Why a command ends, as a process exit code.
///
/// 0 done · 1 a negative result · 2 bad input or usage · 3 the plugin failed · 4 the control plane could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Everything asked for was done.
    Done = 0,
    /// The answer is no: an object was refused, a verdict is negative, a case failed.
    Negative = 1,
    /// The input or the command line is wrong.
    BadInput = 2,
    /// A plugin failed: `PluginFailed`, `Deadline`, `Memory`, `Trap`, `BadOutput`, `UndeclaredWrite`.
    PluginFailed = 3,
    /// The control plane could not be reached.
    Unreachable = 4,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// A command that could not do what was asked.
#[derive(Debug, PartialEq)]
pub struct Failure {
    /// Exit code.
    pub code: Code,
    /// One line: object first, fact second.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure with this code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints it to standard error.
    pub fn print(&self) {
        eprintln!("error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
    }
}

/// The input or the command line is wrong.
pub fn bad_input(message: impl Into<String>) -> Failure {
    Failure::new(Code::BadInput, message)
}
