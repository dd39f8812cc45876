//! `admin`: what operators run on a store: export, import, erasing a user. docs/operations.md says when.

mod erase;
mod export;
mod import;
mod progress;
mod settings;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shared::ids::UserKey;

use crate::settings::{Clients, Settings};

/// Exports, imports and erases what a store keeps
#[derive(Debug, Parser)]
#[command(name = "admin", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes everything that is kept, or one user's messages, to standard output, a line of JSON for each thing
    Export {
        #[command(flatten)]
        settings: Settings,
        /// Only the messages that this user sent or received, as GET /me/export gives them
        #[arg(long, value_name = "KEY", value_parser = user_key)]
        user: Option<UserKey>,
    },
    /// Takes over what an export wrote, from standard input. It may be interrupted and run again
    Import {
        #[command(flatten)]
        settings: Settings,
    },
    /// Erases a user's messages and what else is kept under the user's name, as DELETE /me does
    Erase {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        clients: Clients,
        /// The user
        #[arg(long, value_name = "KEY", value_parser = user_key)]
        user: UserKey,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Export { settings, user: Some(user) } => export::user(&settings, user).await,
        Command::Export { settings, user: None } => export::everything(&settings).await,
        Command::Import { settings } => import::run(&settings).await,
        Command::Erase { settings, clients, user } => erase::run(&settings, &clients, user).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("admin: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn user_key(text: &str) -> Result<UserKey, shared::ids::InvalidUserKey> {
    UserKey::try_from(text.to_owned())
}
