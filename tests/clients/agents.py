"""Two resource types of a draft about agents, as a workspace registers its own: from the schemas
that scim-sanity holds them to.
"""

import json
import tempfile

from scim_sanity.schemas import CORE_AGENT_SCHEMA, CORE_AGENTIC_APPLICATION_SCHEMA


def register(gatehouse, directory):
    schemas = (CORE_AGENT_SCHEMA, CORE_AGENTIC_APPLICATION_SCHEMA)
    documents = [document for schema in schemas for document in resource_type(schema)]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(documents, file)
        file.flush()
        gatehouse.command("schema", "add", "--workspace", directory.workspace, file.name)


def resource_type(schema):
    """A schema, less what every resource has, and the resource type that it describes."""
    common = ("id", "externalId", "meta")
    own = [attribute for attribute in schema["attributes"] if attribute["name"] not in common]
    yield {**schema, "attributes": own}
    yield {"name": schema["name"], "endpoint": f"/{schema['name']}s", "schema": schema["id"]}
