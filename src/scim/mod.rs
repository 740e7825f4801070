//! SCIM 2.0 as data and pure functions: schemas, filters, paths, PATCH, projection, messages.
