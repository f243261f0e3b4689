//! What passes between us and a host for one step: the protocol, without the connection that carries it.
//!
//! One exchange is one command on the host. [`COMMAND`] is constant; everything else goes to its standard input: one
//! line with the exchange's key and the number of bytes, then `driver.sh` with its parameters, as data, behind its
//! `exit` ([`payload`]). The driver answers on standard output with frames ([`frames`]); everything before the line
//! with the key is the login shell's own noise. A reading step's log is the host's standard error, a job's log comes in
//! frames, and so do all records: nothing that a step prints can be taken for a record.
//!
//! A job lives in its folder on the host and outlives the connection (`run.sh`). It is begun by whoever gives its
//! folder the name `begun` first, and each later exchange for the same job finds it running, done or dead.
//!
//! An armed host has the way back ready as one more job, and `watch.sh`, which begins it unless we confirm in time:
//! whoever links `decided` first. What the host does by itself is followed like any job, under its own name (`of`).

pub(crate) mod exchange;
mod frames;
pub(crate) mod gathered;
pub(crate) mod payload;
pub(crate) mod refusal;

/// The command line that starts an exchange. It reads its standard input up to the announced length and not further,
/// and clears up behind itself. No `'`, `!` or line end in it: every login shell takes it alike.
pub(crate) const COMMAND: &str = concat!(
    "exec sh -c 'umask 077;read -r k n||exit 96;",
    r#"c(){ [ -z "$d" ]||rm -rf "$d";};trap c EXIT;trap "exit 98" HUP INT PIPE TERM;"#,
    r#"for b in "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm "$HOME";do "#,
    r#"d=$(mktemp -d "$b/.patchctl.XXXXXXXXXX" 2>/dev/null)&&head -c "$n" /dev/zero >"$d/p" 2>/dev/null&&break;"#,
    r#"c;d=;done;"#,
    r#"[ -n "$d" ]&&head -c "$n" >"$d/p"&&[ $(wc -c <"$d/p") -eq "$n" ]"#,
    r#"||{ echo "patchctl:$k";echo "fail nospace /tmp";exit 97;};"#,
    r#"sh "$d/p" "$d" "$k" login'"#,
);

/// The driver: the part of the payload that runs.
const DRIVER: &str = concat!(include_str!("shared.sh"), include_str!("dead_man.sh"), include_str!("driver.sh"));

/// What watches over an armed host.
const WATCH: &str = concat!(include_str!("shared.sh"), include_str!("watch.sh"));

/// What runs a step in its folder.
const RUN: &str = include_str!("run.sh");

#[cfg(test)]
mod dead_man_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod witness_tests;
