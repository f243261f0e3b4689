//! Who we are.

use std::fs;
use std::process::{Command, Stdio};

use crate::core::settings::Person;
use crate::ports::People;

/// The person at this process: the login behind it, through `sudo` and `su`, where the kernel knows it; else who
/// called `sudo`; else the user that the process runs as.
pub fn person() -> Person {
    let login = fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse::<u32>().ok());
    let ours = rustix::process::getuid().as_raw();
    if let Some(uid) = login.filter(|uid| *uid != u32::MAX) {
        let source = if uid == ours { "login" } else { "sudo" };
        return Person { name: name_of(uid), source: source.into() };
    }
    let through_sudo = std::env::var("SUDO_UID").ok().filter(|_| ours == 0).and_then(|uid| uid.parse().ok());
    match through_sudo {
        Some(uid) => Person { name: name_of(uid), source: "sudo".into() },
        None => Person { name: name_of(ours), source: "login".into() },
    }
}

/// The operating system's users and groups.
pub struct SystemPeople;

impl People for SystemPeople {
    fn groups_of(&self, name: &str, of: &[&str]) -> Vec<String> {
        if of.is_empty() {
            return Vec::new();
        }
        // Directory services know groups that the files do not.
        let output = id(&["-Gn", "--", name]).output();
        let groups = output.ok().filter(|output| output.status.success());
        let groups = groups.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
        let is_in = |group: &&&str| groups.split_whitespace().any(|known| known == **group);
        of.iter().filter(is_in).map(|group| (*group).to_owned()).collect()
    }
}

/// Whether a user is in a group, both by their numbers.
pub fn is_in_group(uid: u32, gid: u32) -> bool {
    let output = id(&["-G", "--", &uid.to_string()]).output().ok().filter(|output| output.status.success());
    let groups = output.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    groups.split_whitespace().any(|group| *group == gid.to_string())
}

/// The number of the group with this name.
pub fn group_number(name: &str) -> Option<u32> {
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    };
    let local = fs::read_to_string("/etc/group").unwrap_or_default().lines().find_map(number);
    // Directory services know groups that the file does not.
    local.or_else(|| {
        let mut ask = Command::new("getent");
        ask.args(["group", "--", name]).stdin(Stdio::null());
        let output = ask.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).output().ok()?;
        String::from_utf8(output.stdout).ok()?.lines().find_map(number)
    })
}

/// The user's name; its number where no name is known.
pub fn name_of(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let local = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?;
        (number == uid.to_string()).then(|| name.to_owned())
    });
    // Directory services know users that the file does not.
    local.or_else(|| asked(uid)).unwrap_or_else(|| format!("uid{uid}"))
}

/// `id`, with nothing of our environment but the way to it.
fn id(args: &[&str]) -> Command {
    let mut id = Command::new("id");
    id.args(args).stdin(Stdio::null()).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    id
}

fn asked(uid: u32) -> Option<String> {
    let output = id(&["-un", "--", &uid.to_string()]).output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}
