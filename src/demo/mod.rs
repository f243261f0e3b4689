//! The demo fleet: SSH servers in this process, on loopback, each with a folder of its own for a home, and a small
//! application to patch there. The main job runs on it as on any fleet, through the same SSH.
//!
//! Nothing of it leaves the demo's folder (0700, under the system's temporary folder), and nothing is left when the
//! [`Demo`] is stopped or dropped, unless its user asked to keep the files.

mod app;
mod exec;
mod files;
mod fleet;
mod folder;
mod server;

use std::path::{Path, PathBuf};

use crate::core::ids::HostName;

pub use fleet::{Fleet, FleetHost};

/// The hosts of the demo's first stage.
pub const UAT: [&str; 2] = ["uat-01", "uat-02"];
/// The hosts of its second stage.
pub const PROD: [&str; 4] = ["prod-01", "prod-02", "prod-03", "prod-04"];
/// The login name on every host of the demo; the processes are the present user's.
pub const LOGIN: &str = "demo";

/// Why the demo could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// `--fail` named something else.
    #[error("the demo has no host {0:?}; it has {hosts}", hosts = UAT.iter().chain(&PROD).copied().collect::<Vec<_>>().join(", "))]
    UnknownHost(String),
    /// A file or folder of the demo's.
    #[error("cannot {what} {path}", path = path.display())]
    File {
        /// What was tried, as a verb.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A server could not listen on loopback.
    #[error("cannot listen on 127.0.0.1")]
    Listen(#[source] std::io::Error),
    /// `tar` did not pack a release.
    #[error("tar did not pack {release}: {why}")]
    Pack {
        /// Which one.
        release: String,
        /// What it said.
        why: String,
    },
    /// A key could not be made or written.
    #[error("cannot make an SSH key")]
    Key(#[source] russh::keys::ssh_key::Error),
    /// A name that no inventory would take.
    #[error(transparent)]
    Name(#[from] crate::core::ids::BadName),
}

impl DemoError {
    fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}

/// What the demo's user may choose.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// Hosts on which the new release's check fails.
    pub fail: Vec<String>,
    /// Leave the folder behind at the end.
    pub keep: bool,
    /// Where the folder is made; none: the system's temporary folder.
    pub parent: Option<PathBuf>,
}

/// A running demo: a fleet, and the files with which a user would patch it.
#[derive(Debug)]
pub struct Demo {
    // In this order: the servers end before their folder goes.
    fleet: Fleet,
    files: files::Files,
    folder: folder::Folder,
}

impl Demo {
    /// Makes the folder, the releases and the hosts, starts the servers, and writes plan, inventory and keys.
    ///
    /// # Errors
    /// When a host in `options` does not exist, or a file, key or server cannot be made. Nothing is left then.
    pub async fn start(options: &DemoOptions) -> Result<Self, DemoError> {
        let names = UAT.iter().chain(&PROD).map(|name| HostName::new(*name)).collect::<Result<Vec<_>, _>>()?;
        if let Some(unknown) = options.fail.iter().find(|host| names.iter().all(|name| name.as_str() != host.as_str()))
        {
            return Err(DemoError::UnknownHost(unknown.clone()));
        }
        let folder = folder::Folder::make(options.parent.as_deref(), options.keep)?;
        app::pack_releases(&folder.releases()).await?;
        let mut hosts = Vec::new();
        for name in names {
            let home = folder.home(&name);
            app::install_old(&home, options.fail.iter().any(|host| host == name.as_str()))?;
            hosts.push((name, home));
        }
        let client = files::client_key()?;
        let fleet = Fleet::start(hosts, client.public_key().clone()).await?;
        let files = files::write(folder.path(), &folder.releases(), &client, &fleet)?;
        Ok(Self { fleet, files, folder })
    }

    /// The demo's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The plan.
    pub fn plan_path(&self) -> &Path {
        &self.files.plan
    }

    /// The inventory.
    pub fn inventory_path(&self) -> &Path {
        &self.files.inventory
    }

    /// The host keys of the fleet.
    pub fn known_hosts(&self) -> &Path {
        &self.files.known_hosts
    }

    /// The key file that opens every host.
    pub fn client_key(&self) -> &Path {
        &self.files.client_key
    }

    /// The hosts, in the order of the inventory.
    pub fn hosts(&self) -> &[FleetHost] {
        self.fleet.hosts()
    }

    /// Ends the servers, waits a little for jobs that still run on the hosts, ends those that remain, and removes the
    /// folder unless it is to be kept.
    pub async fn stop(self) {
        let Self { fleet, files: _, folder } = self;
        drop(fleet);
        folder.settle().await;
    }
}
