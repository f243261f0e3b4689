//! The published schemas say what the readers do.

use serde_json::Value as Json;

use crate::input::keys::{Kind, State, TableDef};
use crate::input::plan::PLAN;
use crate::input::{inventory, inventory_schema, plan_schema};

/// Every table that can be reached, with its schema.
fn walk<'a>(def: &'static TableDef, schema: &'a Json, seen: &mut Vec<(&'static TableDef, &'a Json)>) {
    seen.push((def, schema));
    for key in def.keys.iter().filter(|key| !matches!(key.state, State::Later)) {
        inside(&key.kind, &schema["properties"][key.name], seen);
    }
}

fn inside<'a>(kind: &Kind, schema: &'a Json, seen: &mut Vec<(&'static TableDef, &'a Json)>) {
    match kind {
        Kind::Table(def) => walk(def, schema, seen),
        Kind::List(of) => inside(of, &schema["items"], seen),
        Kind::Map(of) => inside(of, &schema["additionalProperties"], seen),
        Kind::Either(kinds) => {
            kinds.iter().enumerate().for_each(|(n, kind)| inside(kind, &schema["anyOf"][n], seen));
        }
        _ => {}
    }
}

#[test]
fn every_key_of_the_readers_is_in_the_schemas_and_no_other() {
    let (plan, inventory) = (plan_schema(), inventory_schema());
    let mut tables = Vec::new();
    walk(&PLAN, &plan, &mut tables);
    walk(&inventory::INVENTORY, &inventory, &mut tables);
    let policy = crate::input::policy_schema();
    walk(&crate::input::policy::POLICY, &policy, &mut tables);
    assert_eq!(tables.len(), 42);
    for (def, schema) in tables {
        let properties = schema["properties"].as_object().unwrap();
        let mut known: Vec<&str> = def.keys.iter().map(|key| key.name).collect();
        known.sort_unstable();
        assert_eq!(properties.keys().collect::<Vec<_>>(), known, "{}", def.title);
        assert_eq!(schema["additionalProperties"], Json::Bool(false), "{}", def.title);
        assert!(properties.values().all(|p| p["description"].is_string()), "{}", def.title);
    }
}

#[test]
fn defaults_in_the_schema_are_read_by_the_reader() {
    let schema = plan_schema();
    let default = |table: &Json, key: &str| table["properties"][key]["default"].clone();
    let stage = &schema["properties"]["stage"]["items"];
    assert_eq!(default(stage, "parallel"), 10);
    assert_eq!(default(stage, "timeout"), "30m");
    assert_eq!(default(&schema["properties"]["patch"], "pin"), "exact");
    // All of them, written out, make the plan that leaves them out.
    let mut text = String::from("name = \"p\"\n[patch]\npackages = [\"openssl\"]\n");
    let write = |table: &Json, text: &mut String| {
        for (key, property) in table["properties"].as_object().unwrap() {
            let default = &property["default"];
            if !default.is_null() {
                text.push_str(&format!("{key} = {default}\n"));
            }
        }
    };
    write(&schema["properties"]["patch"], &mut text);
    text.push_str("[[stage]]\nname = \"uat\"\nhosts = \"uat\"\n");
    write(stage, &mut text);
    text.push_str("[stage.approval]\n");
    write(&stage["properties"]["approval"]["anyOf"][1], &mut text);
    let (long, short) = (super::parse(&text).unwrap(), super::parse(super::GOOD).unwrap());
    assert_eq!(long.patch, short.patch);
    assert_eq!(long.stages[0].stage, short.stages[0].stage);
}
