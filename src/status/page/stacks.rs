//! The page with the stacks of one worker.

use serde_json::Value;

use super::html::{escaped, filled};
use super::template;
use super::units::duration;

/// The page of the worker with this process id. `answer` is what the worker has
/// said: `threads`, `tasks` and `greenlets`, each with a `name`, the `request` that it
/// serves and its `frames`; or an `error`.
pub fn stacks(pid: i32, answer: &Value) -> String {
    let values = [("pid", pid.to_string()), ("stacks", content(answer))];
    filled(template("stacks.html"), &values)
}

fn content(answer: &Value) -> String {
    if let Some(error) = answer["error"].as_str() {
        return paragraph(error);
    }
    let groups = ["threads", "tasks", "greenlets"].map(|group| answer[group].as_array());
    let kinds = ["Thread", "Task", "Greenlet"];
    let stacks = kinds.into_iter().zip(groups);
    let mut stacks: Vec<_> = stacks
        .flat_map(|(kind, group)| group.into_iter().flatten().map(move |it| (kind, it)))
        .collect();
    if stacks.is_empty() {
        return match answer["text"].as_str() {
            Some(text) => format!("<pre tabindex=\"0\">{}</pre>\n", escaped(text)),
            None => paragraph("The worker has not answered."),
        };
    }
    // Those that serve a request first, the slowest before the others.
    stacks.sort_by(|(_, one), (_, other)| age(other).total_cmp(&age(one)));
    let mut content = String::new();
    if answer["complete"] == false {
        content += &paragraph(
            "C code does not release the GIL: there are only threads, and no source lines.",
        );
    }
    content.extend(stacks.into_iter().map(|(kind, stack)| one(kind, stack)));
    content
}

/// The age of the request that a stack serves; below zero for none.
fn age(stack: &Value) -> f64 {
    stack["request"]["age"].as_f64().unwrap_or(-1.0)
}

fn one(kind: &str, stack: &Value) -> String {
    let name = text(&stack["name"]);
    let request = match &stack["request"] {
        Value::Null => String::new(),
        request => {
            let line = format!("{} {}", text(&request["method"]), text(&request["target"]));
            let id = match text(&request["id"]) {
                id if id.is_empty() => id,
                id => format!(" [{id}]"),
            };
            let age = duration(request["age"].as_f64().unwrap_or_default());
            // A task of ASGI has its name from the request.
            let line = if line == name { "Serving" } else { &line };
            format!(
                "<p><bdi class=\"mono\">{}{}</bdi> for {age}</p>",
                escaped(line),
                escaped(&id)
            )
        }
    };
    let awaiting = match text(&stack["awaiting"]) {
        awaiting if awaiting.is_empty() => String::new(),
        awaiting => format!("<p>Waits in <bdi>{}</bdi></p>", escaped(&awaiting)),
    };
    let frames = stack["frames"].as_array().into_iter().flatten();
    let frames: String = frames.map(frame).collect();
    let frames = match frames.is_empty() {
        true => "<p class=\"quiet\">It runs no Python.</p>".to_owned(),
        false => format!("<ol class=\"frames\">{frames}</ol>"),
    };
    format!(
        "<section class=\"stack\"><h2>{kind} <bdi>{}</bdi></h2>{request}{awaiting}{frames}\
         </section>\n",
        escaped(&name)
    )
}

fn frame(frame: &Value) -> String {
    let source = match text(&frame["source"]) {
        source if source.is_empty() => source,
        source => format!("<br><code><bdi>{}</bdi></code>", escaped(source.trim())),
    };
    format!(
        "<li><bdi>{}</bdi> <span class=\"quiet\"><bdi>{}</bdi>:{}</span>{source}</li>",
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
