//! Files that decide what is allowed: only root and we may be able to write them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::{InputError, InputErrors};
use super::source::Source;

/// Reads a file that nobody else can have written; `harm` is what they could do, as the rest of a sentence.
pub(super) fn read(path: &Path, harm: &str) -> Result<Source, InputErrors> {
    folders_are_ours(path, harm)?;
    Source::read_if(path, |meta| is_ours(meta, harm))
}

/// Whoever can write the file can change what it allows.
fn is_ours(meta: &Metadata, harm: &str) -> Result<(), (String, &'static str)> {
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != us {
        return Err((format!("belongs to the user {}, who {harm}", meta.uid()), "chown it to root"));
    }
    if meta.mode() & 0o022 != 0 {
        return Err((format!("may be written by others, who {harm}"), "chmod 644"));
    }
    Ok(())
}

/// Whoever can write a folder above the file can put another in its place; not so in one like /tmp, where each removes
/// only what is theirs.
fn folders_are_ours(path: &Path, harm: &str) -> Result<(), InputErrors> {
    // What is not there is told of when it is read.
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    for folder in real.ancestors().skip(1) {
        let Ok(meta) = folder.metadata() else { continue };
        let sticky = meta.mode() & 0o1000 != 0 && meta.uid() == 0;
        if let Err((what, hint)) = is_ours(&meta, harm)
            && !sticky
        {
            let message = format!("its folder {} {what}", folder.display());
            let hint = if hint.starts_with("chmod") { "chmod 755 the folder" } else { hint };
            let file: &str = &path.display().to_string();
            return Err(InputErrors::from(InputError::whole(file, message).hint(hint)));
        }
    }
    Ok(())
}
