//! Where the report answers what frameworks ask, and where it does not.

use super::Block;

/// Requirement, what it asks for, and where the answer is.
const ASKED: &[[&str; 3]] = &[
    [
        "PCI DSS v4.0.1, 6.3.3",
        "Patches and updates are installed within the time that is set for them.",
        "Request and Times: how critical it is, as the plan declares, and when each host was changed, counted from the start of \
         the run. When the update was published, patchctl does not know.",
    ],
    [
        "PCI DSS v4.0.1, 6.5.1",
        "Reason for, and description of, the change.",
        "Request and Changes: change ID, plan and its digest, each package with its versions. The reason beyond the change \
         ID, and those that people gave with their decisions, is in your ticket.",
    ],
    ["PCI DSS v4.0.1, 6.5.1", "Documentation of security impact.", "NOT COVERED: it is in your ticket."],
    [
        "PCI DSS v4.0.1, 6.5.1",
        "Documented approval by authorized parties.",
        "Decisions: who, when, why, on which evidence, with which key. Who is authorized is what the plan says (Scope).",
    ],
    [
        "PCI DSS v4.0.1, 6.5.1",
        "Testing that the change does not adversely impact system security.",
        "Testing: checks, and that the earlier stage was approved first. What the checks of the plan mean is yours to judge.",
    ],
    [
        "PCI DSS v4.0.1, 6.5.1",
        "Procedures to address failures and return to a secure state.",
        "Way back (proven before the change) and Exceptions (used, and how exactly).",
    ],
    [
        "PCI DSS v4.0.1, 10.2.2",
        "User identification, type of event, date and time, success or failure, origination, and the affected resource.",
        "Chronicle, and in full the journal (runs/RUN/journal.jsonl). Origination is the account and how it was known; the \
         network address of a person's terminal is NOT COVERED. What people do on hosts beside patchctl is in the hosts' logs.",
    ],
    [
        "NIST SP 800-40r4",
        "Plan: maintenance plans, and exceptions to them.",
        "Request, Scope, Exceptions; runs/RUN/plan.toml. Inventory of software and risk response are NOT COVERED.",
    ],
    ["NIST SP 800-40r4", "Deploy, in phases and with a way back.", "Scope (stages and waves), Testing, Way back."],
    [
        "NIST SP 800-40r4",
        "Verify that the patch is installed and in effect.",
        "Testing (checks after the change) and Exceptions (restarts and reboots that are still due).",
    ],
    ["NIST SP 800-40r4", "Monitor deployed patches.", "NOT COVERED here: it is about what happens after the run."],
    [
        "SOC 2, CC8.1",
        "Changes are authorized, designed, documented, tested, approved and implemented.",
        "Request, Scope, Changes, Testing, Decisions, Outcome; Separation of duties in Decisions.",
    ],
    [
        "ISO/IEC 27001:2022, A.8.8",
        "Technical vulnerabilities: updates are tested, can be rolled back, and what was done is logged.",
        "Testing, Way back, Chronicle. Finding and rating vulnerabilities is NOT COVERED.",
    ],
];

/// What the organisation itself has to show.
const NOT_COVERED: &[&str] = &[
    "the risk ranking of vulnerabilities, and the time within which each must be patched",
    "whether the hosts in the inventory are all that there are",
    "who has which role: patchctl holds people to the names, groups and keys in the plan",
    "the assessment of a change's security impact, and whether the tests were enough",
    "access to the hosts and to the machine that patchctl runs on",
];

pub(super) fn frameworks(out: &mut Vec<Block>) {
    out.push(Block::Heading(2, "Where frameworks find their answers".into()));
    out.push(Block::Text(
        "The names in the last column are those of the sections of each run. This table helps to find evidence; it is not a \
         statement that a requirement is met."
            .into(),
    ));
    let rows = ASKED.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect());
    out.push(Block::Table(&["framework", "asks for", "where"], rows.collect()));
    out.push(Block::Heading(3, "What patchctl does not show".into()));
    out.push(Block::List(NOT_COVERED.iter().map(|item| (*item).to_owned()).collect()));
}
