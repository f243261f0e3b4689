//! The published JSON schemas of plan, inventory and pre-approval, made from the same tables that the readers use.

use serde_json::{Map, Value as Json, json};

use super::inventory::INVENTORY;
use super::keys::{Key, Kind, State, TableDef};
use super::plan::PLAN;
use super::policy::POLICY;
use super::preapproval::PREAPPROVAL;

/// The plan's JSON schema, for editors.
pub fn plan_schema() -> Json {
    root(&PLAN, "patchctl plan")
}

/// The native inventory's JSON schema, for editors.
pub fn inventory_schema() -> Json {
    root(&INVENTORY, "patchctl inventory")
}

/// The JSON schema of a pre-approval, for editors.
pub fn preapproval_schema() -> Json {
    root(&PREAPPROVAL, "patchctl pre-approval")
}

/// The policy's JSON schema, for editors.
pub fn policy_schema() -> Json {
    root(&POLICY, "patchctl policy")
}

fn root(def: &TableDef, title: &str) -> Json {
    let mut schema = table(def);
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
        object.insert("title".into(), json!(title));
    }
    schema
}

fn table(def: &TableDef) -> Json {
    let properties: Map<String, Json> = def.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> =
        def.keys.iter().filter(|key| matches!(key.state, State::Required)).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": def.doc,
        "additionalProperties": false,
        "properties": properties,
    });
    if let (false, Some(object)) = (required.is_empty(), schema.as_object_mut()) {
        object.insert("required".into(), json!(required));
    }
    schema
}

fn property(key: &Key) -> Json {
    let (mut schema, doc) = match &key.state {
        State::Later => (json!({ "not": {} }), format!("{} Not built yet in this version.", key.doc)),
        State::Required | State::Optional(_) => (kind(&key.kind), key.doc.to_owned()),
    };
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".into(), json!(doc));
        let default = match key.state {
            State::Optional(Some(text)) => text.parse::<toml::Value>().ok().and_then(|v| serde_json::to_value(v).ok()),
            _ => None,
        };
        if let Some(default) = default {
            object.insert("default".into(), default);
        }
    }
    schema
}

fn kind(kind_of: &Kind) -> Json {
    match kind_of {
        Kind::Text => json!({ "type": "string" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::False => json!({ "const": false }),
        Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Duration => json!({
            "type": "string",
            "pattern": r"^\s*([0-9]+\s*[a-z]+\s*)+$",
            "examples": ["90s", "10m", "1h30m", "7d"],
        }),
        Kind::Amount { min } => json!({
            "oneOf": [
                { "type": "integer", "minimum": min },
                { "type": "string", "pattern": "^[0-9]+%?$", "examples": ["10%"] },
            ],
        }),
        Kind::Word(words, _) => json!({ "enum": words }),
        Kind::List(of) => json!({ "type": "array", "items": kind(of) }),
        Kind::Table(def) => table(def),
        Kind::Map(of) => json!({ "type": "object", "additionalProperties": kind(of) }),
        Kind::Any => json!({}),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
    }
}
