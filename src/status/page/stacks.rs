//! The page with the stacks of one worker.

use serde_json::Value;

use super::html::{escaped, filled};
use super::template;

/// The page of the worker with this process id. `answer` is what the worker has
/// said: `threads`, `tasks` and `greenlets`, each with a `name`, the `request` that it
/// serves and its `frames`, or `text`; or an `error`.
pub fn stacks(pid: i32, answer: &Value) -> String {
    let values = [("pid", pid.to_string()), ("stacks", content(answer))];
    filled(template("stacks.html"), &values)
}

fn content(answer: &Value) -> String {
    if let Some(error) = answer["error"].as_str() {
        return paragraph(error);
    }
    let groups = [
        ("Thread", &answer["threads"]),
        ("Task", &answer["tasks"]),
        ("Greenlet", &answer["greenlets"]),
    ];
    let mut content = String::new();
    for (kind, group) in groups {
        for stack in group.as_array().into_iter().flatten() {
            content += &one(kind, stack);
        }
    }
    if !content.is_empty() {
        return content;
    }
    match answer["text"].as_str() {
        Some(text) => format!("<pre tabindex=\"0\">{}</pre>\n", escaped(text)),
        None => paragraph("The worker has not answered."),
    }
}

fn one(kind: &str, stack: &Value) -> String {
    let name = text(&stack["name"]);
    let request = match text(&stack["request"]) {
        request if request.is_empty() => String::new(),
        request => format!("<p class=\"mono\"><bdi>{}</bdi></p>", escaped(&request)),
    };
    let frames = stack["frames"].as_array().into_iter().flatten();
    let frames: String = frames.map(frame).collect();
    let frames = match frames.is_empty() {
        true => "<p class=\"quiet\">It runs no Python.</p>".to_owned(),
        false => format!("<ol class=\"frames\">{frames}</ol>"),
    };
    format!(
        "<section class=\"stack\"><h2>{kind} <bdi>{}</bdi></h2>{request}{frames}</section>\n",
        escaped(&name)
    )
}

fn frame(frame: &Value) -> String {
    format!(
        "<li><bdi>{}</bdi> <span class=\"quiet\"><bdi>{}</bdi>:{}</span></li>",
        escaped(&text(&frame["function"])),
        escaped(&text(&frame["file"])),
        escaped(&text(&frame["line"]))
    )
}

/// A text as it is, nothing as no text, and other data as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}
