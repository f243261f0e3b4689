//! Tables, and the real `ssh-keygen`.

use std::process::Command;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH1gTlXBJ1pYFjyBMS7zP2rdjTGfy3u1xLVWCzXPyAII";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMNhwq0lbLgTXy4YBnmnvyVpEP5cYWHWzhAd/uZRdGtY";

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

/// What a file with this text says about a key of `address:port`, which the inventory calls web.
fn verdict(text: &str, address: &str, port: u16, shown: &str) -> &'static str {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    std::fs::write(&file, text).unwrap();
    let known = match KnownHosts::new(vec![dir.path().join("absent"), file]).of(&Names::new(address, port, "web")) {
        Ok(known) => known,
        Err(_) => return "error",
    };
    match known.judge(&key(shown)) {
        Verdict::Trusted => "trusted",
        Verdict::Unknown => "unknown",
        Verdict::Changed(_) => "changed",
        Verdict::Revoked(_) => "revoked",
    }
}

#[test]
fn what_files_say_about_hosts() {
    let table: &[(String, &str, u16, &str)] = &[
        (format!("h {KEY}"), "h", 22, "trusted"),
        (format!("h {KEY} a comment"), "h", 22, "trusted"),
        (format!("H.Example {KEY}"), "h.eXample", 22, "trusted"),
        (format!("\t h,i \t{}  ", KEY.replace(' ', " \t ")), "i", 22, "trusted"),
        (format!("h {OTHER}"), "h", 22, "changed"),
        (format!("h {OTHER}\nh {KEY}"), "h", 22, "trusted"),
        (format!("i {KEY}"), "h", 22, "unknown"),
        (format!("# h {KEY}\n\n#"), "h", 22, "unknown"),
        (format!("[h]:2222 {KEY}"), "h", 2222, "trusted"),
        (format!("[h]:2222 {OTHER}"), "h", 2222, "changed"),
        (format!("[h]:2222 {KEY}"), "h", 22, "unknown"),
        (format!("[h]:22 {KEY}"), "h", 22, "unknown"),
        // The key of another port of the same machine is good if it is the same, and says nothing if it is not.
        (format!("h {KEY}"), "h", 2222, "trusted"),
        (format!("h {OTHER}"), "h", 2222, "unknown"),
        // So is a key under the name that the inventory uses.
        (format!("web {KEY}"), "10.0.0.1", 22, "trusted"),
        (format!("web {OTHER}"), "10.0.0.1", 22, "unknown"),
        (format!("[web]:2222 {KEY}"), "10.0.0.1", 2222, "trusted"),
        (format!("*.example.com,!bad.example.com {KEY}"), "a.example.com", 22, "trusted"),
        (format!("*.example.com,!bad.example.com {KEY}"), "bad.example.com", 22, "unknown"),
        (format!("10.0.0.? {KEY}"), "10.0.0.7", 22, "trusted"),
        (format!("h {KEY}\n@revoked * {KEY}"), "h", 22, "revoked"),
        (format!("@revoked h {KEY}"), "h", 22, "revoked"),
        (format!("@revoked h {OTHER}\nh {KEY}"), "h", 22, "trusted"),
        (format!("@revoked h ssh-ed25519 nonsense!\nh {KEY}"), "h", 22, "error"),
        (format!("@revoked i ssh-ed25519 nonsense!\nh {KEY}"), "h", 22, "trusted"),
        // An authority's own key is no host's key.
        (format!("@cert-authority h {KEY}"), "h", 22, "unknown"),
        (format!("@surprise h {KEY}"), "h", 22, "unknown"),
        (format!("h ssh-ed25519 nonsense!\nh {KEY}"), "h", 22, "trusted"),
        (format!("h {KEY}\r\n"), "h", 22, "trusted"),
        (format!("::1 {KEY}"), "::1", 22, "trusted"),
    ];
    for (text, address, port, expected) in table {
        assert_eq!(verdict(text, address, *port, KEY), *expected, "{text:?} {address} {port}");
    }
}

#[test]
fn an_unreadable_file_is_an_error_and_an_absent_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new("h", 22, "web");
    assert!(KnownHosts::new(vec![dir.path().join("absent")]).of(&names).is_ok());
    assert!(KnownHosts::new(vec![dir.path().to_path_buf()]).of(&names).is_err());
}

#[test]
fn lines_that_ssh_keygen_hashed_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    std::fs::write(&file, format!("h.example {KEY}\n[h.example]:2222 {OTHER}\n10.0.0.1 {KEY}\n")).unwrap();
    let hashed = Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output();
    let Ok(hashed) = hashed else {
        eprintln!("SKIPPED: ssh-keygen is not here");
        return;
    };
    assert!(hashed.status.success());
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.lines().all(|line| line.starts_with("|1|")), "{text}");
    assert_eq!(verdict(&text, "H.example", 22, KEY), "trusted");
    assert_eq!(verdict(&text, "h.example", 22, OTHER), "changed");
    assert_eq!(verdict(&text, "h.example", 2222, OTHER), "trusted");
    assert_eq!(verdict(&text, "10.0.0.1", 22, KEY), "trusted");
    assert_eq!(verdict(&text, "10.0.0.2", 22, KEY), "unknown");
}

#[test]
fn what_we_add_is_what_ssh_keygen_finds() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".ssh/known_hosts");
    let hosts = KnownHosts::new(vec![file.clone()]);
    for (address, port) in
        [("H.example", 22), ("h.example", 2222), ("10.0.0.1", 22), ("::1", 22), ("fe80::1%eth0", 2200)]
    {
        let names = Names::new(address, port, "web");
        hosts.add(&names, &key(KEY)).unwrap();
        assert!(matches!(hosts.of(&names).unwrap().judge(&key(KEY)), Verdict::Trusted));
        let found = Command::new("ssh-keygen").args(["-F", &names.main, "-f"]).arg(&file).output();
        assert!(found.map_or(true, |found| found.status.success()), "{}", names.main);
    }
    for bad in ["a b", "a,b", "*", "a\nb", "!a", "#a", "@a", "|1|a"] {
        assert!(hosts.add(&Names::new(bad, 22, "web"), &key(KEY)).is_err(), "{bad:?}");
    }
    // A file that does not end in a line end is not spoilt.
    std::fs::write(&file, format!("i {OTHER}")).unwrap();
    let names = Names::new("h", 22, "web");
    hosts.add(&names, &key(KEY)).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("i {OTHER}\nh {KEY}\n"));
}
