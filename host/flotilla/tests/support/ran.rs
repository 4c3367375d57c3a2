//! What one call of a program came to.

/// Exit code and both outputs.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Checks that all went well; returns standard output.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out
    }
}
