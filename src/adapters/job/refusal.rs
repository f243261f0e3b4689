//! Turns what a host refused into a problem that says what happened and what to do.

use super::exchange::End;
use super::gathered::claim_info;
use crate::core::problem::{ErrorKind, Problem};
use crate::core::settings::Host;

/// The problem, and whether the job may have begun all the same.
pub(crate) fn problem(end: &End, noise: &str, host: &Host) -> (Problem, bool) {
    let (problem, begun) = match end {
        End::Refused { word, about } => refused(word, about, host),
        End::NoRoot { said } => (no_root(said, noise, host), false),
        End::Done { .. } | End::Died { .. } => {
            (Problem::new(ErrorKind::Internal, "the step ended, and was taken for refused"), true)
        }
    };
    (problem.on(&host.name), begun)
}

fn refused(word: &str, about: &str, host: &Host) -> (Problem, bool) {
    let new = |kind, message: String| Problem::new(kind, message);
    let path = plain_path(about);
    let problem = match word {
        "claimed" => claimed(about, host),
        "busy" => new(ErrorKind::Refused, format!("job {about} of the run may still be at work there: its claim stays"))
            .hint("wait until it has ended, and release the host again"),
        "stale" => stale(about, host),
        "absent" => new(ErrorKind::Refused, "the job never began there".to_owned()),
        "arm" => new(ErrorKind::Internal, format!("the host could not be made to undo the change by itself: {}", or_nothing(about)))
            .hint("nothing ran; look at the host, or set `dead_man = \"off\"`"),
        "noroot" => new(ErrorKind::Become, format!("{} is not root there, and nothing says how to become it", user(host)))
            .hint("set `become = \"sudo\"` for the host in the inventory, or log in as root"),
        "nosudo" => new(ErrorKind::Become, "sudo is not installed there".to_owned())
            .hint("install sudo on the host, or set `user = \"root\"` and `become = \"none\"` in the inventory"),
        "nospace" => new(ErrorKind::NoSpace, format!("nothing can be written in {about} there"))
            .hint(format!("look with `ssh {} df -h {path}`: full, or mounted read-only?", target(host))),
        "state" => new(ErrorKind::Refused, format!("{about} there is not a folder that only we can write to"))
            .hint(format!("look with `ssh {} ls -ld {path}`: it must be a folder of the user whose rights the step has, and nobody else's to write to", target(host))),
        "foreign" => new(ErrorKind::Refused, format!("{about} there exists and was not made by this run"))
            .hint("somebody planted it, or two state folders made the same job ID: look at it before anything else"),
        "start" => new(ErrorKind::Internal, format!("the job could not be started there: {}", or_nothing(about)))
            .hint("nothing ran; try again"),
        "unsure" => new(ErrorKind::Lost, format!("the job did not start in time there: {}", or_nothing(about)))
            .hint("the host is very slow, or its disk is full; ask for the job again"),
        _ => new(ErrorKind::Internal, format!("the host refused with {word:?}: {}", or_nothing(about))),
    };
    (problem, word == "unsure")
}

fn claimed(info: &str, host: &Host) -> Problem {
    let Some(claim) = claim_info(info) else {
        return Problem::new(ErrorKind::Claimed, "another run has this host");
    };
    if claim.run == "unreadable" {
        return Problem::new(ErrorKind::Claimed, "the host carries a claim that cannot be read").hint(format!(
            "look at `claim` in patchctl's folder there; `patchctl release RUN -l {} --reason TEXT` clears it, whatever RUN",
            host.name
        ));
    }
    let change = if claim.change.is_empty() { String::new() } else { format!(" (change {})", claim.change) };
    let message = format!("run {}{change} of {} has had this host since {}", claim.run, claim.owner, claim.since);
    let run = &claim.run;
    Problem::new(ErrorKind::Claimed, message).hint(format!(
        "`patchctl status {run}` shows it and `patchctl approve {run}` or `reject {run}` decides it; if it will never \
         be decided, or its records are lost: `patchctl release {run} -l {} --reason TEXT`",
        host.name
    ))
}

