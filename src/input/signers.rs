//! Whose signatures count in a run: the allowed_signers file, read when the run begins.

use std::path::Path;

use russh::keys::PublicKey;

use super::error::{InputError, InputErrors};
use super::plan::LoadedPlan;
use super::source::{Sink, Source};
use super::table::At;
use super::trusted;
use crate::core::settings::Stage;
use crate::core::signers;

/// The file that counts where nobody names another.
const SYSTEM: &str = "/etc/patchctl/allowed_signers";

/// The text of the allowed signers: of the file that a policy names, else of the plan's, else of the system's where
/// there is one. Mistakes in it are the plan's.
pub(super) fn of_run(sink: &Sink, plan: &LoadedPlan, policy: Option<&Path>) -> Option<String> {
    of_run_with(sink, plan.allowed_signers.as_ref(), policy, Path::new(SYSTEM))
}

fn of_run_with(
    sink: &Sink,
    plan: Option<&At<std::path::PathBuf>>,
    policy: Option<&Path>,
    system: &Path,
) -> Option<String> {
    let (path, at) = match (policy, plan) {
        (Some(path), _) => (path, None),
        (None, Some(named)) => (named.value.as_path(), Some(&named.span)),
        (None, None) if system.exists() => (system, None),
        (None, None) => return None,
    };
    match read(path) {
        Ok(text) => Some(text),
        Err(errors) => {
            match at {
                Some(span) => sink.extend_at(span, "the file of allowed signers", &errors),
                None => sink.extend(&errors),
            }
            None
        }
    }
}

/// A stage whose gate counts signatures, where nobody's would count.
pub(super) fn check(sink: &Sink, plan: &LoadedPlan, stages: &[Stage], signers: Option<&str>) {
    // A file that has mistakes is a mistake already.
    if signers.is_some() || plan.allowed_signers.is_some() || Path::new(SYSTEM).exists() {
        return;
    }
    let is_signed = |stage: &Stage| stage.approval.as_ref().is_some_and(|rules| rules.signed);
    for stage in stages.iter().filter(|stage| is_signed(stage)) {
        let read = plan.stages.iter().find(|read| read.stage.name == stage.name);
        let message = format!("stage `{}` counts signed decisions only, and nobody's signature counts", stage.name);
        let hint = format!("name a file with `allowed_signers` at the plan's top, or make {SYSTEM}");
        match read {
            Some(read) => sink.error_hint(&read.approval, message, hint),
            None => sink.push(InputError::whole(&*sink.source.name, message).hint(hint)),
        }
    }
}

/// Reads a file of allowed signers: the whole of it is good, and nobody else can have written it.
fn read(path: &Path) -> Result<String, InputErrors> {
    parsed(trusted::read(path, "could let anybody sign")?)
}

fn parsed(source: Source) -> Result<String, InputErrors> {
    let sink = Sink::new(source);
    let text = std::sync::Arc::clone(&sink.source.text);
    match signers::parse(&text) {
        Ok(lines) => {
            for line in &lines {
                if let Err(error) = PublicKey::from_openssh(&line.key) {
                    sink.error_hint(&line.key_at, format!("this key is broken: {error}"), "copy it from its .pub file");
                }
            }
            if lines.is_empty() {
                let hint = "give each person a line: `alice@example.com ssh-ed25519 AAAA…`";
                sink.error_hint(&(0..0), "the file allows nobody", hint);
            }
        }
        Err(mistakes) => mistakes.iter().for_each(|wrong| sink.error_hint(&wrong.span, &*wrong.message, wrong.hint)),
    }
    sink.finish(Some(text.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    fn errors(text: &str) -> String {
        parsed(Source::new("signers", text)).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_have_their_place_and_say_what_would_be_right() {
        assert_eq!(
            parsed(Source::new("signers", format!("# us\nalice {KEY}\n"))).unwrap(),
            format!("# us\nalice {KEY}\n")
        );
        assert!(errors("# nobody\n").starts_with("signers:1:1: the file allows nobody; give each person a line"));
        let broken = errors(&format!("bob {KEY}\nalice ssh-ed25519 AAAA\nal x y\n"));
        assert!(
            broken.starts_with("signers:3:4: `x` is neither an option nor a type of key; known options"),
            "{broken}"
        );
        let broken = errors(&format!("bob {KEY}\nalice ssh-ed25519 AAAA\n"));
        assert!(broken.starts_with("signers:2:7: this key is broken: "), "{broken}");
        let other = errors(&format!("alice {}\n", KEY.replacen("ssh-ed25519", "ssh-rsa", 1)));
        assert!(other.starts_with("signers:1:7: this key is broken: "), "{other}");
    }

    #[test]
    fn a_file_that_others_could_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signers");
        std::fs::write(&path, format!("alice {KEY}\n")).unwrap();
        let with = |mode: u32| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path).map_err(|errors| errors.to_string())
        };
        assert!(with(0o644).is_ok() && with(0o600).is_ok());
        for mode in [0o664, 0o646, 0o666] {
            assert!(with(mode).unwrap_err().contains("may be written by others"), "{mode:o}");
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = with(0o644).unwrap_err();
        let place = folder.path().canonicalize().unwrap();
        assert!(error.contains(&format!("its folder {} may be written by others", place.display())), "{error}");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(with(0o644).is_ok(), rustix::process::geteuid().is_root(), "a sticky folder is root's");
    }

    #[test]
    fn the_policys_file_comes_first_and_the_systems_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("{name} {KEY}\n")).unwrap();
            path
        };
        let (policy, plan, system) = (file("policy"), At::new(file("plan"), 0..1), file("system"));
        let which = |plan: Option<&At<PathBuf>>, policy: Option<&Path>, system: &Path| {
            let sink = Sink::new(Source::new("plan.toml", "x"));
            let text = of_run_with(&sink, plan, policy, system);
            sink.finish(Some(text.map(|text| text.split(' ').next().unwrap_or_default().to_owned())))
        };
        let some = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(which(Some(&plan), Some(&policy), &system), some("policy"));
        assert_eq!(which(Some(&plan), None, &system), some("plan"));
        assert_eq!(which(None, None, &system), some("system"));
        let nowhere = folder.path().join("nowhere");
        assert_eq!(which(None, None, &nowhere), Ok(None));
        let missing = which(Some(&At::new(nowhere, 0..1)), None, &system).unwrap_err().to_string();
        assert!(missing.starts_with("plan.toml:1:1: the file of allowed signers"), "{missing}");
        assert!(missing.ends_with("no such file"), "{missing}");
    }
}
