//! `flotilla-plugin-build MANIFEST DIRECTORY`: builds the plugins that the host embeds, before there is a host.
//!
//! Everybody else uses `flotilla plugin build`, which says more and needs no second program.

use flotilla_plugin_build::{BuildError, Plugin, Request, build};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [manifest, directory] = arguments.as_slice() else {
        eprintln!("usage: flotilla-plugin-build MANIFEST DIRECTORY");
        return ExitCode::from(2);
    };
    report(build(&Request { manifest: manifest.into(), output: directory.into(), debug: false }))
}

fn report(result: Result<Vec<Plugin>, BuildError>) -> ExitCode {
    match result {
        Ok(plugins) => {
            for plugin in plugins {
                let state = if plugin.written { "" } else { ", unchanged" };
                println!("{} ({} KiB{state})", plugin.file.display(), plugin.size.div_ceil(1024));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
