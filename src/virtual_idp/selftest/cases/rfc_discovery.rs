//! Discovery (RFC 7643 sections 5 to 7, RFC 7644 section 4).

use serde_json::Value;

use super::cases;
use crate::virtual_idp::selftest::reply::{Checked, ensure, has_schema};

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";

/// One attribute says of itself what RFC 7643 section 7 asks for.
fn is_described(attribute: &Value, at: &str) -> Checked {
    let name = attribute["name"].as_str().unwrap_or_default();
    let at = format!("{at}/{name}");
    ensure(!name.is_empty(), format!("expected a name at {at}"))?;
    let kinds = [
        "string",
        "boolean",
        "decimal",
        "integer",
        "dateTime",
        "reference",
        "complex",
        "binary",
    ];
    let choices: [(&str, &[&str]); 4] = [
        ("type", &kinds),
        (
            "mutability",
            &["readOnly", "readWrite", "immutable", "writeOnly"],
        ),
        ("returned", &["always", "never", "default", "request"]),
        ("uniqueness", &["none", "server", "global"]),
    ];
    for (key, allowed) in choices {
        // Only the type has no default.
        let value = attribute[key].as_str();
        let is_fine = match value {
            Some(value) => allowed.contains(&value),
            None => key != "type" && attribute[key].is_null(),
        };
        ensure(
            is_fine,
            format!("expected {key} of {at} to be one of {}", allowed.join(", ")),
        )?;
    }
    ensure(
        attribute["multiValued"].is_boolean(),
        format!("expected multiValued of {at}"),
    )?;
    if attribute["type"] == "complex" {
        let parts = attribute["subAttributes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        ensure(!parts.is_empty(), format!("expected subAttributes of {at}"))?;
        for part in &parts {
            is_described(part, &at)?;
        }
    }
    Ok(())
}

cases! {
    "7643-5" [Rfc] "ServiceProviderConfig is a resource of its schema" |s| {
        let reply = s.get("/ServiceProviderConfig").await?.is(&[200])?;
        ensure(has_schema(&reply.body, CONFIG), format!("expected the schema {CONFIG}"))?;
    }
    "7643-6a" [Rfc] "resource types have name, endpoint and schema" |s| {
        let list = s.get("/ResourceTypes").await?.list()?;
        for kind in &list.resources {
            let is_whole = ["name", "endpoint", "schema"].iter().all(|key| kind[*key].is_string());
            ensure(is_whole && has_schema(kind, TYPE), "expected name, endpoint and schema")?;
        }
        let has_users = list.resources.iter().any(|kind| kind["endpoint"] == "/Users");
        ensure(has_users, "expected the endpoint /Users")?;
    }
    "7643-6b" [Rfc] "the schemas that resource types name are listed" |s| {
        let types = s.get("/ResourceTypes").await?.list()?;
        let schemas = s.get("/Schemas").await?.list()?;
        let ids = schemas.ids();
        for kind in &types.resources {
            let extensions = kind["schemaExtensions"].as_array().cloned().unwrap_or_default();
            let extended = extensions.iter().map(|extension| &extension["schema"]);
            for urn in std::iter::once(&kind["schema"]).chain(extended) {
                let urn = urn.as_str().unwrap_or_default();
                ensure(ids.iter().any(|id| id == urn), format!("expected {urn} in /Schemas"))?;
            }
        }
    }
    "7643-7" [Rfc] "schemas describe every attribute" |s| {
        for schema in &s.get("/Schemas").await?.list()?.resources {
            let id = schema["id"].as_str().unwrap_or_default();
            let attributes = schema["attributes"].as_array().cloned().unwrap_or_default();
            ensure(!attributes.is_empty(), format!("expected attributes of {id}"))?;
            for attribute in &attributes {
                is_described(attribute, id)?;
            }
        }
    }
    "7644-4a" [Rfc] "a filter on a discovery document is refused with 403" |s| {
        for path in ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"] {
            let filter = s.encoded("name eq \"User\"");
            let reply = s.get(format!("{path}?filter={filter}")).await?;
            // RFC 7644 section 4: SHOULD answer 403; ignoring it is the other thing seen.
            if path != "/ServiceProviderConfig" || reply.status != 200 {
                reply.refused(&[403])?;
            }
        }
    }
    "7644-4b" [Rfc] "unknown schemas and resource types are a 404" |s| {
        s.get("/Schemas/urn:selftest:unknown").await?.refused(&[404])?;
        s.get("/ResourceTypes/Selftest").await?.refused(&[404])?;
    }
}