/// A process that knows less of the run than the host: ours, then everything as in a claim.
fn stale(about: &str, host: &Host) -> Problem {
    let (ours, info) = about.split_once('\t').unwrap_or((about, ""));
    let (run, seen) = claim_info(info).map_or((String::new(), 0), |claim| (claim.run, claim.epoch));
    let message = format!(
        "a later process of this run has this host: this one knows of {ours} times that it was taken up, the host has \
         seen {seen}"
    );
    Problem::new(ErrorKind::Claimed, message).hint(format!(
        "this state folder is older than what the host has seen (a restored backup?): go on from the newer one, or \
         `patchctl release {run} -l {} --reason …`",
        host.name
    ))
}

/// What sudo's own words come to. It speaks English: the driver sets `LC_ALL=C`.
fn no_root(said: &str, noise: &str, host: &Host) -> Problem {
    let (text, user) = (format!("{said}\n{noise}"), user(host));
    let has = |part: &str| text.contains(part);
    let (message, hint) = if has("must have a tty") || has("a terminal is required to use sudo") {
        (
            "sudo there wants a terminal (requiretty)".to_owned(),
            format!("allow it for this user: `Defaults:{user} !requiretty` in sudoers"),
        )
    } else if has("incorrect password attempt") || has("try again") || has("Authentication failure") {
        (
            format!("sudo there did not accept {user}'s password"),
            "check the password (-K, or become_password_command); sudo asks for the login user's, not root's"
                .to_owned(),
        )
    } else if has("not in the sudoers") || has("not allowed to") || has("may not run sudo") {
        (format!("{user} may not use sudo there"), format!("let {user} run `sh` as root in sudoers, or log in as root"))
    } else {
        let said = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned();
        (format!("sudo there did not give root's rights; it said: {said}"), hint_try(host))
    };
    Problem::new(ErrorKind::Become, message).hint(hint)
}

/// No password to be had, and sudo wants one.
pub(crate) fn no_password(said: &str, host: &Host) -> Problem {
    let end = End::NoRoot { said: said.to_owned() };
    let wants_tty = said.contains("must have a tty") || said.contains("not in the sudoers");
    if wants_tty {
        return problem(&end, "", host).0;
    }
    Problem::new(ErrorKind::Become, format!("sudo there wants {}'s password, and none is given", user(host)))
        .on(&host.name)
        .hint(
            "give it with -K (asks for it) or `become_password_command` in the inventory, or allow NOPASSWD in sudoers",
        )
}

/// Whether asking sudo with a password has no chance.
pub(crate) fn is_hopeless(said: &str) -> bool {
    said.contains("must have a tty")
}

fn hint_try(host: &Host) -> String {
    format!("try `ssh -t {} sudo id`", target(host))
}

fn user(host: &Host) -> &str {
    host.user.as_deref().unwrap_or("the login user")
}

/// What to write after `ssh`.
pub(crate) fn target(host: &Host) -> String {
    let user = host.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = if host.port == 22 { String::new() } else { format!("-p {} ", host.port) };
    format!("{port}{user}{}", host.address)
}

/// The host's word for a path, as part of a command that we advise.
fn plain_path(about: &str) -> &str {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/._-+".contains(&b);
    if about.starts_with('/') && about.bytes().all(fits) { about } else { "/" }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "it said nothing" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_path_gets_into_a_command_that_we_advise() {
        assert_eq!(plain_path("/var/lib/patchctl/jobs/R-web.1+x"), "/var/lib/patchctl/jobs/R-web.1+x");
        for path in ["/; rm -rf /", "/$(id)", "-h", "", "/a b", "/a\u{202e}b"] {
            assert_eq!(plain_path(path), "/", "{path:?}");
        }
    }
}
