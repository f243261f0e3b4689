//! The inventory as the document that `ansible-inventory --list` prints.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::{InvGroup, InvHost, Inventory};
use crate::core::settings::Escalate;

impl Inventory {
    /// The groups with their hosts and children, and each host's variables under `_meta`; only the chosen hosts,
    /// where a pattern is given.
    ///
    /// # Errors
    /// When the pattern is broken or names what is not there.
    pub fn list(&self, pattern: Option<&str>) -> Result<Json, crate::input::InputErrors> {
        let chosen: BTreeSet<usize> = match pattern {
            Some(text) => self.chosen("PATTERN", text)?.into_iter().collect(),
            None => (0..self.hosts.len()).collect(),
        };
        let mut document = Map::new();
        let mut top = vec![Json::from("ungrouped")];
        for group in &self.groups {
            if !group.has_parent {
                top.push(Json::from(group.name.as_str()));
            }
            let entry = self.group_entry(group, &chosen);
            if !entry.is_empty() {
                document.insert(group.name.as_str().to_owned(), Json::Object(entry));
            }
        }
        document.insert("all".into(), json!({ "children": top }));
        let loose: Vec<&str> = self.names_of(&chosen, |host| host.groups.iter().any(|g| g.as_str() == "ungrouped"));
        if !loose.is_empty() {
            document.insert("ungrouped".into(), json!({ "hosts": loose }));
        }
        let vars: Map<String, Json> = chosen
            .iter()
            .filter_map(|ix| self.hosts.get(*ix))
            .map(|host| (host.name.as_str().to_owned(), Json::Object(host_vars(host))))
            .filter(|(_, vars)| vars.as_object().is_some_and(|vars| !vars.is_empty()))
            .collect();
        document.insert("_meta".into(), json!({ "hostvars": vars, "profile": "inventory_legacy" }));
        Ok(Json::Object(document))
    }

    fn group_entry(&self, group: &InvGroup, chosen: &BTreeSet<usize>) -> Map<String, Json> {
        let mut entry = Map::new();
        let hosts: Vec<&str> = group
            .hosts
            .iter()
            .filter(|ix| chosen.contains(ix))
            .filter_map(|ix| self.hosts.get(*ix))
            .map(|host| host.name.as_str())
            .collect();
        let children: Vec<&str> =
            group.children.iter().filter_map(|ix| self.groups.get(*ix)).map(|child| child.name.as_str()).collect();
        for (key, names) in [("hosts", hosts), ("children", children)] {
            if !names.is_empty() {
                entry.insert(key.into(), Json::from(names));
            }
        }
        entry
    }

    fn names_of(&self, chosen: &BTreeSet<usize>, fits: impl Fn(&InvHost) -> bool) -> Vec<&str> {
        let hosts = chosen.iter().filter_map(|ix| self.hosts.get(*ix));
        hosts.filter(|host| fits(host)).map(|host| host.name.as_str()).collect()
    }
}

/// A host's variables, its connection as Ansible names it. The commands that print passwords are left out.
fn host_vars(host: &InvHost) -> Map<String, Json> {
    let props = &host.props;
    let mut vars: Map<String, Json> = props.vars.clone().into_iter().collect();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            vars.insert(name.to_owned(), value);
        }
    };
    put("ansible_host", props.address.as_deref().map(Json::from));
    put("ansible_port", props.port.map(Json::from));
    put("ansible_user", props.user.as_deref().map(Json::from));
    let key = props.private_keys.as_ref().and_then(|keys| keys.first());
    put("ansible_ssh_private_key_file", key.map(|key| Json::from(key.display().to_string())));
    put("ansible_become", props.escalate.map(|how| Json::from(how != Escalate::None)));
    put("ansible_become_method", (props.escalate == Some(Escalate::Sudo)).then(|| Json::from("sudo")));
    vars
}
