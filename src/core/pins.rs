//! Pins: the versions that earlier stages proved, by the kind of host that proved them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::findings::Platform;
use super::packages::{Package, PackageOp};

/// What earlier stages proved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<Platform, Vec<Package>>);

/// As a list of pairs: a JSON object's keys could not hold the kind of host.
impl Serialize for Pins {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(&self.0)
    }
}

impl Pins {
    /// Adds packages that a host of this kind runs, patched now or current already.
    pub fn prove<'a>(&mut self, platform: &Platform, packages: impl IntoIterator<Item = &'a Package>) {
        let list = self.0.entry(platform.clone()).or_default();
        list.extend(packages.into_iter().filter(|package| package.version.is_some()).cloned());
        list.sort();
        list.dedup();
    }

    /// The proved packages of this kind of host, sorted; none: no host of this kind was in an earlier stage.
    pub fn of(&self, platform: &Platform) -> Option<&[Package]> {
        self.0.get(platform).map(Vec::as_slice)
    }

    /// The first operation that no earlier stage proved. Removals need no proof: nothing new runs after them.
    pub fn unproved<'a>(&self, platform: &Platform, ops: &'a [PackageOp]) -> Option<&'a PackageOp> {
        let proved = self.of(platform).unwrap_or_default();
        ops.iter().find(|op| {
            op.to.is_some()
                && proved
                    .binary_search_by(|p| (&p.name, &p.arch, &p.version).cmp(&(&op.name, &op.arch, &op.to)))
                    .is_err()
        })
    }

    /// Whether anything was proved at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
