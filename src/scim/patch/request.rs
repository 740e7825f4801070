//! Reading the body of a PATCH request.

use serde_json::{Map, Value};

use super::{
    Document, OPERATIONS, Op, Operation, PatchPath, PatchRequest, Place, bad_path, no_target,
};
use crate::error::{Error, Invalid, Result};
use crate::scim::filter::Selection;
use crate::scim::path::{AttributePath, LIMIT};

/// Reads a PATCH body. Names of keys and operations match whatever their letter case, further keys
/// are ignored, no operation at all is fine.
///
/// ```
/// use gatehouse::scim::{patch, resource::Strictness, schema};
/// use serde_json::json;
///
/// let request = patch::parse(json!({
///     "Operations": [{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@b.c"}],
/// }))?;
/// let mut document = json!({"userName": "ada"}).as_object().unwrap().clone();
/// patch::apply(schema::user(), &request, &mut document, "id", Strictness::Lenient)?;
/// assert_eq!(document["emails"], json!([{"type": "work", "value": "a@b.c"}]));
/// # Ok::<(), gatehouse::error::Error>(())
/// ```
pub fn parse(body: Value) -> Result<PatchRequest> {
    let Value::Object(mut body) = body else {
        return Err(syntax(EXPECTED));
    };
    let operations = match take(&mut body, "operations") {
        Some(Value::Array(operations)) => operations,
        None => return of_version_1(body),
        Some(_) => return Err(syntax(EXPECTED)),
    };
    if operations.len() > OPERATIONS {
        return Err(Error::value("Operations: expected at most 2000 operations"));
    }
    let operations = operations
        .into_iter()
        .map(operation)
        .collect::<Result<_>>()?;
    Ok(PatchRequest { operations })
}

const EXPECTED: &str = "expected an object with a list of Operations";

/// The PATCH of SCIM 1.1 as `OneLogin` sends it to groups: no operations, but the members, each with
/// the word `delete` where it goes. Other attributes are replaced.
fn of_version_1(mut body: Document) -> Result<PatchRequest> {
    let Some(Value::Array(items)) = take(&mut body, "members") else {
        return Err(syntax(EXPECTED));
    };
    body.retain(|name, _| !name.eq_ignore_ascii_case("schemas"));
    let mut operations = Vec::new();
    if !body.is_empty() {
        operations.push(Operation {
            op: Op::Replace,
            path: None,
            value: Some(Value::Object(body)),
        });
    }
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for mut item in items {
        let word = item
            .as_object_mut()
            .and_then(|item| take(item, "operation"));
        let word = word.as_ref().map_or(Some("add"), Value::as_str);
        match word.map(str::to_ascii_lowercase).as_deref() {
            Some("add") => new.push(item),
            Some("delete") => gone.push(item),
            _ => return Err(syntax("members: expected the operation add or delete")),
        }
    }
    for (op, items) in [(Op::Remove, gone), (Op::Add, new)] {
        operations.push(Operation {
            op,
            path: Some(PatchPath::parse("members")?),
            value: Some(Value::Array(items)),
        });
    }
    Ok(PatchRequest { operations })
}

fn operation(item: Value) -> Result<Operation> {
    let Value::Object(mut item) = item else {
        return Err(syntax("Operations: expected objects"));
    };
    let op = match take(&mut item, "op") {
        Some(Value::String(name)) => op(&name),
        _ => None,
    };
    let op = op.ok_or_else(|| syntax("op: expected add, replace or remove"))?;
    let path = match take(&mut item, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(PatchPath::parse(&text)?),
        Some(_) => return Err(bad_path("path: expected text")),
    };
    let value = take(&mut item, "value");
    check(op, path.as_ref(), value.as_ref())?;
    Ok(Operation { op, path, value })
}

/// What an operation must have (RFC 7644 sections 3.5.2.1 to 3.5.2.3).
fn check(op: Op, path: Option<&PatchPath>, value: Option<&Value>) -> Result<()> {
    // `add members[value eq "id"]` says everything by its path.
    let is_selection = matches!(path, Some(PatchPath(Place::Selection(_))));
    match (op, path, value) {
        (_, None, Some(Value::Object(_))) | (Op::Remove, Some(_), _) | (_, Some(_), Some(_)) => {
            Ok(())
        }
        (Op::Add, Some(_), None) if is_selection => Ok(()),
        (Op::Remove, None, _) => Err(no_target("remove: expected a path")),
        (_, Some(_), None) => Err(Error::value("value: expected a value")),
        (_, None, _) => Err(Error::value(
            "value: expected an object where there is no path",
        )),
    }
}

impl PatchPath {
    /// Reads `attribute`, `attribute.sub`, `attribute[filter]` or `attribute[filter].sub`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > LIMIT {
            return Err(bad_path("expected a path of at most 512 bytes"));
        }
        if text.contains('[') {
            let selection = Selection::parse(text).map_err(bad_path)?;
            return Ok(Self(Place::Selection(selection)));
        }
        Ok(Self(Place::Attribute(AttributePath::parse(text)?)))
    }

    /// The part behind the filter.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        match &self.0 {
            Place::Attribute(_) => None,
            Place::Selection(selection) => selection.sub.as_deref(),
        }
    }

    /// The attribute without its filter.
    #[must_use]
    pub fn attribute(&self) -> &AttributePath {
        match &self.0 {
            Place::Attribute(path) => path,
            Place::Selection(selection) => &selection.path,
        }
    }
}

fn op(name: &str) -> Option<Op> {
    let known = [
        ("add", Op::Add),
        ("replace", Op::Replace),
        ("remove", Op::Remove),
    ];
    known
        .into_iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(name))
        .map(|(_, op)| op)
}

fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = object
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))?
        .clone();
    object.remove(&key)
}

fn syntax(detail: &str) -> Error {
    Error::invalid(Invalid::Syntax, detail)
}
