//! What a job leaves on its host of how far the run's journal had come.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::tests::{done, job, places};

#[test]
fn a_job_leaves_a_witness_of_the_journal_on_its_host() {
    for place in places() {
        let mut job = job("R-h-apply-9", 'A', "exit 0");
        job.claim.witness = Some("run=R change='x' records=7 head=$(touch HACKED)".to_owned());
        // Asked about again, it has begun: nothing is added.
        for _ in 0..2 {
            assert_eq!(done(place.run(&job.script, Some(&job)).0.as_ref()), 0);
        }
        let folder = place.state().join("witness");
        let file = folder.join(job.claim.run.as_str());
        let text = std::fs::read_to_string(&file).unwrap();
        let (when, line) = text.split_once(' ').unwrap();
        assert!(when.parse::<jiff::Timestamp>().is_ok(), "{text}");
        assert_eq!(line, "run=R change='x' records=7 head=$(touch HACKED)\n");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert_eq!(place.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn a_witness_that_cannot_be_left_holds_up_no_job() {
    for place in places() {
        let mut job = job("R-h-apply-9", 'A', "exit 0");
        job.claim.witness = Some("run=R".to_owned());
        let home = place.state().ancestors().nth(3).unwrap().to_owned();
        std::fs::create_dir_all(place.state()).unwrap();
        std::fs::set_permissions(place.state(), std::fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&home, place.state().join("witness")).unwrap();
        assert_eq!(done(place.run(&job.script, Some(&job)).0.as_ref()), 0);
        assert!(!home.join(job.claim.run.as_str()).exists());
    }
}
