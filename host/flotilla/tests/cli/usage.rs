//! Help, versions, completion, and mistakes on the command line.

use crate::flotilla;

#[test]
fn help_is_an_answer_and_a_mistake_is_not() {
    assert!(flotilla(&["--help"]).done().out.contains("Exit codes: 0 done"));
    flotilla(&[]).fails(2, "Propagates Kubernetes objects");
    flotilla(&["interpert"]).fails(2, "error: unrecognized subcommand 'interpert'");
    flotilla(&["interpret"]).fails(2, "error: the following required arguments were not provided");
    flotilla(&["decide", "guess", "--batch"]).fails(2, "error: invalid value 'guess'");
}

#[test]
fn the_version_names_the_plugin_contract() {
    assert_eq!(flotilla(&["version", "-o", "json"]).done().json()["pluginContract"], "1.0.0");
    assert_eq!(flotilla(&["version", "-o", "name"]).done().out.trim(), env!("CARGO_PKG_VERSION"));
    assert!(flotilla(&["version"]).done().out.contains("plugin contract 1.0.0"));
}

#[test]
fn shells_complete_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = flotilla(&["completion", shell]).done().out;
        assert!(script.contains("interpret") && script.contains("sandbox"), "{shell}");
    }
    flotilla(&["completion", "csh"]).fails(2, "error: invalid value 'csh'");
}
