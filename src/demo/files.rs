//! What a user would write to patch the demo's fleet: plan, inventory, known_hosts, a key.

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

use super::app::{NAME, NEW, ROOT};
use super::{DemoError, Fleet, LOGIN, PROD, UAT};

/// The files, by their full names.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) plan: PathBuf,
    pub(super) inventory: PathBuf,
    pub(super) known_hosts: PathBuf,
    pub(super) client_key: PathBuf,
}

/// A key of this demo only.
pub(super) fn client_key() -> Result<PrivateKey, DemoError> {
    let mut key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(DemoError::Key)?;
    key.set_comment("patchctl demo");
    Ok(key)
}

/// Writes them all into `folder`.
pub(super) fn write(folder: &Path, releases: &Path, key: &PrivateKey, fleet: &Fleet) -> Result<Files, DemoError> {
    let files = Files {
        plan: folder.join("plan.toml"),
        inventory: folder.join("inventory.toml"),
        known_hosts: folder.join("known_hosts"),
        client_key: folder.join("client_key"),
    };
    let pem = key.to_openssh(LineEnding::LF).map_err(DemoError::Key)?;
    put(&files.client_key, &pem)?;
    put(&files.known_hosts, &known_hosts(fleet)?)?;
    put(&files.inventory, &inventory(&files, fleet))?;
    put(&files.plan, &plan(releases))?;
    put(&folder.join("ssh_config"), &ssh_config(&files, fleet))?;
    Ok(files)
}

fn put(path: &Path, text: &str) -> Result<(), DemoError> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(DemoError::file("write", path))
}

/// A path as a TOML string, whatever is in it.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.to_string_lossy().into_owned()).to_string()
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn plan(releases: &Path) -> String {
    format!(
        r#"# The demo's plan: release {NEW} of the application {NAME}, first on UAT, then in production.
schema = 1
name = "demo-{NAME}-{NEW}"
change = "DEMO-1"
inventory = "inventory.toml"

[patch]
playbook = "release"
packages = ["{NAME}={NEW}"]

[patch.vars]
source = {source}
root = "{ROOT}"
check = "bin/check"

# All of these hosts are this machine: whether it is as before says nothing about the patch, so nobody looks.
[[stage]]
name = "uat"
health = "off"
hosts = "uat"

[[stage]]
name = "prod"
health = "off"
hosts = "prod"
waves = [1, "100%"]
"#,
        source = quoted(releases)
    )
}

fn inventory(files: &Files, fleet: &Fleet) -> String {
    let mut text = format!(
        r#"# The demo's fleet: servers in the process of `patchctl demo`, there only while it runs.
[defaults]
user = "{LOGIN}"
become = "none"
private_key = {key}

[groups.uat]
hosts = [{uat}]

[groups.prod]
hosts = [{prod}]
"#,
        key = quoted(&files.client_key),
        uat = list(&UAT),
        prod = list(&PROD),
    );
    for host in fleet.hosts() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n[hosts.{}]\naddress = \"127.0.0.1\"\nport = {}\n", host.name, host.port);
    }
    text
}

fn known_hosts(fleet: &Fleet) -> Result<String, DemoError> {
    let mut text = String::new();
    for host in fleet.hosts() {
        let key = host.key.to_openssh().map_err(DemoError::Key)?;
        let _ = writeln!(text, "[127.0.0.1]:{} {key}", host.port);
    }
    Ok(text)
}

/// For a look around with `ssh -F FOLDER/ssh_config HOST COMMAND`.
fn ssh_config(files: &Files, fleet: &Fleet) -> String {
    let mut text = String::new();
    for host in fleet.hosts() {
        let _ = write!(text, "Host {}\n    Port {}\n", host.name, host.port);
    }
    let _ = write!(
        text,
        "Host *\n    HostName 127.0.0.1\n    User {LOGIN}\n    IdentityFile \"{}\"\n    IdentitiesOnly yes\n    \
         UserKnownHostsFile \"{}\"\n    StrictHostKeyChecking yes\n",
        files.client_key.display(),
        files.known_hosts.display(),
    );
    text
}
