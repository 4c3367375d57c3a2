//! One file a subcommand: its flags, and the call it makes.

pub mod completion;
pub mod controllers;
pub mod decide;
pub mod init;
pub mod interpret;
pub mod join;
pub mod plugin;
pub mod preview;
pub mod sandbox;
pub mod unjoin;
pub mod version;
pub mod webhook;
