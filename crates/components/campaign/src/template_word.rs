//! `naru template …`: texts into the store, so that Git can stay their source.

use std::collections::BTreeMap;
use std::path::Path;

use naru_component::answer::Answer;
use naru_component::ctx::Ctx;
use naru_component::word::Call;
use naru_core::clock::seoul;
use naru_core::failure::Failure;
use naru_dispatch::engine::Dispatch;
use naru_dispatch::template::{Template, TemplateText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Files of one folder.
const FILES_MAX: usize = 5_000;
/// Bytes of one file: a text of any channel fits many times over.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Load templates from a folder of TOML files
///
/// Each file is one template: channel, purpose (auth, info or ad), body, and subject and long where they apply. Its id
/// is the file's name unless it has a key `id`. Where the text has changed a new version is made; where it has not,
/// nothing happens, so that this can run on every commit. If any file is wrong, nothing is loaded.
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PushArgs {
    /// The folder, or one file
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    #[arg(required = true)]
    dir: Option<String>,
    /// The files
    #[arg(skip)]
    #[serde(default)]
    files: Vec<TemplateFile>,
}

/// One file of templates, as it came along.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TemplateFile {
    /// Its name, which is the template's id where the text has none
    name: String,
    /// What it holds
    text: String,
}

/// List the templates in their newest versions
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListArgs {}

/// Show one template
#[derive(clap::Args, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ShowArgs {
    /// Its id
    template: String,
    /// An older version
    #[arg(long, value_name = "N")]
    #[serde(default)]
    version: Option<u32>,
}

/// Reads the files where they are named: no path of a caller means anything on the machine that runs naru.
pub fn bring(args: Value) -> Result<Value, Failure> {
    let args: PushArgs = serde_json::from_value(args).map_err(Failure::bug)?;
    let files = read_folder(Path::new(args.dir.as_deref().unwrap_or_default()))?;
    serde_json::to_value(PushArgs { dir: None, files }).map_err(Failure::bug)
}

/// Loads.
pub async fn push(ctx: Ctx, call: Call<PushArgs>) -> Result<Answer, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    if call.args.dir.is_some() || call.args.files.is_empty() {
        return Err(Failure::usage("template-files-missing"));
    }
    // All are checked before the first is stored.
    let mut names = BTreeMap::new();
    let mut texts = Vec::with_capacity(call.args.files.len());
    for file in &call.args.files {
        let text = read_text(file)?;
        Template::new(text.clone(), 1)?;
        if let Some(other) = names.insert(text.id.clone(), &file.name) {
            let failure = Failure::refused("template-twice").arg("template", &text.id);
            return Err(failure.arg("one", other).arg("other", &file.name));
        }
        texts.push(text);
    }
    let mut rows = Vec::with_capacity(texts.len());
    let mut data = Vec::with_capacity(texts.len());
    for text in texts {
        let id = text.id.clone();
        let (version, new) = dispatch.templates().push(text, &call.actor.name, ctx.clock().now_ms()).await?;
        let what = if new { "template-pushed" } else { "template-unchanged" };
        rows.push(vec![id.clone(), version.to_string(), ctx.say(call.lang, what, &[])]);
        data.push(json!({ "id": id, "version": version, "changed": new }));
    }
    let columns = ["id", "version", "change"].map(|name| ctx.say(call.lang, &format!("template-column-{name}"), &[]));
    Ok(Answer::data(data)?.table(columns.to_vec(), rows))
}

/// Lists.
pub async fn list(ctx: Ctx, call: Call<ListArgs>) -> Result<Answer, Failure> {
    let templates = ctx.need::<Dispatch>()?.templates().list().await?;
    if templates.is_empty() {
        return Ok(Answer::data(&templates)?.line(ctx.say(call.lang, "template-none", &[])));
    }
    let rows = templates.iter().map(|row| {
        vec![
            row.text.id.clone(),
            row.version.to_string(),
            row.text.channel.to_string(),
            row.text.purpose.to_string(),
            seoul(row.pushed_at),
        ]
    });
    let columns = ["id", "version", "channel", "purpose", "pushed"];
    let columns = columns.map(|name| ctx.say(call.lang, &format!("template-column-{name}"), &[])).to_vec();
    Ok(Answer::data(&templates)?.table(columns, rows.collect()))
}

/// Shows one.
pub async fn show(ctx: Ctx, call: Call<ShowArgs>) -> Result<Answer, Failure> {
    let dispatch = ctx.need::<Dispatch>()?;
    let template = match call.args.version {
        Some(version) => dispatch.templates().version(&call.args.template, version).await?,
        None => dispatch.templates().newest(&call.args.template).await?,
    };
    let text = &template.text;
    let say = |key: &str| ctx.say(call.lang, key, &[]);
    let mut fields = vec![
        (say("field-template"), format!("{} v{}", text.id, template.version)),
        (say("field-channel"), text.channel.to_string()),
        (say("field-purpose"), text.purpose.to_string()),
        (say("field-variables"), template.variables.join(", ")),
    ];
    fields.extend(text.subject.clone().map(|subject| (say("field-subject"), subject)));
    fields.push((say("field-text"), text.body.clone()));
    let data = json!({ "text": text, "version": template.version, "variables": template.variables });
    Ok(Answer::data(data)?.fields(fields))
}

fn read_folder(dir: &Path) -> Result<Vec<TemplateFile>, Failure> {
    let unreadable =
        |error: std::io::Error| Failure::refused("template-folder").arg("path", dir.display()).cause(&error);
    let mut paths = Vec::new();
    if dir.is_file() {
        paths.push(dir.to_owned());
    } else {
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                paths.push(path);
            }
            if paths.len() > FILES_MAX {
                return Err(Failure::refused("template-files").arg("max", FILES_MAX));
            }
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::refused("template-folder-empty").arg("path", dir.display()));
    }
    paths.iter().map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Result<TemplateFile, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let size = std::fs::metadata(path).map_err(|error| wrong(&name, error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(&name, format!("{size} bytes, at most {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&name, error))?;
    Ok(TemplateFile { name, text })
}

fn read_text(file: &TemplateFile) -> Result<TemplateText, Failure> {
    let mut table: toml::Table = toml::from_str(&file.text).map_err(|error| wrong(&file.name, error))?;
    if !table.contains_key("id") {
        let id = Path::new(&file.name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        table.insert("id".to_owned(), toml::Value::String(id));
    }
    table.try_into().map_err(|error: toml::de::Error| wrong(&file.name, error))
}

fn wrong(name: &str, why: impl std::fmt::Display) -> Failure {
    Failure::refused("template-file").arg("path", name).cause_text(why.to_string())
}
