//! The command line of Flotilla: wires the crates together, holds no logic of its own.
//!
//! Standard output is data, standard error is talk. Exit codes are those of [`exit::Code`].
#![forbid(unsafe_code)]

mod command;
mod connect;
mod exit;
mod input;
mod output;
mod plugins;
mod process;
mod reached;
mod running;

use clap::{CommandFactory, Parser, Subcommand};
use exit::{Code, Failure};
use std::process::ExitCode;

/// Objects are parsed and dropped all the time: the allocator is a third of all work with that of the C library.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Propagates Kubernetes objects to many clusters, with plugins that know what each kind means
#[derive(Parser)]
#[command(name = "flotilla", version = command::version::VERSION, max_term_width = 110, after_help = "Exit codes: 0 done, 1 a negative result, 2 bad input or usage, 3 a plugin failed, 4 the control plane could not be reached")]
struct Cli {
    #[command(flatten)]
    log: output::LogOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a control plane and simulated member clusters in this process, in memory
    Sandbox(command::sandbox::Sandbox),
    /// Install into a cluster without helm
    Init(command::init::Init),
    /// Make a cluster a member
    Join(command::join::Join),
    /// Take a member out
    Unjoin(command::unjoin::Unjoin),
    /// Run the controllers against any control plane
    Controllers(command::controllers::Controllers),
    /// Serve the resource interpreter webhook and the admission webhook
    Webhook(command::webhook::Webhook),
    /// Ask the hooks about one object, offline
    Interpret(command::interpret::Interpret),
    /// Ask one decision of the pipeline, with its reasons
    Decide(command::decide::Decide),
    /// Show what would be bound, scheduled, overridden and sent, offline
    Preview(command::preview::Preview),
    /// Build, pack and look into plugins
    #[command(subcommand)]
    Plugin(command::plugin::Plugin),
    /// Print a shell completion script
    Completion(command::completion::Completion),
    /// Print the version
    Version(command::version::Version),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Code::BadInput } else { Code::Done };
            // Nothing can be done about a closed pipe.
            let _ = error.print();
            return code.into();
        }
    };
    cli.log.start();
    let result: Result<Code, Failure> = match cli.command {
        Command::Sandbox(command) => command.run(),
        Command::Init(command) => command.run(),
        Command::Join(command) => command.run(),
        Command::Unjoin(command) => command.run(),
        Command::Controllers(command) => command.run(),
        Command::Webhook(command) => command.run(),
        Command::Interpret(command) => command.run(),
        Command::Decide(command) => command.run(),
        Command::Preview(command) => command.run(),
        Command::Plugin(command) => command.run(),
        Command::Completion(command) => command.run(&mut Cli::command()),
        Command::Version(command) => command.run(),
    };
    match result {
        Ok(code) => code.into(),
        Err(failure) => {
            failure.print();
            failure.code.into()
        }
    }
}
