//! `/v1/openapi.json`: every word described from the same list that parses and runs it (OpenAPI 3.1).

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use naru_component::word::Word;
use serde_json::{Map, Value, json};

use super::words::path;
use crate::house::House;

/// Serves the description. It is made once: words do not change while a process runs.
pub fn routes(house: &House) -> Router {
    let text = Bytes::from(describe(house.words()).to_string());
    Router::new().route(
        "/v1/openapi.json",
        get(move || {
            let text = text.clone();
            async move { ([(CONTENT_TYPE, "application/json")], text) }
        }),
    )
}

/// Describes `words`.
pub fn describe<'a>(words: impl Iterator<Item = &'a Word>) -> Value {
    let mut schemas = Map::from_iter([("Errors".to_owned(), errors())]);
    let paths: Map<String, Value> =
        words.map(|word| (path(word.path), json!({ "post": operation(word, &mut schemas) }))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "naru",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every word of the command line. Ask for `application/x-ndjson` to get progress, the view \
                for people and follow-ups as lines.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(word: &Word, schemas: &mut Map<String, Value>) -> Value {
    let about = word.command().get_about().map(ToString::to_string).unwrap_or_default();
    let args = hoisted(word, schemas);
    let mut operation = json!({
        "operationId": word.path.replace(' ', "-"),
        "summary": about,
        "description": format!("Needs the role `{}`.", word.role),
        "tags": [word.first()],
        "requestBody": { "content": { "application/json": { "schema": args } } },
        "responses": {
            "200": { "description": "Done", "content": { "application/json": {} } },
            "default": {
                "description": "Refused or failed",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Errors" } } },
            },
        },
    });
    if word.upload.is_some() {
        operation["parameters"] = json!([{
            "name": "args", "in": "query", "required": true,
            "description": "The arguments as JSON; the body is the file.",
            "content": { "application/json": { "schema": args } },
        }]);
        operation["requestBody"] = json!({ "content": { "application/octet-stream": {} } });
    }
    operation
}

/// The schema of a word's arguments, with what it defines inside moved to where an OpenAPI document keeps such parts.
fn hoisted(word: &Word, schemas: &mut Map<String, Value>) -> Value {
    let prefix = word.path.replace(' ', "-");
    let mut schema = word.schema();
    let own = schema.as_object_mut().map(|object| {
        object.remove("$schema");
        object.remove("$defs")
    });
    if let Some(Some(Value::Object(own))) = own {
        for (name, mut part) in own {
            point_to_components(&mut part, &prefix);
            schemas.insert(format!("{prefix}.{name}"), part);
        }
    }
    point_to_components(&mut schema, &prefix);
    schema
}

fn point_to_components(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(to)) = object.get_mut("$ref")
                && let Some(name) = to.strip_prefix("#/$defs/")
            {
                *to = format!("#/components/schemas/{prefix}.{name}");
            }
            object.values_mut().for_each(|inner| point_to_components(inner, prefix));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| point_to_components(inner, prefix)),
        _ => {}
    }
}

fn errors() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["errors"],
        "properties": { "errors": { "type": "array", "items": {
            "type": "object",
            "required": ["code", "detail"],
            "properties": { "code": text, "detail": text, "hint": text },
        } } },
    })
}

#[cfg(test)]
mod tests {
    use naru_component::answer::Answer;
    use naru_component::word::Call;
    use naru_web::role::Role;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    /// Cut wood
    #[derive(clap::Args, Serialize, Deserialize, JsonSchema)]
    struct Cut {
        /// Whose
        #[arg(long)]
        role: Option<RoleName>,
    }

    #[derive(Clone, Copy, clap::ValueEnum, Serialize, Deserialize, JsonSchema)]
    enum RoleName {
        A,
        B,
    }

    #[test]
    fn references_lead_somewhere() {
        let run = async |_, _: Call<Cut>| Ok(Answer::default());
        let words =
            [Word::new("wood cut", Role::Send, run), Word::new("wood file", Role::Send, run).with_upload("role")];
        let document = describe(words.iter());
        let cut = &document["paths"]["/v1/wood/cut"]["post"];
        assert_eq!(cut["summary"], "Cut wood");
        assert_eq!(cut["description"], "Needs the role `send`.");
        let text = document.to_string();
        let references: Vec<&str> =
            text.split("\"$ref\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(references.contains(&"#/components/schemas/wood-cut.RoleName"), "{references:?}");
        for reference in references {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference} leads nowhere");
        }
        let file = &document["paths"]["/v1/wood/file"]["post"];
        assert_eq!(file["parameters"][0]["name"], "args");
        assert_eq!(file["requestBody"]["content"]["application/octet-stream"], json!({}));
    }
}
