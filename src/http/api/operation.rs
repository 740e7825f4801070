//! What a route does, as its document says it: one entry for each method of
//! [`ROUTES`](super::ROUTES), beside its handler.
//!
//! An entry names what only the handler knows: the body that it takes, what it answers and which
//! refusals are its own. Whatever holds for every route (the permission, parameters of the path,
//! refusals of keys, quotas and sizes) is added by [`super::openapi`] out of the table of routes.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::page::{Items, MOST, USUAL};

/// Makes the schema of a type.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one route.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// The path below `/api/v1`, as [`super::ROUTES`] has it.
    pub(super) path: &'static str,
    /// What it does, in a line.
    pub(super) summary: &'static str,
    /// What else there is to know.
    pub(super) description: Option<&'static str>,
    /// Parameters of the query, and headers.
    pub(super) parameters: Vec<Value>,
    /// The JSON that it takes.
    pub(super) body: Option<SchemaOf>,
    /// Media types of text that it takes as well.
    pub(super) texts: Vec<&'static str>,
    /// What it answers when it does not refuse.
    pub(super) answers: Vec<Answer>,
    /// What it refuses beside what every route does.
    pub(super) refusals: Vec<(u16, &'static str)>,
    /// What a stale plan differs by, where it applies one.
    pub(super) difference: Option<SchemaOf>,
}

/// An answer that is no refusal.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) description: &'static str,
    /// The JSON of it, where there is any.
    pub(super) body: Option<SchemaOf>,
    /// Media types of text that it may be instead.
    pub(super) texts: Vec<&'static str>,
    /// Whether it carries the version as `ETag`.
    pub(super) is_tagged: bool,
}

impl Operation {
    /// An operation without body, parameters and answers so far.
    pub(super) fn new(method: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            summary,
            description: None,
            parameters: Vec::new(),
            body: None,
            texts: Vec::new(),
            answers: Vec::new(),
            refusals: Vec::new(),
            difference: None,
        }
    }

    /// Says what else there is to know.
    pub(super) fn note(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Takes a JSON body.
    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Takes a text of that media type as well.
    pub(super) fn takes_text(mut self, media: &'static str) -> Self {
        self.texts.push(media);
        self
    }

    /// The last answer may be a text of that media type instead.
    pub(super) fn in_media(mut self, media: &'static str) -> Self {
        if let Some(last) = self.answers.last_mut() {
            last.texts.push(media);
        }
        self
    }

    /// Answers JSON.
    pub(super) fn gives<T: JsonSchema>(self, status: u16, description: &'static str) -> Self {
        self.answer(
            status,
            description,
            Some(SchemaGenerator::subschema_for::<T>),
        )
    }

    /// Answers nothing but that it is done.
    pub(super) fn gives_nothing(self, description: &'static str) -> Self {
        self.answer(204, description, None)
    }

    /// Answers a page of a list, by `limit` and `cursor`.
    pub(super) fn gives_page<T: JsonSchema>(self) -> Self {
        let limit = json!({
            "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL,
        });
        let cursor = json!({"type": "string", "minLength": 1});
        self.query("limit", "How many items a page has at most.", limit)
            .query(
                "cursor",
                "The `next_cursor` of the page before, of this very list.",
                cursor,
            )
            .gives::<Items<T>>(200, "A page of the list.")
    }

    /// The last answer is of another shape.
    pub(super) fn instead<T: JsonSchema>(mut self) -> Self {
        if let Some(last) = self.answers.last_mut() {
            last.body = Some(SchemaGenerator::subschema_for::<T>);
        }
        self
    }

    /// Takes a parameter of the query.
    pub(super) fn query(
        mut self,
        name: &'static str,
        description: &'static str,
        schema: Value,
    ) -> Self {
        let mut parameter = json!({"name": name, "in": "query", "description": description});
        parameter["schema"] = schema;
        self.parameters.push(parameter);
        self
    }

    /// The last answer carries the version as `ETag`, and a reader that has it is told so.
    pub(super) fn read_by_version(mut self) -> Self {
        self = self.header(
            "If-None-Match",
            "The version that the reader has: 304 while it is the one.",
        );
        self.tagged()
            .answer(304, "The reader has it already.", None)
    }

    /// Changes a version that the caller names, if it names one.
    pub(super) fn changed_by_version(self) -> Self {
        self.header(
            "If-Match",
            "The version that is to be changed: 412 where it is another.",
        )
        .refuses(412, "It is at another version than `If-Match` names.")
    }

    /// The last answer carries the version as `ETag`.
    pub(super) fn tagged(mut self) -> Self {
        if let Some(last) = self.answers.last_mut() {
            last.is_tagged = true;
        }
        self
    }

    /// Takes a header.
    pub(super) fn header(mut self, name: &'static str, description: &'static str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "description": description, "schema": {"type": "string"},
        }));
        self
    }

    /// Refuses something that other routes do not.
    pub(super) fn refuses(mut self, status: u16, description: &'static str) -> Self {
        self.refusals.push((status, description));
        self
    }

    /// Refuses a plan that would do something else by now, and tells what as `difference`.
    pub(super) fn refuses_stale<T: JsonSchema>(mut self, description: &'static str) -> Self {
        self.difference = Some(SchemaGenerator::subschema_for::<T>);
        self.refuses(409, description)
    }

    fn answer(mut self, status: u16, description: &'static str, body: Option<SchemaOf>) -> Self {
        self.answers.push(Answer {
            status,
            description,
            body,
            texts: Vec::new(),
            is_tagged: false,
        });
        self
    }
}
